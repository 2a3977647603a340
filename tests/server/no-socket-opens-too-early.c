/* SPDX-License-Identifier: MIT */
/*
 * Nobody can connect to a socket before its file has the rights that were asked
 * for, or while they change has more than the old or the new ones give; and no
 * other file is given them, whatever somebody puts in its place meanwhile.  The
 * system calls in between are seen, and disturbed, by functions of their names.
 */
#include "tests/expect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost/listen.h"

#define PATH  "a.sock"
#define ASIDE "aside"
#define OTHER "other"

static mode_t wanted;  /* when somebody can connect */
static mode_t between; /* 0: not looked at */
static void (*after_bind)(void);
static void (*before_chmod)(void);
static bool chown_fails;
static unsigned int listens, chowns;

static mode_t mode_at(const char *path)
{
	struct stat st;

	MUST(lstat(path, &st) == 0);
	return st.st_mode & 07777;
}

static int connect_to(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int why = 0;

	strncpy(name.sun_path, path, sizeof(name.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
		why = errno;
	close(fd);
	return why;
}

int bind(int fd, __CONST_SOCKADDR_ARG name, socklen_t size)
{
	long status = syscall(SYS_bind, fd, name.__sockaddr__, size);

	if (status == 0)
		EXPECT((mode_at(PATH) & 077) == 0);
	if (status == 0 && after_bind)
		after_bind();
	return (int)status;
}

int listen(int fd, int backlog)
{
	listens++;
	EXPECT(mode_at(PATH) == wanted);
	EXPECT(connect_to(PATH) == ECONNREFUSED);
	return (int)syscall(SYS_listen, fd, backlog);
}

int chmod(const char *path, mode_t mode)
{
	if (before_chmod)
		before_chmod();
	return (int)syscall(SYS_chmod, path, mode);
}

int fchownat(int fd, const char *path, uid_t owner, gid_t group, int flags)
{
	chowns++;
	if (between)
		EXPECT(mode_at(PATH) == between);
	if (chown_fails) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_fchownat, fd, path, owner, group, flags);
}

static void right_from_the_beginning(void)
{
	static const mode_t umasks[] = { 0, 022, 077, 0777 };
	static const mode_t modes[] = { 0, 0600, 0606, 0660, 0777 };
	struct vhost_socket_file file;
	struct vhost_error error;

	for (size_t i = 0; i < sizeof(umasks) / sizeof(umasks[0]); i++) {
		for (size_t j = 0; j < sizeof(modes) / sizeof(modes[0]); j++) {
			struct vhost_access access = { .mode = modes[j] };
			int fd;

			wanted = modes[j] ? modes[j] : 0660;
			umask(umasks[i]);
			fd = vhost_listen(PATH, &access, &file, &error);
			umask(022);
			EXPECT(fd >= 0 && connect_to(PATH) == 0);
			vhost_unlisten(PATH, fd, &file, NULL);
			EXPECT(connect_to(PATH) == ENOENT);
		}
	}
	EXPECT(listens == 20);
}

static void put_link(void)
{
	MUST(rename(PATH, ASIDE) == 0 && symlink(OTHER, PATH) == 0);
}

static void put_other(void)
{
	MUST(rename(PATH, ASIDE) == 0 && rename(OTHER, PATH) == 0);
}

static void put_second_name(void)
{
	MUST(rename(PATH, ASIDE) == 0 && link(OTHER, PATH) == 0);
}

static void make_socket(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(name.sun_path, path, sizeof(name.sun_path) - 1);
	MUST(syscall(SYS_bind, fd, &name, sizeof(name)) == 0);
	MUST(syscall(SYS_chmod, path, 0600) == 0);
	close(fd);
}

static void make_file(const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	MUST(fd >= 0);
	close(fd);
}

/* Something else is at the path before the rights are set. */
static void replaced(void (*make)(const char *path), uid_t owner,
		     void (*put)(void))
{
	const struct vhost_access access = { .mode = 0666 };
	struct vhost_socket_file file;
	struct vhost_error error;

	make(OTHER);
	MUST(syscall(SYS_chown, OTHER, owner, -1) == 0);
	after_bind = put;
	EXPECT(vhost_listen(PATH, &access, &file, &error) < 0);
	after_bind = NULL;
	EXPECT(strstr(error.text, "was replaced"));
	EXPECT((mode_at(put == put_other ? PATH : OTHER) & 077) == 0);
	unlink(PATH);
	unlink(OTHER);
	MUST(unlink(ASIDE) == 0);
}

static void put_link_once(void)
{
	before_chmod = NULL;
	put_link();
}

static void replaced_late(void)
{
	const struct vhost_access access = { .mode = 0666 };
	struct vhost_socket_file file;
	struct vhost_error error;
	int fd;

	make_file(OTHER);
	before_chmod = put_link_once;
	wanted = 0777; /* of the link */
	fd = vhost_listen(PATH, &access, &file, &error);
	EXPECT(mode_at(OTHER) == 0600 && mode_at(ASIDE) == 0666);
	vhost_unlisten(PATH, fd, &file, NULL);
	EXPECT(mode_at(PATH) == 0777); /* not ours to remove */
	unlink(PATH);
	unlink(OTHER);
	unlink(ASIDE);
}

static void never_more_than_old_or_new(gid_t group)
{
	struct vhost_access old = { .mode = 0660 };
	struct vhost_access new = { 0646, false, true, 0, group };
	struct vhost_socket_file file;
	struct vhost_error error;
	struct stat st;
	int fd;

	wanted = 0660;
	fd = vhost_listen(PATH, &old, &file, &error);
	MUST(fd >= 0);
	between = 0640;
	chown_fails = true;
	EXPECT(!vhost_listen_allow(PATH, &file, &new, &error));
	EXPECT(strstr(error.text, "cannot be given to user"));
	EXPECT(mode_at(PATH) == 0660);
	chown_fails = false;
	EXPECT(vhost_listen_allow(PATH, &file, &new, &error));
	MUST(lstat(PATH, &st) == 0);
	EXPECT((st.st_mode & 07777) == 0646 && st.st_gid == group);
	EXPECT(vhost_listen_allow(PATH, &file, &old, &error));
	MUST(lstat(PATH, &st) == 0);
	EXPECT((st.st_mode & 07777) == 0660 && st.st_gid == file.group);
	between = 0;
	EXPECT(chowns == 3);
	vhost_unlisten(PATH, fd, &file, NULL);
}

static void nothing_is_left(gid_t group)
{
	const struct vhost_access access = { .has_group = true,
					     .group = group };
	struct vhost_socket_file file;
	struct vhost_error error;

	chown_fails = true;
	EXPECT(vhost_listen(PATH, &access, &file, &error) < 0);
	chown_fails = false;
	EXPECT(strstr(error.text, "expected to be root"));
	EXPECT(connect_to(PATH) == ENOENT);
}

/* A group that files may be given to: any for root, else one more of ours. */
static bool other_group(gid_t *group)
{
	gid_t groups[64];
	int count = getgroups(64, groups);

	*group = 1;
	if (geteuid() == 0)
		return true;
	for (int i = 0; i < count; i++) {
		*group = groups[i];
		if (*group != getegid())
			return true;
	}
	return false;
}

int main(void)
{
	char folder[] = "/tmp/precarium-XXXXXX";
	gid_t group;

	MUST(mkdtemp(folder) && chdir(folder) == 0);
	umask(022);
	right_from_the_beginning();
	replaced(make_file, geteuid(), put_link);
	replaced(make_socket, geteuid(), put_link);
	replaced(make_file, geteuid(), put_other);
	replaced(make_socket, geteuid(), put_second_name);
	if (geteuid() == 0)
		replaced(make_socket, 1, put_other);
	replaced_late();
	if (other_group(&group)) {
		never_more_than_old_or_new(group);
		nothing_is_left(group);
	} else {
		skip_part("another group", "this user has one only");
	}
	MUST(rmdir(folder) == 0);
	return expect_end();
}
