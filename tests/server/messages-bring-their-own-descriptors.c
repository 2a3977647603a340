/* SPDX-License-Identifier: MIT */
/*
 * G1: a message has the descriptors that were sent with it, however many
 * messages wait behind it and whatever comes with those.  Too many of them, or
 * more than this process has room for, end the client, and close neither more
 * nor fewer descriptors than came.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/descriptors.h"
#include "client/slow.h"
#include "tests/expect.h"
#include "vhost/message.h"

#define FDS_SEEN 400

/* Which file each descriptor of this process is of. */
struct open_files {
	ino_t inodes[FDS_SEEN];
};

static struct open_files look(void)
{
	struct open_files files;
	struct stat st;

	for (int i = 0; i < FDS_SEEN; i++)
		files.inodes[i] = fstat(i, &st) < 0 ? 0 : st.st_ino;
	return files;
}

static bool same(const struct open_files *a, const struct open_files *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static int theirs, ours;

static void open_pair(void)
{
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	theirs = pair[0];
	ours = pair[1];
}

static void close_pair(void)
{
	close(theirs);
	close(ours);
}

static void say(uint32_t request, uint32_t size, uint32_t fd_count)
{
	struct {
		struct vhost_header header;
		uint64_t payload;
	} __attribute__((packed)) message = {
		{ .request = request, .flags = VHOST_VERSION, .size = size }, 0
	};
	int fds[DESCRIPTORS_MAX];

	for (uint32_t i = 0; i < DESCRIPTORS_MAX; i++)
		fds[i] = STDERR_FILENO;
	MUST(slow_send(theirs, &message, sizeof(message.header) + size, fds,
		       fd_count) == 0);
}

static void try_count(uint32_t count)
{
	struct vhost_message message = { .fd_count = 0 };
	struct open_files before, after;
	const char *why = NULL;

	open_pair();
	before = look();
	say(VHOST_GET_FEATURES, 0, count);
	EXPECT(vhost_message_receive(ours, &message, &why) ==
	       VHOST_RECEIVE_BROKEN);
	EXPECT(why);
	vhost_message_reset(&message);
	after = look();
	if (!EXPECT(same(&before, &after)))
		printf("with %u descriptors\n", count);
	close_pair();
}

/* The second message of two that have arrived has a descriptor. */
static void try_two(uint32_t first_size)
{
	struct vhost_message message = { .fd_count = 0 };
	const char *why = NULL;

	open_pair();
	say(first_size ? VHOST_SET_VRING_NUM : VHOST_GET_FEATURES, first_size,
	    0);
	say(VHOST_SET_VRING_CALL, 8, 1);
	EXPECT(vhost_message_receive(ours, &message, &why) ==
	       VHOST_RECEIVE_DONE);
	EXPECT(message.fd_count == 0);
	vhost_message_reset(&message);
	EXPECT(vhost_message_receive(ours, &message, &why) ==
	       VHOST_RECEIVE_DONE);
	EXPECT(message.header.request == VHOST_SET_VRING_CALL);
	EXPECT(message.fd_count == 1);
	vhost_message_reset(&message);
	close_pair();
}

/* There is room for fewer than came. */
static void try_without_room(void)
{
	struct vhost_message message = { .fd_count = 0 };
	struct open_files before, after;
	struct rlimit files, few;
	const char *why = NULL;

	open_pair();
	say(VHOST_SET_MEM_TABLE, 8, 6);
	before = look();
	getrlimit(RLIMIT_NOFILE, &files);
	few = files;
	few.rlim_cur = (rlim_t)ours + 3;
	MUST(setrlimit(RLIMIT_NOFILE, &few) == 0);
	EXPECT(vhost_message_receive(ours, &message, &why) ==
	       VHOST_RECEIVE_BROKEN);
	setrlimit(RLIMIT_NOFILE, &files);
	vhost_message_reset(&message);
	after = look();
	EXPECT(same(&before, &after));
	close_pair();
}

int main(void)
{
	static const uint32_t counts[] = { 9, 10, 11, 12, 17, DESCRIPTORS_MAX };

	/* Its own descriptors, which must stay. */
	for (int i = 0; i < 20; i++)
		MUST(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		try_count(counts[i]);
	try_two(0);
	try_two(8);
	try_without_room();
	return expect_end();
}
