/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_SPACE_H
#define PRECARIUM_SPACE_H

#include <stdint.h>

#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A span is a checked range of client memory: it lies in one region, and the
 * rights were asked and granted.  What a client says (an address, a length)
 * is a claim; only the calls that check one make a span.
 *
 * `host` is the address in this process, as a number: code that is to be
 * verified, or to survive, never turns it into a pointer.  It goes to the
 * accessors of access.h, or to the kernel in an iovec.
 */
struct prec_span {
	uint64_t host;
	uint64_t size;    /* bytes */
	uint64_t address; /* the client's name for the first byte */
	uint32_t index;   /* entry of the space; PREC_NONE if of no space */
	uint32_t rights;  /* PREC_READ | PREC_WRITE, as lent */
};

#define PREC_READ  1u /* the driver may read */
#define PREC_WRITE 2u /* the driver may write */

#define PREC_NONE 0xffffffffu

/* One past the last address that a client may use: 2^56. */
#define PREC_ADDRESS_MAX 0x0100000000000000ull

/* Entries of a space: a vhost-user back-end is asked for at most 509. */
#define PREC_SPACE_MAX 512u

/*
 * The address space of one client: what it has lent, by its own addresses,
 * sorted and disjoint.  Placed by the caller; starts as all zeroes.  One
 * thread changes it while no other reads it.
 */
struct prec_space {
	uint32_t count;
	uint64_t start[PREC_SPACE_MAX]; /* first client address */
	uint64_t end[PREC_SPACE_MAX];   /* one past the last */
	uint64_t host[PREC_SPACE_MAX];  /* where start is mapped here */
	uint32_t rights[PREC_SPACE_MAX];
	uint32_t slot[PREC_SPACE_MAX];  /* the caller's number of the region */
};

/*
 * The entry that holds `address`, or PREC_NONE.  The table is sorted: the
 * search takes at most ten steps, whatever the client lent.
 */
PREC_EXPORT uint32_t prec_space_find(const struct prec_space *space,
				     uint64_t address);

/*
 * Enter [address, address + size), mapped here at `host`.  Keeps the table
 * sorted; entries above move up by one, so spans made before carry a stale
 * `index` and must be resolved again.
 *
 * PREC_INVALID: size is 0, or the range passes PREC_ADDRESS_MAX, or so does
 * the host range.  PREC_OVERLAP: meets an entry.  PREC_FULL: no room.  The
 * table is unchanged on each.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_space_add(struct prec_space *space, uint64_t address, uint64_t size,
	       uint64_t host, uint32_t rights, uint32_t slot);

/* Forget entry `index`, which must be less than count.  Entries above move
 * down by one. */
PREC_EXPORT void prec_space_remove(struct prec_space *space, uint32_t index);

/*
 * Check the claim [address, address + size): wholly inside one entry that
 * grants all of `rights`.  A range across two entries is PREC_RANGE even where
 * they touch: cut it with prec_space_piece.  On any error *span is untouched.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_space_resolve(const struct prec_space *space, uint64_t address,
		   uint64_t size, uint32_t rights, struct prec_span *span);

/*
 * The first piece of the claim [address, address + size): as much of it as
 * lies in the entry that holds `address`.  size must not be 0.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_space_piece(const struct prec_space *space, uint64_t address,
		 uint64_t size, uint32_t rights, struct prec_span *span);

/*
 * The part [offset, offset + size) of a span.  PREC_RANGE and *part untouched
 * when it is not wholly inside.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_span_part(struct prec_span span, uint64_t offset, uint64_t size,
	       struct prec_span *part);

#ifdef __cplusplus
}
#endif
#endif
