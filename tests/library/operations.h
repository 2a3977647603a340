/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_LIBRARY_OPERATIONS_H
#define PRECARIUM_TESTS_LIBRARY_OPERATIONS_H

#include "losses.h"
#include "stepper.h"

#include <precarium/precarium.h>

/*
 * The driver whose operations are stepped: what each does, from where to
 * where, so that one judge serves all.
 */
#define PIECE_MAX 4u

/* Bytes of a client's memory; size 0 ends a list of them. */
struct piece {
	unsigned int who;
	uint32_t at, size;
};

enum operation_kind {
	COPIES = 0, /* `done` exact */
	SWAPS,	    /* compare and exchange */
	ABANDONS,   /* plain pointers; `done` is the cursor */
	SUBSTITUTES,
};

struct operation {
	const char *name;
	void (*run)(void *work); /* the window */
	enum operation_kind kind;
	bool two_clients; /* try with the two losing apart */
	bool twice;	  /* try a second loss in the handler */
	bool constant;	  /* the driver's bytes are all the same */
	bool string;	  /* by the string instruction */
	bool tolerated;	  /* the regions tolerate losses */
	uint8_t vectors;  /* of so many bytes; 0: whatever there are */
	uint32_t size;
	/* In order.  An empty list: the driver's own memory. */
	struct piece from[PIECE_MAX], to[PIECE_MAX];
};

#define OPERATION_MAX 128u
extern const struct operation operations[];
extern const uint32_t operation_count;
/* Does this processor use such vectors? */
bool operation_is_possible(const struct operation *one);

#define BUFFER_GUARD 64u
#define BUFFER_SIZE  4096u
#define CANARY	     0xee

/* Shared by driver and judge. */
struct work {
	uint32_t operation;	 /* in: which */
	enum prec_status status; /* out */
	uint64_t done;		 /* out */
	bool moved;		 /* out: an epoch moved */
	bool abandoned;		 /* out: so says the note */
	bool replaced;		 /* out: a note speaks of empty pages */
	char wrong[96];		 /* out: "" or what the driver found */
	_Alignas(64) uint8_t buffer[BUFFER_SIZE];
};

extern struct work *driver_work;

/* What the driver sends: never a byte of a client's first contents. */
uint8_t driver_byte(const struct operation *op, uint32_t i);

void operations_prepare(void);
void operations_run(void);

#endif
