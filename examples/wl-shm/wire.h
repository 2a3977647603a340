/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_EXAMPLES_WL_SHM_WIRE_H
#define PRECARIUM_EXAMPLES_WL_SHM_WIRE_H

#include <stdint.h>

/* What stands on the socket: a byte with the pool's descriptor, then requests,
 * of which each good one is answered by a byte. */
#define SIDE   64u
#define BUFFER (SIDE * SIDE * 4u)

enum { RESIZE, SHOW }; /* what a client asks for */
struct request {
	uint32_t what, value; /* the new size, or where the buffer begins */
};

/* A client that draws two buffers; a hostile one takes the pool away. */
int client(int socket, int hostile);

#endif
