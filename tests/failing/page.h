/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_FAILING_PAGE_H
#define PRECARIUM_TESTS_FAILING_PAGE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What the test, and the shim in the server share: a page of a file.  The test
 * writes the order, and the shim counts what it sees of it.  All members are
 * read and written by atomic accesses.
 */
enum order_kind {
	ORDER_NOTHING,
	ORDER_CALL,	  /* a system call */
	ORDER_ALLOCATION, /* malloc, calloc or realloc */
	ORDER_TRANSFER,	  /* an entry of an io_uring */
};

/* In the place of an errno: less is done than was asked for. */
#define SHORT (-1)

#define CALLS_MAX     128u
#define TRANSFERS_MAX 64u
#define STEPS_MAX     32u

struct page {
	/* The order. */
	uint32_t kind;
	uint32_t number;  /* of the call in call_faults[], or the opcode */
	uint32_t nth;	  /* from 1 */
	uint32_t many;	  /* of them in a row */
	int32_t error;	  /* errno, or SHORT */
	uint32_t step;	  /* where the client is in its life */
	uint32_t in_step; /* count in this step only; 0: in all */

	uint32_t ready; /* the server waits for clients, for the first time */

	/* What came of it. */
	uint32_t seen;	/* calls of this number */
	uint32_t fired; /* how many of them failed */
	uint32_t fired_step;
	uint32_t fired_detail; /* of the first: its descriptor, or request */

	/* Counted always. */
	uint32_t calls[CALLS_MAX]; /* by their place in call_faults[] */
	uint32_t unknown;	   /* the number of one that is not there */
	uint32_t transfers[TRANSFERS_MAX];
	uint32_t allocations[STEPS_MAX]; /* by step */
	int64_t blocks;			 /* of the heap that were not freed */

	int64_t clock_ns; /* what the shim adds to the monotonic clock */
};

#define page_load(member) __atomic_load_n(&(member), __ATOMIC_SEQ_CST)
#define page_store(member, what)                                               \
	__atomic_store_n(&(member), what, __ATOMIC_SEQ_CST)

/* Counts a call that the order may be about.  True: this one shall fail. */
static inline bool page_strikes(struct page *page, enum order_kind kind,
				uint32_t number, uint32_t detail)
{
	uint32_t seen;

	if (page_load(page->kind) != kind ||
	    page_load(page->number) != number ||
	    (page_load(page->in_step) &&
	     page_load(page->in_step) != page_load(page->step)))
		return false;
	seen = __atomic_add_fetch(&page->seen, 1, __ATOMIC_SEQ_CST);
	if (seen < page_load(page->nth) ||
	    seen - page_load(page->nth) >= page_load(page->many))
		return false;
	if (__atomic_fetch_add(&page->fired, 1, __ATOMIC_SEQ_CST) == 0) {
		page_store(page->fired_step, page_load(page->step));
		page_store(page->fired_detail, detail);
	}
	return true;
}

#endif
