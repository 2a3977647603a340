/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_DEVICE_H
#define PRECARIUM_DEVICE_DEVICE_H

#include "device/claim.h"
#include "device/client.h"
#include "device/dirty.h"
#include "device/inflight.h"
#include "device/iotlb.h"
#include "device/loop.h"
#include "device/memory.h"
#include "device/sparse.h"

/*
 * The block device of one client: the memory it lent, its queues, its requests
 * in flight and the logs it shares.  How the client says what it wants (a
 * vhost-user socket, for one) is the transport's business, which owns the
 * device, calls it, and is called by nothing in here.
 *
 *	SERVING <--the transport, while a request of the client waits until
 *	   |	   nothing is in flight--> PARKED
 *	   +--client gone, at fault, or its memory lost--> ENDING
 *	PARKED --likewise--> ENDING
 *
 * PARKED and ENDING fetch no new requests.  For a device that is ENDING nothing
 * is written, either: the transport aborts it when the turn ends, and closes it
 * when nothing is in flight any more.
 *
 * One thread uses a device, its loop's, which is also the only one that reads
 * its queues; unless parts_spread has given it parts on other loops.  Then the
 * thread of each part serves the queues of that.  The first one calls what is
 * below while it holds the gate and the others stand (gate.h), except for what
 * says that it may be called at any time.
 */
enum device_state { DEVICE_SERVING, DEVICE_PARKED, DEVICE_ENDING };

/* What happens to a client whose memory is found gone without notice. */
enum device_on_loss {
	DEVICE_LOSS_FAIL, /* the request fails, or the queue stops */
	DEVICE_LOSS_END,  /* the device ends */
};

/* What is decided for all devices of one export.  Constant while there are any;
 * what it points to is borrowed. */
struct device_policy {
	const char *name;   /* of the disk, for log lines */
	const char *serial; /* for GET_ID; NULL: the name */
	const struct store *store;
	enum device_on_loss on_loss;
	uint32_t queues_max;
	uint64_t bytes_in_flight_max;
	struct memory_admission admission;
	struct share *regions; /* the export's; NULL: no limit */
	/* What its clients lent is given up on it; NULL: see release.h. */
	struct release_account *releases;
	/* Where its clients have their budgets; NULL: they have none. */
	struct sparse_list *sparse;
	struct rates *rates; /* the export's limits; NULL: none */
};

/* What a client may still fetch in one turn of its loop. */
struct device_turn {
	uint64_t bytes;
	uint32_t requests;
};

static inline bool device_turn_is_over(const struct device_turn *turn)
{
	return turn->requests == 0 || turn->bytes == 0;
}

/* What the log of requests in flight was made for. */
struct device_log_shape {
	uint32_t queues;
	uint32_t entries;
	bool packed;
};

/*
 * What is of one thread: the queues that it serves, and what they have in
 * flight.  Apart from messages, no request touches anything else but what
 * changes only when nothing is in flight.
 */
struct device_part {
	struct device *device;
	struct loop *loop;
	struct lane *lane;
	struct counters *counters;
	struct durations *durations;
	bool in_line;	     /* of its lane, see line.h */
	bool waits_for_room; /* its queues go on when some have ended */
	uint32_t in_flight;  /* requests, over its queues */
	uint32_t weight;     /* … as they count: see request_weight */
	uint32_t weight_max; /* of the export, when its turn began */
	uint64_t bytes_in_flight;
	uint64_t bytes_max;	       /* in flight */
	TAILQ_ENTRY(device_part) next; /* while `in_line` is set */
	struct queues line;
	struct device_turn turn;
	struct look look;		/* for its next request */
	struct notify_cost notify_cost; /* of what is not a call eventfd */
	struct queues queues;		/* that were used */
	uint64_t refused_seen;		/* by its budget, see sparse.h */
	TAILQ_ENTRY(device_part) guest; /* of its loop, unless it is home */
	struct device_part *other;	/* the next of its device; NULL: none */
};

