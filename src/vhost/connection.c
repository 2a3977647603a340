// SPDX-License-Identifier: MIT
#include "vhost/connection.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "device/event.h"
#include "device/loan.h"
#include "device/release.h"
#include "device/start.h"
#include "vhost/channel.h"
#include "vhost/dispatch.h"
#include "vhost/held.h"
#include "vhost/unheard.h"

/* Messages that are received from one client in one turn. */
#define MESSAGES_A_TURN 8

static void connection_free(struct vhost_connection *connection)
{
	vhost_message_reset(&connection->message);
	device_close(&connection->device);
	vhost_channel_drop(connection);
	/* Messages that were not read are dropped with it. */
	release_fd(connection->export->policy.releases, connection->fd);
	free(connection);
}

/* The last use of the export, which may be freed from then on.  The server,
 * which may wait for that, is woken. */
static void leave(struct vhost_worker *worker, struct vhost_export *export,
		  struct client_record *client, uint32_t held, const char *why)
{
	share_give(&export->descriptors, held);
	vhost_roll_leave(&export->roll, client, why);
	__atomic_fetch_sub(&worker->loop.devices, 1, __ATOMIC_RELAXED);
	event_signal(worker->ended_fd);
}

/* The worker no longer watches its deadline. */
static void unpark(struct vhost_connection *connection)
{
	if (!connection->parked)
		return;
	assert(connection->worker->parked > 0);
	connection->worker->parked--;
	connection->parked = false;
}

static void unpause(struct vhost_connection *connection)
{
	connection->worker->paused -= connection->paused;
	connection->paused = false;
}

static void abort_once(struct vhost_connection *connection)
{
	if (connection->aborted)
		return;
	connection->aborted = true;
	unpark(connection);
	unpause(connection);
	loop_unwatch(connection->device.home.loop, connection->fd);
	device_abort(&connection->device);
}

static void connection_finish(struct vhost_connection *connection)
{
	struct vhost_worker *worker = connection->worker;
	struct client_record *client = connection->device.client;
	struct vhost_export *export = connection->export;
	const char *why = connection->device.ended;
	uint32_t held = connection->held;
	struct counters counters = client_counters(client);

	LIST_REMOVE(connection, entry);
	connection_free(connection);
	client_log_at(client, LOG_LEVEL_INFO,
		      "ended: %s; %" PRIu64 " requests, %" PRIu64 " errors, "
		      "%" PRIu64 " losses of memory",
		      why, counters.requests, counters.errors, counters.losses);
	leave(worker, export, client, held, why);
}

/* The answer to a message that has none of its own. */
static bool acknowledge(struct vhost_connection *connection, uint64_t failed)
{
	struct vhost_message *message = &connection->message;
	const char *why;

	if (!(message->header.flags & VHOST_NEED_REPLY) ||
	    !(connection->protocol_features &
	      (1ull << VHOST_PROTOCOL_REPLY_ACK)))
		return false;
	why = vhost_message_reply(connection->fd, message, &failed,
				  sizeof(failed), -1);
	if (why)
		device_end(&connection->device, why);
	return true;
}

static bool watch_for(struct vhost_connection *connection, uint32_t events)
{
	if (loop_watch_for(connection->device.home.loop, connection->fd, events,
			   &connection->source))
		return true;
	device_end(&connection->device, "its socket could not be watched");
	return false;
}

/* No message is received until the one that waits was carried out. */
static void await(struct vhost_connection *connection)
{
	if (connection->parked)
		return;
	connection->worker->parked++;
	connection->parked = true;
	vhost_connection_put_off(connection);
	watch_for(connection, EPOLLRDHUP);
}

static void park(struct vhost_connection *connection)
{
	if (device_park(&connection->device))
		await(connection);
}

static void serve_again(struct vhost_connection *connection)
{
	if (connection->stopping)
		return;
	unpark(connection);
	if (watch_for(connection, EPOLLIN | EPOLLRDHUP))
		device_resume(&connection->device);
}

static void refuse(struct vhost_connection *connection, const char *why)
{
	client_log(connection->device.client, "%s: refused: %s",
		   vhost_message_name(connection->message.header.request), why);
	if (!acknowledge(connection, 1))
		vhost_refused_unheard(connection, why);
}

