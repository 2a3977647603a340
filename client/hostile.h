/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_HOSTILE_H
#define PRECARIUM_CLIENT_HOSTILE_H

#include "client/client.h"

/*
 * Attacks of a client on a server: single acts first, then a table of all of
 * them, for storms.  Acts on memory mark the region as torn, because this
 * process would fault on it as the server does: then client_submit and
 * client_wait fail, and client_peek reads what is left.
 *
 * Functions that return int return 0, or -1 with a line in the client's
 * `error`.
 */
int hostile_truncate(struct client *client, uint32_t region, uint64_t size);
int hostile_punch(struct client *client, uint32_t region, uint64_t offset,
		  uint64_t size);
/* Lends what was cut off again, as zeroes; the region is no longer torn. */
int hostile_restore(struct client *client, uint32_t region);
int hostile_shrink_and_grow(struct client *client, uint32_t region);

/* Prepare a chain on slot 0 of queue 0, spoil it, publish it, and kick. */
enum hostile_chain {
	HOSTILE_LOOP,	      /* a descriptor that follows itself; packed: a
				 list that does not end where it should */
	HOSTILE_LOOP_LONG,    /* a ring of all descriptors */
	HOSTILE_WILD_NEXT,    /* next is outside the table */
	HOSTILE_WILD_HEAD,    /* the available ring names no descriptor;
				 packed: a buffer id outside the ring */
	HOSTILE_WILD_INDEX,   /* the available index jumps; packed: a buffer
				 id that is in flight */
	HOSTILE_WILD_ADDRESS, /* in no region */
	HOSTILE_WRAP_ADDRESS, /* address + length passes 2^64 */
	HOSTILE_EDGE,	      /* data runs over the end of a region */
	HOSTILE_HUGE_LENGTH,
	HOSTILE_ZERO_LENGTH,
	HOSTILE_NO_STATUS, /* the status byte is not writable */
	HOSTILE_HEADER_ONLY,
	HOSTILE_SHORT_HEADER,
	HOSTILE_NESTED_TABLE, /* an indirect table in an indirect table */
	HOSTILE_ODD_TABLE,    /* its length is no multiple of 16 */
	HOSTILE_OWN_TABLE,    /* the table's own memory is the data */
	HOSTILE_OWN_RING,     /* data is read into the descriptors */
	HOSTILE_WILD_SECTOR,
	HOSTILE_UNKNOWN_TYPE,
	HOSTILE_CHAINS /* how many */
};

int hostile_chain(struct client *client, enum hostile_chain kind,
		  uint32_t type);
/* Its part for packed rings: spoils the list that was prepared last. */
void hostile_packed_chain(struct client *client, enum hostile_chain kind);

/* Messages with something wrong in them.  The server may hang up; the client
 * does not wait for an answer. */
enum hostile_message {
	HOSTILE_MESSAGE_UNKNOWN,
	HOSTILE_MESSAGE_VERSION,
	HOSTILE_MESSAGE_HUGE,
	HOSTILE_MESSAGE_CUT,	   /* half a header, then silence */
	HOSTILE_MESSAGE_SHORT,	   /* less payload than the request has */
	HOSTILE_MESSAGE_REPLY,	   /* a reply without a request */
	HOSTILE_MESSAGE_QUEUE,	   /* a queue that does not exist */
	HOSTILE_MESSAGE_RING_SIZE, /* no power of two */
	HOSTILE_MESSAGE_RING_WILD, /* rings in no region */
	HOSTILE_MESSAGE_RING_ODD,  /* rings at odd addresses */
	HOSTILE_MESSAGE_NO_FD,
	HOSTILE_MESSAGE_PIPE,	/* a pipe as memory */
	HOSTILE_MESSAGE_FDS,	/* more descriptors than it takes */
	HOSTILE_MESSAGE_TWICE,	/* a region that is there already */
	HOSTILE_MESSAGE_WRAP,	/* offset + size passes 2^64 */
	HOSTILE_MESSAGE_BEYOND, /* more than the file has */
	HOSTILE_MESSAGE_FLOOD,	/* questions without reading the answers */
	HOSTILE_MESSAGE_REBASE, /* another ring base, requests in flight */
	HOSTILE_MESSAGES
};

int hostile_message(struct client *client, enum hostile_message kind);

/* Clears O_NONBLOCK of the call eventfd, a flag of the open file that both
 * sides share, and fills the counter: a server that writes to it blocks for
 * ever. */
int hostile_clog(struct client *client, uint32_t queue);

/* Fills every free slot with reads and writes, anywhere on the disk, and
 * kicks. */
int hostile_load(struct client *client, uint64_t random);

/*
 * The storm.  Each act needs a started client and does its harm while requests
 * are in flight.  The connection may be broken afterwards: hang up and open
 * again with fresh memory, or use another client.
 */
struct hostile_act {
	const char *name;
	bool revokes; /* takes memory away */
	int (*run)(struct client *client, uint64_t random);
};

extern const struct hostile_act hostile_acts[];
extern const uint32_t hostile_act_count;

/*
 * One round of a storm: connect, start, act, wait a moment, and hang up.
 * 2: the act is complete; 1: it is not, because the server hung up or there was
 * nothing to do; 0: the server refused before the act, as it may; -1: there was
 * no connection, and `error`, of 200 bytes, says why.  With `die`, the calling
 * process kills itself instead of hanging up, if the act is complete.
 */
int hostile_round(const struct client_options *options,
		  const struct hostile_act *act, uint64_t random, bool die,
		  char *error);

/* One of a few ways to lend memory and to place rings and data in it. */
struct client_options hostile_lending(uint64_t random);

/* splitmix64: reproducible from a seed. */
uint64_t hostile_random(uint64_t *state);

#endif
