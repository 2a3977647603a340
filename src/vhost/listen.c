// SPDX-License-Identifier: MIT
#include "vhost/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "device/release.h"

#define BACKLOG 64

static bool make_name(struct sockaddr_un *name, const char *path,
		      struct vhost_error *error)
{
	size_t length = strlen(path);

	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	if (length == 0)
		return vhost_fail(error,
				  "socket path is empty; expected a file name");
	if (length >= sizeof(name->sun_path))
		return vhost_fail(error,
				  "%.200s: socket path has %zu bytes; "
				  "expected at most %zu",
				  path, length, sizeof(name->sun_path) - 1);
	memcpy(name->sun_path, path, length + 1);
	return true;
}

/* Try to connect.  Returns 0 or the errno: ECONNREFUSED if nobody listens; a
 * full backlog, EAGAIN, means that somebody does. */
static int try_connect(const struct sockaddr_un *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int why = 0;

	if (fd < 0)
		return errno;
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) < 0)
		why = errno;
	close(fd);
	return why;
}

/* Remove the socket of a server that died, and nothing else. */
static bool clear_path(const struct sockaddr_un *name,
		       struct vhost_error *error)
{
	const char *path = name->sun_path;
	struct stat before, after;
	int why;

	if (lstat(path, &before) < 0)
		return true; /* bind reports what is wrong, if anything is */
	if (!S_ISSOCK(before.st_mode))
		return vhost_fail(error,
				  "%s: exists and is no socket; expected a "
				  "free name",
				  path);
	why = try_connect(name);
	if (why == EACCES)
		return vhost_fail(
			error,
			"%s: a socket is there that this user may not "
			"connect to; expected a free name",
			path);
	if (why != ECONNREFUSED)
		return vhost_fail(error,
				  "%s: a server listens there already; "
				  "expected a free name",
				  path);
	/* Another server may be doing the same. */
	if (lstat(path, &after) < 0 || after.st_ino != before.st_ino ||
	    after.st_dev != before.st_dev)
		return vhost_fail(error,
				  "%s: another server is starting there; "
				  "expected a free name",
				  path);
	if (unlink(path) < 0 && errno != ENOENT)
		return vhost_fail(error,
				  "%s: stale socket cannot be removed: %s; "
				  "expected a free name",
				  path, strerror(errno));
	return true;
}

static bool is_file(const struct stat *st, const struct vhost_socket_file *file)
{
	return S_ISSOCK(st->st_mode) && st->st_dev == file->device &&
	       st->st_ino == file->inode;
}

static void remove_file(const char *path, const struct vhost_socket_file *file)
{
	struct stat st;

	if (lstat(path, &st) == 0 && is_file(&st, file))
		unlink(path);
}

/*
 * Get a descriptor of the file at `path`, to check it and then change its
 * rights.  With the path alone, anybody who may write to the directory could
 * replace the file between the two.
 */
