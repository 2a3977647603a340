/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_IOMMU_PLAIN_H
#define PRECARIUM_TESTS_IOMMU_PLAIN_H

#include <string.h>

#include "sim.h"
#include "tests/expect.h"

/*
 * A domain over the simulated device, with memory that is always there: pages
 * are their addresses.  For tests that play one history.
 */
#define PLAIN_PAGE  4096u
#define PLAIN_DRAIN 10u
#define PLAIN_ABORT 5u
#define PLAIN_WAIT  20u

static struct sim plain_sim;
static struct iommu_domain plain;
static struct iova plain_iova;
static uint64_t plain_now;
static uint64_t plain_pinned; /* pages */

static uint64_t plain_pin(void *world, uint64_t host)
{
	(void)world;
	plain_pinned++;
	return host;
}

static void plain_unpin(void *world, uint64_t frame)
{
	(void)world;
	(void)frame;
	plain_pinned--;
}

static void plain_touch(void *world, uint64_t frame, void *request, uint32_t at)
{
	(void)world;
	(void)frame;
	(void)request;
	(void)at;
}

static inline void plain_begin(const struct sim_manner *manner, bool hold,
			       uint64_t quota)
{
	static const struct sim_memory memory = { plain_pin, plain_unpin,
						  plain_touch };
	static struct iommu_ops ops;
	static const struct iova_range range = { 0, (1ull << 39) - 1 };
	const struct iommu_options options = {
		.queues = SIM_QUEUES,
		.depth = SIM_DEPTH,
		.hold = hold,
		.quota = quota,
		.drain = PLAIN_DRAIN,
		.abort = PLAIN_ABORT,
		.patience = { PLAIN_WAIT, PLAIN_WAIT, PLAIN_WAIT },
	};

	plain_pinned = 0;
	plain_now = 0;
	sim_init(&plain_sim, manner, &memory, NULL);
	ops = sim_ops;
	if (!manner->aborts)
		ops.abort = NULL;
	MUST(iova_init(&plain_iova, &range, 1));
	iommu_open(&plain, &ops, &plain_sim, &options, &plain_iova);
}

/* Time passes; the device works if it is told to. */
static inline void plain_tick(uint32_t ticks, bool works)
{
	for (uint32_t i = 0; i < ticks; i++) {
		plain_sim.now = (uint32_t)++plain_now;
		if (works)
			sim_step(&plain_sim, (uint32_t)plain_now);
		iommu_look(&plain, plain_now);
	}
}

/* The next news is of this loan and state. */
static inline bool plain_hears(uint32_t loan, enum iommu_state state)
{
	struct iommu_news news;

	return iommu_settled(&plain, &news) && news.loan == loan &&
	       news.state == state;
}

static inline enum prec_status plain_lend(uint32_t client, uint64_t host,
					  uint32_t pages, uint32_t *loan)
{
	const struct prec_span span = { .host = host,
					.size = (uint64_t)pages * PLAIN_PAGE,
					.rights = PREC_READ | PREC_WRITE };

	return iommu_lend(&plain, client, &span, NULL, loan);
}

/* Lent, and LIVE. */
static inline uint32_t plain_has(uint32_t client, uint64_t host, uint32_t pages)
{
	uint32_t loan = PREC_NONE;

	MUST(plain_lend(client, host, pages, &loan) == PREC_OK);
	plain_tick(1, false);
	MUST(plain_hears(loan, IOMMU_LIVE));
	return loan;
}

/* A read into the first page of the loan. */
static inline enum prec_status plain_put(struct sim_request *request,
					 uint32_t queue, uint32_t client,
					 uint32_t loan, uint32_t *slot)
{
	struct prec_pages pages;
	enum prec_status status;

	memset(request, 0, sizeof(*request));
	request->into_memory = true;
	prec_pages_begin(&pages, PREC_WRITE);
	status =
		prec_pages_add(&pages, &plain.windows,
			       plain.loan[loan].first.mapping.host, PLAIN_PAGE);
	if (status != PREC_OK)
		return status;
	sim_aim(request, &pages);
	return iommu_put(&plain, queue, client, &pages, request, slot);
}

#endif