struct device {
	struct device_part home;
	struct device_part *others; /* those after home: part_count - 1 */
	uint32_t part_count;
	bool news;	  /* something is to be settled; atomic */
	bool full_logged; /* that all is in flight that may be; atomic */
	const struct device_policy *policy;
	struct client_record *client;
	enum device_state state; /* atomic, as the next */
	const char *ended; /* why: static storage; NULL: it is not ENDING */
	bool cancelled;	   /* its requests were, so that they fail is no news */
	bool insisted;	   /* … by device_insist */
	bool has_owner;
	uint32_t owner;	 /* see store_loan */
	uint64_t pin_us; /* its messages waited so long for pins */

	uint64_t features; /* negotiated */
	uint64_t capacity; /* of the store, as its client has heard last */

	struct claim claim;
	TAILQ_ENTRY(device) waiting; /* while `waits` is set */
	bool waits;		     /* to be started, or with its errand */
	bool started;		     /* it may use the image: start.h; atomic */
	bool start_wanted;	     /* by another part; atomic */
	bool others_wait;	     /* for what has started */
	bool errand_due;
	bool errand_busy;
	struct store_io errand;
	/* Open for pipes beside the descriptors of its queues and logs. */
	uint32_t pipe_fds;
	struct memory *memory;
	/* What a message adds, or puts in its place, while it is lent on. */
	struct memory_region *arriving;
	struct memory *next_memory;
	struct iotlb *iotlb; /* NULL: the client's addresses are the guest's */
	struct memory_admission admission;
	struct sparse *sparse; /* NULL: what holes cost is not counted */
	struct inflight inflight;
	struct dirty dirty;
	/* Queues are made when they are first used. */
	uint32_t queue_count;
	struct queue **queue_table; /* by index; NULL: not used yet */
	struct queues queues;	    /* those that were */
	bool enables;		    /* queues from the start */
	struct device_log_shape log;
};

/*
 * A device without memory, its queues not set up.  NULL: it is open.  Else why
 * not, in static storage: what was made is closed by device_close all the same.
 * Everything that is passed outlives the device.
 */
const char *device_open(struct device *device, struct loop *loop,
			const struct device_policy *policy,
			struct client_record *client);
/* Any of its threads, at any time. */
static inline enum device_state device_state(const struct device *device)
{
	return __atomic_load_n(&device->state, __ATOMIC_RELAXED);
}

/* The device is to be settled: it may have become quiet, or has ended.  On the
 * thread of the part. */
static inline void part_tell(struct device_part *part)
{
	struct device *device = part->device;

	__atomic_store_n(&device->news, true, __ATOMIC_RELEASE);
	if (part == &device->home)
		part->loop->settling = true;
	else
		loop_tell(device->home.loop);
}