static int open_file(const char *path, struct stat *st)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, st) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool set_mode(int fd, mode_t mode)
{
	char path[40];

	/* fchmod refuses a descriptor of O_PATH. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return chmod(path, mode) == 0;
}

static bool set_owner(int fd, uid_t owner, gid_t group)
{
	return fchownat(fd, "", owner, group, AT_EMPTY_PATH) == 0;
}

static bool fail_mode(const char *path, mode_t mode, struct vhost_error *error)
{
	return vhost_fail(
		error,
		"%.200s: cannot be given mode %04o: %s; expected to own "
		"the socket, and a /proc",
		path, (unsigned int)mode, strerror(errno));
}

static bool fail_owner(const char *path, uid_t owner, gid_t group,
		       struct vhost_error *error)
{
	return vhost_fail(
		error,
		"%.200s: cannot be given to user %u and group %u: %s; "
		"expected to be root, or a group of this user",
		path, (unsigned int)owner, (unsigned int)group,
		strerror(errno));
}

static mode_t mode_of(const struct vhost_access *access)
{
	return access->mode ? access->mode : VHOST_SOCKET_MODE;
}

static uid_t owner_of(const struct vhost_socket_file *file,
		      const struct vhost_access *access)
{
	return access->has_owner ? access->owner : file->owner;
}

static gid_t group_of(const struct vhost_socket_file *file,
		      const struct vhost_access *access)
{
	return access->has_group ? access->group : file->group;
}

/* Set the rights of a new file, on which nobody listens yet.  The mode comes
 * first: a process may be allowed to give files away (CAP_CHOWN) and not to
 * change files of others (CAP_FOWNER). */
static bool allow_first(int fd, const char *path,
			const struct vhost_socket_file *file,
			const struct vhost_access *access,
			struct vhost_error *error)
{
	uid_t owner = owner_of(file, access);
	gid_t group = group_of(file, access);

	if (!set_mode(fd, mode_of(access)))
		return fail_mode(path, mode_of(access), error);
	return (owner == file->owner && group == file->group) ||
	       set_owner(fd, owner, group) ||
	       fail_owner(path, owner, group, error);
}

/* Ours if we own it and it has one name: nobody else can make such a file. */
static bool is_made(const struct stat *st)
{
	return S_ISSOCK(st->st_mode) && st->st_uid == geteuid() &&
	       st->st_nlink == 1;
}

static bool fail_open(const char *path, struct vhost_error *error)
{
	int why = errno;
	struct stat st;

	if (lstat(path, &st) == 0 && is_made(&st))
		unlink(path);
	return vhost_fail(
		error,
		"%.200s: cannot be opened to set its rights: %s; expected "
		"a directory that others cannot write to",
		path, strerror(why));
}

/* Identify the file that was just bound, and set its rights. */
static bool take_file(const char *path, struct vhost_socket_file *file,
		      const struct vhost_access *access,
		      struct vhost_error *error)
{
	struct stat st;
	int fd = open_file(path, &st);
	bool good;

	if (fd < 0)
		return fail_open(path, error);
	if (!is_made(&st)) {
		close(fd);
		return vhost_fail(
			error,
			"%s: was replaced while it was made; expected a "
			"directory that others cannot write to",
			path);
	}
	*file = (struct vhost_socket_file){ st.st_dev, st.st_ino, st.st_uid,
					    st.st_gid };
	good = allow_first(fd, path, file, access, error);
	close(fd);
	if (!good)
		remove_file(path, file);
	return good;
}

int vhost_listen(const char *path, const struct vhost_access *access,
		 struct vhost_socket_file *file, struct vhost_error *error)
{
	struct sockaddr_un name;
	int fd;

	if (!make_name(&name, path, error) || !clear_path(&name, error))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		vhost_fail(error, "%s: no socket: %s", path, strerror(errno));
		return -1;
	}
	/* The mode of the socket becomes that of its file, less the umask. */
	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0) {
		vhost_fail(error,
			   "%s: cannot be made: %s; expected a directory "
			   "that can be written to",
			   path, strerror(errno));
		close(fd);
		return -1;
	}
	/* Nobody can connect before listen(). */
	if (!take_file(path, file, access, error)) {
		close(fd);
		return -1;
	}
	if (listen(fd, BACKLOG) < 0) {
		vhost_fail(error, "%s: listen: %s", path, strerror(errno));
		vhost_unlisten(path, fd, file, NULL);
		return -1;
	}
	return fd;
}

void vhost_listen_know(const char *path, struct vhost_socket_file *file)
{
	struct stat st;

	memset(file, 0, sizeof(*file));
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		*file = (struct vhost_socket_file){ st.st_dev, st.st_ino,
						    st.st_uid, st.st_gid };
}

/* Mode and owner cannot change at once.  So first take away the rights that the
 * new mode lacks, then change the owner, then add what the new mode adds. */
static bool allow(int fd, const char *path, const struct stat *now,
		  const struct vhost_socket_file *file,
		  const struct vhost_access *access, struct vhost_error *error)
{
	mode_t old = now->st_mode & 0777, mode = mode_of(access);
	uid_t owner = owner_of(file, access);
	gid_t group = group_of(file, access);

	if ((old & mode) != old && !set_mode(fd, old & mode))
		return fail_mode(path, mode, error);
	if ((owner != now->st_uid || group != now->st_gid) &&
	    !set_owner(fd, owner, group)) {
		fail_owner(path, owner, group, error);
	} else if ((old & mode) == mode || set_mode(fd, mode)) {
		return true;
	} else {
		fail_mode(path, mode, error);
		set_owner(fd, now->st_uid, now->st_gid);
	}
	set_mode(fd, old);
	return false;
}

bool vhost_listen_allow(const char *path, const struct vhost_socket_file *file,
			const struct vhost_access *access,
			struct vhost_error *error)
{
	struct stat st;
	int fd = open_file(path, &st);
	bool good;

	if (fd >= 0 && is_file(&st, file)) {
		good = allow(fd, path, &st, file, access, error);
		close(fd);
		return good;
	}
	if (fd >= 0)
		close(fd);
	return vhost_fail(
		error,
		"%.200s: the socket that was made there is gone; expected "
		"it to stay, so that its permissions can change",
		path);
}

void vhost_unlisten(const char *path, int fd,
		    const struct vhost_socket_file *file,
		    struct release_account *releases)
{
	/* While the descriptor is open no other file has the inode's number. */
	remove_file(path, file);
	release_fd(releases, fd);
}
