// SPDX-License-Identifier: MIT
/*
 * Every system call and allocation with which a server starts, and with which
 * it stops, fails in turn, in each way that it can.  It starts and serves, or
 * it ends with an error and a line that says why, and leaves no socket behind;
 * it stops by itself, and its statistics are whole or not there.
 */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "orders.h"
#include "subject.h"

#define SHOWN_MAX 40 /* unspecified outcomes that are told one by one */
#define STOP_MS	  10000

enum outcome { SERVES, REFUSES, STOPS, STOPS_BADLY, UNSPECIFIED, OUTCOMES };

static const char *const outcome_names[OUTCOMES] = {
	[SERVES] = "it starts and serves",
	[REFUSES] = "it does not start, and says why",
	[STOPS] = "it stops",
	[STOPS_BADLY] = "it stops with an error, and says why",
	[UNSPECIFIED] = "unspecified",
};

static struct subject subject;
static uint64_t points[OUTCOMES];
static char wrong[300];

static void find_fault(const char *what)
{
	if (!wrong[0])
		snprintf(wrong, sizeof(wrong), "%.280s", what);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Of a server that has ended.  What it could not remove it may leave. */
static void look_around(const struct order *order)
{
	const struct place *place = &subject.place;
	json_t *stats;

	if (strcmp(order->name, "unlink") != 0 &&
	    strcmp(order->name, "newfstatat") != 0 &&
	    (exists(place->victim) || exists(place->neighbour) ||
	     exists(place->control)))
		find_fault("a socket is left");
	if (!exists(place->stats))
		return;
	stats = json_load_file(place->stats, 0, NULL);
	if (!json_object_get(stats, "exports"))
		find_fault("the statistics are not whole");
	json_decref(stats);
}

static bool ended_by_itself(void)
{
	int status = subject.backend.exit_status;

	if (WIFEXITED(status))
		return true;
	find_fault(backend_fate(&subject.backend));
	return false;
}

static void must_say_why(const struct order *order, long from)
{
	if (strcmp(order->name, "write") != 0 &&
	    !subject_said_why(&subject, from, false))
		find_fault("it ends with an error, and the log does not say "
			   "why");
}

/* SIGTERM, and its end.  True: without an error. */
static bool stop(void)
{
	if (backend_stop(&subject.backend) == 0)
		return true;
	if (!WIFEXITED(subject.backend.exit_status))
		find_fault(subject.backend.error);
	return false;
}

static uint32_t conclude(const struct order *order, uint32_t nth,
			 enum outcome outcome, long from)
{
	struct page fired = *subject.page;

	if (!fired.fired && !wrong[0])
		return 0;
	points[wrong[0] ? UNSPECIFIED : outcome]++;
	if (wrong[0] && points[UNSPECIFIED] <= SHOWN_MAX) {
		order_print(order, nth);
		fprintf(stderr, " (%u): %s\n", fired.fired_detail, wrong);
		subject_show_log(&subject, from);
	}
	return fired.fired ? fired.seen : 0;
}

static void forget(void)
{
	wrong[0] = '\0';
	unlink(subject.place.stats);
	unlink(subject.place.victim);
	unlink(subject.place.neighbour);
	unlink(subject.place.control);
}

/* What has started must serve, and stop. */
static void try_service(void)
{
	struct life life = subject_life(&subject);

	if (subject_meets(&subject)) {
		life_check(&life);
		if (life.wrong[0])
			find_fault(life.wrong);
	} else {
		find_fault("it starts, and does not serve the neighbour");
	}
	client_close(&subject.neighbour.client);
	if (!stop())
		find_fault("it serves, and stops with an error");
}

static uint32_t try_start(const struct order *order, uint32_t nth)
{
	long from = subject_log_end(&subject);
	enum outcome outcome = REFUSES;

	forget();
	subject_clear(&subject);
	order_give(subject.page, order, nth);
	if (subject_begin(&subject)) {
		outcome = SERVES;
		order_take_back(subject.page);
		try_service();
	} else if (backend_alive(&subject.backend)) {
		find_fault("it neither serves nor ends");
		backend_kill(&subject.backend);
	} else if (ended_by_itself()) {
		if (WEXITSTATUS(subject.backend.exit_status) == 0)
			find_fault("it does not start, and ends with success");
		must_say_why(order, from);
	}
	look_around(order);
	return conclude(order, nth, outcome, from);
}

static uint32_t try_stop(const struct order *order, uint32_t nth)
{
	enum outcome outcome = STOPS;
	long from;

	forget();
	subject_clear(&subject);
	if (!subject_begin(&subject))
		subject_give_up(&subject, "it does not start: it %s",
				backend_fate(&subject.backend));
	subject_meet(&subject);
	from = subject_log_end(&subject);
	order_give(subject.page, order, nth);
	if (!stop()) {
		outcome = STOPS_BADLY;
		must_say_why(order, from);
	}
	client_close(&subject.neighbour.client);
	look_around(order);
	return conclude(order, nth, outcome, from);
}

/* What a start and a stop need of each. */
static void count_both(struct page *start, struct page *end)
{
	subject_clear(&subject);
	if (!subject_begin(&subject))
		subject_give_up(&subject, "it does not start: it %s",
				backend_fate(&subject.backend));
	*start = *subject.page;
	subject_meet(&subject);
	orders_forget(subject.page);
	if (!stop())
		subject_give_up(&subject, "it does not stop: %s",
				subject.backend.error);
	client_close(&subject.neighbour.client);
	*end = *subject.page;
	if (start->unknown || end->unknown)
		subject_give_up(&subject,
				"system calls %u, %u are not in the tables of "
				"faults.c; expected how they can fail",
				start->unknown, end->unknown);
}

int main(int argc, char **argv)
{
	struct orders orders = {
		.try = try_start,
		.stride = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1,
		.only = argc > 4 ? argv[4] : NULL,
	};
	static const struct variant variant = { .name = "file" };
	struct page start, end;
	uint64_t tried = 0;

	if (argc < 3 || orders.stride == 0) {
		fprintf(stderr, "usage: starts-and-stops PROGRAM SHIM "
				"[STRIDE [CALL]]\n");
		return 2;
	}
	subject.program = argv[1];
	subject.shim = argv[2];
	signal(SIGPIPE, SIG_IGN);
	subject_prepare(&subject, &variant);
	count_both(&start, &end);
	orders_try(&orders, &start);
	orders.try = try_stop;
	orders_try(&orders, &end);
	subject_free(&subject);
	for (int i = 0; i < OUTCOMES; i++) {
		printf("%6llu %s\n", (unsigned long long)points[i],
		       outcome_names[i]);
		tried += points[i];
	}
	printf("%llu points, %llu unspecified\n", (unsigned long long)tried,
	       (unsigned long long)points[UNSPECIFIED]);
	return tried == 0 || points[UNSPECIFIED] != 0;
}
