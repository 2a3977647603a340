// SPDX-License-Identifier: MIT
#include "vhost/connection.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost/deadline.h"
#include "vhost/queue.h"

/* Messages of one client in one turn. */
#define MESSAGES_A_TURN 8

static void connection_free(struct vhost_connection *connection)
{
	vhost_message_reset(&connection->message);
	for (uint32_t i = 0; i < connection->queue_count; i++)
		vhost_queue_close(&connection->queues[i]);
	free(connection->queues);
	vhost_inflight_close(&connection->inflight);
	vhost_dirty_close(&connection->dirty);
	if (connection->memory)
		vhost_memory_clear(connection->memory);
	free(connection->memory);
	if (connection->lane)
		vhost_lane_put(connection->loop, connection->lane);
	vhost_backend_drop(connection);
	close(connection->fd);
	free(connection);
}

/* All that can fail; what was made is in *connection and freed by the caller. */
static const char *connection_make(struct vhost_connection *connection)
{
	const struct vhost_export *export = connection->export;
	struct store_error error;

	connection->memory = calloc(1, sizeof(*connection->memory));
	connection->queues =
		calloc(export->queues_max, sizeof(*connection->queues));
	if (!connection->memory || !connection->queues)
		return "out of memory";
	connection->memory->pool = export->pool;
	connection->queue_count = export->queues_max;
	for (uint32_t i = 0; i < connection->queue_count; i++)
		vhost_queue_init(&connection->queues[i], connection, i);
	connection->lane =
		vhost_lane_get(connection->loop, export->store, &error);
	if (!connection->lane) {
		vhost_client_log(connection->client, "store: %s", error.text);
		return "the store could not be opened for it";
	}
	if (!loop_watch(connection->loop, connection->fd, EPOLLIN | EPOLLRDHUP,
			&connection->source))
		return "its socket could not be watched";
	return NULL;
}

/* The last touch of the export: nothing of it may be used after.  Who waits for
 * that is woken. */
static void leave(struct vhost_worker *worker, struct vhost_export *export,
		  struct vhost_client *client, const char *why)
{
	uint64_t one = 1;

	vhost_roll_leave(&export->roll, client, why);
	__atomic_fetch_sub(&worker->loop.devices, 1, __ATOMIC_RELAXED);
	/* Our own eventfd: it has room, or somebody is about to look. */
	if (write(worker->ended_fd, &one, sizeof(one)) < 0)
		return;
}

/* What was cancelled is reaped in another turn, without waiting for events. */
static void connection_abort(struct vhost_connection *connection)
{
	if (connection->aborted)
		return;
	connection->aborted = true;
	connection->loop->settling = true;
	vhost_deadline_clear(connection);
	loop_unwatch(connection->loop, connection->fd);
	for (uint32_t i = 0; i < connection->queue_count; i++)
		vhost_queue_abort(&connection->queues[i]);
}

static void connection_finish(struct vhost_connection *connection)
{
	struct vhost_worker *worker = connection->worker;
	struct vhost_client *client = connection->client;
	struct vhost_export *export = connection->export;
	const char *why = connection->ended;
	struct vhost_counts counts = vhost_counts_read(&client->counts);

	LIST_REMOVE(connection, entry);
	connection_free(connection);
	vhost_client_log(client,
			 "ended: %s; %" PRIu64 " requests, %" PRIu64 " errors, "
			 "%" PRIu64 " losses of memory",
			 why, counts.requests, counts.errors, counts.losses);
	leave(worker, export, client, why);
}

/* The answer to a message that has none of its own. */
static bool acknowledge(struct vhost_connection *connection, uint64_t failed)
{
	const struct vhost_message *message = &connection->message;
	const char *why;

	if (!(message->header.flags & VHOST_NEED_REPLY) ||
	    !(connection->protocol_features &
	      (1ull << VHOST_PROTOCOL_REPLY_ACK)))
		return false;
	why = vhost_message_reply(connection->fd, message, &failed,
				  sizeof(failed), -1);
	if (why)
		vhost_connection_end(connection, why);
	return true;
}

