// SPDX-License-Identifier: MIT
#include "store/file/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Two programs that write to one image destroy it.  The locks are those of QEMU
 * (block/file-posix.c), so that QEMU and we respect each other.  One byte of
 * the image stands for what a program does with it, another for what it permits
 * nobody else to do.  All are read locks, which do not exclude each other: a
 * program sets its own, then checks whether others hold a conflicting one, and
 * if so releases its own.  Of two programs that start at once both may back off
 * and try again, but never do both succeed.
 *
 * The locks belong to the open file, not to the process: io_uring keeps the
 * file of a request open until the request has ended.  When a server is killed
 * with a direct write in flight, the write outlives it, and the next server
 * must not serve these blocks before it has ended (LOCK_IN_FLIGHT).
 */
enum {
	LOCK_READS = 100,
	LOCK_WRITES = 101,
	LOCK_NO_OTHER_WRITES = 201,
	/* QEMU does not know these: */
	LOCK_IN_FLIGHT = 300,
	/* A lock of the process, which tells its pid and excludes nobody.  The
	 * kernel drops it when the process closes any descriptor of the
	 * image. */
	LOCK_NAME = 301,
};

#define WAIT_MS	 2000
#define RETRY_MS 10

struct file_lock {
	struct file_lock *next;
	dev_t device;
	ino_t inode;
	int fd;
	bool writes;
	bool shared;
	bool raw;
	uint32_t users;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct file_lock *all;

/* A block device may have several nodes: it is known by its own number, and no
 * file has the inode 0. */
static ino_t inode_of(const struct stat *st)
{
	return S_ISBLK(st->st_mode) ? 0 : st->st_ino;
}

static dev_t device_of(const struct stat *st)
{
	return S_ISBLK(st->st_mode) ? st->st_rdev : st->st_dev;
}

static struct file_lock *lock_find(const struct stat *st)
{
	struct file_lock *lock;

	pthread_mutex_lock(&mutex);
	for (lock = all; lock; lock = lock->next) {
		if (lock->device == device_of(st) &&
		    lock->inode == inode_of(st)) {
			lock->users++;
			break;
		}
	}
	pthread_mutex_unlock(&mutex);
	return lock;
}

static struct file_lock *lock_new(int fd, const struct stat *st, bool shared)
{
	struct file_lock *lock = calloc(1, sizeof(*lock));

	if (!lock)
		return NULL;
	lock->device = device_of(st);
	lock->inode = inode_of(st);
	lock->users = 1;
	lock->shared = shared;
	lock->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (lock->fd < 0) {
		free(lock);
		return NULL;
	}
	pthread_mutex_lock(&mutex);
	lock->next = all;
	all = lock;
	pthread_mutex_unlock(&mutex);
	return lock;
}

static struct flock byte_lock(short type, off_t byte)
{
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1,
	};
}

bool file_lock_is_raw(const struct file_lock *lock)
{
	return lock->raw;
}

void file_lock_set_raw(struct file_lock *lock)
{
	lock->raw = true;
}

void file_lock_drop(struct file_lock *lock)
{
	struct flock name = byte_lock(F_RDLCK, LOCK_NAME);
	struct file_lock **at = &all;

	if (!lock)
		return;
	pthread_mutex_lock(&mutex);
	/* Whoever dropped it has closed a descriptor, and our name is gone. */
	fcntl(lock->fd, F_SETLK, &name);
	if (--lock->users == 0) {
		while (*at != lock)
			at = &(*at)->next;
		*at = lock->next;
		close(lock->fd);
		free(lock);
	}
	pthread_mutex_unlock(&mutex);
}

/* False only if another holds a conflicting lock, not if there are no locks. */
static bool set(int fd, short type, off_t byte)
{
	struct flock lock = byte_lock(type, byte);

	return fcntl(fd, F_OFD_SETLK, &lock) == 0 ||
	       (errno != EAGAIN && errno != EACCES);
}

