/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_BENCH_OPERATIONS_H
#define PRECARIUM_BENCH_OPERATIONS_H

#include <stdint.h>

#include <precarium/precarium.h>

/*
 * What of the library is measured by time (library.c) and counted in
 * instructions (instructions.c).  Each run_ does its operation `times` times,
 * and ends the program where it does not succeed.
 */
extern struct prec_region operations_region;
extern unsigned char *operations_mine; /* driver memory of the same size */

void operations_prepare(void);

void run_load(void *none, uint64_t times);
/* The call that the manual recommends. */
void run_checked_load(void *none, uint64_t times);
/* An empty body, one region; and with so many further ones. */
void run_transaction(void *none, uint64_t times);
#define FURTHER 8u
void run_further(void *none, uint64_t times);
/* One region, nothing in between. */
void run_scope(void *none, uint64_t times);
/* Of so many bytes. */
void run_copy_in(void *size, uint64_t times);
void run_copy_out(void *size, uint64_t times);

/* Which region a client means.  Any may be next, as with the pages of a guest:
 * a processor cannot guess. */
#define CLAIMS 4096u

struct claims {
	struct prec_space space;
	uint64_t addresses[CLAIMS];
};

void fill_claims(struct claims *claims, uint32_t count);
void run_resolve(void *claims, uint64_t times);
/* Claim after claim in one region, the last of them. */
void run_resolve_near(void *claims, uint64_t times);
void run_find(void *claims, uint64_t times);

/* The body of an empty transaction. */
void nothing(struct prec_transaction *t, void *argument);

void die(const char *what);
int lend(uint64_t size);
void map(struct prec_region *to, int fd, uint64_t size);

#endif
