// SPDX-License-Identifier: MIT
#include "vhost/dispatch.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "device/feature.h"

/*
 * The messages by which logs are shared with the client.
 */

#define PAGE 4096u /* files are lent in pages */

static bool check_shape(const struct vhost_connection *connection,
			const struct vhost_inflight_shape *shape)
{
	return shape->queues > 0 &&
	       shape->queues <= connection->device.queue_count &&
	       shape->queue_size > 0 && shape->queue_size <= VIRTQ_SIZE_MAX;
}

/* By the layout that was negotiated: a front-end sets the features first. */
static uint64_t log_size(const struct vhost_connection *connection,
			 const struct vhost_inflight_shape *shape)
{
	return inflight_size(device_packed(&connection->device), shape->queues,
			     shape->queue_size);
}

/*
 * Descriptors that were sent and not received count against the user of the
 * sender, whoever does not receive them, and all its replies with a descriptor
 * fail when there are too many.  So a client gets one only when it has read all
 * that was sent to it before.
 */
static bool has_read_all(const struct vhost_connection *connection)
{
	int unread = 0;

	return ioctl(connection->fd, SIOCOUTQ, &unread) < 0 || unread == 0;
}

/* The reply when no log can be given.  Front-ends then do without. */
static enum vhost_outcome answer_no_log(struct vhost_connection *connection,
					struct vhost_inflight_shape *shape,
					const char *logged, const char **why)
{
	if (logged)
		client_log(connection->device.client,
			   "it gets no log of requests in flight: %s", logged);
	shape->size = 0;
	return vhost_answer(connection, shape, connection->message.header.size,
			    -1, why);
}

/* Other processes of this user may have sent too many descriptors, too. */
static enum vhost_outcome answer_log(struct vhost_connection *connection,
				     struct vhost_inflight_shape *shape, int fd,
				     const char **why)
{
	struct vhost_message *message = &connection->message;

	*why = vhost_message_reply(connection->fd, message, shape,
				   message->header.size, fd);
	if (!*why)
		return VHOST_ANSWERED;
	if (errno != ETOOMANYREFS)
		return VHOST_BROKEN;
	return answer_no_log(connection, shape,
			     "too many descriptors of this user are sent and "
			     "not received, see ulimit -n",
			     why);
}

enum vhost_outcome vhost_get_inflight(struct vhost_connection *connection,
				      const char **why)
{
	struct vhost_inflight_shape shape =
		connection->message.payload.inflight;
	int fd;

	shape.size = 0;
	shape.offset = 0;
	if (!check_shape(connection, &shape) ||
	    !device_is_stopped(&connection->device))
		return answer_no_log(connection, &shape, NULL, why);
	if (!has_read_all(connection))
		return answer_no_log(connection, &shape,
				     "it has not read earlier replies; "
				     "expected one request after the other",
				     why);
	shape.size = log_size(connection, &shape);
	fd = inflight_make(&connection->device.inflight, shape.size);
	if (fd < 0)
		return answer_no_log(connection, &shape, strerror(errno), why);
	return answer_log(connection, &shape, fd, why);
}

static struct memory_region *
map_writable(const struct vhost_connection *connection,
	     const struct memory_entry *entry, int fd,
	     const struct memory_admission *admission, const char **why)
{
	struct memory_region *region =
		memory_region_new(entry, fd, admission, why);

	if (!region || region->region.span.rights & PREC_WRITE)
		return region;
	*why = "expected a descriptor that can be written to";
	memory_region_free(region, connection->device.policy->releases);
	return NULL;
}

/* The log is admitted like other memory.  It is small enough to be allowed
 * holes: our own is one when it is new.  If it were sealed against writing, the
 * next server could not use it. */
static struct memory_region *map_log(const struct vhost_connection *connection,
				     const struct vhost_inflight_shape *shape,
				     int fd, const char **why)
{
	const struct memory_entry entry = {
		.size = log_size(connection, shape),
		.offset = shape->offset,
	};
	const struct memory_admission admission = {
		.admit = (connection->device.admission.admit &
			  PREC_ADMIT_ANY_FILE) |
			 PREC_ADMIT_SPARSE,
		.budget = connection->device.admission.budget,
	};

	return map_writable(connection, &entry, fd, &admission, why);
}

enum vhost_outcome vhost_set_inflight(struct vhost_connection *connection,
				      const char **why)
{
	struct vhost_message *message = &connection->message;
	const struct vhost_inflight_shape *shape = &message->payload.inflight;
	struct memory_region *region;

	*why = "expected a descriptor, queues and entries as the device has, "
	       "and the size that GET_INFLIGHT_FD returned";
	if (message->fd_count != 1 || !check_shape(connection, shape) ||
	    shape->size < log_size(connection, shape))
		return VHOST_REFUSED;
	*why = "expected all rings to be stopped";
	if (!device_is_stopped(&connection->device))
		return VHOST_REFUSED;
	region = map_log(connection, shape, message->fds[0], why);
	if (!region)
		return VHOST_REFUSED;
	device_log_inflight(&connection->device, region, shape->queues,
			    shape->queue_size);
	return VHOST_DONE;
}

static struct memory_region *
map_bitmap(const struct vhost_connection *connection,
	   const struct vhost_log_base *base, int fd, const char **why)
{
	const struct memory_entry entry = {
		.size = base->size,
		.offset = base->offset,
	};
	struct memory_admission admission = connection->device.admission;

	admission.admit &= ~(uint32_t)PREC_ADMIT_STRICT;
	return map_writable(connection, &entry, fd, &admission, why);
}

static struct memory_region *log_base(const struct vhost_connection *connection,
				      const char **why)
{
	const struct vhost_message *message = &connection->message;
	const struct vhost_log_base *base = &message->payload.log;

	*why = "expected a descriptor, and the size and offset of the log";
	if (message->fd_count != 1 || message->header.size != sizeof(*base) ||
	    base->size == 0 || base->size > PREC_ADDRESS_MAX)
		return NULL;
	return map_bitmap(connection, base, message->fds[0], why);
}

/* A log in shared memory has a reply of its own, which says only that the
 * message has arrived; ours also says by its number if the log was refused. */
enum vhost_outcome vhost_set_log_base(struct vhost_connection *connection,
				      const char **why)
{
	struct memory_region *region = log_base(connection, why);
	uint64_t failed = region == NULL;

	if (region) {
		dirty_use(&connection->device.dirty, region,
			  connection->message.payload.log.size);
	} else {
		client_log(connection->device.client,
			   "SET_LOG_BASE: refused: %s", *why);
	}
	return vhost_answer(connection, &failed, sizeof(failed), -1, why);
}

enum vhost_outcome vhost_set_log_fd(struct vhost_connection *connection,
				    const char **why)
{
	struct vhost_message *message = &connection->message;
	struct device *device = &connection->device;

	*why = "expected an eventfd, a pipe that can be written, one of a pair "
	       "of sockets, or none";
	if (message->fd_count && !device_may_call_log(device, message->fds[0]))
		return VHOST_REFUSED;
	device_call_log(device, vhost_message_take_fd(message, 0));
	return VHOST_DONE;
}
