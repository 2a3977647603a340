/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SERVER_LOOP_DEVICE_H
#define PRECARIUM_TESTS_SERVER_LOOP_DEVICE_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/loop.h>

#define LOOP_DEVICE_PATH 32

/* A block device on the file, which is gone when nobody has it open any more.
 * -1: it cannot be had, and errno tells why. */
static int loop_device_on(const char *file, uint32_t sector,
			  char path[LOOP_DEVICE_PATH])
{
	struct loop_config config = {
		.block_size = sector,
		.info = { .lo_flags = LO_FLAGS_AUTOCLEAR },
	};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int backing = open(file, O_RDWR | O_CLOEXEC);
	int fd = -1, done = -1;

	/* Somebody else may take the free one first. */
	for (int tries = 0; control >= 0 && tries < 20 && done < 0; tries++) {
		snprintf(path, LOOP_DEVICE_PATH, "/dev/loop%d",
			 ioctl(control, LOOP_CTL_GET_FREE));
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			break;
		config.fd = (uint32_t)backing;
		done = ioctl(fd, LOOP_CONFIGURE, &config);
		if (done < 0) {
			close(fd);
			if (errno != EBUSY)
				break;
		}
	}
	if (control >= 0)
		close(control);
	close(backing);
	return done < 0 ? -1 : fd;
}

#endif
