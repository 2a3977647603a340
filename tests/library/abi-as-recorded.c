// SPDX-License-Identifier: MIT
/*
 * What a program that was compiled before relies on: sizes and places of what
 * it and the library share, and the numbers of statuses and options.  A change
 * here is a change of the interface, and a decision; `symbols` does the same
 * for names.  Capacities count as well: they are in the sizes.
 */
#include <precarium/pages.h>
#include <precarium/pin.h>
#include <precarium/precarium.h>

#include "tests/expect.h"

struct row {
	const char *what;
	unsigned long is, recorded;
};

#define SIZE(type, recorded)                                                   \
	{                                                                      \
#type, sizeof(struct type), recorded                           \
	}
#define AT(type, field, recorded)                                              \
	{                                                                      \
#type "." #field, offsetof(struct type, field), recorded       \
	}
#define IS(name, recorded)                                                     \
	{                                                                      \
#name, (unsigned long)(name), recorded                         \
	}

static const struct row rows[] = {
	SIZE(prec_span, 32),
	AT(prec_span, host, 0),
	AT(prec_span, size, 8),
	AT(prec_span, address, 16),
	AT(prec_span, index, 24),
	AT(prec_span, rights, 28),
	SIZE(prec_region, 304),
	AT(prec_region, page_size, 32),
	AT(prec_region, epoch, 40),
	AT(prec_region, port, 48),
	SIZE(prec_lending, 96),
	AT(prec_lending, rights, 4),
	AT(prec_lending, offset, 8),
	AT(prec_lending, size, 16),
	AT(prec_lending, address, 24),
	AT(prec_lending, sparse_max, 32),
	AT(prec_lending, options, 40),
	AT(prec_lending, budget, 48),
	AT(prec_lending, window, 56),
	SIZE(prec_adoption, 72),
	AT(prec_adoption, size, 8),
	AT(prec_adoption, address, 16),
	AT(prec_adoption, rights, 24),
	AT(prec_adoption, options, 28),
	AT(prec_adoption, page_size, 32),
	SIZE(prec_budget, 88),
	AT(prec_budget, all, 8),
	SIZE(prec_note, 40),
	AT(prec_note, faults, 8),
	AT(prec_note, lost_host, 16),
	AT(prec_note, lost_size, 24),
	AT(prec_note, abandoned, 32),
	AT(prec_note, substituted, 33),
	AT(prec_note, write, 34),
	SIZE(prec_transaction, 360),
	AT(prec_transaction, region_count, 8),
	AT(prec_transaction, policy, 12),
	AT(prec_transaction, note, 16),
	AT(prec_transaction, cursor, 56),
	AT(prec_transaction, frame, 72),
	SIZE(prec_result, 16),
	AT(prec_result, error, 4),
	AT(prec_result, done, 8),
	SIZE(prec_fault_counts, 128),
	SIZE(prec_space, 16392),
	SIZE(prec_ledger, 29704),
	SIZE(prec_unpin, 12),
	SIZE(prec_pin_account, 48),
	SIZE(prec_pages, 2128),
	AT(prec_pages, range, 12),
	AT(prec_pages, offset, 48),
	AT(prec_pages, entry, 64),
	SIZE(prec_flights, 16384),
	IS(PREC_REGION_MAX, 16384),
	IS(PREC_SPACE_MAX, 512),
	IS(PREC_PAGES_MAX, 129),
	IS(PREC_PAGES_RANGES, 8),
	IS(PREC_FLIGHT_SLOTS, 512),
	IS(PREC_FRAME_WORDS, 32),
	IS(PREC_GONE, 1),
	IS(PREC_RANGE, 2),
	IS(PREC_RIGHTS, 3),
	IS(PREC_REFUSED, 4),
	IS(PREC_INVALID, 5),
	IS(PREC_FULL, 6),
	IS(PREC_BUSY, 7),
	IS(PREC_OVERLAP, 8),
	IS(PREC_DISTURBED, 9),
	IS(PREC_SYSTEM, 10),
	IS(PREC_ABANDON, 0),
	IS(PREC_SUBSTITUTE, 1),
	IS(PREC_READ, 1),
	IS(PREC_WRITE, 2),
	IS(PREC_ADMIT_ANY_FILE, 1),
	IS(PREC_ADMIT_SPARSE, 2),
	IS(PREC_ADMIT_STRICT, 4),
	IS(PREC_KEEP_ON_FORK, 8),
	IS(PREC_TOLERATE, 32),
	IS(PREC_REFUSAL_SECRET, 9),
	IS(PREC_HEALTH_TABLE_DROPPED, 64),
	IS(PREC_HEALTH_LOSS_KILLS, 256),
	IS(PREC_VERSION, 0x000100),
};

int main(void)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!EXPECT(rows[i].is == rows[i].recorded))
			fprintf(stderr, "%s: %lu, recorded is %lu\n",
				rows[i].what, rows[i].is, rows[i].recorded);
	EXPECT(prec_version() == PREC_VERSION);
	return expect_end();
}
