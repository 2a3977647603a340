// SPDX-License-Identifier: MIT
#include "vhost/listen.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

__attribute__((format(printf, 2, 3))) static bool
fail(struct vhost_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return false;
}

static bool make_name(struct sockaddr_un *name, const char *path,
		      struct vhost_error *error)
{
	size_t length = strlen(path);

	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	if (length == 0)
		return fail(error,
			    "socket path is empty; expected a file name");
	if (length >= sizeof(name->sun_path))
		return fail(error,
			    "%.200s: socket path has %zu bytes; "
			    "expected at most %zu",
			    path, length, sizeof(name->sun_path) - 1);
	memcpy(name->sun_path, path, length + 1);
	return true;
}

/* True if a server listens there.  One with a full backlog (EAGAIN) does. */
static bool is_live(const struct sockaddr_un *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused;

	if (fd < 0)
		return true;
	refused =
		connect(fd, (const struct sockaddr *)name, sizeof(*name)) < 0 &&
		errno == ECONNREFUSED;
	close(fd);
	return !refused;
}

/* Remove the socket of a server that died, and nothing else. */
static bool clear_path(const struct sockaddr_un *name,
		       struct vhost_error *error)
{
	const char *path = name->sun_path;
	struct stat before, after;

	if (lstat(path, &before) < 0)
		return true; /* bind reports what is wrong, if anything is */
	if (!S_ISSOCK(before.st_mode))
		return fail(error,
			    "%s: exists and is no socket; expected a "
			    "free name",
			    path);
	if (is_live(name))
		return fail(error,
			    "%s: a server listens there already; "
			    "expected a free name",
			    path);
	/* Another server may be doing the same. */
	if (lstat(path, &after) < 0 || after.st_ino != before.st_ino ||
	    after.st_dev != before.st_dev)
		return fail(error,
			    "%s: another server is starting there; "
			    "expected a free name",
			    path);
	if (unlink(path) < 0 && errno != ENOENT)
		return fail(error, "%s: stale socket cannot be removed: %s",
			    path, strerror(errno));
	return true;
}

int vhost_listen(const char *path, mode_t mode, struct vhost_error *error)
{
	struct sockaddr_un name;
	int fd;

	if (!make_name(&name, path, error) || !clear_path(&name, error))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		fail(error, "%s: no socket: %s", path, strerror(errno));
		return -1;
	}
	/* The file gets the mode of the socket, so nobody can connect before it
	 * is right. */
	if (fchmod(fd, mode) < 0 ||
	    bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0) {
		fail(error,
		     "%s: cannot be made: %s; expected a directory "
		     "that can be written to",
		     path, strerror(errno));
		close(fd);
		return -1;
	}
	if (listen(fd, BACKLOG) < 0) {
		fail(error, "%s: listen: %s", path, strerror(errno));
		unlink(path);
		close(fd);
		return -1;
	}
	return fd;
}

void vhost_unlisten(const char *path, int fd)
{
	struct vhost_error error = { "" };
	struct sockaddr_un name;
	struct stat st;

	/* A socket that still answers after ours was closed is another
	 * server's. */
	close(fd);
	if (!make_name(&name, path, &error))
		return;
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && !is_live(&name))
		unlink(path);
}
