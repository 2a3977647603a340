/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_FAILING_FAULTS_H
#define PRECARIUM_TESTS_FAILING_FAULTS_H

#include "page.h"

struct io_uring_sqe;

/* How a call can fail: what the manual pages and the kernel's source say of a
 * call whose arguments are good. */
#define FAULTS_MAX 12u

/* Where the length is that a short call is shortened by. */
enum length_kind {
	LENGTH_NONE,
	LENGTH_BYTES,	/* the third argument: bytes */
	LENGTH_VECTORS, /* the third counts vectors, at the second */
	LENGTH_MESSAGE, /* the second points to a struct msghdr */
	LENGTH_COUNT,	/* the second counts what is to be done */
	LENGTH_EVENTS,	/* the third is the room for events */
};

struct call_faults {
	uint32_t number;
	const char *name;
	enum length_kind length;
	bool done;  /* the call is carried out, and then reported failed */
	bool waits; /* the server waits, as long as it takes, and tries again */
	bool common;   /* the same whatever the image, the rings, the memory */
	bool on_disk;  /* only of a file that is not in memory */
	bool by_value; /* only if the second argument is one of `values` */
	long values[6];
	int32_t errors[FAULTS_MAX]; /* up to a 0 */
};

struct transfer_faults {
	uint32_t number; /* of IORING_OP_* */
	const char *name;
	int32_t errors[FAULTS_MAX];
};

extern const struct call_faults call_faults[];
extern const uint32_t call_faults_count;
extern const struct transfer_faults transfer_faults[];
extern const uint32_t transfer_faults_count;

/* The entry for a call with these arguments.  NULL: it is not to fail, or, if
 * *known is false, nobody knows how. */
const struct call_faults *
call_faults_find(uint32_t number, const long arguments[6], bool *known);

/* Make of the entry one that does nothing and completes with -error, which
 * Linux can from 6.10 on. */
void transfer_fail(struct io_uring_sqe *sqe, int error);

/* The calls that cannot fail, or of which no failure could be handled: the
 * kernel does not even stop there. */
extern const uint32_t calls_passed[];
extern const uint32_t calls_passed_count;

/* Says of an error that it passes: a server may try again and succeed. */
static inline bool is_passing(int32_t error)
{
	return error == SHORT || error == 4 /* EINTR */ ||
	       error == 11 /* EAGAIN */ || error == 16 /* EBUSY */;
}

#endif
