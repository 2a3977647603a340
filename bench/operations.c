// SPDX-License-Identifier: MIT
#include "operations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE	   (8u << 20)
#define APART	   0x100000ull /* the regions of a space */
#define FIRST	   0x1000ull
#define FIRST_HOST 0x700000000000ull

struct prec_region operations_region;
unsigned char *operations_mine;

static struct prec_region *regions[] = { &operations_region };

/* Of a transaction on several regions. */
static struct prec_region further[FURTHER];
static struct prec_region *many[1 + FURTHER] = { &operations_region };

void die(const char *what)
{
	perror(what);
	exit(1);
}

int lend(uint64_t size)
{
	int fd = memfd_create("bench", MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) != 0)
		die("memfd");
	return fd;
}

void map(struct prec_region *to, int fd, uint64_t size)
{
	struct prec_lending lending = { .fd = fd,
					.size = size,
					.rights = PREC_READ | PREC_WRITE };

	if (prec_region_map(to, &lending, NULL) != PREC_OK)
		die("prec_region_map");
}

void operations_prepare(void)
{
	operations_mine = malloc(SIZE);
	if (!operations_mine)
		die("malloc");
	map(&operations_region, lend(SIZE), SIZE);
	memset((void *)(uintptr_t)operations_region.span.host, 1, SIZE);
	memset(operations_mine, 2, SIZE);
	for (uint32_t i = 0; i < FURTHER; i++) {
		map(&further[i], lend(4096), 4096);
		many[1 + i] = &further[i];
	}
}

void run_load(void *none, uint64_t times)
{
	uint64_t host = operations_region.span.host, i;
	uint32_t value;

	(void)none;
	for (i = 0; i < times; i++)
		if (prec_raw_load32(host + i % 1024 * 4, &value) != PREC_OK)
			abort();
}

void run_checked_load(void *none, uint64_t times)
{
	const struct prec_span span = operations_region.span;
	uint32_t value;
	uint64_t i;

	(void)none;
	for (i = 0; i < times; i++)
		if (prec_load32(span, i % 1024 * 4, &value) != PREC_OK)
			abort();
}

void run_further(void *none, uint64_t times)
{
	struct prec_transaction t = { .regions = many,
				      .region_count = 1 + FURTHER };

	(void)none;
	while (times--)
		if (prec_transaction_run(&t, nothing, NULL) != PREC_OK)
			abort();
}

void run_scope(void *none, uint64_t times)
{
	struct prec_transaction t = { .regions = regions,
				      .region_count = 1,
				      .policy = PREC_SUBSTITUTE };

	(void)none;
	while (times--) {
		if (prec_scope_begin(&t) != PREC_OK)
			abort();
		__asm__ volatile("");
		if (prec_scope_end(&t) != PREC_OK)
			abort();
	}
}

void nothing(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	__asm__ volatile("");
}

void run_transaction(void *none, uint64_t times)
{
	struct prec_transaction t = { .regions = regions, .region_count = 1 };

	(void)none;
	while (times--)
		if (prec_transaction_run(&t, nothing, NULL) != PREC_OK)
			abort();
}

void run_copy_in(void *argument, uint64_t times)
{
	const struct prec_span span = operations_region.span;
	uint64_t size = *(uint64_t *)argument;

	while (times--)
		if (prec_copy_in(operations_mine, span, 0, size).done != size)
			abort();
}

void run_copy_out(void *argument, uint64_t times)
{
	const struct prec_span span = operations_region.span;
	uint64_t size = *(uint64_t *)argument;

	while (times--)
		if (prec_copy_out(span, 0, operations_mine, size).done != size)
			abort();
}

static void fill_space(struct prec_space *space, uint32_t count)
{
	uint32_t i;

	memset(space, 0, sizeof(*space));
	for (i = 0; i < count; i++)
		if (prec_space_add(space, FIRST + i * APART, 0x10000,
				   FIRST_HOST + i * APART,
				   PREC_READ | PREC_WRITE, i) != PREC_OK)
			abort();
}

void fill_claims(struct claims *claims, uint32_t count)
{
	uint32_t i, random = 1;

	fill_space(&claims->space, count);
	for (i = 0; i < CLAIMS; i++) {
		random = random * 1664525u + 1013904223u;
		claims->addresses[i] =
			claims->space.start[(random >> 8) % count] + 0x100;
	}
}

void run_resolve(void *argument, uint64_t times)
{
	const struct claims *claims = argument;
	struct prec_span span;

	while (times--)
		if (prec_space_resolve(&claims->space,
				       claims->addresses[times % CLAIMS], 4096,
				       PREC_READ, &span) != PREC_OK)
			abort();
}

void run_resolve_near(void *argument, uint64_t times)
{
	const struct claims *claims = argument;
	uint64_t last = claims->space.start[claims->space.count - 1];
	struct prec_span span;
	uint32_t near = 0;

	while (times--)
		if (prec_space_resolve_near(&claims->space, &near,
					    last + times % CLAIMS, 4096,
					    PREC_READ, &span) != PREC_OK)
			abort();
}

void run_find(void *argument, uint64_t times)
{
	const struct claims *claims = argument;

	while (times--)
		if (prec_space_find(&claims->space,
				    claims->addresses[times % CLAIMS]) ==
		    PREC_NONE)
			abort();
}
