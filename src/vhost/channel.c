// SPDX-License-Identifier: MIT
#include "vhost/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "device/notify.h"
#include "device/pair.h"
#include "device/release.h"

static struct release_account *releases(struct vhost_connection *connection)
{
	return connection->export->policy.releases;
}

bool vhost_channel_set(struct vhost_connection *connection, const char **why)
{
	struct vhost_message *message = &connection->message;

	*why = "BACKEND_REQ was not negotiated";
	if (!(connection->protocol_features &
	      (1ull << VHOST_PROTOCOL_BACKEND_REQ)))
		return false;
	*why = "the descriptor is not a Unix stream socket";
	if (!pair_is_stream(message->fds[0]))
		return false;
	*why = "the socket is connected to a listening one, or to none";
	if (!pair_is_unnamed(message->fds[0]))
		return false;
	/* Nor may such an end be in a message that was sent on the channel and
	 * is never read. */
	release_unread(releases(connection), message->fds[0]);
	vhost_channel_drop(connection);
	connection->channel_fd = vhost_message_take_fd(message, 0);
	return true;
}

void vhost_channel_drop(struct vhost_connection *connection)
{
	release_fd(releases(connection), connection->channel_fd);
	connection->channel_fd = -1;
}

/*
 * The message has no contents, so it may be dropped where there is no room: one
 * that the client has not read yet says the same.
 */
void vhost_channel_config_changed(struct vhost_connection *connection)
{
	const struct vhost_header header = {
		.request = VHOST_BACKEND_CONFIG_CHANGE,
		.flags = VHOST_VERSION,
	};
	uint64_t before = notify_clock_ns();
	ssize_t sent;

	device_note_size(&connection->device);
	if (connection->channel_fd < 0)
		return;
	do
		sent = send(connection->channel_fd, &header, sizeof(header),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	notify_charge(&connection->device.notify_cost,
		      notify_clock_ns() - before);
	if (sent == (ssize_t)sizeof(header) || (sent < 0 && errno == EAGAIN))
		return;
	if (sent < 0 && (errno == ENOBUFS || errno == ENOMEM)) {
		client_log(connection->device.client,
			   "it could not be notified of a new size: %s",
			   strerror(errno));
		return;
	}
	client_log(connection->device.client,
		   "its back-end channel is closed: it is no longer notified "
		   "of a new size");
	vhost_channel_drop(connection);
}
