/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_LISTEN_H
#define PRECARIUM_VHOST_LISTEN_H

#include <sys/types.h>

#include "vhost/server.h"

struct release_account;

/* Identifies the file of a socket that we made, and tells its first owner.  The
 * kernel keeps the inode while the socket is open, so no other file can get its
 * number.  Zeroed: we did not make it, and must neither change nor remove
 * it. */
struct vhost_socket_file {
	dev_t device;
	ino_t inode;
	uid_t owner;
	gid_t group;
};

/*
 * Make a non-blocking socket that listens at `path`, and fill in *file.  Nobody
 * can connect before the file has the rights of `access`, whatever the umask.
 * A socket file on which nobody listens any more is replaced; any other file is
 * left alone.  -1: *error says why, and no file is left.
 */
int vhost_listen(const char *path, const struct vhost_access *access,
		 struct vhost_socket_file *file, struct vhost_error *error);

/* Fill in *file for a socket that listens at `path` and was made by a server
 * before this one.  Zeroes if none is there. */
void vhost_listen_know(const char *path, struct vhost_socket_file *file);

/*
 * Change the rights of the file while clients may connect.  At no moment may
 * anybody connect who has that right neither before nor after.  False: *error
 * says why, and the rights are as before.
 */
bool vhost_listen_allow(const char *path, const struct vhost_socket_file *file,
			const struct vhost_access *access,
			struct vhost_error *error);

/* Remove its file if that is still at `path`, and close `fd`, later
 * (release.h): with it goes what clients sent that were not accepted. */
void vhost_unlisten(const char *path, int fd,
		    const struct vhost_socket_file *file,
		    struct release_account *releases);

#endif
