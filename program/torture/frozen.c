// SPDX-License-Identifier: MIT
/*
 * A file whose file system answers everything but reads: an access to a mapping
 * of it blocks as long as we live.  This speaks the kernel's protocol for file
 * systems of users (FUSE) itself, in a user namespace, so that it needs no
 * rights and no library.
 */
#include "program/torture/case.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program/torture/frozen.h"

#define NODE 2u

static void reply(int fd, const struct fuse_in_header *to, int error,
		  const void *bytes, size_t size)
{
	struct {
		struct fuse_out_header header;
		uint8_t bytes[128];
	} out = { .header = { .error = error, .unique = to->unique } };

	out.header.len = (uint32_t)(sizeof(out.header) + size);
	if (size > 0)
		memcpy(out.bytes, bytes, size);
	if (write(fd, &out, out.header.len) < 0)
		return;
}

static struct fuse_attr about(uint64_t node, uint64_t size)
{
	return (struct fuse_attr){
		.ino = node,
		.size = node == NODE ? size : 0,
		.mode = node == NODE ? S_IFREG | 0666 : S_IFDIR | 0777,
		.nlink = 1,
	};
}

static void answer(int fd, const struct fuse_in_header *in, uint64_t size)
{
	const struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
					    .minor = 31,
					    .max_write = 4096 };
	const struct fuse_entry_out entry = { .nodeid = NODE,
					      .attr_valid = 3600,
					      .entry_valid = 3600,
					      .attr = about(NODE, size) };
	const struct fuse_attr_out attributes = {
		.attr_valid = 3600, .attr = about(in->nodeid, size)
	};
	const struct fuse_open_out opened = { .fh = 1 };

	switch (in->opcode) {
	case FUSE_INIT:
		reply(fd, in, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		reply(fd, in, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		reply(fd, in, 0, &attributes, sizeof(attributes));
		break;
	case FUSE_OPEN:
		reply(fd, in, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ: /* never */
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(fd, in, -ENOSYS, NULL, 0);
		break;
	}
}

static void be_file_system(int fd, uint64_t size)
{
	static uint8_t bytes[FUSE_MIN_READ_BUFFER + 4096];
	struct fuse_in_header in;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		ssize_t got = read(fd, bytes, sizeof(bytes));

		if (got < 0 && errno != EINTR && errno != EAGAIN)
			_exit(0);
		if (got < (ssize_t)sizeof(in))
			continue;
		memcpy(&in, bytes, sizeof(in));
		answer(fd, &in, size);
	}
}

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return good;
}

/* Become root in a namespace of our own. */
static bool enter_namespace(void)
{
	char user[40], group[40];

	snprintf(user, sizeof(user), "0 %u 1", getuid());
	snprintf(group, sizeof(group), "0 %u 1", getgid());
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       put("/proc/self/setgroups", "deny") &&
	       put("/proc/self/uid_map", user) &&
	       put("/proc/self/gid_map", group);
}

int frozen_file(uint64_t size)
{
	char folder[] = "/tmp/precarium-torture-XXXXXX", options[100];
	int fd, file;
	pid_t pid;

	/* The device is opened there, too: it belongs to a namespace. */
	if (!enter_namespace() || !mkdtemp(folder))
		return -1;
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (mount("torture", folder, "fuse", MS_NOSUID | MS_NODEV, options)) {
		rmdir(folder);
		return -1;
	}
	pid = fork();
	if (pid == 0)
		be_file_system(fd, size);
	/* The file system lives as long as its process: not as long as ours,
	 * which would wait for itself at its end. */
	close(fd);
	snprintf(options, sizeof(options), "%s/file", folder);
	file = open(options, O_RDWR | O_CLOEXEC);
	umount2(folder, MNT_DETACH);
	rmdir(folder);
	return file;
}
