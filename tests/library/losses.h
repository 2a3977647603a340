/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_LIBRARY_LOSSES_H
#define PRECARIUM_TESTS_LIBRARY_LOSSES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Clients that take their memory back.  Each has lent one file of two pages,
 * held open by the parent; the driver is a child, which has it mapped.
 */
#define LENT_PAGE   4096u
#define LENT_SIZE   (2 * LENT_PAGE)
#define LENT_MIDDLE (LENT_PAGE - 5) /* inside the first page */

/* Two who misbehave and one who does not. */
enum { LOSER_A, LOSER_B, LOSERS, GOOD = LOSERS, CLIENTS };

enum loss_act {
	KEEP = 0,
	TAKE_ALL,   /* truncate to nothing */
	TAKE_PAGE,  /* truncate: the second page is lost */
	TAKE_BYTES, /* truncate within the first page: its tail becomes zero
		       without a fault, the second page is lost */
	PUNCH,	    /* a hole in the second page: zeroes, without a fault */
	BOUNCE,	    /* truncate to nothing and grow again: zeroes, no fault */
	GIVE_BACK,  /* grow again */
	REVOKE,	    /* politely: another thread of the driver revokes */
};

struct loss {
	const char *name;
	enum loss_act before[LOSERS]; /* before the window */
	enum loss_act at[LOSERS];     /* before instruction N of it */
};

/* What one of the two does, or both. */
#define OF_A(act)                                                              \
	{                                                                      \
		act, KEEP                                                      \
	}
#define OF_B(act)                                                              \
	{                                                                      \
		KEEP, act                                                      \
	}
#define OF_BOTH(act)                                                           \
	{                                                                      \
		act, act                                                       \
	}

/* What a loss may have done to a client's memory, by offset. */
struct loss_effect {
	uint32_t cut;	/* from here on it may have been out of reach */
	uint32_t ends;	/* the length of the file now */
	uint32_t zeros; /* from here on bytes may have become zero */
	bool revoked;	/* the driver let go; the file is as it was */
	uint32_t early; /* cut before the window already */
};

extern int lent_files[CLIENTS];

/* Make the files, and the pipes to the driver's revoking thread. */
bool lent_make(void);
/* All files whole again, with their first contents. */
void lent_restore(void);
/* What client `who` has at `offset` at first: never 0, less than 128. */
uint8_t lent_byte(unsigned int who, uint32_t offset);
void lent_read(unsigned int who, uint8_t *bytes);

void loss_happen(const enum loss_act acts[LOSERS]);
struct loss_effect loss_effect_on(const struct loss *loss, bool at,
				  unsigned int who);

/* In the driver: start the thread that revokes client `who` by calling
 * revoke(who) when the parent asks. */
void lent_answer(void (*revoke)(unsigned int who));

#endif