static bool others_have(int fd, off_t byte)
{
	struct flock lock = byte_lock(F_WRLCK, byte);

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void file_lock_writes(int fd)
{
	set(fd, F_RDLCK, LOCK_IN_FLIGHT);
}

/* True: nobody holds a conflicting lock, and ours is set. */
static bool try_write(const struct file_lock *lock)
{
	int fd = lock->fd;

	if (set(fd, F_RDLCK, LOCK_WRITES) &&
	    (lock->shared || !others_have(fd, LOCK_WRITES)) &&
	    !others_have(fd, LOCK_NO_OTHER_WRITES))
		return true;
	set(fd, F_UNLCK, LOCK_WRITES);
	return false;
}

static void let_go(int fd)
{
	set(fd, F_UNLCK, LOCK_READS);
	set(fd, F_UNLCK, LOCK_NO_OTHER_WRITES);
}

static bool try_read(const struct file_lock *lock)
{
	int fd = lock->fd;

	if (set(fd, F_RDLCK, LOCK_READS) &&
	    (lock->shared || (set(fd, F_RDLCK, LOCK_NO_OTHER_WRITES) &&
			      !others_have(fd, LOCK_WRITES) &&
			      !others_have(fd, LOCK_IN_FLIGHT))))
		return true;
	let_go(fd);
	return false;
}

/* The process whose images this one takes over, or 0. */
static int predecessor;

void file_lock_succeed(int pid)
{
	predecessor = pid;
}

static int holder(int fd);

/*
 * Does the process that we succeed hold the image alone, to write?  Then nobody
 * else has a lock that conflicts, and our own keep it so when it ends.  The
 * second lock tells that it does not share the image, so that whoever writes is
 * this process.
 */
static bool try_succeed(struct file_lock *lock, bool read_only)
{
	int fd = lock->fd;

	if (predecessor == 0 || lock->shared || holder(fd) != predecessor ||
	    !others_have(fd, LOCK_WRITES) ||
	    !others_have(fd, LOCK_NO_OTHER_WRITES) ||
	    !set(fd, F_RDLCK, LOCK_READS) ||
	    !set(fd, F_RDLCK, LOCK_NO_OTHER_WRITES))
		return false;
	if (!read_only && !set(fd, F_RDLCK, LOCK_WRITES))
		return false;
	/* It found the image raw when nobody had written to it. */
	lock->raw = true;
	return true;
}

static bool try_all(struct file_lock *lock, bool is_new, bool read_only)
{
	if ((is_new || (!read_only && !lock->writes)) &&
	    try_succeed(lock, read_only)) {
		lock->writes |= !read_only;
		return true;
	}
	if (is_new && !try_read(lock))
		return false;
	if (read_only || lock->writes || try_write(lock)) {
		lock->writes |= !read_only;
		return true;
	}
	if (is_new)
		let_go(lock->fd);
	return false;
}

/* The pid of a process that holds LOCK_NAME.  0: none is known, though there
 * may be one. */
static int holder(int fd)
{
	struct flock lock = byte_lock(F_WRLCK, LOCK_NAME);

	if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

static void say_who(int fd, const char *path,
		    const struct store_options *options,
		    struct store_error *error)
{
	const char *also = store_options_get(options, "shared")
				   ? ", or that it shares it, too"
			   : options->read_only ? ", or among readers"
						: "";

	int pid = holder(fd);
	char who[40] = "";

	if (!others_have(fd, LOCK_READS) && others_have(fd, LOCK_IN_FLIGHT)) {
		store_fail(
			error,
			"%.200s: writes of a program that has ended are still "
			"in flight; expected them to end within %d s",
			path, WAIT_MS / 1000);
		return;
	}
	if (pid > 0)
		snprintf(who, sizeof(who), " (process %d)", pid);
	store_fail(error,
		   "%.200s: is in use by another program%s; expected to be the "
		   "only one%s",
		   path, who, also);
}

struct file_lock *file_lock_take(const char *path, int fd,
				 const struct stat *st,
				 const struct store_options *options,
				 struct store_error *error)
{
	struct file_lock *lock = lock_find(st);
	struct flock name = byte_lock(F_RDLCK, LOCK_NAME);
	/* Two servers that start at once must not retry in step for ever. */
	const int pause = RETRY_MS + getpid() % RETRY_MS;
	bool is_new = !lock;

	if (is_new)
		lock = lock_new(fd, st, store_options_get(options, "shared"));
	if (!lock) {
		store_fail(error, "%.200s: cannot be locked: %s", path,
			   strerror(errno));
		return NULL;
	}
	for (int waited = 0; waited <= WAIT_MS; waited += pause) {
		if (try_all(lock, is_new, options->read_only)) {
			fcntl(fd, F_SETLK, &name);
			return lock;
		}
		/* A process that lives will not release it soon. */
		if (holder(lock->fd) > 0)
			break;
		poll(NULL, 0, pause);
	}
	say_who(fd, path, options, error);
	file_lock_drop(lock);
	return NULL;
}
