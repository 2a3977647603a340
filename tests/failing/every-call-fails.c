// SPDX-License-Identifier: MIT
/*
 * Every system call, allocation and transfer that a server makes while it
 * serves fails in turn, in each way that it can: once, and from then on.  The
 * server lives, says why something was not done, tells no success that is not
 * true, and keeps nothing; the neighbour's bytes are right, and the next client
 * is served.
 *
 * A "point" is the n-th time in the life of a client (life.h) that a call is
 * made, and an error.  They are tried one after the other on one server, which
 * must stand them all.  It is started anew only after a failed sync, because
 * the export that failed is then replaced, and after what is not specified.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "life.h"
#include "orders.h"
#include "subject.h"

#define SHOWN_MAX 40  /* unspecified outcomes that are told one by one */
#define LEAVE_MS  300 /* to go, even if something fails all the time */

enum outcome {
	NO_EFFECT,
	REQUEST,
	MESSAGE,
	ENDED,
	COMMAND,
	NEIGHBOUR,
	UNSPECIFIED,
	OUTCOMES
};

static const char *const outcome_names[OUTCOMES] = {
	[NO_EFFECT] = "without effect",
	[REQUEST] = "a request failed",
	[MESSAGE] = "a message was refused",
	[ENDED] = "the client was ended",
	[COMMAND] = "a command failed",
	[NEIGHBOUR] = "hit a request of the neighbour",
	[UNSPECIFIED] = "unspecified",
};

static struct subject subject;
static uint64_t points[OUTCOMES];

static enum outcome outcome_of(const struct life *life)
{
	uint32_t failures = life->failures;

	if (life->wrong[0])
		return UNSPECIFIED;
	if (failures & FAILED_NEIGHBOUR)
		return NEIGHBOUR;
	if (failures & FAILED_CLIENT)
		return ENDED;
	if (failures & FAILED_MESSAGE)
		return MESSAGE;
	if (failures & FAILED_REQUEST)
		return REQUEST;
	return failures & FAILED_COMMAND ? COMMAND : NO_EFFECT;
}

/* Must the log say why?  An answer to a command says it itself. */
static bool must_say_why(const struct order *order, const struct life *life)
{
	if (order->kind == ORDER_CALL && strcmp(order->name, "write") == 0)
		return false; /* it may have been the log's */
	return life->silent || (life->failures & ~(uint32_t)FAILED_COMMAND);
}

static void find_fault(struct life *life, const char *what)
{
	if (!life->wrong[0])
		snprintf(life->wrong, sizeof(life->wrong), "%.280s", what);
}

static void live_well(struct life *life, void (*way)(struct life *life))
{
	struct life next = subject_life(&subject);
	char text[200];

	way(&next);
	if (!next.wrong[0])
		return;
	snprintf(text, sizeof(text), "afterwards: %.180s", next.wrong);
	find_fault(life, text);
}

static void find_holdings(struct life *life)
{
	struct holdings now;
	char text[200];

	if (subject_settles(&subject, &now))
		return;
	snprintf(text, sizeof(text),
		 "afterwards it has %+d descriptors, %+d mappings, %+d "
		 "threads, %+lld blocks",
		 (int)(now.descriptors - subject.usual.descriptors),
		 (int)(now.files - subject.usual.files),
		 (int)(now.threads - subject.usual.threads),
		 (long long)(now.blocks - subject.usual.blocks));
	find_fault(life, text);
}

/* The next commands and the next client are served, something was said, and
 * nothing was kept. */
static void look_after(struct life *life, const struct order *order, long from,
		       bool same_export)
{
	bool hangs_up = order->error == EPIPE || order->error == ECONNRESET;

	if (life->failures || life->wrong[0])
		live_well(life, life_tidy);
	subject_left_alone(&subject, SETTLE_MS);
	if (must_say_why(order, life) &&
	    !subject_said_why(&subject, from, hangs_up))
		find_fault(life, "the log does not say why something failed");
	live_well(life, life_check);
	if (same_export)
		find_holdings(life);
}

