// SPDX-License-Identifier: MIT
#include "store/file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "store/file/format.h"
#include "store/file/lock.h"
#include "store/file/engine.h"

/* Where nothing tells how O_DIRECT wants a file: none asks for more. */
#define DIRECT_ALIGN	 4096u
#define DIRECT_ALIGN_MAX 65536u

/* No disk has larger sectors. */
#define PHYSICAL_MAX 65536u

/* Opens images for writing; NULL: open(2) does. */
static store_opener *writing_opener;

void file_open_by(store_opener *opener)
{
	writing_opener = opener;
}

/* Opening a FIFO would block without O_NONBLOCK.  The flag is cleared again:
 * with it io_uring returns EAGAIN instead of waiting for the disk. */
static int open_image(const char *path, int flags)
{
	int all = flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	bool writes = (flags & O_ACCMODE) != O_RDONLY;
	int fd = writes && writing_opener ? writing_opener(path, all)
					  : open(path, all);

	if (fd >= 0 && fcntl(fd, F_SETFL, flags & O_DIRECT) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool check_kind(const char *path, const struct stat *st,
		       struct store_error *error)
{
	if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
		return true;
	return store_fail(
		error,
		"%.200s: is %s; expected a raw image file or a block device",
		path,
		S_ISDIR(st->st_mode)	? "a directory"
		: S_ISFIFO(st->st_mode) ? "a pipe"
					: "a special file");
}

/* Hints for speed; nothing depends on them. */
static void learn_topology(struct file_store *file, const struct stat *st)
{
	struct store_topology *topology = &file->store.topology;
	unsigned int physical = 0, least = 0, best = 0;
	int alignment = 0;

	if (!S_ISBLK(st->st_mode)) {
		physical = (unsigned int)st->st_blksize;
	} else if (ioctl(file->fd, BLKPBSZGET, &physical) < 0 ||
		   ioctl(file->fd, BLKIOMIN, &least) < 0 ||
		   ioctl(file->fd, BLKIOOPT, &best) < 0 ||
		   ioctl(file->fd, BLKALIGNOFF, &alignment) < 0) {
		physical = 0;
	}
	/* Network file systems report a megabyte, which is no block. */
	if (physical > PHYSICAL_MAX || (physical & (physical - 1)) != 0 ||
	    physical < file->store.block_size)
		physical = file->store.block_size;
	topology->physical_block = physical;
	topology->alignment = alignment > 0 ? (uint32_t)alignment : 0;
	topology->min_io = least;
	topology->opt_io = best;
	file->store.discard_align = physical;
}

static bool image_size(const struct file_store *file, const struct stat *st,
		       uint64_t *size)
{
	*size = (uint64_t)st->st_size;
	return !S_ISBLK(st->st_mode) ||
	       ioctl(file->fd, BLKGETSIZE64, size) == 0;
}

static bool fail_size(const char *path, struct store_error *error)
{
	return store_fail(error,
			  "%.200s: its size cannot be read: %s; expected a "
			  "file or a block device with a medium",
			  path, strerror(errno));
}

static bool learn_size(struct file_store *file, const char *path,
		       const struct stat *st, struct store_error *error)
{
	int sector = STORE_SECTOR;
	uint64_t size;

	if (!image_size(file, st, &size) ||
	    (S_ISBLK(st->st_mode) && ioctl(file->fd, BLKSSZGET, &sector) < 0))
		return fail_size(path, error);
	if (size == 0)
		return store_fail(
			error,
			"%.200s: is empty; expected at least one sector "
			"of %u bytes",
			path, STORE_SECTOR);
	if (size % STORE_SECTOR != 0)
		return store_fail(error,
				  "%.200s: has %" PRIu64 " bytes; expected a "
				  "multiple of %u",
				  path, size, STORE_SECTOR);
	file->size = size;
	file->store.capacity = size;
	file->store.block_size = (uint32_t)sector;
	learn_topology(file, st);
	return true;
}

/* If this process serves the image already, it found the image raw then.  What
 * the guest has written since must not keep it from opening the image again. */
static bool check_format(const struct file_store *file, const char *path,
			 const struct stat *st,
			 const struct store_options *options,
			 struct store_error *error)
{
	uint64_t size = 0;

	if (store_options_get(options, "format") ||
	    file_lock_is_raw(file->lock))
		return true;
	if (image_size(file, st, &size) &&
	    !file_format_check(path, file->fd, size, error))
		return false;
	file_lock_set_raw(file->lock);
	return true;
}

/*
 * io_uring first asks the file system not to wait, and lets a thread of the
 * kernel wait if it refuses.  Some file systems wait all the same (FUSE, on
 * 6.18, with direct I/O); then a disk that does not answer stops the worker and
 * all its clients.  So only file systems that are known to refuse are asked.
 * tmpfs always refuses, so each transfer would go through a thread, although it
 * only copies.
 */
static enum file_manner manner_of(int fd, const struct stat *st)
{
	struct statfs about;

	if (S_ISBLK(st->st_mode))
		return FILE_REFUSES;
	if (fstatfs(fd, &about) < 0)
		return FILE_WAITS;
	switch ((uint32_t)about.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
		return FILE_REFUSES;
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
		return FILE_MEMORY;
	default:
		return FILE_WAITS;
	}
}

/*
 * What O_DIRECT wants of the client's memory, of offsets and of sizes.  Linux
 * tells since 6.1, of some file systems.  Of block devices the sector is known,
 * which memory need not be aligned to more than.
 */
static bool learn_alignment(struct file_store *file, const char *path,
			    struct store_error *error)
{
	struct statx about = { .stx_mask = 0 };

	file->align =
		file->block_device ? file->store.block_size : DIRECT_ALIGN;
	file->memory_align = file->align;
	if (statx(file->direct_fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &about) <
		    0 ||
	    !(about.stx_mask & STATX_DIOALIGN))
		return true;
	if (about.stx_dio_offset_align == 0 || about.stx_dio_mem_align == 0 ||
	    about.stx_dio_offset_align > DIRECT_ALIGN_MAX)
		return store_fail(
			error,
			"%.200s: its file system has no direct I/O for it; "
			"expected one that does, or no direct",
			path);
	file->align = about.stx_dio_offset_align > STORE_SECTOR
			      ? about.stx_dio_offset_align
			      : STORE_SECTOR;
	file->memory_align = about.stx_dio_mem_align;
	return true;
}

static bool open_direct(struct file_store *file, const char *path, int flags,
			const struct stat *st, struct store_error *error)
{
	struct stat other;

	file->direct_fd = open_image(path, flags | O_DIRECT);
	if (file->direct_fd < 0)
		return store_fail(
			error,
			"%.200s: cannot be opened with O_DIRECT: %s; "
			"expected a file system that supports it, or no direct",
			path, strerror(errno));
	if (fstat(file->direct_fd, &other) < 0 || other.st_dev != st->st_dev ||
	    other.st_ino != st->st_ino)
		return store_fail(error,
				  "%.200s: was replaced while it was opened; "
				  "expected it to stay in place",
				  path);
	if (file->manner != FILE_MEMORY)
		return learn_alignment(file, path, error);
	/* Its pages are the cache. */
	close(file->direct_fd);
	file->direct_fd = -1;
	return true;
}

static bool file_open(struct file_store *file, const char *path,
		      const struct store_options *options,
		      struct store_error *error)
{
	int flags = options->read_only ? O_RDONLY : O_RDWR;
	struct stat st;

	file->fd = open_image(path, flags);
	if (file->fd < 0 && errno == EISDIR)
		return store_fail(
			error,
			"%.200s: is a directory; expected a raw image "
			"file or a block device",
			path);
	if (file->fd < 0 || fstat(file->fd, &st) < 0)
		return store_fail(error,
				  "%.200s: %s; expected an image that can be "
				  "opened for %s",
				  path, strerror(errno),
				  options->read_only ? "reading"
						     : "reading and writing");
	if (!check_kind(path, &st, error))
		return false;
	file->manner = manner_of(file->fd, &st);
	file->block_device = S_ISBLK(st.st_mode);
	file->lock = file_lock_take(path, file->fd, &st, options, error);
	if (!file->lock)
		return false;
	file->store.image = file->lock;
	if (!check_format(file, path, &st, options, error) ||
	    !learn_size(file, path, &st, error))
		return false;
	if (store_options_get(options, "direct") &&
	    !open_direct(file, path, flags, &st, error))
		return false;
	if (!options->read_only) {
		file_lock_writes(file->fd);
		if (file->direct_fd >= 0)
			file_lock_writes(file->direct_fd);
	}
	/* Fail now rather than when the first client connects. */
	if (!file_engine_prepare(1, error))
		return false;
	/* After a sync that failed, pages are taken for clean that the disk
	 * does not have.  Whoever opens the image anew reads the disk. */
	posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
	/* Nothing is read ahead within a call of a worker: see ahead.h. */
	if (file->manner == FILE_REFUSES)
		posix_fadvise(file->fd, 0, 0, POSIX_FADV_RANDOM);
	file->store.read_only = options->read_only;
	file->store.shared = store_options_get(options, "shared");
	return true;
}

/*
 * Grow the image before the capacity, so that the blocks exist when a worker
 * reads the new capacity.  Shrink the capacity only: truncating the image would
 * destroy data, and its owner can do that when no guest needs it any more.
 */
static bool file_resize(struct store *store, uint64_t capacity,
			struct store_error *error)
{
	struct file_store *file = (struct file_store *)store;
	const char *path = file->path;
	struct stat st;
	uint64_t size;

	if (fstat(file->fd, &st) < 0 || !image_size(file, &st, &size))
		return fail_size(path, error);
	if (capacity == 0)
		capacity = size;
	if (capacity == 0 || capacity % store->block_size != 0 ||
	    capacity > INT64_MAX)
		return store_fail(error,
				  "%.200s: cannot have %" PRIu64 " bytes; "
				  "expected a positive multiple of %u",
				  path, capacity, store->block_size);
	if (capacity > size && (S_ISBLK(st.st_mode) || store->read_only))
		return store_fail(error,
				  "%.200s: the image has %" PRIu64 " bytes; "
				  "expected no more, as %s is not grown",
				  path, size,
				  store->read_only ? "one that is read-only"
						   : "a block device");
	if (capacity > size && ftruncate(file->fd, (off_t)capacity) < 0)
		return store_fail(error,
				  "%.200s: cannot be grown to %" PRIu64
				  " bytes: %s; expected a file system "
				  "that has room for it",
				  path, capacity, strerror(errno));
	__atomic_store_n(&file->size, capacity > size ? capacity : size,
			 __ATOMIC_RELEASE);
	store_set_capacity(store, capacity);
	return true;
}

static void file_close(struct store *store)
{
	struct file_store *file = (struct file_store *)store;

	if (file->direct_fd >= 0)
		close(file->direct_fd);
	if (file->fd >= 0)
		close(file->fd);
	file_lock_drop(file->lock);
	file_sync_line_destroy(&file->syncs);
	free(file->path);
	free(file);
}

static const struct store_ops file_ops = {
	.lane_open = file_lane_open,
	.lane_close = file_lane_close,
	.add = file_lane_add,
	.start = file_lane_start,
	.reap = file_lane_reap,
	.cancel = file_lane_cancel,
	.resize = file_resize,
	.close = file_close,
};

static struct store *open_store(const struct store_options *options,
				struct store_error *error)
{
	const char *path = store_options_get(options, "file")->text;
	struct file_store *file = calloc(1, sizeof(*file));

	if (!file) {
		store_fail(error, "%.200s: out of memory", path);
		return NULL;
	}
	file->store.ops = &file_ops;
	file->fd = -1;
	file->direct_fd = -1;
	file_sync_line_init(&file->syncs);
	file->path = strdup(path);
	if (!file->path)
		store_fail(error, "%.200s: out of memory", path);
	else if (file_open(file, path, options, error))
		return &file->store;
	file_close(&file->store);
	return NULL;
}

static const struct store_key file_keys[] = {
	{ "file", STORE_KEY_PATH, "PATH", "a raw image or a block device",
	  NULL },
	{ "format", STORE_KEY_WORD, "raw",
	  "also if it looks like a qcow2 image, or another", "expected raw" },
	{ "direct", STORE_KEY_FLAG, NULL, "bypass the page cache", NULL },
	{ "shared", STORE_KEY_FLAG, NULL,
	  "several clients and programs may write to it", NULL },
	{ NULL, STORE_KEY_FLAG, NULL, NULL, NULL },
};

const struct store_kind file_kind = { file_keys, open_store };
