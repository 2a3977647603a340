/* SPDX-License-Identifier: MIT */
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "held-disk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/client.h"

#define HELD_MAX 256

struct held {
	fuse_req_t request;
	enum { HELD_READ, HELD_WRITE, HELD_SYNC } kind;
	size_t size;
	off_t offset;
	char *bytes; /* to be written, a copy; NULL: they are dropped */
};

/* Shared with the process that serves. */
static struct board {
	bool hold;
	bool yield;
	uint32_t waiting;
	bool serving;
	int fallocate_error;
	uint32_t fallocates;
	uint32_t failing_syncs;
	uint32_t hold_writes;
} * board;

static struct held held[HELD_MAX];
static uint64_t disk_size;
static int data_fd = -1; /* what holds its data; -1: nothing does */
static char disk_path[200];
static int wake_fd;
static pid_t server;

static void get_attributes(fuse_req_t request, fuse_ino_t inode,
			   struct fuse_file_info *file)
{
	struct stat st = {
		.st_ino = inode,
		.st_mode = S_IFREG | 0600,
		.st_nlink = 1,
		.st_uid = getuid(),
		.st_gid = getgid(),
		.st_size = (off_t)disk_size,
	};

	(void)file;
	fuse_reply_attr(request, &st, 1000);
}

static void open_disk(fuse_req_t request, fuse_ino_t inode,
		      struct fuse_file_info *file)
{
	/* As in linux/fuse.h: libfuse 3.14 does not know the second flag.
	 * Else one write that is held would hold all others of the file. */
	const struct {
		uint64_t handle;
		uint32_t flags, padding;
	} opened = { .flags = 1u << 0 /* direct I/O */ |
			      1u << 6 /* parallel direct writes */ };

	(void)inode;
	(void)file;
	fuse_reply_buf(request, (const char *)&opened, sizeof(opened));
}

static void answer_write(const struct held *one)
{
	ssize_t done = (ssize_t)one->size;

	if (one->bytes)
		done = pwrite(data_fd, one->bytes, one->size, one->offset);
	if (done < 0)
		fuse_reply_err(one->request, errno);
	else
		fuse_reply_write(one->request, (size_t)done);
	free(one->bytes);
}

static void answer_read(const struct held *one)
{
	static char bytes[1u << 20];
	ssize_t done = (ssize_t)one->size;

	if (data_fd >= 0)
		done = pread(data_fd, bytes, one->size, one->offset);
	else
		client_pattern(bytes, one->size, HELD_DISK_SEED,
			       (uint64_t)one->offset / CLIENT_SECTOR);
	if (done < 0)
		fuse_reply_err(one->request, errno);
	else
		fuse_reply_buf(one->request, bytes, (size_t)done);
}

static void answer(const struct held *one)
{
	switch (one->kind) {
	case HELD_READ:
		answer_read(one);
		return;
	case HELD_WRITE:
		answer_write(one);
		return;
	case HELD_SYNC:
		fuse_reply_err(one->request, 0);
		return;
	}
}

static void take(const struct held *one)
{
	uint32_t count = board->waiting;
	uint32_t next = __atomic_load_n(&board->hold_writes, __ATOMIC_ACQUIRE);

	if (one->kind != HELD_WRITE)
		next = 0;
	if (next)
		__atomic_store_n(&board->hold_writes, next - 1,
				 __ATOMIC_RELEASE);
	if (!next && !__atomic_load_n(&board->hold, __ATOMIC_ACQUIRE)) {
		answer(one);
		return;
	}
	if (count == HELD_MAX) {
		free(one->bytes);
		fuse_reply_err(one->request, EIO);
		return;
	}
	held[count] = *one;
	__atomic_store_n(&board->waiting, count + 1, __ATOMIC_RELEASE);
}

static void read_disk(fuse_req_t request, fuse_ino_t inode, size_t size,
		      off_t offset, struct fuse_file_info *file)
{
	const struct held one = { request, HELD_READ, size, offset, NULL };

	(void)inode;
	(void)file;
	take(&one);
}

static void write_disk(fuse_req_t request, fuse_ino_t inode, const char *bytes,
		       size_t size, off_t offset, struct fuse_file_info *file)
{
	struct held one = { request, HELD_WRITE, size, offset, NULL };

	(void)inode;
	(void)file;
	if (data_fd >= 0) {
		one.bytes = malloc(size);
		if (!one.bytes) {
			fuse_reply_err(request, ENOMEM);
			return;
		}
		memcpy(one.bytes, bytes, size);
	}
	take(&one);
}

static bool sync_fails(void)
{
	uint32_t left =
		__atomic_load_n(&board->failing_syncs, __ATOMIC_ACQUIRE);

	if (left)
		__atomic_store_n(&board->failing_syncs, left - 1,
				 __ATOMIC_RELEASE);
	return left;
}

static void sync_disk(fuse_req_t request, fuse_ino_t inode, int data_only,
		      struct fuse_file_info *file)
{
	const struct held one = { request, HELD_SYNC, 0, 0, NULL };

	(void)inode;
	(void)data_only;
	(void)file;
	if (sync_fails())
		fuse_reply_err(request, EIO);
	else
		take(&one);
}

static void allocate(fuse_req_t request, fuse_ino_t inode, int mode,
		     off_t offset, off_t size, struct fuse_file_info *file)
{
	(void)inode;
	(void)mode;
	(void)offset;
	(void)size;
	(void)file;
	__atomic_add_fetch(&board->fallocates, 1, __ATOMIC_RELEASE);
	fuse_reply_err(request, __atomic_load_n(&board->fallocate_error,
						__ATOMIC_ACQUIRE));
}