static void park(struct vhost_connection *connection)
{
	connection->state = VHOST_PARKED;
	vhost_deadline_set(connection);
	if (!loop_watch_for(connection->loop, connection->fd, EPOLLRDHUP,
			    &connection->source))
		vhost_connection_end(connection,
				     "its socket could not be watched");
}

static void unpark(struct vhost_connection *connection)
{
	vhost_deadline_clear(connection);
	connection->state = VHOST_SERVING;
	if (!loop_watch_for(connection->loop, connection->fd,
			    EPOLLIN | EPOLLRDHUP, &connection->source)) {
		vhost_connection_end(connection,
				     "its socket could not be watched");
		return;
	}
	for (uint32_t i = 0; i < connection->queue_count; i++)
		vhost_queue_ready(&connection->queues[i]);
}

static void refuse(struct vhost_connection *connection, const char *why)
{
	vhost_client_log(connection->client, "%s: refused: %s",
			 vhost_message_name(connection->message.header.request),
			 why);
	if (!acknowledge(connection, 1))
		vhost_connection_end(connection, "a message was refused");
}

/* Carry out the message that is there. */
static void carry_out(struct vhost_connection *connection)
{
	const char *why = "";

	switch (vhost_dispatch(connection, &why)) {
	case VHOST_DONE:
		acknowledge(connection, 0);
		break;
	case VHOST_ANSWERED:
		break;
	case VHOST_LATER:
		if (connection->state == VHOST_SERVING)
			park(connection);
		return;
	case VHOST_REFUSED:
		refuse(connection, why);
		break;
	case VHOST_BROKEN:
		vhost_client_log(
			connection->client, "%s: %s",
			vhost_message_name(connection->message.header.request),
			why);
		vhost_connection_end(connection, why);
		break;
	}
	vhost_message_reset(&connection->message);
	if (connection->state == VHOST_PARKED)
		unpark(connection);
}

static void socket_ready(struct loop_source *source, uint32_t events)
{
	struct vhost_connection *connection = (struct vhost_connection *)source;
	const char *why = "";

	if (connection->state == VHOST_ENDING)
		return;
	if (connection->state == VHOST_PARKED) {
		/* Only its going can be seen now. */
		if (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR))
			vhost_connection_end(connection,
					     "closed by the client");
		return;
	}
	for (int i = 0;
	     i < MESSAGES_A_TURN && connection->state == VHOST_SERVING; i++) {
		switch (vhost_message_receive(connection->fd,
					      &connection->message, &why)) {
		case VHOST_RECEIVE_DONE:
			carry_out(connection);
			break;
		case VHOST_RECEIVE_MORE:
			return;
		case VHOST_RECEIVE_CLOSED:
			vhost_connection_end(connection,
					     "closed by the client");
			return;
		case VHOST_RECEIVE_BROKEN:
			vhost_client_log(
				connection->client, "%s: %s",
				vhost_message_name(
					connection->message.header.request),
				why);
			vhost_connection_end(connection, why);
			return;
		}
	}
}

void vhost_connection_open(struct vhost_worker *worker,
			   struct vhost_export *export, int fd)
{
	struct vhost_connection *connection = calloc(1, sizeof(*connection));
	struct vhost_client *client =
		vhost_roll_enter(&export->roll, export->name, fd);
	const char *why = "out of memory";

	if (connection && client) {
		connection->source.ready = socket_ready;
		connection->worker = worker;
		connection->loop = &worker->loop;
		connection->export = export;
		connection->client = client;
		connection->fd = fd;
		connection->backend_fd = -1;
		connection->cache_mode = 1;
		connection->inflight.fd = -1;
		connection->dirty.call_fd = -1;
		why = connection_make(connection);
	}
	if (!why) {
		LIST_INSERT_HEAD(&worker->connections, connection, entry);
		vhost_client_log(client, "connected");
		return;
	}
	log_export(export->name, "a client could not be served: %s", why);
	if (connection && client) {
		connection_free(connection);
	} else {
		free(connection);
		close(fd);
	}
	leave(worker, export, client, why);
}

void vhost_connection_settle(struct vhost_connection *connection)
{
	if (connection->state == VHOST_PARKED)
		carry_out(connection);
	if (connection->state != VHOST_ENDING)
		return;
	connection_abort(connection);
	if (connection->in_flight == 0)
		connection_finish(connection);
}
