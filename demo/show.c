/* SPDX-License-Identifier: MIT */
/* What is seen: a table that is drawn again on a terminal, else a line a
 * second without escape codes; at the end, a summary. */
#include "demo/demo.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include <jansson.h>

#define MIB(bytes) ((double)(bytes) / (1 << 20))

static uint64_t number_in(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

void demo_read_faults(const struct demo *demo, struct demo_faults *faults)
{
	json_t *root = json_load_file(demo->backend.stats_path, 0, NULL);
	const json_t *own = json_object_get(root, "faults");
	const json_t *export;
	size_t i;

	memset(faults, 0, sizeof(*faults));
	faults->known = json_is_object(own);
	faults->fixed = number_in(own, "fixed");
	faults->abandoned = number_in(own, "abandoned");
	faults->substituted = number_in(own, "substituted");
	faults->passed = number_in(own, "passed");
	json_array_foreach(json_object_get(root, "exports"), i, export)
	{
		faults->clients += number_in(export, "clients-so-far");
		faults->requests += number_in(export, "requests");
		faults->errors += number_in(export, "errors");
		faults->losses += number_in(export, "losses");
		faults->revocations += number_in(export, "revocations");
		faults->refused += number_in(export, "regions-refused");
	}
	json_decref(root);
}

static double elapsed(const struct demo *demo)
{
	return (double)(client_now_ns() - demo->start_ns) / 1e9;
}

static uint64_t verified(const struct demo_good *good)
{
	return good->counts.verified + good->image_bytes;
}

static void row(struct demo *demo, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void row(struct demo *demo, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	/* To the end of the line: what was there before may be longer. */
	fputs(demo->terminal ? "\033[K\n" : "\n", stdout);
	demo->rows++;
}

static void draw_good(struct demo *demo, uint32_t number)
{
	const struct demo_good *good = &demo->board->good[number];

	row(demo, "  good     %-33s %9" PRIu64 " %9.0f MiB %6.0f us  %s",
	    "writes, reads back, compares", good->counts.requests,
	    MIB(verified(good)),
	    (double)neighbour_quantile_ns(&good->counts, 0.99) / 1000,
	    good->error[0]   ? good->error
	    : good->finished ? "all good"
			     : "");
}

static void draw_hostile(struct demo *demo, uint32_t number)
{
	const struct demo_hostile *hostile = &demo->board->hostile[number];

	row(demo, "  hostile  %-33s %9" PRIu64 " %13" PRIu64 " %9" PRIu64,
	    demo_hostile_text(number), hostile->connections,
	    hostile->revocations, hostile->refusals);
}

static void draw(struct demo *demo)
{
	struct demo_faults faults;
	uint32_t i;

	demo_read_faults(demo, &faults);
	if (demo->rows > 0)
		printf("\033[%uA", demo->rows);
	demo->rows = 0;
	row(demo, "One server, %u good and %u hostile clients: %.0f s of %u",
	    DEMO_GOOD, DEMO_HOSTILE, elapsed(demo), demo->seconds);
	row(demo, " ");
	row(demo, "  %-42s %9s %13s %9s", "client", "requests", "verified",
	    "p99");
	for (i = 0; i < DEMO_GOOD; i++)
		draw_good(demo, i);
	row(demo, "  %-42s %9s %13s %9s", "", "lives", "revocations",
	    "refused");
	for (i = 0; i < DEMO_HOSTILE; i++)
		draw_hostile(demo, i);
	row(demo, " ");
	row(demo, "  server   pid %d, %u descriptors, %" PRIu64 " KiB resident",
	    demo->backend.pid, backend_descriptors(&demo->backend),
	    backend_resident_kib(&demo->backend));
	row(demo,
	    "           found memory gone %" PRIu64 " times: %" PRIu64
	    " faults answered, %" PRIu64 " passed on",
	    faults.losses, faults.fixed + faults.abandoned + faults.substituted,
	    faults.passed);
}

static void print_line(struct demo *demo)
{
	uint64_t requests = 0, bytes = 0, lives = 0, revocations = 0;
	struct demo_faults faults;
	uint32_t i;

	demo_read_faults(demo, &faults);
	for (i = 0; i < DEMO_GOOD; i++) {
		requests += demo->board->good[i].counts.requests;
		bytes += verified(&demo->board->good[i]);
	}
	for (i = 0; i < DEMO_HOSTILE; i++) {
		lives += demo->board->hostile[i].connections;
		revocations += demo->board->hostile[i].revocations;
	}
	printf("%3.0f s: good clients: %" PRIu64
	       " requests, %.0f MiB verified; hostile clients: %" PRIu64
	       " lives, %" PRIu64 " revocations; server: %" PRIu64
	       " faults answered\n",
	       elapsed(demo), requests, MIB(bytes), lives, revocations,
	       faults.fixed + faults.abandoned + faults.substituted);
}

void demo_show(struct demo *demo)
{
	if (demo->terminal)
		draw(demo);
	else
		print_line(demo);
	fflush(stdout);
}

void demo_show_summary(struct demo *demo, const struct demo_faults *faults)
{
	static struct neighbour_counts sum;
	uint64_t bytes = 0, lives = 0, revocations = 0;
	uint32_t i;

	for (i = 0; i < DEMO_GOOD; i++) {
		neighbour_add(&sum, &demo->board->good[i].counts);
		bytes += verified(&demo->board->good[i]);
	}
	for (i = 0; i < DEMO_HOSTILE; i++) {
		lives += demo->board->hostile[i].connections;
		revocations += demo->board->hostile[i].revocations;
	}
	printf("\n");
	printf("good clients    %" PRIu64 " requests, %.0f MiB written, "
	       "%.0f MiB verified\n",
	       sum.requests, MIB(sum.written), MIB(bytes));
	printf("  latency       p50 %.0f us, p99 %.0f us, slowest %.1f ms\n",
	       (double)neighbour_quantile_ns(&sum, 0.50) / 1000,
	       (double)neighbour_quantile_ns(&sum, 0.99) / 1000,
	       (double)sum.slowest_ns / 1e6);
	printf("hostile clients %" PRIu64 " lives, %" PRIu64 " revocations\n",
	       lives, revocations);
	if (!faults->known) {
		printf("server          left no statistics\n");
		return;
	}
	printf("server          %" PRIu64 " clients, %" PRIu64
	       " requests, of them %" PRIu64 " failed\n",
	       faults->clients, faults->requests, faults->errors);
	printf("  memory        found gone %" PRIu64 " times, taken back by "
	       "message %" PRIu64 ", refused %" PRIu64 "\n",
	       faults->losses, faults->revocations, faults->refused);
	printf("  faults        %" PRIu64 " in accessors and copies, %" PRIu64
	       " abandoned, %" PRIu64 " substituted, %" PRIu64 " passed on\n",
	       faults->fixed, faults->abandoned, faults->substituted,
	       faults->passed);
}
