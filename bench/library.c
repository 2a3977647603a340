// SPDX-License-Identifier: MIT
/*
 * What the library costs, each against the thing it replaces: a plain load, an
 * empty call, memcpy, an empty signal handler.
 */
#include "measure.h"
#include "operations.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static unsigned char *foreign; /* a truncated mapping that is no region */

/* One load. */
static void load_peer(void *argument, uint64_t times)
{
	const volatile uint32_t *at =
		(void *)(uintptr_t)operations_region.span.host;
	uint64_t i;

	(void)argument;
	for (i = 0; i < times; i++)
		(void)at[i % 1024];
}

/* The same with the checks of prec_load32. */
__attribute__((noinline)) static bool load_checked(struct prec_span span,
						   uint64_t offset)
{
	if (span.size < 4 || offset > span.size - 4 ||
	    !(span.rights & PREC_READ) || (span.host + offset) % 4)
		return false;
	(void)*(const volatile uint32_t *)(uintptr_t)(span.host + offset);
	return true;
}

__attribute__((noinline)) static bool load_ours(struct prec_span span,
						uint64_t offset)
{
	uint32_t value;

	return prec_load32(span, offset, &value) == PREC_OK;
}

static void checked_peer(void *argument, uint64_t times)
{
	const struct prec_span span = operations_region.span;
	uint64_t i;

	(void)argument;
	for (i = 0; i < times; i++)
		if (!load_checked(span, i % 1024 * 4))
			abort();
}

static void checked_ours(void *argument, uint64_t times)
{
	const struct prec_span span = operations_region.span;
	uint64_t i;

	(void)argument;
	for (i = 0; i < times; i++)
		if (!load_ours(span, i % 1024 * 4))
			abort();
}

/* Nothing is around a load in a region that tolerates losses. */
static struct prec_region tolerant;

static void tolerated_ours(void *argument, uint64_t times)
{
	const volatile uint32_t *at = (void *)(uintptr_t)tolerant.span.host;
	uint64_t i;

	(void)argument;
	for (i = 0; i < times; i++)
		(void)at[i % 1024];
}

static void map_tolerant(void)
{
	struct prec_lending lending = { .fd = lend(4096),
					.size = 4096,
					.rights = PREC_READ | PREC_WRITE,
					.options = PREC_TOLERATE };

	if (prec_region_map(&tolerant, &lending, NULL) != PREC_OK)
		die("prec_region_map");
	memset((void *)(uintptr_t)tolerant.span.host, 1, 4096);
}

/* Entering and leaving. */
static prec_transaction_fn *volatile call_me = nothing;

static void enter_peer(void *argument, uint64_t times)
{
	(void)argument;
	while (times--)
		call_me(NULL, NULL);
}

/* Copies. */
static void copy_out_peer(void *argument, uint64_t times)
{
	uint64_t size = *(uint64_t *)argument;

	while (times--) {
		memcpy((void *)(uintptr_t)operations_region.span.host,
		       operations_mine, size);
		__asm__ volatile("" ::: "memory");
	}
}

static void copy_peer(void *argument, uint64_t times)
{
	uint64_t size = *(uint64_t *)argument;

	while (times--) {
		memcpy(operations_mine,
		       (void *)(uintptr_t)operations_region.span.host, size);
		__asm__ volatile("" ::: "memory");
	}
}

/* A fault to its end, against a signal delivered to an empty handler. */
static struct prec_region lost;
static struct prec_region *lost_regions[] = { &lost };

static void touch(struct prec_transaction *t, void *argument)
{
	const volatile unsigned char *at = prec_plain(prec_lent(&lost));

	(void)t;
	(void)argument;
	(void)*at;
}

static void abandon_ours(void *argument, uint64_t times)
{
	struct prec_transaction t = { .regions = lost_regions,
				      .region_count = 1 };

	(void)argument;
	while (times--)
		if (prec_transaction_run(&t, touch, NULL) != PREC_GONE)
			abort();
}

static void fix_ours(void *argument, uint64_t times)
{
	uint8_t value;

	(void)argument;
	while (times--)
		if (prec_load8(lost.span, 0, &value) != PREC_GONE)
			abort();
}

/* Steps over `movb (%rax), %al`, two bytes. */
static void empty_handler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void take_signal(void)
{
	__asm__ volatile("movb (%%rax), %%al" ::"a"(foreign) : "memory");
}

/* The peer knows nothing of the library: while it has its turn, the signal is
 * its own. */
static const struct sigaction empty = { .sa_sigaction = empty_handler,
					.sa_flags = SA_SIGINFO };
static struct sigaction librarys;

static void own_signal(void)
{
	if (sigaction(SIGBUS, &empty, &librarys) != 0)
		die("sigaction");
}

static void return_signal(void)
{
	if (sigaction(SIGBUS, &librarys, NULL) != 0)
		die("sigaction");
}

static void signal_peer(void *argument, uint64_t times)
{
	(void)argument;
	own_signal();
	while (times--)
		take_signal();
	return_signal();
}

/* A scan of a region of which half is gone, and of one that is whole with a
 * signal after it. */
#define SCAN_SIZE (1u << 20)

static struct prec_region scanned, whole;
static struct prec_region *scanned_regions[] = { &scanned };
static struct prec_region *whole_regions[] = { &whole };

static void scan(struct prec_transaction *t, void *argument)
{
	const struct prec_region *of = argument;
	const volatile uint64_t *at = prec_plain(prec_lent(of));
	uint64_t i;

	(void)t;
	for (i = 0; i < SCAN_SIZE / sizeof(*at); i++)
		(void)at[i];
}

