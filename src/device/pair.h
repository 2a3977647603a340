/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_PAIR_H
#define PRECARIUM_DEVICE_PAIR_H

#include <stdbool.h>

/* Is it a Unix stream socket? */
bool pair_is_stream(int fd);

/*
 * Is it one end of a pair, which has no name, and not of a connection to a
 * listening socket?  If we held both ends of a connection, it would never end,
 * and we would keep it after its client has gone.  So nothing that was sent on
 * such an end may stay unread, either: see release_unread.
 */
bool pair_is_unnamed(int fd);

#endif
