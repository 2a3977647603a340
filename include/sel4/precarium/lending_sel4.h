/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_LENDING_SEL4_H
#define PRECARIUM_LENDING_SEL4_H

#include <stdint.h>

#include <precarium/region.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * How clients lend memory on seL4: as capabilities to frames.  What is done
 * with a region afterwards is in region.h, and the same on each platform.
 */

/* Why memory was not accepted (status PREC_REFUSED). */
enum prec_refusal {
	PREC_REFUSAL_NONE = 0,
	PREC_REFUSAL_NOT_MEMORY, /* an empty slot, a frame of a device, or
				    another object; or it was taken back */
	PREC_REFUSAL_PAGE_SIZE,  /* a large frame */
	PREC_REFUSAL_RIGHTS,     /* the capability grants less */
};

/* One line for a person that says what was expected.  Never NULL. */
PREC_EXPORT const char *prec_refusal_text(enum prec_refusal refusal);

struct prec_lending {
	/* The first of consecutive slots of the keeper's CSpace, which hold a
	 * capability to a frame of 4 KiB each, as the client sent them. */
	uint64_t frames;
	uint32_t rights;   /* PREC_READ, or both */
	uint32_t client;   /* below PREC_KEEPER_CLIENTS: whose budget of empty
			      frames is used */
	uint64_t size;     /* bytes; not 0, a multiple of 4 KiB */
	uint64_t address;  /* the client's address of its first byte, or 0 */
	uint32_t options;  /* PREC_TOLERATE, or 0 */
	uint32_t reserved; /* 0 */
};

/*
 * Map what a client lent, and handle its loss from then on.  The keeper copies
 * each capability, so those in the slots may be deleted afterwards.  A
 * capability that a client sent may be to anything: before it is invoked, it is
 * shown to the kernel as an argument, of a call that takes only frames of
 * memory.  What rights it grants is found out by touching each page; a store
 * of no bits changes nothing.
 *
 * PREC_REFUSED: *refusal says why (refusal may be NULL).  PREC_FULL: there is
 * no room in the window, or there are PREC_KEEPER_REGIONS regions already.
 * PREC_INVALID: an argument makes no sense, the slots are the keeper's own, the
 * region is mapped already, or the thread has not entered (prec_keeper_enter).
 * Nothing is mapped on error.  Any thread that has entered.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_region_map(struct prec_region *region, const struct prec_lending *lending,
		enum prec_refusal *refusal);

#ifdef __cplusplus
}
#endif
#endif