/* Each transfer waits in the thread that asked for it, as for a network that
 * is down. */
static void begin(void *argument, struct fuse_conn_info *connection)
{
	(void)argument;
	connection->want &= ~(unsigned int)FUSE_CAP_ASYNC_DIO;
}

static const struct fuse_lowlevel_ops operations = {
	.init = begin,
	.getattr = get_attributes,
	.open = open_disk,
	.read = read_disk,
	.write = write_disk,
	.fsync = sync_disk,
	.fallocate = allocate,
};

static void answer_held(void)
{
	uint32_t count = board->waiting, i;

	if (__atomic_load_n(&board->hold, __ATOMIC_ACQUIRE))
		return;
	for (i = 0; i < count; i++)
		answer(&held[i]);
	__atomic_store_n(&board->waiting, 0, __ATOMIC_RELEASE);
}

/* FUSE tells that a signal came for whoever waits. */
static void drop_interrupted(void)
{
	uint32_t count = board->waiting, kept = 0, i;

	if (!__atomic_load_n(&board->yield, __ATOMIC_ACQUIRE))
		return;
	for (i = 0; i < count; i++) {
		if (!fuse_req_interrupted(held[i].request)) {
			held[kept++] = held[i];
			continue;
		}
		free(held[i].bytes);
		fuse_reply_err(held[i].request, EINTR);
	}
	__atomic_store_n(&board->waiting, kept, __ATOMIC_RELEASE);
}

static void serve(struct fuse_session *session)
{
	struct fuse_buf buffer = { .mem = NULL };
	struct pollfd pollers[2] = {
		{ .fd = fuse_session_fd(session), .events = POLLIN },
		{ .fd = wake_fd, .events = POLLIN },
	};
	eventfd_t count;
	int got;

	/* What made it readable may have gone again. */
	fcntl(pollers[0].fd, F_SETFL, O_RDWR | O_NONBLOCK);
	while (!fuse_session_exited(session)) {
		if (poll(pollers, 2, -1) < 0)
			continue;
		if (pollers[1].revents && eventfd_read(wake_fd, &count) == 0)
			answer_held();
		if (!pollers[0].revents)
			continue;
		got = fuse_session_receive_buf(session, &buffer);
		if (got == -EAGAIN || got == -EINTR)
			continue;
		if (got <= 0) {
			fprintf(stderr, "held disk: %s\n", strerror(-got));
			break;
		}
		fuse_session_process_buf(session, &buffer);
		drop_interrupted();
	}
}

/* In the child: no way back. */
static void be_server(void)
{
	char name[] = "held-disk";
	char *arguments[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, arguments);
	struct fuse_session *session;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	session =
		fuse_session_new(&args, &operations, sizeof(operations), NULL);
	if (!session || fuse_session_mount(session, disk_path))
		_exit(1);
	__atomic_store_n(&board->serving, true, __ATOMIC_RELEASE);
	serve(session);
	_exit(0);
}

static void write_map(const char *path, unsigned int from)
{
	char line[40];
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int size = snprintf(line, sizeof(line), "0 %u 1", from);

	if (fd >= 0 && write(fd, line, (size_t)size) != size)
		perror(path);
	if (fd >= 0)
		close(fd);
}

bool held_disk_prepare(void)
{
	unsigned int uid = geteuid(), gid = getegid();
	int fd;

	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return false;
	if (unshare(uid ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) < 0)
		return false;
	if (uid) {
		fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
		if (fd >= 0 && write(fd, "deny", 4) != 4)
			perror("/proc/self/setgroups");
		if (fd >= 0)
			close(fd);
		write_map("/proc/self/uid_map", uid);
		write_map("/proc/self/gid_map", gid);
	}
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

bool held_disk_start(const char *path, uint64_t size)
{
	return held_disk_start_file(path, size, -1);
}

bool held_disk_start_file(const char *path, uint64_t size, int data)
{
	int status;

	data_fd = data;
	disk_size = size;
	snprintf(disk_path, sizeof(disk_path), "%s", path);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		return false;
	board->fallocate_error = ENOSYS;
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		return false;
	server = fork();
	if (server == 0)
		be_server();
	while (!__atomic_load_n(&board->serving, __ATOMIC_ACQUIRE)) {
		if (waitpid(server, &status, WNOHANG) != 0) {
			server = 0;
			return false;
		}
		poll(NULL, 0, 2);
	}
	return true;
}

void held_disk_hold(void)
{
	__atomic_store_n(&board->hold, true, __ATOMIC_RELEASE);
}

void held_disk_hold_writes(uint32_t count)
{
	__atomic_store_n(&board->hold_writes, count, __ATOMIC_RELEASE);
}

void held_disk_release(void)
{
	__atomic_store_n(&board->hold, false, __ATOMIC_RELEASE);
	eventfd_write(wake_fd, 1);
}

void held_disk_yield(bool yields)
{
	__atomic_store_n(&board->yield, yields, __ATOMIC_RELEASE);
}

void held_disk_fail_syncs(uint32_t count)
{
	__atomic_store_n(&board->failing_syncs, count, __ATOMIC_RELEASE);
}

void held_disk_refuse_fallocate(int error)
{
	__atomic_store_n(&board->fallocate_error, error, __ATOMIC_RELEASE);
}

uint32_t held_disk_fallocates(void)
{
	return __atomic_load_n(&board->fallocates, __ATOMIC_ACQUIRE);
}

uint32_t held_disk_waiting(void)
{
	return __atomic_load_n(&board->waiting, __ATOMIC_ACQUIRE);
}

void held_disk_stop(void)
{
	if (server <= 0)
		return;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	server = 0;
	umount2(disk_path, MNT_DETACH);
}
