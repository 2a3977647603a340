// SPDX-License-Identifier: MIT
#include "vhost/deadline.h"

#include <inttypes.h>

#include "device/clock.h"
#include "vhost/connection.h"

int vhost_deadline_ms(const struct vhost_worker *worker)
{
	const struct vhost_connection *connection;
	int64_t next = INT64_MAX;
	int64_t now;

	if (worker->parked == 0)
		return -1;
	LIST_FOREACH(connection, &worker->connections, entry)
	{
		if (connection->parked &&
		    device_state(&connection->device) != DEVICE_ENDING &&
		    connection->deadline_ms < next)
			next = connection->deadline_ms;
	}
	now = clock_now_ms();
	/* At most VHOST_DRAIN_MAX_MS away. */
	return next > now ? (int)(next - now) : 0;
}

/* What waits for its requests. */
static const char *waiting_for(const struct vhost_connection *connection)
{
	return connection->asked
		       ? vhost_message_name(connection->message.header.request)
		       : "the server stops";
}

/* What the next server is told by the client's log of requests in flight need
 * not be failed. */
static bool leave_to_next(struct vhost_connection *connection)
{
	struct device *device = &connection->device;

	if (connection->asked || !device->inflight.region)
		return false;
	client_log(device->client,
		   "the server stops: %u requests, %" PRIu64 " bytes, did not "
		   "end within %u ms: the next server carries them out",
		   device_in_flight(device), device_bytes_in_store(device),
		   connection->export->drain_timeout_ms);
	device_end(device, "the server stops");
	return true;
}

/* Nothing is in flight, so the message waits for the store to pin memory, or to
 * take it out of the reach of hardware. */
static bool waits_for_memory(const struct device *device)
{
	return device_in_flight(device) == 0;
}

static void log_cancelled(struct vhost_connection *connection)
{
	const struct device *device = &connection->device;

	if (waits_for_memory(device))
		client_log(device->client,
			   "%s: the store was not done with its memory within "
			   "%u ms",
			   waiting_for(connection),
			   connection->export->drain_timeout_ms);
	else
		client_log(device->client,
			   "%s: %u requests, %" PRIu64
			   " bytes, did not end within %u ms: they are "
			   "cancelled",
			   waiting_for(connection), device_in_flight(device),
			   device_bytes_in_store(device),
			   connection->export->drain_timeout_ms);
}

static void cancel(struct vhost_connection *connection)
{
	counter_add(&connection->device.client->counters.deadlines, 1);
	log_cancelled(connection);
	vhost_connection_put_off(connection);
	device_park(&connection->device);
	device_cancel(&connection->device);
}

/* False: the store cannot end them. */
static bool insist(struct vhost_connection *connection)
{
	struct device *device = &connection->device;

	if (!device_insist(device))
		return false;
	client_log(device->client,
		   "%s: %u requests, %" PRIu64 " bytes, did not end within "
		   "another %u ms: the store resets what has them",
		   waiting_for(connection), device_in_flight(device),
		   device_bytes_in_store(device),
		   connection->export->drain_timeout_ms);
	return true;
}

static void give_up(struct vhost_connection *connection)
{
	struct device *device = &connection->device;

	counter_add(&device->client->counters.stuck, device_in_flight(device));
	if (waits_for_memory(device))
		client_log(device->client,
			   "%s: the store does not let go of its memory: the "
			   "client is ended without an acknowledgement; its "
			   "memory is held until the store does",
			   waiting_for(connection));
	else
		client_log(device->client,
			   "%s: %u requests, %" PRIu64
			   " bytes, are stuck in the store: the client is "
			   "ended without an acknowledgement; its memory is "
			   "held until they end",
			   waiting_for(connection), device_in_flight(device),
			   device_bytes_in_store(device));
	device_end(device, "its requests were stuck in the store");
}

/* What the store is insisted on to end is waited for: it has promised that. */
static void pass_deadline(struct vhost_connection *connection)
{
	struct device *device = &connection->device;

	if (!device->cancelled)
		cancel(connection);
	else if (!waits_for_memory(device) &&
		 (device->insisted || insist(connection)))
		vhost_connection_put_off(connection);
	else
		give_up(connection);
}

static void act(struct vhost_connection *connection)
{
	struct vhost_stand stand = { .self = NULL };

	if (vhost_spread_is_on(connection))
		vhost_spread_stop(connection, &stand);
	if (!leave_to_next(connection))
		pass_deadline(connection);
	vhost_spread_go(&stand);
}

void vhost_deadline_check(struct vhost_worker *worker)
{
	struct vhost_connection *connection;
	int64_t now;

	if (worker->parked == 0)
		return;
	now = clock_now_ms();
	/* No connection is freed here: settle does that. */
	LIST_FOREACH(connection, &worker->connections, entry)
	{
		if (!connection->parked ||
		    device_state(&connection->device) == DEVICE_ENDING ||
		    now < connection->deadline_ms)
			continue;
		act(connection);
	}
}
