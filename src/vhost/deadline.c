// SPDX-License-Identifier: MIT
#include "vhost/deadline.h"

#include <assert.h>
#include <inttypes.h>

#include "vhost/clock.h"
#include "vhost/connection.h"
#include "vhost/queue.h"

static void put_off(struct vhost_connection *connection)
{
	connection->deadline_ms =
		clock_now_ms() + connection->export->drain_timeout_ms;
}

void vhost_deadline_set(struct vhost_connection *connection)
{
	connection->worker->parked++;
	connection->parked = true;
	connection->cancelled = false;
	put_off(connection);
}

void vhost_deadline_clear(struct vhost_connection *connection)
{
	if (!connection->parked)
		return;
	assert(connection->worker->parked > 0);
	connection->worker->parked--;
	connection->parked = false;
	connection->cancelled = false;
}

int vhost_deadline_ms(const struct vhost_worker *worker)
{
	const struct vhost_connection *connection;
	int64_t next = INT64_MAX;
	int64_t now;

	if (worker->parked == 0)
		return -1;
	LIST_FOREACH(connection, &worker->connections, entry)
	{
		if (connection->state == VHOST_PARKED &&
		    connection->deadline_ms < next)
			next = connection->deadline_ms;
	}
	now = clock_now_ms();
	/* At most VHOST_DRAIN_MAX_MS away. */
	return next > now ? (int)(next - now) : 0;
}

static uint64_t bytes_in_store(const struct vhost_connection *connection)
{
	const struct vhost_request *request;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < connection->queue_count; i++) {
		LIST_FOREACH(request, &connection->queues[i].requests, entry)
		bytes += request->io.size;
		if (connection->queues[i].stalled)
			bytes += connection->queues[i].stalled->io.size;
	}
	return bytes;
}

static const char *message_of(const struct vhost_connection *connection)
{
	return vhost_message_name(connection->message.header.request);
}

static void cancel(struct vhost_connection *connection)
{
	vhost_count(&connection->client->counts.deadlines, 1);
	vhost_client_log(connection->client,
			 "%s: %u requests, %" PRIu64 " bytes, did not end "
			 "within %u ms: they are cancelled",
			 message_of(connection), connection->in_flight,
			 bytes_in_store(connection),
			 connection->export->drain_timeout_ms);
	connection->cancelled = true;
	put_off(connection);
	for (uint32_t i = 0; i < connection->queue_count; i++)
		vhost_queue_cancel(&connection->queues[i]);
}

static void give_up(struct vhost_connection *connection)
{
	vhost_count(&connection->client->counts.stuck, connection->in_flight);
	vhost_client_log(connection->client,
			 "%s: %u requests, %" PRIu64 " bytes, are stuck in the "
			 "store: not acknowledged, the client is ended; its "
			 "memory is held until the store lets go",
			 message_of(connection), connection->in_flight,
			 bytes_in_store(connection));
	vhost_connection_end(connection,
			     "its requests were stuck in the store");
}

void vhost_deadline_look(struct vhost_worker *worker)
{
	struct vhost_connection *connection;
	int64_t now;

	if (worker->parked == 0)
		return;
	now = clock_now_ms();
	/* None is freed here: settle does that. */
	LIST_FOREACH(connection, &worker->connections, entry)
	{
		if (connection->state != VHOST_PARKED ||
		    now < connection->deadline_ms)
			continue;
		if (connection->cancelled)
			give_up(connection);
		else
			cancel(connection);
	}
}
