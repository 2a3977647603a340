// SPDX-License-Identifier: MIT
#include "vhost/spread.h"

#include "device/clock.h"
#include "device/loan.h"
#include "device/parts.h"
#include "vhost/connection.h"

/* How many workers are to serve it. */
static uint32_t wanted(const struct vhost_connection *connection)
{
	uint32_t asked = connection->export->workers_per_client;
	uint32_t there = connection->worker->crew->count;

	return asked < there ? asked : there;
}

void vhost_spread_plan(struct vhost_connection *connection)
{
	connection->spread.on =
		wanted(connection) > 1 && !loan_is_wanted(&connection->device);
}

/* The workers that follow its own, round. */
static void list_peers(struct vhost_connection *connection,
		       struct vhost_stand *stand)
{
	struct vhost_worker *peers = connection->worker->crew->workers;
	uint32_t there = connection->worker->crew->count;
	uint32_t own = (uint32_t)(connection->worker - peers);

	for (uint32_t i = 1; i < wanted(connection); i++)
		stand->others[stand->count++] = &peers[(own + i) % there].loop;
}

static void list_parts(struct vhost_connection *connection,
		       struct vhost_stand *stand)
{
	const struct device_part *part = connection->device.home.other;

	for (; part; part = part->other)
		stand->others[stand->count++] = part->loop;
}

static bool is_of_ring(uint32_t request)
{
	switch (request) {
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_ADDR:
	case VHOST_SET_VRING_BASE:
	case VHOST_GET_VRING_BASE:
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
	case VHOST_SET_VRING_ENABLE:
		return true;
	default:
		return false;
	}
}

static bool is_of_memory(uint32_t request)
{
	switch (request) {
	case VHOST_SET_MEM_TABLE:
	case VHOST_ADD_MEM_REG:
	case VHOST_REM_MEM_REG:
		return true;
	default:
		return false;
	}
}

bool vhost_spread_is_on(const struct vhost_connection *connection)
{
	return connection->spread.on &&
	       (connection->spread.begun || connection->due);
}

bool vhost_spread_must_stand(const struct vhost_connection *connection)
{
	const struct vhost_spread *spread = &connection->spread;
	uint32_t request = connection->message.header.request;

	if (!spread->on)
		return false;
	return spread->begun ? !spread->idle || !is_of_memory(request)
			     : is_of_ring(request);
}

static void begin(struct vhost_connection *connection,
		  const struct vhost_stand *stand)
{
	const char *why =
		parts_spread(&connection->device, stand->others, stand->count);

	connection->spread.begun = true;
	if (why)
		device_end(&connection->device, why);
}

/* One of the workers has left only if the server stops, and so before it has
 * begun: it does not any more. */
void vhost_spread_stop(struct vhost_connection *connection,
		       struct vhost_stand *stand)
{
	stand->self = &connection->worker->loop;
	stand->count = 0;
	if (connection->spread.begun)
		list_parts(connection, stand);
	else
		list_peers(connection, stand);
	if (!gate_hold(stand->self, stand->others, stand->count)) {
		stand->self = NULL;
		connection->spread.on = false;
		return;
	}
	if (!connection->spread.begun)
		begin(connection, stand);
}

void vhost_spread_note(struct vhost_connection *connection,
		       const struct vhost_stand *stand)
{
	struct vhost_spread *spread = &connection->spread;
	const struct gate *gate = connection->worker->loop.post.gate;
	uint64_t now_ns = clock_now_ns();

	if (!stand->self)
		return;
	spread->idle = parts_others_are_idle(&connection->device);
	gate_charge(&spread->pace, gate_devices(gate),
		    gate_stood_ns(gate, now_ns), now_ns);
}

void vhost_spread_go(const struct vhost_stand *stand)
{
	if (stand->self)
		gate_let_go(stand->self, stand->others, stand->count);
}

bool vhost_spread_is_overdrawn(const struct vhost_connection *connection)
{
	return connection->spread.on &&
	       !gate_allows(&connection->spread.pace,
			    gate_devices(connection->worker->loop.post.gate),
			    clock_now_ns());
}