/* Is it?  Then that is to be done now.  On its first thread, at any time. */
static inline bool device_take_news(struct device *device)
{
	return __atomic_load_n(&device->news, __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(&device->news, false, __ATOMIC_ACQUIRE);
}

/* One of its eventfds takes long to signal: see notify.h. */
bool device_is_slow_to_notify(const struct device *device);
/* The same of one part, on the thread of that. */
bool part_is_slow_to_notify(const struct device_part *part);
/* It is ENDING, and was aborted.  True: nothing is in flight any more, and it
 * can be closed. */
bool device_has_ended(struct device *device);
/* Nothing may be in flight.  Not to be called while events are handed over. */
void device_close(struct device *device);

/* Its store has another capacity than its client has heard of. */
static inline bool device_has_new_size(const struct device *device)
{
	return device->capacity != store_capacity(device->policy->store);
}

/* Its client hears of it now. */
static inline void device_note_size(struct device *device)
{
	device->capacity = store_capacity(device->policy->store);
}

/* The queue `index`, below queue_count, which is made if it was not used
 * before.  NULL: no memory. */
struct queue *device_queue(struct device *device, uint32_t index);
/* Enable all queues, also those that are made later, until it is reset. */
void device_enable(struct device *device);

/*
 * Serve this client no more: until the turn ends nothing is fetched, begun or
 * written for it; then device_abort is due.  Other parts complete what they are
 * about to.  `why`: static storage, kept if it is the first.  On the thread of
 * the part, or of the first one, at any time.
 */
static inline void part_end(struct device_part *part, const char *why)
{
	struct device *device = part->device;
	const char *not_yet = NULL;

	if (__atomic_compare_exchange_n(&device->ended, &not_yet, why, false,
					__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		__atomic_store_n(&device->state, DEVICE_ENDING,
				 __ATOMIC_RELAXED);
	part_tell(part);
}

static inline void device_end(struct device *device, const char *why)
{
	part_end(&device->home, why);
}

/* SERVING: it is PARKED.  False: it has ended.  On its first thread, at any
 * time. */
bool device_park(struct device *device);

/* It is ENDING: drop what has not begun and cancel the rest, which is reaped
 * without touching the client's memory. */
void device_abort(struct device *device);

/* Quiesce: cancel requests where the store can; they fail. */
void device_cancel(struct device *device);
/* Likewise, whatever that takes, if the store can: then nothing stays in flight
 * for ever.  False: it cannot. */
bool device_insist(struct device *device);

/* PARKED or SERVING: it serves (again). */
void device_resume(struct device *device);

/* Stop all queues.  True: nothing is in flight, each has its base, and the
 * image is left to others. */
bool device_stop(struct device *device);
/* Likewise one.  False: it is not quiet yet, or, if it is the last, the image
 * cannot be left yet. */
bool device_stop_queue(struct device *device, struct queue *queue);

/* As after opening, but for the memory.  All queues were stopped. */
void device_reset(struct device *device);

/* No queue runs, and nothing is in flight. */
bool device_is_stopped(const struct device *device);

/* Does some queue wait to be set up again, because its client broke it? */
bool device_is_broken(const struct device *device);

/* Requests in flight. */
static inline uint32_t device_in_flight(const struct device *device)
{
	const struct device_part *part;
	uint32_t sum = 0;

	for (part = &device->home; part; part = part->other)
		sum += part->in_flight;
	return sum;
}

/* Bytes of the requests in flight, also of those that wait for room in the
 * store. */
uint64_t device_bytes_in_store(const struct device *device);

/* Features were negotiated; at any time. */
void device_set_features(struct device *device, uint64_t features);

/* The client's rings and descriptors have addresses that it translates, or
 * have not; what it had translated is forgotten.  Nothing may be in flight.
 * False: no memory. */
bool device_translate(struct device *device, bool translated);
/* The table of translations has changed. */
void device_retranslate(struct device *device);

/* By which the addresses in its rings and descriptors are found. */
static inline const struct prec_space *device_space(const struct device *device)
{
	return device->iotlb ? &device->iotlb->space : &device->memory->guest;
}

/* Why rings are not found there: one line, with what was expected. */
static inline const char *device_why_no_rings(const struct device *device)
{
	return device->iotlb ? iotlb_why_no_rings()
			     : memory_why_no_rings(device->memory);
}

/* The table of lent memory has changed.  Nothing may be in flight. */
void device_memory_changed(struct device *device);
/* The client has taken back so many regions. */
void device_count_revoked(struct device *device, uint32_t regions);
/* Lend these regions instead of those that were.  Nothing may be in flight. */
void device_set_memory(struct device *device, struct memory *memory);

/* May the descriptor be signalled for the log of writes?  See notifier_takes;
 * device_call_log takes it over, or -1: none. */
bool device_may_call_log(struct device *device, int fd);
void device_call_log(struct device *device, int fd);

/* Log requests in flight in this region, made for so many queues and entries;
 * NULL: do not log.  The device is stopped, and owns the region from now on. */
void device_log_inflight(struct device *device, struct memory_region *region,
			 uint32_t queues, uint32_t entries);

#endif
