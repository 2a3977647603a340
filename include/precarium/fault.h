/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_FAULT_H
#define PRECARIUM_FAULT_H

#include <stdint.h>

#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What has happened in this process so far.  Counters only grow.  How faults
 * reach the library is the platform's: signals_linux.h. */
struct prec_fault_counts {
	uint64_t fixed;       /* accessors and copies that found memory gone */
	uint64_t abandoned;   /* transactions abandoned */
	uint64_t substituted; /* faults answered with an empty page */
	uint64_t passed;      /* not ours: passed on */
	uint64_t retried;     /* another thread had resolved it already */
	uint64_t provided;    /* holes filled, within a budget: see budget.h */
	uint64_t reserved[10]; /* 0 */
};

/* Any thread, and in handlers. */
PREC_EXPORT void prec_fault_read_counts(struct prec_fault_counts *counts);

#ifdef __cplusplus
}
#endif
#endif
