/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_FAILING_ORDERS_H
#define PRECARIUM_TESTS_FAILING_ORDERS_H

#include "page.h"

/* What is to fail, and all that can. */
struct order {
	enum order_kind kind;
	uint32_t number; /* in call_faults[], or the opcode of a transfer */
	const char *name;
	int32_t error;
	uint32_t many; /* in a row */
	uint32_t step; /* in this only; 0: in all */
};

struct orders {
	/* Try it: the n-th such call.  How many there were until the order was
	 * taken back; 0: no n-th. */
	uint32_t (*try)(const struct order *order, uint32_t nth);
	const char *only; /* calls of this name; NULL: all */
	uint32_t stride;  /* of how many points one is tried */
	uint32_t phase;
	bool not_common; /* leave out what does not depend on the variant */
};

void order_give(struct page *page, const struct order *order, uint32_t nth);
void order_take_back(struct page *page);
/* "accept4 3: Cannot allocate memory, from then on", to standard error. */
void order_print(const struct order *order, uint32_t nth);

/* Try each call that was counted, each transfer and each allocation, in each
 * way that it can fail: once, and, if such calls follow, from then on or a
 * number of times. */
void orders_try(struct orders *orders, const struct page *counts);

/* Forget what was counted. */
void orders_forget(struct page *page);

#endif
