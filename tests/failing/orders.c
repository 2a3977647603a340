// SPDX-License-Identifier: MIT
#include "orders.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>

#include "faults.h"
#include "life.h"

#define NTH_MAX	    2000 /* more calls than any life has */
#define IN_A_ROW    10	 /* times that an error which passes comes again */
#define ONE_OF_MANY 29	 /* allocations of the step that has thousands */

void order_give(struct page *page, const struct order *order, uint32_t nth)
{
	/* Limits on lines of the log have recovered. */
	__atomic_add_fetch(&page->clock_ns, 3600ll * 1000000000,
			   __ATOMIC_SEQ_CST);
	page_store(page->number, order->number);
	page_store(page->nth, nth);
	page_store(page->many, order->many);
	page_store(page->in_step, order->step);
	page_store(page->error, order->error);
	page_store(page->seen, 0);
	page_store(page->fired, 0);
	page_store(page->kind, order->kind);
}

void order_take_back(struct page *page)
{
	page_store(page->kind, ORDER_NOTHING);
}

static const char *many_name(uint32_t many)
{
	return many == 1	  ? ""
	       : many == IN_A_ROW ? ", ten times"
				  : ", from then on";
}

void order_print(const struct order *order, uint32_t nth)
{
	fprintf(stderr, "%s %u: %s%s", order->name, nth,
		order->error == SHORT ? "less than asked for"
				      : strerror(order->error),
		many_name(order->many));
}

void orders_forget(struct page *page)
{
	memset(page->calls, 0, sizeof(page->calls));
	memset(page->transfers, 0, sizeof(page->transfers));
	memset(page->allocations, 0, sizeof(page->allocations));
	page_store(page->unknown, 0);
}

/* Is what fails tried again for as long as it takes?  Transfers wait for
 * memory. */
static bool passes(const struct order *order)
{
	const struct call_faults *call = &call_faults[order->number];

	if (order->kind == ORDER_ALLOCATION)
		return false;
	if (is_passing(order->error))
		return true;
	if (order->kind == ORDER_TRANSFER)
		return order->error == ENOMEM;
	return call->waits ||
	       (order->error == ENOMEM && call->length == LENGTH_VECTORS);
}

/* Once, and from then on; but where no such call follows the one that fails,
 * the second is the first over again.  False: there is no n-th. */
static bool try_one(struct orders *orders, struct order order, uint32_t nth)
{
	uint32_t seen;

	order.many = 1;
	seen = orders->try(&order, nth);
	order.many = passes(&order) ? IN_A_ROW : UINT32_MAX;
	if (seen > nth)
		orders->try(&order, nth);
	return seen > 0;
}

/* Of the `count` that a life has, or all that come. */
static void try_all(struct orders *orders, const struct order *order,
		    uint32_t count)
{
	uint32_t every = orders->stride;
	bool hit = true;

	if (order->step && life_step_has_thousands(order->step))
		every *= ONE_OF_MANY;
	for (uint32_t nth = 1; hit && nth < NTH_MAX; nth++) {
		if (every > 1 && nth > count)
			break;
		if (orders->phase++ % every == 0)
			hit = try_one(orders, *order, nth);
	}
}

static bool is_chosen(const struct orders *orders, const char *name)
{
	return !orders->only || strcmp(orders->only, name) == 0;
}

static void try_calls(struct orders *orders, const struct page *counts)
{
	for (uint32_t i = 0; i < call_faults_count; i++) {
		const struct call_faults *one = &call_faults[i];
		struct order order = { ORDER_CALL, i, one->name, 0, 1, 0 };

		if (!counts->calls[i] || !is_chosen(orders, one->name) ||
		    (orders->not_common && one->common))
			continue;
		for (int e = 0; one->errors[e]; e++) {
			order.error = one->errors[e];
			try_all(orders, &order, counts->calls[i]);
		}
	}
}

/* Does this kernel give a transfer the result that it is told to? */
static bool can_fail_transfers(void)
{
	struct io_uring_cqe *cqe = NULL;
	struct io_uring ring;
	bool can = false;

	if (io_uring_queue_init(1, &ring, 0) < 0)
		return false;
	transfer_fail(io_uring_get_sqe(&ring), EIO);
	if (io_uring_submit_and_wait(&ring, 1) == 1 &&
	    io_uring_peek_cqe(&ring, &cqe) == 0)
		can = cqe->res == -EIO;
	io_uring_queue_exit(&ring);
	return can;
}

static void try_transfers(struct orders *orders, const struct page *counts)
{
	for (uint32_t i = 0; i < transfer_faults_count; i++) {
		const struct transfer_faults *one = &transfer_faults[i];
		struct order order = {
			ORDER_TRANSFER, one->number, one->name, 0, 1, 0
		};
		uint32_t count = counts->transfers[one->number];

		if (!count || !is_chosen(orders, one->name))
			continue;
		for (int e = 0; one->errors[e]; e++) {
			order.error = one->errors[e];
			try_all(orders, &order, count);
		}
	}
}

static void try_allocations(struct orders *orders, const struct page *counts)
{
	struct order order = { ORDER_ALLOCATION, 0, "malloc", ENOMEM, 1, 0 };

	if (!is_chosen(orders, order.name))
		return;
	/* 0 stands for all steps, in an order, and for none, in the counts. */
	if (counts->allocations[0])
		try_all(orders, &order, counts->allocations[0]);
	for (order.step = 1; order.step < STEPS_MAX; order.step++)
		if (counts->allocations[order.step] &&
		    !(orders->not_common && life_step_is_common(order.step)))
			try_all(orders, &order,
				counts->allocations[order.step]);
}

void orders_try(struct orders *orders, const struct page *counts)
{
	try_calls(orders, counts);
	if (can_fail_transfers())
		try_transfers(orders, counts);
	else
		printf("not tried: transfers that fail: the kernel gives them "
		       "no result that it is told; Linux from 6.10 on does\n");
	try_allocations(orders, counts);
}
