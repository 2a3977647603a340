// SPDX-License-Identifier: MIT
#include "store/file/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/*
 * A header is recognised only to refuse the image; nothing that it says is
 * acted on.  A program that chooses the format by such a header can be
 * attacked: the guest writes a qcow2 header into its raw disk, with any file of
 * the host as the backing file.
 */
#define HEAD 1024
#define TAIL 512
#define PAGE 4096

struct signature {
	const char *format;
	bool at_end; /* offset counts from TAIL bytes before the end */
	uint16_t offset;
	uint16_t size;
	const char *bytes;
};

#define SIGNATURE(format, at_end, offset, bytes)                               \
	{                                                                      \
		format, at_end, offset, sizeof(bytes) - 1, bytes               \
	}

/* The first that matches names the format. */
static const struct signature signatures[] = {
	SIGNATURE("a qcow image", false, 0, "QFI\xfb\0\0\0\1"),
	SIGNATURE("a qcow2 image", false, 0, "QFI\xfb"),
	SIGNATURE("a QED image", false, 0, "QED\0"),
	SIGNATURE("a VMDK image", false, 0, "KDMV"),
	SIGNATURE("a VMDK image", false, 0, "COWD"),
	SIGNATURE("a VMDK image", false, 0, "\xbe\xba\xfe\xca\0\0\0\0"),
	SIGNATURE("a VMDK image", false, 0, "# Disk DescriptorFile"),
	SIGNATURE("a VHDX image", false, 0, "vhdxfile"),
	SIGNATURE("a VHD image", false, 0, "conectix"),
	SIGNATURE("a VHD image", true, 0, "conectix"),
	SIGNATURE("a VDI image", false, 64, "\x7f\x10\xda\xbe"),
	SIGNATURE("a LUKS volume", false, 0, "LUKS\xba\xbe"),
	SIGNATURE("a Parallels image", false, 0, "WithoutFreeSpace"),
	SIGNATURE("a Parallels image", false, 0, "WithouFreSpacExt"),
	SIGNATURE("a Bochs image", false, 0, "Bochs Virtual HD Image"),
	SIGNATURE("a cloop image", false, 0, "#!/bin/sh\n#V2.0 Format\n"),
	SIGNATURE("an Apple disk image", true, 0, "koly\0\0\0\4"),
};

/* If the image is shorter, the rest is zeroes. */
struct ends {
	char head[HEAD];
	char tail[TAIL];
};

static bool read_at(int fd, char *buffer, size_t size, off_t offset)
{
	while (size > 0) {
		ssize_t got = pread(fd, buffer, size, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0;
		buffer += got;
		size -= (size_t)got;
		offset += got;
	}
	return true;
}

/*
 * Leave nothing of it in the page cache.  If the machine is about to migrate to
 * us, another host still writes to the image; blocks that we cached now would
 * be stale when the machine arrives.
 */
static bool read_ends(int fd, uint64_t size, struct ends *ends)
{
	off_t last = size > TAIL ? (off_t)(size - TAIL) : 0;
	bool good;

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	good = read_at(fd, ends->head, HEAD, 0) &&
	       read_at(fd, ends->tail, TAIL, last);
	posix_fadvise(fd, 0, PAGE, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, last / PAGE * PAGE, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL);
	return good;
}

/* The descriptor of a VMDK may also begin with any comments, then a version. */
static bool is_descriptor(const char head[HEAD])
{
	const char *line = head, *end;

	if (head[0] != '#')
		return false;
	while (*line == '#' || *line == '\n' || *line == '\r' || *line == ' ') {
		end = memchr(line, '\n', (size_t)(head + HEAD - line));
		if (!end || end + 1 == head + HEAD)
			return false;
		line = end + 1;
	}
	return head + HEAD - line >= 8 && memcmp(line, "version=", 8) == 0;
}

static const char *format_of(const struct ends *ends)
{
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]);
	     i++) {
		const struct signature *one = &signatures[i];
		const char *part = one->at_end ? ends->tail : ends->head;

		if (memcmp(part + one->offset, one->bytes, one->size) == 0)
			return one->format;
	}
	return is_descriptor(ends->head) ? "a VMDK image" : NULL;
}

bool file_format_check(const char *path, int fd, uint64_t size,
		       struct store_error *error)
{
	struct ends ends = { { 0 }, { 0 } };
	const char *format;

	if (!read_ends(fd, size, &ends))
		return store_fail(error,
				  "%.200s: %s; expected an image that can be "
				  "read",
				  path, strerror(errno));
	format = format_of(&ends);
	if (!format)
		return true;
	store_fail(error,
		   "%.170s: looks like %s; expected a raw image: let "
		   "qemu-storage-daemon show its blocks (--export type=fuse, "
		   "see precarium(1)), or set format=raw to serve these bytes "
		   "as they are",
		   path, format);
	error->content = true;
	return false;
}
