// SPDX-License-Identifier: MIT
#include "program/serve/opener.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device/log.h"
#include "store/stores.h"

/* What is sent to the other process, without the rest of the path, and what it
 * answers, with the descriptor if error is 0. */
struct request {
	int flags;
	char path[PATH_MAX];
};

struct reply {
	int error;
};

static int opener_fd = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Linux has no list of them. */
static bool controls_a_kernel(const struct statfs *about)
{
	static const uint32_t kinds[] = {
		PROC_SUPER_MAGIC, SYSFS_MAGIC,
		DEBUGFS_MAGIC,	  TRACEFS_MAGIC,
		SECURITYFS_MAGIC, CGROUP_SUPER_MAGIC,
		BPF_FS_MAGIC,	  CGROUP2_SUPER_MAGIC,
		EFIVARFS_MAGIC,	  SELINUX_MAGIC,
		SMACK_MAGIC,	  0x62656570 /* configfs */,
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((uint32_t)about->f_type == kinds[i])
			return true;
	}
	return false;
}

/* The path itself, or what is renamed to it: with a dot and a number. */
static bool is_for_stats(const char *path, const char *stats)
{
	size_t size = stats ? strlen(stats) : 0;

	if (!stats || strncmp(path, stats, size) != 0)
		return false;
	path += size;
	if (*path == '.')
		path++;
	while (isdigit((unsigned char)*path))
		path++;
	return *path == 0;
}

/* Is this what may be written?  Both look at the open file, which nobody can
 * exchange. */
static int check(int fd, bool for_stats)
{
	struct statfs about;
	struct stat st;

	if (fstat(fd, &st) < 0 || fstatfs(fd, &about) < 0)
		return errno;
	if (controls_a_kernel(&about) || (S_ISCHR(st.st_mode) && !for_stats))
		return EPERM;
	return 0;
}

static int open_checked(const struct request *request, const char *stats,
			int *error)
{
	bool for_stats = is_for_stats(request->path, stats);
	int flags = request->flags;
	int fd;

	*error = EPERM;
	if (!for_stats &&
	    flags & (O_CREAT | O_TRUNC | O_TMPFILE) & ~O_DIRECTORY)
		return -1;
	fd = open(request->path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		  0666);
	*error = fd < 0 ? errno : check(fd, for_stats);
	if (*error == 0 && !(flags & O_NONBLOCK) &&
	    fcntl(fd, F_SETFL, flags & O_DIRECT) < 0)
		*error = errno;
	return fd;
}

static bool answer(int socket, int fd, int error)
{
	struct reply reply = { error };
	struct iovec part = { &reply, sizeof(reply) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (error == 0) {
		memset(&control, 0, sizeof(control));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL) >= 0;
}

/* Only what is safe after a fork of a process with threads. */
static void serve_requests(int socket, const char *stats)
{
	static struct request request;
	ssize_t size;

	do {
		int error, fd;

		size = recv(socket, &request, sizeof(request), 0);
		if (size <= (ssize_t)offsetof(struct request, path))
			return;
		request.path[sizeof(request.path) - 1] = 0;
		fd = open_checked(&request, stats, &error);
		if (!answer(socket, fd, error))
			return;
		if (fd >= 0)
			close(fd);
	} while (size > 0);
}

/* The sockets and images of the server must not stay open when it ends.  The
 * name is for ps. */
static void be_alone(int *socket)
{
	static const int ignored[] = { SIGTERM, SIGINT,	 SIGHUP,
				       SIGQUIT, SIGUSR1, SIGUSR2 };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, "precarium-open");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (dup2(*socket, 3) == 3)
		*socket = 3;
	if (syscall(SYS_close_range, 4u, ~0u, 0u) == 0)
		return;
	for (long fd = 4, most = sysconf(_SC_OPEN_MAX); fd < most; fd++)
		close((int)fd);
}

static bool fail(const char *what, struct vhost_error *error)
{
	snprintf(error->text, sizeof(error->text),
		 "the process that opens files: %s: %s", what, strerror(errno));
	return false;
}

bool opener_start(const char *stats, struct vhost_error *error)
{
	int pair[2];
	char ready = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail("socketpair", error);
	pid = fork();
	if (pid == 0) {
		be_alone(&pair[1]);
		if (send(pair[1], &ready, 1, MSG_NOSIGNAL) == 1)
			serve_requests(pair[1], stats);
		_exit(0);
	}
	close(pair[1]);
	errno = pid < 0 ? errno : ECHILD;
	/* It holds nothing of ours any more when it is ready. */
	if (pid < 0 || recv(pair[0], &ready, 1, 0) != 1) {
		close(pair[0]);
		return fail("fork", error);
	}
	opener_fd = pair[0];
	store_open_by(opener_open);
	return true;
}

static bool ask(const char *path, int flags)
{
	struct request request = { .flags = flags };
	size_t size = strlen(path) + 1;

	if (size > sizeof(request.path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(request.path, path, size);
	return send(opener_fd, &request, offsetof(struct request, path) + size,
		    MSG_NOSIGNAL) >= 0;
}

/* The descriptor; -1: errno. */
static int take_reply(void)
{
	struct reply reply;
	struct iovec part = { &reply, sizeof(reply) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const struct cmsghdr *header;
	int fd = -1;

	if (recvmsg(opener_fd, &message, MSG_CMSG_CLOEXEC) != sizeof(reply)) {
		errno = EPIPE;
		return -1;
	}
	header = CMSG_FIRSTHDR(&message);
	if (header)
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	/* None although there was no error: no number was free for it. */
	errno = reply.error ? reply.error : EMFILE;
	return fd;
}

int opener_open(const char *path, int flags)
{
	int fd;

	if (opener_fd < 0)
		return open(path, flags | O_CLOEXEC, 0666);
	pthread_mutex_lock(&mutex);
	fd = ask(path, flags) ? take_reply() : -1;
	pthread_mutex_unlock(&mutex);
	if (fd < 0 && errno == EPIPE) {
		log_print("the process that opens files for writing has ended; "
			  "expected it to run as long as the server: restart "
			  "the server");
		errno = EPIPE;
	}
	return fd;
}
