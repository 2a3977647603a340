/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_IO_SEL4_H
#define PRECARIUM_IO_SEL4_H

#include <stdint.h>

#include <precarium/keeper.h>
#include <precarium/pin.h>
#include <precarium/region.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Lent memory that a device reaches through an IOMMU.  Page i of the window has
 * one address for the device, always, and the device's capability to it is in
 * one slot, always.  It is a copy of the one that is mapped for the processor,
 * and so comes after that in the order in which revoking deletes copies: if the
 * processor's is there after the device has said that it is done, the device's
 * was there all the time.
 *
 * The ledger of pins (pin.h) says when a device has done with a region, and so
 * when its addresses may be used for another.
 */

/* Who can take the memory back meanwhile: the ledger's numbers of domains. */
enum prec_io_domain {
	/* The client, who holds the originals.  The kernel then stops the
	 * device, which is not told and says "done" all the same. */
	PREC_IO_SPACE = 0,
	/* A broker, whom client and driver trust.  It holds the originals,
	 * gives copies to both, and revokes when the driver has done: that is
	 * the pin. */
	PREC_IO_BROKER = 1,
};

/* A device.  As with struct prec_keeper, which see. */
struct prec_io {
	uint64_t space; /* its IO space, in the keeper's CSpace */
	uint64_t slots; /* the first of as many consecutive empty slots as the
			   window has pages */
	uint64_t at;    /* its address of the window's first page.  The page
			   tables for all are mapped, from memory of the
			   driver's own, and stay while the device may move
			   bytes */
	/* Private. */
	uint64_t window;
	uint8_t lent[PREC_KEEPER_REGIONS]; /* this region is */
	struct prec_io *next;
};

/*
 * Check what was given, and make the device known.  Each slot is tried, with
 * the frame of zeroes at its place, read-only.  Called after prec_keeper_init,
 * before the keeper serves.
 *
 * PREC_INVALID: a number makes no sense, or slots are the keeper's own or
 * another device's.  PREC_BUSY: a slot is in use.  PREC_SYSTEM: a page cannot
 * be mapped at each place, as where there is no IOMMU.  In each case the slots
 * are as they were.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_keeper_add_device(struct prec_keeper *keeper, struct prec_io *io);

/* A region that is lent to a device.  The caller places it and sets the first
 * part. */
struct prec_io_loan {
	struct prec_io *io;
	struct prec_region *region;
	enum prec_io_domain domain;
	uint32_t client; /* whose quota of the ledger is used */
	uint32_t rights; /* PREC_READ, or both: what the device may do */
	/* Private. */
	uint32_t range; /* of the ledger */
};

/*
 * Let the device reach all of the region.  It cannot be unmapped meanwhile
 * (PREC_BUSY).
 *
 * PREC_GONE: a page is gone.  PREC_RIGHTS: the region was lent for less.
 * PREC_BUSY: the device has it already.  PREC_SYSTEM: the kernel refuses.
 * PREC_INVALID, PREC_REFUSED, PREC_FULL: as prec_ledger_grant, or the region or
 * the device is not known.  On each of these nothing has changed.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_io_lend(struct prec_ledger *ledger, struct prec_io_loan *loan);

/* The device's address of a byte of it. */
PREC_EXPORT uint64_t prec_io_address(const struct prec_io_loan *loan,
				     uint64_t offset);

/* A request that names it is about to be given to the device.  `rights`:
 * PREC_WRITE if the device will store to it, PREC_READ if it reads.
 * PREC_RIGHTS: it was lent for less, and nobody would tell that the device was
 * stopped.  `place` and other status: as prec_ledger_pin. */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_io_begin(struct prec_ledger *ledger, const struct prec_io_loan *loan,
	      uint32_t place, uint32_t rights);

/*
 * The device has said that it is done with the request at `place`, which named
 * the bytes [offset, offset + size).  PREC_OK: that may be believed.
 * PREC_GONE: a page of them is gone, or was; or the loan is being taken back.
 * PREC_RANGE: there are no such bytes.  In each case the place is free.
 * PREC_INVALID: it was.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_io_end(struct prec_ledger *ledger, const struct prec_io_loan *loan,
	    uint32_t place, uint64_t offset, uint64_t size);

/*
 * Take it from the device.  PREC_OK: the device does not reach it and has no
 * request that names it; the region may be unmapped, and what a broker lent
 * may be given back.  PREC_BUSY: a request is in flight; call again when that
 * has ended.  Meanwhile no request begins, and of a PREC_IO_SPACE the device
 * reaches nothing any more; a PREC_IO_BROKER lets it come to its end.
 * PREC_INVALID: it is not lent.
 *
 * After prec_ledger_bury each loan of the domain is taken back so, before
 * anything is lent anew.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_io_take_back(struct prec_ledger *ledger, struct prec_io_loan *loan);

#ifdef __cplusplus
}
#endif
#endif
