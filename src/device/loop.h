/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_LOOP_H
#define PRECARIUM_DEVICE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "device/gate.h"
#include "device/notify.h"
#include "device/polling.h"
#include "device/rates.h"
#include "store/store.h"

struct clock_kick;
struct device;
struct device_part;
struct loop_follower;
struct queue;
struct request;
struct virtq_request;
LIST_HEAD(clock_kicks, clock_kick);
LIST_HEAD(loop_followers, loop_follower);
LIST_HEAD(requests, request);
TAILQ_HEAD(queues, queue);
TAILQ_HEAD(devices, device);
TAILQ_HEAD(device_parts, device_part);
LIST_HEAD(lanes, lane);
TAILQ_HEAD(lane_line, lane);

/* What is called when a watched descriptor is ready.  It is embedded in the
 * object that it belongs to.  NULL: the event only wakes the loop. */
struct loop_source {
	void (*ready)(struct loop_source *source, uint32_t events);
};

/* What ends with the watch of a descriptor.  It is embedded in the object that
 * belongs to that. */
struct loop_follower {
	LIST_ENTRY(loop_follower) entry;
	int fd; /* -1: no longer watched */
	/* Called once, while no events are handed over. */
	void (*unwatched)(struct loop_follower *follower);
};

/* For rings without a kick, see kick.h. */
struct loop_clock {
	struct loop_source source;
	int fd; /* -1: none of them is there */
	struct clock_kicks kicks;
};

/* A loop's lane to one store, while devices of it use the store. */
struct lane {
	LIST_ENTRY(lane) entry;
	struct loop *loop;
	const struct store *store;
	struct store_lane *lane;
	uint32_t users;
	uint32_t in_flight;
	uint64_t capacity;	/* of the store, when it was last looked at */
	uint32_t moving;	/* loans, see loan.h */
	uint64_t owners;	/* bit by number: of devices that there are */
	TAILQ_ENTRY(lane) next; /* in the loop's line, see line.h */
	bool in_line;
	struct device_parts line;
	uint64_t turn;	   /* when the next three began */
	uint32_t devices;  /* that may still be served in it */
	uint32_t requests; /* begun in it */
	uint64_t bytes;
	struct rates *rates; /* of the export; NULL: none */
	/* While a device is served and its export is limited: what it begins,
	 * and how much of that is counted in flight. */
	bool limited;
	bool counts;
	uint32_t counted;
	uint64_t limited_bytes;
	bool throttled; /* in the loop's list, and not in its line */
	int64_t throttled_us;
	int64_t due_us;
	struct queues stalled; /* with a request it had no room for */
};

/*
 * What the devices of one thread share: its events, the lanes to their stores,
 * and the queues that wait for a turn (turn.h).  Only that thread uses it,
 * apart from `devices`.
 */
struct loop {
	int epoll_fd;
	int wake_fd; /* loop_wake */
	struct loop_source woken;
	struct loop_followers followers;
	struct loop_followers unwatched; /* to be told after these events */
	bool handing;			 /* events over */
	struct loop_clock clock;
	uint32_t devices; /* that share it, or will soon; atomic */
	struct notifier notifier;
	struct polling poll;
	struct lanes lanes;
	struct loop_source completions; /* of all lanes */
	bool completed; /* some lane's descriptor was readable */
	uint64_t turn;	/* counts them */
	uint32_t begun; /* requests of this turn */
	bool settling;	/* some device may have become quiet, or ended */
	bool told;	/* the same of another thread; atomic */
	struct gate_post post;
	/* Which device began a request last, when, and when another did. */
	const struct device_part *latest;
	uint64_t latest_ns, other_ns;
	/* The one in hand: on the stack its size would cost each request. */
	struct virtq_request *chain;
	struct devices waiting;	    /* to be started: start.h */
	struct lane_line line;	    /* of those that have something to serve */
	struct lane_line throttled; /* … and have to wait, see rates.h */
	struct queues served;	    /* to be notified at the end of the turn */
	struct requests spares;	    /* kept for reuse */
	uint32_t spare_count;
	struct device_parts guests; /* parts of devices of other loops */
};

/* False: errno tells why, *what names the resource, and nothing is left to
 * close. */
bool loop_open(struct loop *loop, enum polling_mode polling, const char **what);
/* No lane may be in use, and no source may outlive this. */
void loop_close(struct loop *loop);

/* Wait for events, at most so long (-1: for ever), and hand them to their
 * sources. */
void loop_take_events(struct loop *loop, int timeout_ms);

/* Let it begin another turn.  Any thread. */
void loop_wake(const struct loop *loop);
/* Let it settle after a turn.  Any other thread. */
void loop_tell(struct loop *loop);
/* Is it to settle now, for its own thread or another? */
bool loop_settles(struct loop *loop);

/* Watch `fd` for `events` of epoll, edge-triggered if they say so.  False:
 * errno. */
bool loop_watch(struct loop *loop, int fd, uint32_t events,
		struct loop_source *source);
/* Watch it for other events from now on. */
bool loop_watch_for(struct loop *loop, int fd, uint32_t events,
		    struct loop_source *source);
/* Events that were taken already are still handed over: the source must outlive
 * this round of events.  Nothing happens to one that is not watched. */
void loop_unwatch(struct loop *loop, int fd);
/* Tell the follower when `fd` is unwatched. */
void loop_follow(struct loop *loop, struct loop_follower *follower, int fd);

static inline uint32_t loop_devices(const struct loop *loop)
{
	return __atomic_load_n(&loop->devices, __ATOMIC_RELAXED);
}

/* The lane to a store: opened for its first user, closed after the last.  NULL:
 * *error says why. */
struct lane *lane_get(struct loop *loop, const struct store *store,
		      struct store_error *error);
void lane_put(struct loop *loop, struct lane *lane);

#endif
