/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_HOSTILE_H
#define PRECARIUM_CLIENT_HOSTILE_H

#include "client/client.h"

/*
 * What a client can do to a driver.  Single acts first; then a table of them
 * all, for storms.  Memory acts mark the region as torn, because this process
 * would fault on it just as the driver does: submit and wait then refuse, and
 * client_peek reads what is left.
 */
int hostile_truncate(struct client *client, uint32_t region, uint64_t size);
int hostile_punch(struct client *client, uint32_t region, uint64_t offset,
		  uint64_t size);
/* Give back what was cut off, as zeroes; no longer torn. */
int hostile_restore(struct client *client, uint32_t region);
int hostile_shrink_and_grow(struct client *client, uint32_t region);

/* The chain of slot 0 of queue 0 is submitted, spoilt, then kicked. */
enum hostile_chain {
	HOSTILE_LOOP,	      /* a descriptor that follows itself; a packed
				 list that does not end where it should */
	HOSTILE_LOOP_LONG,    /* a ring of all descriptors */
	HOSTILE_WILD_NEXT,    /* next is outside the table */
	HOSTILE_WILD_HEAD,    /* the available ring names no descriptor; a
				 buffer id that is none */
	HOSTILE_WILD_INDEX,   /* the available index jumps; a buffer id that
				 is in flight */
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
/* Part of it: spoil what was put into a packed ring last. */
void hostile_packed_chain(struct client *client, enum hostile_chain kind);

/* Messages with something wrong in them.  The driver may hang up; no answer
 * is waited for. */
enum hostile_message {
	HOSTILE_MESSAGE_UNKNOWN,
	HOSTILE_MESSAGE_VERSION,
	HOSTILE_MESSAGE_HUGE,
	HOSTILE_MESSAGE_CUT,	   /* half a header, then silence */
	HOSTILE_MESSAGE_SHORT,	   /* less payload than the request has */
	HOSTILE_MESSAGE_REPLY,	   /* a reply that nobody asked for */
	HOSTILE_MESSAGE_QUEUE,	   /* a queue that is not there */
	HOSTILE_MESSAGE_RING_SIZE, /* no power of two */
	HOSTILE_MESSAGE_RING_WILD, /* rings in no region */
	HOSTILE_MESSAGE_RING_ODD,  /* rings at odd addresses */
	HOSTILE_MESSAGE_NO_FD,
	HOSTILE_MESSAGE_PIPE,	/* a pipe as memory */
	HOSTILE_MESSAGE_FDS,	/* more descriptors than are wanted */
	HOSTILE_MESSAGE_TWICE,	/* a region that is there already */
	HOSTILE_MESSAGE_WRAP,	/* offset + size passes 2^64 */
	HOSTILE_MESSAGE_BEYOND, /* more than the file has */
	HOSTILE_MESSAGE_FLOOD,	/* questions, and nobody reads answers */
	HOSTILE_MESSAGE_REBASE, /* another ring base in full flight */
	HOSTILE_MESSAGES
};

int hostile_message(struct client *client, enum hostile_message kind);

/* O_NONBLOCK lives in the shared description: clear it and fill the counter,
 * and a driver that simply writes to its call eventfd blocks for ever. */
int hostile_clog(struct client *client, uint32_t queue);

/* Fill every slot that is free: reads and writes mixed, anywhere on the disk,
 * and kick. */
int hostile_load(struct client *client, uint64_t random);

/*
 * The storm.  Each act needs a started client, does its harm while requests
 * are in flight, and leaves a connection of which nothing may be expected:
 * hang up and reopen with fresh memory, or take the next client.
 */
struct hostile_act {
	const char *name;
	bool revokes; /* takes memory away */
	int (*run)(struct client *client, uint64_t random);
};

extern const struct hostile_act hostile_acts[];
extern const uint32_t hostile_act_count;

/*
 * One round of a storm: connect, start, act, give the driver a moment with the
 * harm, and go without a word.  2: done; 1: not to its end, because the driver
 * hung up or there was nothing to be done; 0: the driver refused before the
 * act, as it may; -1: no connection could be made at all, with the words in
 * `error` of 200 bytes.  With `die`, the calling process kills itself where it
 * would hang up, if the act was done.
 */
int hostile_round(const struct client_options *options,
		  const struct hostile_act *act, uint64_t random, bool die,
		  char *error);

/* How a client lends its memory, and what it puts there: one of a few. */
struct client_options hostile_lending(uint64_t random);

/* splitmix64: reproducible from a seed. */
uint64_t hostile_random(uint64_t *state);

#endif