static enum vhost_outcome dispatch(struct vhost_connection *connection,
				   const char **why)
{
	/* What a message that waits will keep was counted when it began. */
	return connection->asked || vhost_held_expect(connection, why)
		       ? vhost_dispatch(connection, why)
		       : VHOST_REFUSED;
}

/* Carry out the message that was received. */
static void carry_out(struct vhost_connection *connection)
{
	const char *why = "";

	if (!connection->asked)
		client_log_at(
			connection->device.client, LOG_LEVEL_DEBUG, "%s",
			vhost_message_name(connection->message.header.request));
	switch (dispatch(connection, &why)) {
	case VHOST_DONE:
		acknowledge(connection, 0);
		break;
	case VHOST_ANSWERED:
		break;
	case VHOST_LATER:
		if (device_state(&connection->device) == DEVICE_SERVING)
			park(connection);
		connection->asked = true;
		return;
	case VHOST_MEANWHILE:
		if (device_state(&connection->device) == DEVICE_SERVING)
			await(connection);
		connection->asked = true;
		return;
	case VHOST_REFUSED:
		refuse(connection, why);
		break;
	case VHOST_BROKEN:
		client_log(
			connection->device.client, "%s: %s",
			vhost_message_name(connection->message.header.request),
			why);
		device_end(&connection->device, why);
		break;
	}
	connection->asked = false;
	vhost_message_reset(&connection->message);
	if (device_is_slow_to_notify(&connection->device))
		part_tell(&connection->device.home);
	vhost_held_settle(connection);
	if (connection->parked &&
	    device_state(&connection->device) != DEVICE_ENDING)
		serve_again(connection);
}

static void pause_messages(struct vhost_connection *connection)
{
	connection->paused = true;
	connection->worker->paused++;
	watch_for(connection, EPOLLRDHUP);
}

/* Would another cost others too much? */
static bool must_pause(const struct vhost_connection *connection)
{
	return release_is_clogged(connection->message.releases) ||
	       vhost_spread_is_overdrawn(connection);
}

void vhost_connection_listen_again(struct vhost_connection *connection)
{
	if (!connection->paused ||
	    device_state(&connection->device) != DEVICE_SERVING ||
	    must_pause(connection))
		return;
	unpause(connection);
	watch_for(connection, EPOLLIN | EPOLLRDHUP);
}

/* When this turn ends, and the other workers stand. */
static void carry_out_later(struct vhost_connection *connection)
{
	connection->due = true;
	part_tell(&connection->device.home);
}

static struct vhost_connection *connection_of(struct loop_source *source)
{
	return (struct vhost_connection *)((char *)source -
					   offsetof(struct vhost_connection,
						    source));
}

static void socket_ready(struct loop_source *source, uint32_t events)
{
	struct vhost_connection *connection = connection_of(source);
	const char *why = "";

	if (device_state(&connection->device) == DEVICE_ENDING)
		return;
	if (connection->parked || connection->paused) {
		/* Only hang-ups are reported now. */
		if (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR))
			device_end(&connection->device, "closed by the client");
		return;
	}
	for (int i = 0; i < MESSAGES_A_TURN && !connection->parked &&
			device_state(&connection->device) == DEVICE_SERVING;
	     i++) {
		if (must_pause(connection)) {
			pause_messages(connection);
			return;
		}
		switch (vhost_message_receive(connection->fd,
					      &connection->message, &why)) {
		case VHOST_RECEIVE_DONE:
			if (vhost_spread_must_stand(connection)) {
				carry_out_later(connection);
				return;
			}
			carry_out(connection);
			break;
		case VHOST_RECEIVE_MORE:
			return;
		case VHOST_RECEIVE_CLOSED:
			device_end(&connection->device, "closed by the client");
			return;
		case VHOST_RECEIVE_BROKEN:
			client_log(connection->device.client, "%s: %s",
				   vhost_message_name(
					   connection->message.header.request),
				   why);
			device_end(&connection->device, why);
			return;
		}
	}
}

