/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_CONNECTION_H
#define PRECARIUM_VHOST_CONNECTION_H

#include "device/clock.h"
#include "device/device.h"
#include "vhost/message.h"
#include "vhost/spread.h"
#include "vhost/worker.h"

/*
 * A client's socket, the message that is being received or carried out, and the
 * device that it drives, whose state (device.h) it decides:
 *
 *	SERVING --message that needs quiet rings--> PARKED
 *	   ^                                          |
 *	   +-------- nothing in flight: answered -----+
 *	any --client gone, or at fault--> ENDING --nothing in flight--> freed
 *	PARKED --two deadlines--> ENDING
 *	SERVING --message that needs one quiet ring--> SERVING, and its deadline
 *	SERVING --the server stops--> PARKED --nothing in flight--> ENDING
 *
 * What waits for a store waits with a deadline (deadline.h).
 *
 * While too much waits to be released that clients of its export sent
 * (release.h), no message is received: it could bring more.
 *
 * The socket stays open until the last request has ended, so that a front-end
 * that sees it closed knows that its memory is no longer written.
 *
 * If several workers serve the queues of the client, most messages are carried
 * out when the turn ends in which they came, while the others stand, as is all
 * that is settled (spread.h).
 */
struct vhost_connection {
	struct device device;
	struct loop_source source;
	struct vhost_worker *worker;
	struct vhost_export *export;
	LIST_ENTRY(vhost_connection) entry;
	int fd;
	uint32_t held; /* descriptors, see held.h */
	struct vhost_message message;
	int64_t deadline_ms; /* of the message, while `parked` is set */
	bool parked;	     /* counted in worker->parked */
	bool asked;	     /* its message waits, likewise */
	bool due;	     /* its message is to be carried out */
	bool stopping;	     /* the server is */
	bool paused;	     /* counted in worker->paused */
	bool aborted;	     /* its device was aborted */

	struct vhost_spread spread;
	int channel_fd;		    /* see channel.h; -1: none */
	uint64_t protocol_features; /* negotiated */
	bool features_set;
	uint8_t status; /* of the device, as the client set it */
};

/* Set its next deadline. */
static inline void vhost_connection_put_off(struct vhost_connection *connection)
{
	connection->deadline_ms =
		clock_now_ms() + connection->export->drain_timeout_ms;
}

/* Take over the socket.  On failure it is closed and a line is logged. */
void vhost_connection_open(struct vhost_worker *worker,
			   struct vhost_export *export, int fd);

/* Receive messages again, if that was paused and need not be any more. */
void vhost_connection_listen_again(struct vhost_connection *connection);

/* The server stops: nothing more is begun for the client, what is in flight is
 * completed, and then it is ended. */
void vhost_connection_stop(struct vhost_connection *connection);

/* To be called when a turn ends and some device may have become quiet: carries
 * out the message that waited for that, aborts the device of a client that has
 * ended, and frees the connection after the last of its requests. */
void vhost_connection_settle(struct vhost_connection *connection);

#endif
