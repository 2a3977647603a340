/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_EVENT_H
#define PRECARIUM_DEVICE_EVENT_H

#include <errno.h>
#include <sys/eventfd.h>

/*
 * Signal an eventfd that is our own and does not block: it has room, or whoever
 * waits for it is awake.  Leaves errno alone; any thread, async-signal-safe.
 * Those of clients are signalled by notify.h.
 */
static inline void event_signal(int fd)
{
	int error = errno;

	while (eventfd_write(fd, 1) < 0 && errno == EINTR)
		continue;
	errno = error;
}

#endif
