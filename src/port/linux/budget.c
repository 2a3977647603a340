// SPDX-License-Identifier: MIT
#include "linux.h"
#include "provide.h"

#include <time.h>

#include <precarium/budget.h>

/*
 * What is charged, and what comes back.
 *
 * A budget is charged before a page is made, together with all above it.  What
 * the client has given back since is found by looking at the pages that we
 * made: each region has a bit for each of them, and the kernel says of a
 * watched region, without making any, whether pages are there
 * (MADV_POPULATE_READ). Nothing is called that takes the lock of the file's
 * inode, as lseek(SEEK_DATA) does: a client can hold that lock as long as it
 * likes, with fallocate.
 *
 * Looking at all pages takes long, so it is done a little at a time and not too
 * often, once half the budget is used: by the time the budget is used up, we
 * know what came back.  It also runs in the fault handler, so it takes no lock
 * and a bounded number of steps.
 */
#define LOOK_EVERY_NS 5000000ull

/* Of one look.  Asking about a page that is gone takes as long as asking about
 * one that is there, but brings something. */
#define STEPS	    16384u
#define STEPS_THERE 64u
#define STEPS_GONE  16u

struct look {
	const struct prec_budget *budget;
	uint64_t from; /* an address: where to go on */
	uint32_t steps;
};

uint64_t prec_budget_used(const struct prec_budget *budget)
{
	return __atomic_load_n(&budget->used, __ATOMIC_RELAXED);
}

uint64_t prec_budget_refused(const struct prec_budget *budget)
{
	return __atomic_load_n(&budget->refused, __ATOMIC_ACQUIRE);
}

const struct prec_budget *prec_budget_short(const struct prec_budget *budget)
{
	return __atomic_load_n(&budget->short_of_all, __ATOMIC_RELAXED)
		       ? budget->all
		       : budget;
}

void prec_budget_credit(struct prec_budget *budget, uint64_t bytes)
{
	for (; budget; budget = budget->all)
		__atomic_sub_fetch(&budget->used, bytes, __ATOMIC_RELAXED);
}

/* The client has given back pages that we made. */
static void credit_pages(struct prec_region *region, uint64_t pages)
{
	uint64_t bytes = pages * region->page_size;

	__atomic_sub_fetch(&own(region)->charged, bytes, __ATOMIC_RELAXED);
	prec_budget_credit(own(region)->budget, bytes);
}

static bool take(struct prec_budget *budget, uint64_t bytes)
{
	uint64_t used = prec_budget_used(budget);

	do {
		if (used > budget->max || bytes > budget->max - used)
			return false;
	} while (!__atomic_compare_exchange_n(
		&budget->used, &used, used + bytes, true, __ATOMIC_RELAXED,
		__ATOMIC_RELAXED));
	return true;
}

static bool pays(const struct prec_region *region,
		 const struct prec_budget *budget)
{
	const struct prec_budget *b;

	for (b = own(region)->budget; b; b = b->all)
		if (b == budget)
			return true;
	return false;
}

static void spend(struct look *look, uint32_t steps)
{
	look->steps -= steps < look->steps ? steps : look->steps;
}

/* Which pages of one word of bits are there? */
static uint64_t which_are_there(const struct prec_region *region,
				uint64_t first, uint64_t bits,
				struct look *look)
{
	uint64_t there = 0;

	while (bits) {
		uint32_t at = (uint32_t)__builtin_ctzll(bits);
		uint64_t run = ~(bits >> at); /* its zeroes are the run */
		uint32_t count = run ? (uint32_t)__builtin_ctzll(run) : 64;
		uint64_t mask = (count < 64 ? (1ull << count) - 1 : ~0ull)
				<< at;

		if (region_has_pages(region, first + at, count)) {
			spend(look, STEPS_THERE);
			there |= mask;
			bits &= ~mask;
			continue;
		}
		/* One of them at least is gone: one by one, from here. */
		mask = 1ull << at;
		spend(look, STEPS_GONE);
		if (count > 1 && region_has_pages(region, first + at, 1))
			there |= mask;
		bits &= ~mask;
	}
	return there;
}

/*
 * The bits are taken before the pages are looked at, and put back for pages
 * that are there.  Another thread may make one of these pages meanwhile, and
 * charges it: either that thread finds no bit, or we find its bit when we put
 * ours back, and credit one of the two charges.
 */
static void look_at_word(struct prec_region *region, uint64_t word,
			 struct look *look)
{
	uint64_t bits = __atomic_exchange_n(&own(region)->made[word], 0,
					    __ATOMIC_SEQ_CST);
	uint64_t there, again = 0, pages;

	if (!bits)
		return;
	there = which_are_there(region, word * 64, bits, look);
	if (there)
		again = there & __atomic_fetch_or(&own(region)->made[word],
						  there, __ATOMIC_SEQ_CST);
	pages = (uint64_t)__builtin_popcountll(bits & ~there) +
		(uint64_t)__builtin_popcountll(again);
	if (pages)
		credit_pages(region, pages);
}

static bool look_at_region(struct prec_region *region, void *argument)
{
	struct look *look = argument;
	uint64_t host = region->span.host;
	uint64_t each = 64ull * region->page_size; /* bytes, of a word */
	uint64_t word = look->from > host ? (look->from - host) / each : 0;

	if (!own(region)->made || !pays(region, look->budget) ||
	    region_flags(region) & REGION_WITHDRAWN)
		return true;
	for (; word * each < own(region)->mapped; word++) {
		look->from = host + word * each;
		if (look->steps == 0)
			return false;
		spend(look, 1);
		if (__atomic_load_n(&own(region)->made[word], __ATOMIC_RELAXED))
			look_at_word(region, word, look);
	}
	return true;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void look_for_credit(struct prec_budget *budget)
{
	struct look look = { budget, 0, STEPS };
	uint64_t now = now_ns();

	if (now < __atomic_load_n(&budget->look_at_ns, __ATOMIC_RELAXED) ||
	    __atomic_exchange_n(&budget->looking, 1, __ATOMIC_ACQUIRE))
		return;
	look.from = __atomic_load_n(&budget->looked_to, __ATOMIC_RELAXED);
	if (!prec_index_visit(look.from, look_at_region, &look))
		__atomic_store_n(&budget->looked_to, look.from,
				 __ATOMIC_RELAXED);
	else
		__atomic_store_n(&budget->looked_to, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&budget->look_at_ns, now + LOOK_EVERY_NS,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&budget->looking, 0, __ATOMIC_RELEASE);
}

static bool charge_one(struct prec_budget *budget, uint64_t bytes)
{
	if (!take(budget, bytes)) {
		look_for_credit(budget);
		return take(budget, bytes);
	}
	if (prec_budget_used(budget) > budget->max / 2)
		look_for_credit(budget);
	return true;
}

bool prec_budget_charge(struct prec_budget *budget, uint64_t bytes)
{
	struct prec_budget *b, *undo;

	for (b = budget; b; b = b->all) {
		if (charge_one(b, bytes))
			continue;
		for (undo = budget; undo != b; undo = undo->all)
			__atomic_sub_fetch(&undo->used, bytes,
					   __ATOMIC_RELAXED);
		__atomic_store_n(&budget->short_of_all, b != budget,
				 __ATOMIC_RELAXED);
		__atomic_add_fetch(&budget->refused, 1, __ATOMIC_RELEASE);
		return false;
	}
	return true;
}
