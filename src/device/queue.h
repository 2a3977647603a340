/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_QUEUE_H
#define PRECARIUM_DEVICE_QUEUE_H

#include <sys/queue.h>

#include "device/notify.h"
#include "device/device.h"
#include "device/request.h"
#include "virtio/vring.h"

/* Where the client says that a ring is. */
struct ring_addr {
	uint64_t descriptors; /* in the front-end's own address space */
	uint64_t used;
	uint64_t available;
	bool logged;  /* writes to the used ring are logged */
	uint64_t log; /* guest address of the used ring, if it is logged */
};

/*
 * One queue of one client.
 *
 * It is served while it is enabled, has its rings, has started since it was set
 * up, and its device is SERVING.  A ring starts at its first kick, or when all
 * that it needs is there (queue_look).  `base` is where it resumes when its
 * rings are attached.
 */
struct queue {
	struct loop_source kick;
	struct device *device;
	struct device_part *part;
	uint32_t index;
	int kick_fd; /* eventfds of the client, or -1 */
	int call_fd;
	struct notify_cost call_cost;
	int err_fd;
	bool enabled;
	bool started;
	bool broken;   /* the client broke the ring; until it is set up again */
	bool attached; /* virtq is set up from num, base and addr */
	bool has_addr;
	bool has_base;
	bool is_ready; /* in line */
	bool is_served;
	uint32_t slots_served; /* since maybe_notify */
	bool keep_polling;     /* it was empty, and is polled without a kick */
	bool untranslated;     /* it waits for a translation, see ahead.h */
	uint32_t rounds;       /* of that, for one request */
	uint64_t updates_seen; /* of the table, in the last of them */
	uint64_t found_ns;     /* its last turn with a request, see polling.h */
	uint32_t base; /* of a packed ring: for both sides (vhost-user.rst) */
	uint32_t num;
	struct ring_addr addr;

	struct inflight_queue inflight;
	struct requests requests;   /* in the store */
	struct request *stalled;    /* waits for room in the store */
	TAILQ_ENTRY(queue) entry;   /* of its device */
	TAILQ_ENTRY(queue) sibling; /* of its part */
	TAILQ_ENTRY(queue) ready;
	TAILQ_ENTRY(queue) served;
	TAILQ_ENTRY(queue) waiting; /* while stalled is set */
	struct virtq *virtq;	    /* NULL: it had no rings yet */
};

/* A queue of this part.  It must be zeroed. */
void queue_init(struct queue *queue, struct device_part *part, uint32_t index);
/* Nothing may be in flight. */
void queue_close(struct queue *queue);

/* Take over `fd`, an eventfd of the client or -1, in place of the old one. */
void queue_set_call(struct queue *queue, int fd);
void queue_set_err(struct queue *queue, int fd);
/* A queue that is not enabled fetches nothing. */
void queue_enable(struct queue *queue, bool enabled);

/* True if no request of it is in flight. */
bool queue_is_quiet(const struct queue *queue);

/* Steps of setting a queue up and of ending it, for setup.c and request.c. */
void queue_set_broken(struct queue *queue, bool broken);
void queue_drop_kick(struct queue *queue);
void queue_leave_lists(struct queue *queue);
/* Make room for the state of a ring of `num` entries.  False: no memory, and
 * nothing has changed. */
bool queue_make_virtq(struct queue *queue);

/* The negotiated features have changed, perhaps while the queue runs. */
void queue_features_changed(struct queue *queue);

/* Put the queue in line, if it may be served. */
void queue_ready(struct queue *queue);
/*
 * Something that the ring needs has come.  If all is there (size, addresses, a
 * kick, and it is enabled), look at the ring once, as if it had been kicked:
 * requests that were made available for another server, or before the machine
 * was saved, come without a kick.
 */
void queue_look(struct queue *queue);
/* Notify the client once, whatever it suppresses: the ring is served by another
 * server than before, or by another descriptor, and the last completion may be
 * stored and its notification lost. */
void queue_call(struct queue *queue);
/* Does it wait for a translation?  What is to be asked for then is the
 * transport's to send when the turn ends. */
void queue_wait_for_translation(struct queue *queue, bool waits);
/* The table of translations has changed: find the rings again, and continue. */
void queue_retranslate(struct queue *queue);
/* A request has ended: continue with this queue, and with the others of its
 * part if they waited for room. */
void queue_continue(struct queue *queue);
/* Ask the client to kick for the next request that it makes available.  False:
 * it could not be asked. */
bool queue_ask_for_kick(struct queue *queue);
/* Memory of the queue was found gone: count it, log it, and end the client if
 * that is the policy. */
void queue_lost(struct queue *queue, const char *what);
/* Likewise for the logs that the client shares, if one was found gone. */
void queue_check_logs(struct queue *queue);
/* The client broke the ring: stop serving this queue, and log why. */
void queue_break(struct queue *queue, const char *why);

#endif
