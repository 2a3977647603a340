/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_CONNECTION_H
#define PRECARIUM_VHOST_CONNECTION_H

#include "vhost/dirty.h"
#include "vhost/inflight.h"
#include "vhost/message.h"
#include "vhost/worker.h"
#include "virtio/blk.h"

/*
 *	SERVING --message that needs quiet rings--> PARKED
 *	   ^                                          |
 *	   +-------- nothing in flight: answered -----+
 *	any --client gone, or at fault--> ENDING --nothing in flight--> freed
 *	PARKED --two deadlines--> ENDING
 *
 * What waits for a store waits with a deadline (deadline.h).
 *
 * PARKED and ENDING fetch no new requests.  The socket stays open until the
 * last request has ended, so that a front-end that sees it closed knows that
 * its memory is no longer written.
 */
enum vhost_state { VHOST_SERVING, VHOST_PARKED, VHOST_ENDING };

/* What a client may still fetch in one turn of its worker. */
struct vhost_turn {
	uint64_t number;
	uint64_t bytes;
	uint32_t requests;
};

struct vhost_connection {
	struct loop_source source;
	struct vhost_worker *worker;
	struct loop *loop; /* the worker's */
	struct vhost_export *export;
	struct vhost_client *client;
	struct vhost_lane *lane;
	LIST_ENTRY(vhost_connection) entry;
	int fd;
	enum vhost_state state;
	const char *ended; /* why: static storage */
	struct vhost_message message;
	int64_t deadline_ms; /* of the message, while PARKED */
	bool parked;	     /* counted by its worker, until it is unparked */
	bool cancelled;	     /* its first deadline has passed */
	bool aborted;	     /* what follows from ENDING was done */

	int backend_fd;		    /* our own channel to the client, or -1 */
	uint64_t features;	    /* negotiated */
	uint64_t protocol_features; /* negotiated */
	bool features_set;
	uint8_t status;	    /* of the device, as the client set it */
	uint8_t cache_mode; /* the configuration's field: 0 writes through */

	uint32_t in_flight; /* requests, over all queues */
	uint64_t bytes_in_flight;
	struct vhost_turn turn;
	bool waits_for_room; /* its queues go on when some have ended */
	struct vhost_memory *memory;
	struct vhost_inflight inflight;
	struct vhost_dirty dirty;
	uint32_t queue_count;
	struct vhost_queue *queues;
};

/* Take over the socket.  On failure it is closed and a line is logged. */
void vhost_connection_open(struct vhost_worker *worker,
			   struct vhost_export *export, int fd);

/* The turn ends, and something may have become quiet: carry out what waited
 * for that, abort the requests of a client that has ended, and free the
 * connection after the last of them. */
void vhost_connection_settle(struct vhost_connection *connection);

/* Serve this client no more.  What follows from that is done when the turn
 * ends, by settle: until then nothing may be fetched, begun or written for a
 * client that is ENDING.  `why`: static storage, kept if it is the first. */
static inline void vhost_connection_end(struct vhost_connection *connection,
					const char *why)
{
	connection->loop->settling = true;
	if (connection->state == VHOST_ENDING)
		return;
	connection->state = VHOST_ENDING;
	connection->ended = why;
}

/* What came of a message. */
enum vhost_outcome {
	VHOST_DONE,	/* acknowledge it, if asked to */
	VHOST_ANSWERED, /* it has its own reply, which is sent */
	VHOST_LATER,	/* first the requests in flight must end */
	VHOST_REFUSED,	/* say no if asked to; else end the client */
	VHOST_BROKEN,	/* end the client */
};

/* Carry out the connection's message (dispatch.c).  Called again after LATER.
 * Whatever is refused has changed nothing; *why says what was expected. */
enum vhost_outcome vhost_dispatch(struct vhost_connection *connection,
				  const char **why);

/* Answer the message with a payload of its own, and a descriptor or -1. */
enum vhost_outcome vhost_answer(struct vhost_connection *connection,
				const void *payload, uint32_t size, int with,
				const char **why);

/* Memory messages (dispatch_memory.c). */
enum vhost_outcome vhost_set_table(struct vhost_connection *connection,
				   const char **why);
enum vhost_outcome vhost_add_region(struct vhost_connection *connection,
				    const char **why);
enum vhost_outcome vhost_remove_region(struct vhost_connection *connection,
				       const char **why);

/* Logs that are shared with the client (dispatch_logs.c). */
enum vhost_outcome vhost_get_inflight(struct vhost_connection *connection,
				      const char **why);
enum vhost_outcome vhost_set_inflight(struct vhost_connection *connection,
				      const char **why);
enum vhost_outcome vhost_set_log_base(struct vhost_connection *connection,
				      const char **why);
enum vhost_outcome vhost_set_log_fd(struct vhost_connection *connection,
				    const char **why);
void vhost_forget_inflight(struct vhost_connection *connection);

/* The status of the device (dispatch_status.c). */
enum vhost_outcome vhost_get_status(struct vhost_connection *connection,
				    const char **why);
enum vhost_outcome vhost_set_status(struct vhost_connection *connection,
				    const char **why);

/* The back-end's own channel (backend.c).  Set: take the descriptor of the
 * message; false: refused, *why says what was expected. */
bool vhost_backend_set(struct vhost_connection *connection, const char **why);
void vhost_backend_drop(struct vhost_connection *connection);
/* Ask the client to look at the configuration again.  Never waits. */
void vhost_backend_config_changed(struct vhost_connection *connection);

/* Device configuration and features of an export (device.c). */
uint64_t vhost_device_features(const struct vhost_export *export);
struct vblk_device vhost_device_of(const struct vhost_connection *connection);
void vhost_device_config(const struct vhost_connection *connection,
			 uint8_t config[VHOST_CONFIG_MAX]);
/* Do both sides say by an index when they want to be notified? */
bool vhost_device_event_index(const struct vhost_connection *connection);
/* Is the driver to be notified, whatever it suppresses, when it has nothing
 * more available? */
bool vhost_device_notifies_on_empty(const struct vhost_connection *connection);
bool vhost_device_packed(const struct vhost_connection *connection);
/* Must writes be durable before they are reported? */
bool vhost_device_writes_through(const struct vhost_connection *connection);

#endif
