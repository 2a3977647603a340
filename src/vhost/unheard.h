/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_UNHEARD_H
#define PRECARIUM_VHOST_UNHEARD_H

#include "vhost/connection.h"

/*
 * A message was refused, and its sender does not hear of it, because it asked
 * for no reply: it takes for done what was not.  Where what follows means the
 * same all the same, nothing happens.  Where it is about a ring, that ring is
 * stopped until it is set up again.  Else the client is ended.  Of some such
 * messages a guest is the author, and its disk must not go for that.
 */
void vhost_refused_unheard(struct vhost_connection *connection,
			   const char *why);

#endif
