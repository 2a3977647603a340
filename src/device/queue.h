/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_QUEUE_H
#define PRECARIUM_DEVICE_QUEUE_H

#include <sys/queue.h>

#include "device/device.h"
#include "device/request.h"
#include "virtio/vring.h"

/* Where a client says that a ring is. */
struct ring_addr {
	uint64_t descriptors; /* in the front-end's own address space */
	uint64_t used;
	uint64_t available;
	bool logged;  /* what is written into the used ring is */
	uint64_t log; /* guest's address of the used ring, if it is logged */
};

/*
 * One queue of one client.
 *
 * It is served while it is enabled, was kicked since it was set up (a ring
 * starts at its first kick), has its rings, and its device is SERVING.
 * `base` is where it goes on when its rings are attached.
 */
struct queue {
	struct loop_source kick;
	struct device *device;
	uint32_t index;
	int kick_fd; /* eventfds of the client, or -1 */
	int call_fd;
	int err_fd;
	bool enabled;
	bool started;
	bool broken;   /* the client broke it; until it is set up again */
	bool attached; /* virtq is set up from num, base and addr */
	bool has_addr;
	bool has_base;
	bool is_ready; /* on the worker's list */
	bool is_served;
	uint32_t slots_served; /* since its wish to be called was read */
	bool keep_polling; /* it was empty, and is looked at again unasked */
	uint64_t found_ns; /* the turn of its last request, see polling.h */
	uint32_t base;	   /* of a packed ring both sides' (vhost-user.rst) */
	uint32_t num;
	struct ring_addr addr;

	struct inflight_queue inflight;
	struct requests requests; /* in the store */
	struct request *stalled;  /* the store had no room for it */
	TAILQ_ENTRY(queue) ready;
	TAILQ_ENTRY(queue) served;
	TAILQ_ENTRY(queue) waiting; /* while stalled is set */
	struct virtq virtq;
};

/* All zeroes before. */
void queue_init(struct queue *queue, struct device *device, uint32_t index);
/* Nothing may be in flight. */
void queue_close(struct queue *queue);

/* Replace the descriptor, an eventfd of the client or -1. */
void queue_set_call(struct queue *queue, int fd);
void queue_set_err(struct queue *queue, int fd);
/* Fetch nothing unless enabled. */
void queue_enable(struct queue *queue, bool enabled);

/* Is nothing of it in flight? */
bool queue_is_quiet(const struct queue *queue);

/* The steps of setting up and ending, for the files that do. */
void queue_set_broken(struct queue *queue, bool broken);
void queue_drop_kick(struct queue *queue);
void queue_leave_lists(struct queue *queue);

/* Other features were negotiated, perhaps while it runs. */
void queue_features_changed(struct queue *queue);

/* Put it in line, if it may be served. */
void queue_ready(struct queue *queue);
/* A request of it has ended: it goes on, and so do the others of the client
 * if they waited for that. */
void queue_continue(struct queue *queue);
/* Have the next request that is made available come with a kick.  False: the
 * client was not asked. */
bool queue_ask_for_kick(struct queue *queue);
/* Its memory was found gone: counted, told, and the client ended if that is
 * the policy. */
void queue_lost(struct queue *queue, const char *what);
/* Likewise the logs it shares, if one was found gone. */
void queue_check_logs(struct queue *queue);
/* The client broke the ring: no more of this queue. */
void queue_break(struct queue *queue, const char *why);

#endif