/* Everything that can fail; the caller frees what was made. */
static const char *connection_make(struct vhost_connection *connection,
				   struct client_record *client)
{
	struct loop *loop = &connection->worker->loop;
	const char *why = device_open(&connection->device, loop,
				      &connection->export->policy, client);

	vhost_roll_charge(&connection->export->roll, client,
			  connection->device.admission.budget);
	if (!why && !loop_watch(loop, connection->fd, EPOLLIN | EPOLLRDHUP,
				&connection->source))
		why = "its socket could not be watched";
	return why;
}

void vhost_connection_open(struct vhost_worker *worker,
			   struct vhost_export *export, int fd)
{
	struct vhost_connection *connection = calloc(1, sizeof(*connection));
	struct client_record *client =
		vhost_roll_enter(&export->roll, export->name, fd);
	const char *why = "out of memory";

	if (connection && client) {
		connection->source.ready = socket_ready;
		connection->worker = worker;
		connection->export = export;
		connection->fd = fd;
		connection->channel_fd = -1;
		connection->held = VHOST_HELD_BY_ALL;
		connection->message.releases = export->policy.releases;
		connection->message.cost = &connection->device.home.notify_cost;
		why = connection_make(connection, client);
	}
	if (!why) {
		LIST_INSERT_HEAD(&worker->connections, connection, entry);
		client_log_at(client, LOG_LEVEL_INFO, "connected");
		vhost_spread_plan(connection);
		return;
	}
	vhost_export_turn_away(export, fd, "%s", why);
	if (connection && client) {
		connection_free(connection);
	} else {
		free(connection);
		release_fd(export->policy.releases, fd);
	}
	leave(worker, export, client, VHOST_HELD_BY_ALL, why);
}

void vhost_connection_stop(struct vhost_connection *connection)
{
	connection->stopping = true;
	part_tell(&connection->device.home);
	if (device_state(&connection->device) != DEVICE_SERVING)
		return;
	unpause(connection);
	park(connection);
}

/* Each of its notifications makes the others of this worker wait. */
static void end_slow(struct vhost_connection *connection)
{
	if (device_state(&connection->device) == DEVICE_ENDING)
		return;
	client_log(connection->device.client,
		   "to signal or answer it takes more than %" PRIu64
		   " us nearly each time: "
		   "too many wait for an eventfd or the socket",
		   notify_usual_ns() / 1000);
	vhost_export_bar(connection->export);
	device_end(&connection->device, "its notifications take too long");
}

/* False: the connection has ended, and is freed. */
static bool settle(struct vhost_connection *connection)
{
	struct device *device = &connection->device;

	start_settle(device);
	if (device_is_slow_to_notify(device))
		end_slow(connection);
	if (device_state(device) != DEVICE_ENDING && connection->asked)
		carry_out(connection);
	if (connection->due && device_state(device) == DEVICE_SERVING)
		carry_out(connection);
	connection->due = false;
	if (device_state(device) == DEVICE_SERVING)
		vhost_channel_ask(connection);
	if (device_state(device) == DEVICE_PARKED && !connection->asked &&
	    device_in_flight(device) == 0)
		device_end(device, "the server stops");
	if (device_state(device) != DEVICE_ENDING)
		return true;
	abort_once(connection);
	if (!device_has_ended(device))
		return true;
	connection_finish(connection);
	return false;
}

/* The same while the other workers stand. */
static void settle_spread(struct vhost_connection *connection)
{
	struct device *device = &connection->device;
	struct vhost_stand stand;

	if (device_state(device) != DEVICE_ENDING &&
	    part_is_slow_to_notify(&device->home))
		part_tell(&device->home);
	if (!device_take_news(device))
		return;
	vhost_spread_stop(connection, &stand);
	if (settle(connection))
		vhost_spread_note(connection, &stand);
	vhost_spread_go(&stand);
}

void vhost_connection_settle(struct vhost_connection *connection)
{
	loan_count(&connection->device);
	if (device_has_new_size(&connection->device))
		vhost_channel_config_changed(connection);
	if (vhost_spread_is_on(connection))
		settle_spread(connection);
	else
		settle(connection);
}
