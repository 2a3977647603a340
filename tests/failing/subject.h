/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_FAILING_SUBJECT_H
#define PRECARIUM_TESTS_FAILING_SUBJECT_H

#include "client/backend.h"
#include "life.h"
#include "page.h"

/*
 * The server whose calls fail: its files, its process, what it holds and what
 * it says.  There is one at a time.  What cannot be done ends the test, with a
 * line that says why.
 */
#define SETTLE_MS 20000 /* the time that it has to become as it was */

struct holdings {
	uint32_t descriptors;
	uint32_t files;	  /* mappings of files */
	uint32_t threads; /* of the program; those of io_uring come and go */
	int64_t blocks;	  /* of the heap */
};

struct subject {
	const char *program, *shim; /* paths */
	struct place place;
	char page_path[100], log_path[100];
	struct page *page;
	struct backend backend;
	struct neighbour_life neighbour;
	struct holdings usual;	 /* with nothing to do */
	uint64_t lives, servers; /* so far */
};

/* Make the files, and the page. */
void subject_prepare(struct subject *subject, const struct variant *variant);
/* Forget the order, and all that was counted. */
void subject_clear(struct subject *subject);
/* Start the server.  False: it has ended, or does not wait for clients in
 * time. */
bool subject_begin(struct subject *subject);
/* Connect the neighbour.  False: it is not served. */
bool subject_meets(struct subject *subject);
/* The same, but it must be. */
void subject_meet(struct subject *subject);
/* All of these: start the server, live in it until it holds no more than it
 * will, and learn how much that is. */
void subject_start(struct subject *subject);
void subject_stop(struct subject *subject);
/* Stop it, and remove all. */
void subject_free(struct subject *subject);
__attribute__((noreturn, format(printf, 2, 3))) void
subject_give_up(struct subject *subject, const char *format, ...);

/* A life to be lived. */
struct life subject_life(struct subject *subject);
/* Wait until the last client's descriptors are closed, or for this time. */
void subject_left_alone(const struct subject *subject, uint32_t ms);
/* Wait until it holds what is usual.  False: it does not, but *now. */
bool subject_settles(struct subject *subject, struct holdings *now);

/* Where the log ends now. */
long subject_log_end(const struct subject *subject);
/* Does the log, from there on, have a line that lives without failures do not
 * leave?  Any end of a client counts if `hung_up`. */
bool subject_said_why(struct subject *subject, long from, bool hung_up);
void subject_show_log(const struct subject *subject, long from);

#endif