static void fill(struct prec_region *of)
{
	memset((void *)(uintptr_t)of->span.host, 3, SCAN_SIZE);
}

/* What was substituted does not come back: a new region, with its pages in. */
static void lose_half(void *argument)
{
	int fd = lend(SCAN_SIZE);

	(void)argument;
	if (scanned.span.size && prec_region_unmap(&scanned) != PREC_OK)
		abort();
	memset(&scanned, 0, sizeof(scanned));
	map(&scanned, fd, SCAN_SIZE);
	fill(&scanned);
	if (ftruncate(fd, SCAN_SIZE / 2) != 0)
		die("ftruncate");
	close(fd);
}

static void scan_ours(void *argument, uint64_t times)
{
	struct prec_transaction t = { .regions = scanned_regions,
				      .region_count = 1,
				      .policy = PREC_SUBSTITUTE };

	(void)argument;
	(void)times; /* once, after each preparation */
	if (prec_transaction_run(&t, scan, &scanned) != PREC_DISTURBED)
		abort();
}

static void scan_peer(void *argument, uint64_t times)
{
	struct prec_transaction t = { .regions = whole_regions,
				      .region_count = 1,
				      .policy = PREC_SUBSTITUTE };

	(void)argument;
	own_signal();
	while (times--) {
		if (prec_transaction_run(&t, scan, &whole) != PREC_OK)
			abort();
		take_signal();
	}
	return_signal();
}

/* The same scan by somebody whose memory is fresh in its second half: what the
 * kernel asks for pages that nobody has touched. */
static void renew_half(void *argument)
{
	void *at = (void *)(uintptr_t)(whole.span.host + SCAN_SIZE / 2);

	(void)argument;
	if (mmap(at, SCAN_SIZE / 2, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
		die("mmap");
}

static void print_scan(void)
{
	map(&whole, lend(SCAN_SIZE), SCAN_SIZE);
	fill(&whole);
	measure_print("scan of 1 MiB, half of it gone", "no loss, and a signal",
		      (struct measure_side){ scan_ours, NULL, lose_half },
		      (struct measure_side){ scan_peer, NULL, NULL });
	measure_print("scan of 1 MiB, half of it gone", "fresh, and a signal",
		      (struct measure_side){ scan_ours, NULL, lose_half },
		      (struct measure_side){ scan_peer, NULL, renew_half });
}

/* Which region a client means, among many and among one. */
static struct claims claims[2];

static void print_lookups(void)
{
	uint32_t counts[] = { 8, 64, 509 }, i;
	char what[64];

	fill_claims(&claims[1], 1);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		fill_claims(&claims[0], counts[i]);
		snprintf(what, sizeof(what), "an address among %u regions",
			 counts[i]);
		measure_print(
			what, "among one",
			(struct measure_side){ run_resolve, &claims[0], NULL },
			(struct measure_side){ run_resolve, &claims[1], NULL });
		snprintf(what, sizeof(what), "again one among %u regions",
			 counts[i]);
		measure_print(what, "among one",
			      (struct measure_side){ run_resolve_near,
						     &claims[0], NULL },
			      (struct measure_side){ run_resolve_near,
						     &claims[1], NULL });
	}
}

static void print_copies(void)
{
	uint64_t sizes[] = { 16, 64, 256, 1024, 4096, 65536, 1 << 20, 4 << 20 };
	char what[64];
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(what, sizeof(what), "copy in, %lu bytes", sizes[i]);
		measure_print(
			what, "memcpy",
			(struct measure_side){ run_copy_in, &sizes[i], NULL },
			(struct measure_side){ copy_peer, &sizes[i], NULL });
		snprintf(what, sizeof(what), "copy out, %lu bytes", sizes[i]);
		measure_print(
			what, "memcpy",
			(struct measure_side){ run_copy_out, &sizes[i], NULL },
			(struct measure_side){ copy_out_peer, &sizes[i],
					       NULL });
	}
}

static void print_faults(void)
{
	struct measure_side peer = { signal_peer, NULL, NULL };

	measure_print("fault to accessor's answer", "an empty handler",
		      (struct measure_side){ fix_ours, NULL, NULL }, peer);
	measure_print("fault to abandoned", "an empty handler",
		      (struct measure_side){ abandon_ours, NULL, NULL }, peer);
}

int main(int argc, char **argv)
{
	int fd = lend(4096);

	foreign = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (foreign == MAP_FAILED || ftruncate(fd, 0) != 0)
		die("set-up");
	operations_prepare();
	fd = lend(4096);
	map(&lost, fd, 4096);
	if (ftruncate(fd, 0) != 0)
		die("ftruncate");

	measure_head(argc > 1 && strcmp(argv[1], "--json") == 0);
	measure_print("one load", "a plain load",
		      (struct measure_side){ run_load, NULL, NULL },
		      (struct measure_side){ load_peer, NULL, NULL });
	measure_print("one checked load", "a plain load, checked",
		      (struct measure_side){ checked_ours, NULL, NULL },
		      (struct measure_side){ checked_peer, NULL, NULL });
	map_tolerant();
	measure_print("one tolerated load", "a plain load",
		      (struct measure_side){ tolerated_ours, NULL, NULL },
		      (struct measure_side){ load_peer, NULL, NULL });
	measure_print("enter and leave a transaction", "an empty call",
		      (struct measure_side){ run_transaction, NULL, NULL },
		      (struct measure_side){ enter_peer, NULL, NULL });
	measure_print("a transaction with 8 further regions", "with one",
		      (struct measure_side){ run_further, NULL, NULL },
		      (struct measure_side){ run_transaction, NULL, NULL });
	print_copies();
	print_faults();
	print_scan();
	print_lookups();
	return 0;
}
