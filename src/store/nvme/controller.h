/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_NVME_CONTROLLER_H
#define PRECARIUM_STORE_NVME_CONTROLLER_H

#include <pthread.h>

#include "store/nvme/identify.h"
#include "store/nvme/queue.h"

/*
 * A controller: its registers, and its admin queue.  Calls wait for it, no
 * longer than `admin_ms` for a command and what CAP.TO says for the rest.  Any
 * thread, unless a call says otherwise.
 */
struct nvme_controller {
	struct nvme_bus *bus;
	struct nvme_identity identity;
	struct nvme_namespace space;
	uint32_t depth;	  /* entries of each queue */
	uint32_t pairs;	  /* queue pairs that it has for us */
	int64_t admin_ms; /* how long a command may take */

	/* Private. */
	pthread_mutex_t mutex;
	struct nvme_queue admin;
	uint8_t *memory; /* the queues, and a page that is identified to */
	uint64_t address;
	uint32_t stride;     /* of doorbells, in bytes */
	uint32_t timeout_ms; /* to become ready, or cease to be */
	bool happened;	     /* it has reported an event, which is not taken */
	uint32_t event;
};

/* What nvme_controller_admin returns when there is no status. */
enum {
	NVME_LATE = -1, /* no completion in time */
	NVME_GONE = -2, /* the controller is not there any more */
};

/* Enable the controller and learn what it is, and what namespace `number` of it
 * is.  The controller's bus stays the caller's.  False: *error says why, and
 * the controller is disabled. */
bool nvme_controller_open(struct nvme_controller *controller,
			  struct nvme_bus *bus, uint32_t number,
			  struct store_error *error);

/* Let it write its caches to the medium, and disable it.  No command may be in
 * flight that anybody waits for. */
void nvme_controller_shut_down(const struct nvme_controller *controller);

/* Free the memory that it was told of; its bus is closed. */
void nvme_controller_close(struct nvme_controller *controller);

/* Carry out a command of the admin queue.  Its status, or NVME_LATE: then it
 * may still be carried out. */
int nvme_controller_admin(struct nvme_controller *controller,
			  const struct nvme_command *command, uint32_t *value);

/* Read the namespace again. */
bool nvme_controller_look(struct nvme_controller *controller,
			  struct nvme_namespace *space,
			  struct store_error *error);

/* Give the queues of a pair their doorbells and make them the controller's.
 * Both must be clear. */
bool nvme_controller_add(struct nvme_controller *controller,
			 struct nvme_queue *queue);

/* Take both queues away: when it returns true, the controller has ended all of
 * their commands and writes nothing more for them. */
bool nvme_controller_remove(struct nvme_controller *controller,
			    const struct nvme_queue *queue);

/* Ask it to end one command of a queue.  It need not. */
void nvme_controller_abort(struct nvme_controller *controller,
			   const struct nvme_queue *queue, uint32_t slot);

/* Disable and enable it: all queue pairs are gone then, and their commands have
 * ended.  False: it is not certain that they have. */
bool nvme_controller_restart(struct nvme_controller *controller,
			     struct store_error *error);

/* Take what it has reported since, and let it report more.  True: a namespace
 * has changed; read it again. */
bool nvme_controller_changed(struct nvme_controller *controller);

/* Is it there, and has not failed? */
bool nvme_controller_is_well(const struct nvme_controller *controller);

/* The monotonic clock. */
int64_t nvme_now_ms(void);
/* Signal an eventfd of ours.  Leaves errno alone. */
void nvme_signal(int fd);

#endif
