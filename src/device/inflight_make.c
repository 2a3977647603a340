// SPDX-License-Identifier: MIT
#include "device/inflight.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/inflight_packed.h"
#include "device/inflight_split.h"
#include "device/memory.h"
#include "device/release.h"

/* Parts of queues do not share a cache line. */
#define LOG_ALIGN 64u

/* Files are lent in pages. */
#define PAGE 4096u

static uint64_t part_size(bool packed, uint32_t entries)
{
	uint64_t size = packed ? inflight_packed_size(entries)
			       : inflight_split_size(entries);

	return (size + LOG_ALIGN - 1) / LOG_ALIGN * LOG_ALIGN;
}

uint64_t inflight_offset(bool packed, uint32_t queue, uint32_t entries)
{
	return queue * part_size(packed, entries);
}

uint64_t inflight_size(bool packed, uint32_t queues, uint32_t entries)
{
	uint64_t size = inflight_offset(packed, queues, entries);

	return (size + PAGE - 1) / PAGE * PAGE;
}

static int make_file(uint64_t size)
{
	int fd = memfd_create("precarium-inflight",
			      MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 &&
	    (ftruncate(fd, (off_t)size) != 0 ||
	     fcntl(fd, F_ADD_SEALS,
		   F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

int inflight_make(struct inflight *log, uint64_t size)
{
	off_t there = log->fd < 0 ? 0 : lseek(log->fd, 0, SEEK_END);

	if ((uint64_t)there < size) {
		int fd = make_file(size);

		if (fd < 0)
			return -1;
		release_fd(log->releases, log->fd);
		log->fd = fd;
	} else if (fallocate(log->fd,
			     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			     there) != 0) {
		return -1;
	}
	return log->fd;
}

void inflight_close(struct inflight *log)
{
	if (log->region)
		memory_region_free(log->region, log->releases);
	log->region = NULL;
	release_fd(log->releases, log->fd);
	log->fd = -1;
}
