/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_LIBRARY_LENDER_H
#define PRECARIUM_TESTS_LIBRARY_LENDER_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <precarium/precarium.h>

#include "tests/expect.h"

/* The client of a test: a memfd, and what the driver made of it. */
struct lender {
	int fd;
	struct prec_region region;
};

#define PAGE 4096u

/* What the client wrote at each offset: never 0, and no two neighbouring
 * pages alike. */
static inline unsigned char pattern(uint64_t offset)
{
	return (unsigned char)((offset * 7 + offset / PAGE * 13) % 255 + 1);
}

static inline int new_file(uint64_t size, unsigned int flags)
{
	int fd = memfd_create("client", MFD_CLOEXEC | flags);

	MUST(fd >= 0);
	MUST(ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static inline void write_pattern(int fd, uint64_t size)
{
	static unsigned char bytes[1 << 16];
	uint64_t at, i;

	for (at = 0; at < size; at += i) {
		for (i = 0; i < sizeof(bytes) && at + i < size; i++)
			bytes[i] = pattern(at + i);
		MUST(pwrite(fd, bytes, i, (off_t)at) == (ssize_t)i);
	}
}

static inline enum prec_status try_lend(struct lender *lender, uint64_t size,
					uint32_t rights, uint32_t options,
					enum prec_refusal *refusal)
{
	struct prec_lending lending = { .fd = lender->fd,
					.rights = rights,
					.size = size,
					.options = options };

	return prec_region_map(&lender->region, &lending, refusal);
}

/* A new client lends `size` bytes of zeroes. */
static inline void lend(struct lender *lender, uint64_t size, uint32_t rights)
{
	lender->fd = new_file(size, MFD_ALLOW_SEALING);
	MUST(try_lend(lender, size, rights, 0, NULL) == PREC_OK);
}

/* A new client lends `size` bytes of the pattern. */
static inline void lend_pattern(struct lender *lender, uint64_t size)
{
	lender->fd = new_file(size, MFD_ALLOW_SEALING);
	write_pattern(lender->fd, size);
	MUST(try_lend(lender, size, PREC_READ | PREC_WRITE, 0, NULL) ==
	     PREC_OK);
}

static inline void set_size(struct lender *lender, uint64_t size)
{
	MUST(ftruncate(lender->fd, (off_t)size) == 0);
}

static inline void end_lending(struct lender *lender)
{
	MUST(prec_region_unmap(&lender->region) == PREC_OK);
	close(lender->fd);
}

/* A transaction on one region. */
static inline enum prec_status run_on(struct prec_region *region,
				      enum prec_policy policy,
				      prec_transaction_fn *fn, void *argument,
				      struct prec_transaction *t)
{
	struct prec_region *const regions[] = { region };
	enum prec_status status;

	memset(t, 0, sizeof(*t));
	t->regions = regions;
	t->region_count = 1;
	t->policy = policy;
	status = prec_transaction_run(t, fn, argument);
	t->regions = NULL; /* ours ends here */
	return status;
}

static inline volatile unsigned char *bytes_of(const struct prec_region *region)
{
	return prec_plain(prec_lent(region));
}

#endif
