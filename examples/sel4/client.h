/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_EXAMPLES_SEL4_CLIENT_H
#define PRECARIUM_EXAMPLES_SEL4_CLIENT_H

#include <stdint.h>

#include <sel4/sel4.h>

/* A client that does with its memory what it is told to. */

#define PAGES	      4u /* it has */
#define CLIENT_BITS   4	 /* of its CNode */
#define CLIENT_FRAMES 8	 /* there, the originals of its frames */

enum client_command {
	FILL,	      /* its memory, by client_pattern */
	REVOKE,	      /* page n */
	REVOKE_LATER, /* page n, some time after the answer */
	DELETE,	      /* its own capability to page n */
	PEEK,	      /* at byte n */
};

extern seL4_CPtr client_cnode, client_endpoint;
extern seL4_CPtr client_memory; /* the Untyped that its frames are made of */

void client_set_up(void);
uint64_t client_ask(enum client_command command, uint64_t n);
/* What it fills its memory with, at each address. */
uint8_t client_pattern(uint64_t at);

#endif
