/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_LISTEN_H
#define PRECARIUM_VHOST_LISTEN_H

#include <sys/types.h>

#include "vhost/server.h"

/* The file of a socket that we made: which one it is, and whose it was then.
 * The kernel keeps the inode while the socket is open, so no other file has its
 * number.  Zeroed: not ours, neither to change nor to remove. */
struct vhost_socket_file {
	dev_t device;
	ino_t inode;
	uid_t owner;
	gid_t group;
};

/*
 * Make a listening socket at `path`, non-blocking.  Nobody can connect before
 * its file has the rights that `access` says, whatever the umask.  A socket
 * file that nobody listens on any more is replaced; anything else there is left
 * alone.  -1: *error says why, and no file is left.
 */
int vhost_listen(const char *path, const struct vhost_access *access,
		 struct vhost_socket_file *file, struct vhost_error *error);

/*
 * Give the file other rights, while clients may connect: meanwhile nobody can
 * whom neither the old nor the new rights let.  False: *error says why, and the
 * file is as it was.
 */
bool vhost_listen_allow(const char *path, const struct vhost_socket_file *file,
			const struct vhost_access *access,
			struct vhost_error *error);

/* Remove the socket file, if it is still that of `fd`.  Closes `fd`. */
void vhost_unlisten(const char *path, int fd,
		    const struct vhost_socket_file *file);

#endif
