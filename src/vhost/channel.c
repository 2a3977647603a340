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

/* How much of a message was sent; negative: errno. */
static ssize_t say(struct vhost_connection *connection, const void *message,
		   size_t size)
{
	uint64_t before = notify_clock_ns();
	ssize_t sent;

	do
		sent = send(connection->channel_fd, message, size,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	notify_charge(&connection->device.home.notify_cost,
		      notify_clock_ns() - before);
	return sent;
}

/* The right that is needed is asked for, too: QEMU looks whether it is to
 * write. */
static bool ask_for(struct vhost_connection *connection,
		    const struct iotlb_miss *miss)
{
	struct {
		struct vhost_header header;
		struct vhost_iotlb body;
	} __attribute__((packed)) message = {
		.header = { .request = VHOST_BACKEND_IOTLB,
			    .flags = VHOST_VERSION,
			    .size = sizeof(struct vhost_iotlb) },
		.body = { .address = miss->address, .type = VHOST_IOTLB_MISS },
	};

	if (miss->rights & PREC_READ)
		message.body.rights |= VHOST_IOTLB_READ;
	if (miss->rights & PREC_WRITE)
		message.body.rights |= VHOST_IOTLB_WRITE;
	return say(connection, &message, sizeof(message)) ==
	       (ssize_t)sizeof(message);
}

void vhost_channel_ask(struct vhost_connection *connection)
{
	struct iotlb *iotlb = connection->device.iotlb;
	struct iotlb_miss miss;

	while (iotlb && iotlb_next_miss(iotlb, &miss)) {
		if (connection->channel_fd < 0 || !ask_for(connection, &miss)) {
			client_log(connection->device.client,
				   "an address cannot be translated: there is "
				   "no back-end channel, or nobody reads it");
			iotlb_ask_again(iotlb);
			return;
		}
		iotlb_miss_sent(iotlb);
	}
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
	ssize_t sent;

	device_note_size(&connection->device);
	if (connection->channel_fd < 0)
		return;
	sent = say(connection, &header, sizeof(header));
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
