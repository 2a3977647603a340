// SPDX-License-Identifier: MIT
#include "program/serve/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool sandbox_become(const char *user, struct vhost_error *error)
{
	const struct passwd *entry;

	errno = 0;
	entry = getpwnam(user);
	if (!entry) {
		snprintf(error->text, sizeof(error->text),
			 "user: %.100s: %s; expected the name of a user", user,
			 errno ? strerror(errno) : "there is none");
		return false;
	}
	if (entry->pw_uid == geteuid())
		return true;
	if (initgroups(user, entry->pw_gid) == 0 &&
	    setgid(entry->pw_gid) == 0 && setuid(entry->pw_uid) == 0)
		return true;
	snprintf(error->text, sizeof(error->text),
		 "user: %.100s: %s; expected to be started by root", user,
		 strerror(errno));
	return false;
}