static void show(const struct order *order, uint32_t nth,
		 const struct life *life, const struct page *fired, long from)
{
	if (points[UNSPECIFIED] > SHOWN_MAX)
		return;
	order_print(order, nth);
	fprintf(stderr, ", in step %s (%u): %s\n",
		life_step_name(fired->fired_step), fired->fired_detail,
		life->wrong);
	subject_show_log(&subject, from);
}

/* What the client lent is given up by other threads, whose calls count as well.
 * An export that a reload did not remove is in the way of seeing that. */
static void await_end(const struct life *life)
{
	if (!(life->failures & FAILED_COMMAND))
		subject_left_alone(&subject, LEAVE_MS);
}

/* One point.  How many such calls there were, or 0: no n-th. */
static uint32_t try_point(const struct order *order, uint32_t nth)
{
	long from = subject_log_end(&subject);
	struct life life = subject_life(&subject);
	struct page fired;
	bool failed_sync;

	order_give(subject.page, order, nth);
	life_run(&life);
	await_end(&life);
	failed_sync =
		life_sync_fails(subject.page) && page_load(subject.page->fired);
	order_take_back(subject.page);
	fired = *subject.page;
	if (backend_alive(&subject.backend))
		look_after(&life, order, from, !failed_sync);
	else
		find_fault(&life, backend_fate(&subject.backend));
	if (!fired.fired && !life.wrong[0])
		return 0;
	points[outcome_of(&life)]++;
	if (life.wrong[0])
		show(order, nth, &life, &fired, from);
	if (life.wrong[0] || failed_sync) {
		subject_stop(&subject);
		subject_start(&subject);
	}
	return fired.fired ? fired.seen : 0;
}

/* What a life makes of each, so that nothing is tried that never comes. */
static void count_all(struct page *counts)
{
	struct page *page = subject.page;
	struct life life = subject_life(&subject);

	orders_forget(page);
	life_run(&life);
	subject_left_alone(&subject, SETTLE_MS);
	*counts = *page;
	if (counts->unknown)
		subject_give_up(&subject,
				"system call %u is not in the tables of "
				"faults.c; expected how it can fail",
				counts->unknown);
}

static int print_end(void)
{
	uint64_t tried = 0;

	for (int i = 0; i < OUTCOMES; i++) {
		printf("%6llu %s\n", (unsigned long long)points[i],
		       outcome_names[i]);
		tried += points[i];
	}
	printf("%llu points, %llu unspecified; %llu lives of clients, %llu "
	       "servers\n",
	       (unsigned long long)tried,
	       (unsigned long long)points[UNSPECIFIED],
	       (unsigned long long)subject.lives,
	       (unsigned long long)subject.servers);
	return tried == 0 || points[UNSPECIFIED] != 0;
}

static const struct variant variants[] = {
	{ .name = "file" },
	{ .name = "memory", .in_memory = true, .packed = true },
	{ .name = "direct", .direct = true, .sparse = true },
	{ .name = "threads", .threads = true },
};

static const struct variant *variant_of(const char *name)
{
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		if (strcmp(name, variants[i].name) == 0)
			return &variants[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct orders orders = {
		.try = try_point,
		.only = argc > 5 ? argv[5] : NULL,
		.stride = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 1,
	};
	struct page counts;

	if (argc < 4 || !variant_of(argv[3]) || orders.stride == 0) {
		fprintf(stderr, "usage: every-call-fails PROGRAM SHIM "
				"file|memory|direct|threads [STRIDE [CALL]]\n");
		return 2;
	}
	subject.program = argv[1];
	subject.shim = argv[2];
	signal(SIGPIPE, SIG_IGN);
	orders.not_common = variant_of(argv[3]) != &variants[0];
	subject_prepare(&subject, variant_of(argv[3]));
	subject_start(&subject);
	count_all(&counts);
	orders_try(&orders, &counts);
	subject_free(&subject);
	return print_end();
}
