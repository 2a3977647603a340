// SPDX-License-Identifier: MIT
#include "stepped-driver.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct prec_region driver_regions[CLIENTS];

static char *complaint;
static sigset_t first_mask;
static bool first_open[64]; /* descriptors, when only the good client's were */
static uint64_t first_host[CLIENTS];

void driver_wrong(const char *what)
{
	if (!complaint[0])
		snprintf(complaint, 96, "%s", what);
}

void driver_lend(unsigned int who, uint32_t options)
{
	struct prec_lending lending = { .fd = lent_files[who],
					.rights = PREC_READ | PREC_WRITE,
					.size = LENT_SIZE,
					.options = options };

	if (prec_region_map(&driver_regions[who], &lending, NULL) != PREC_OK)
		driver_wrong("a region cannot be mapped");
}

static bool is_open(int file)
{
	return fcntl(file, F_GETFD) >= 0;
}

void driver_prepare(char *wrong)
{
	int i;

	complaint = wrong;
	complaint[0] = 0;
	driver_lend(GOOD, 0);
	pthread_sigmask(SIG_SETMASK, NULL, &first_mask);
	for (i = 0; i < 64; i++)
		first_open[i] = is_open(i);
	if (complaint[0])
		_exit(3);
}

/* Mapped and unmapped in the same order, a region is always in the same place,
 * unless something was left behind. */
void driver_take_down(unsigned int who)
{
	uint64_t host = driver_regions[who].span.host;

	if (prec_region_unmap(&driver_regions[who]) != PREC_OK)
		driver_wrong("a region is still open");
	if (first_host[who] && host != first_host[who])
		driver_wrong("an address range has leaked");
	first_host[who] = host;
}

static void good_fn(struct prec_transaction *t, void *sum)
{
	const volatile uint8_t *bytes =
		prec_plain(prec_lent(&driver_regions[GOOD]));
	uint32_t i;

	(void)t;
	for (i = 0; i < LENT_SIZE; i += 512)
		*(uint32_t *)sum += bytes[i];
}

void driver_serve_good(void)
{
	struct prec_region *const good[] = { &driver_regions[GOOD] };
	struct prec_transaction t = { .regions = good, .region_count = 1 };
	uint32_t sum = 0, i;
	uint8_t byte = 0;

	if (prec_transaction_run(&t, good_fn, &sum) != PREC_OK ||
	    prec_load8(good[0]->span, 77, &byte) != PREC_OK ||
	    byte != lent_byte(GOOD, 77))
		driver_wrong("the good client is not served");
	for (i = 0; i < LENT_SIZE; i += 512)
		sum -= lent_byte(GOOD, i);
	if (sum != 0)
		driver_wrong("the good client's bytes are wrong");
}

void driver_check(void)
{
	struct prec_fault_counts counts;
	sigset_t mask;
	int i;

	for (i = 0; i < 64; i++)
		if (is_open(i) != first_open[i])
			driver_wrong("a descriptor has leaked");
	memset(&mask, 0, sizeof(mask));
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (memcmp(&mask, &first_mask, sizeof(mask)) != 0)
		driver_wrong("the signal mask is not as before");
	if (prec_fault_health() != 0)
		driver_wrong("faults would not reach us");
	prec_fault_read_counts(&counts);
	if (counts.passed)
		driver_wrong("a fault was passed on");
}
