// SPDX-License-Identifier: MIT
#include "program/serve/access.h"

#include <grp.h>
#include <pwd.h>

#include "program/number.h"

const char *access_set_mode(struct vhost_access *access, const char *value)
{
	mode_t mode = 0;

	for (const char *at = value; *at; at++) {
		if (*at < '0' || *at > '7' || mode > 0777)
			mode = 01000;
		else
			mode = mode * 8 + (mode_t)(*at - '0');
	}
	if (mode > 0777 || !(mode & 0200))
		return "expected an octal mode that lets the owner write, as "
		       "0660";
	access->mode = mode;
	return NULL;
}

/* -1 is no user and no group. */
static bool parse_id(const char *text, uint32_t *id)
{
	return parse_small(text, 0, UINT32_MAX - 1, id);
}

const char *access_set_owner(struct vhost_access *access, const char *value)
{
	if (!parse_id(value, &access->owner)) {
		const struct passwd *entry = getpwnam(value);

		if (!entry)
			return "expected the name or number of a user";
		access->owner = entry->pw_uid;
	}
	access->has_owner = true;
	return NULL;
}

const char *access_set_group(struct vhost_access *access, const char *value)
{
	if (!parse_id(value, &access->group)) {
		const struct group *entry = getgrnam(value);

		if (!entry)
			return "expected the name or number of a group";
		access->group = entry->gr_gid;
	}
	access->has_group = true;
	return NULL;
}

bool access_is_set(const struct vhost_access *access)
{
	return access->mode || access->has_owner || access->has_group;
}

bool access_same(const struct vhost_access *a, const struct vhost_access *b)
{
	return a->mode == b->mode && a->has_owner == b->has_owner &&
	       a->owner == b->owner && a->has_group == b->has_group &&
	       a->group == b->group;
}
