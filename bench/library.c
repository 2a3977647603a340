// SPDX-License-Identifier: MIT
/*
 * What the library costs, each against the thing it replaces: a plain load, an
 * empty call, memcpy, an empty signal handler.
 */
#include "measure.h"

#include <precarium/precarium.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define SIZE (8u << 20)

static struct prec_region region;
static struct prec_region *regions[] = { &region };
static unsigned char *mine;    /* driver memory */
static unsigned char *foreign; /* a truncated mapping that is no region */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int lend(uint64_t size)
{
	int fd = memfd_create("bench", MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) != 0)
		die("memfd");
	return fd;
}

static void map(struct prec_region *to, int fd, uint64_t size)
{
	struct prec_lending lending = { .fd = fd,
					.size = size,
					.rights = PREC_READ | PREC_WRITE };

	if (prec_region_map(to, &lending, NULL) != PREC_OK)
		die("prec_region_map");
}

/* One load. */
static void load_ours(void *argument, uint64_t times)
{
	uint64_t host = region.span.host, i;
	uint32_t value;

	(void)argument;
	for (i = 0; i < times; i++)
		if (prec_raw_load32(host + i % 1024 * 4, &value) != PREC_OK)
			abort();
}

static void load_peer(void *argument, uint64_t times)
{
	const volatile uint32_t *at = (void *)(uintptr_t)region.span.host;
	uint64_t i;

	(void)argument;
	for (i = 0; i < times; i++)
		(void)at[i % 1024];
}

/* Entering and leaving. */
static void nothing(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	__asm__ volatile("");
}

static prec_transaction_fn *volatile call_me = nothing;

static void enter_ours(void *argument, uint64_t times)
{
	struct prec_transaction t = { .regions = regions, .region_count = 1 };

	(void)argument;
	while (times--)
		if (prec_transaction_run(&t, nothing, NULL) != PREC_OK)
			abort();
}

static void enter_peer(void *argument, uint64_t times)
{
	(void)argument;
	while (times--)
		call_me(NULL, NULL);
}

/* Copies. */
static void copy_ours(void *argument, uint64_t times)
{
	uint64_t size = *(uint64_t *)argument;

	while (times--)
		if (prec_copy_in(mine, region.span, 0, size).done != size)
			abort();
}

static void copy_peer(void *argument, uint64_t times)
{
	uint64_t size = *(uint64_t *)argument;

	while (times--) {
		memcpy(mine, (void *)(uintptr_t)region.span.host, size);
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

static void signal_peer(void *argument, uint64_t times)
{
	(void)argument;
	while (times--)
		__asm__ volatile("movb (%%rax), %%al" ::"a"(foreign)
				 : "memory");
}

static void print(const char *what, const char *peer, struct measure_side ours,
		  struct measure_side against)
{
	struct measure_result r = measure(ours, against);

	printf("%-34s %-22s %10.2f %10.2f %8.2f  %.2f..%.2f\n", what, peer,
	       r.ours_ns, r.peer_ns, r.ratio, r.low, r.high);
	fflush(stdout);
}

static void print_copies(void)
{
	uint64_t sizes[] = { 16, 64, 256, 1024, 4096, 65536, 1 << 20, 4 << 20 };
	char what[64];
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(what, sizeof(what), "copy in, %lu bytes", sizes[i]);
		print(what, "memcpy",
		      (struct measure_side){ copy_ours, &sizes[i] },
		      (struct measure_side){ copy_peer, &sizes[i] });
	}
}

/* The peer is a foreign fault, which the library passes on to the empty handler
 * that was there before: a signal delivered, and the library's decision. */
static void print_faults(void)
{
	struct measure_side peer = { signal_peer, NULL };

	print("fault to accessor's answer", "signal passed on",
	      (struct measure_side){ fix_ours, NULL }, peer);
	print("fault to abandoned", "signal passed on",
	      (struct measure_side){ abandon_ours, NULL }, peer);
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = empty_handler,
				    .sa_flags = SA_SIGINFO };
	int fd = lend(4096);

	foreign = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	mine = malloc(SIZE);
	if (foreign == MAP_FAILED || !mine || ftruncate(fd, 0) != 0 ||
	    sigaction(SIGBUS, &action, NULL) != 0)
		die("set-up");
	map(&region, lend(SIZE), SIZE);
	memset((void *)(uintptr_t)region.span.host, 1, SIZE);
	memset(mine, 2, SIZE);
	fd = lend(4096);
	map(&lost, fd, 4096);
	if (ftruncate(fd, 0) != 0)
		die("ftruncate");

	printf("%-34s %-22s %10s %10s %8s  %s\n", "", "against", "ours, ns",
	       "peer, ns", "ratio", "quartiles");
	print("one load", "a plain load",
	      (struct measure_side){ load_ours, NULL },
	      (struct measure_side){ load_peer, NULL });
	print("enter and leave a transaction", "an empty call",
	      (struct measure_side){ enter_ours, NULL },
	      (struct measure_side){ enter_peer, NULL });
	print_copies();
	print_faults();
	return 0;
}
