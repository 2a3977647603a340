/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_EXAMPLES_PROVED_DRIVER_DRIVER_H
#define PRECARIUM_EXAMPLES_PROVED_DRIVER_DRIVER_H

#include <stdint.h>

#include <precarium/pin.h>
#include <precarium/space.h>

/*
 * A driver of a small imaginary device that moves bytes: SLOTS transfers at a
 * time, each described by an address and a size.  It is proved that, as long as
 * the device has a descriptor, the transfer lies in memory that the client has
 * lent for it, and the memory is pinned.
 */
#define SLOTS 64u

struct driver {
	uint64_t host[SLOTS];
	uint64_t size[SLOTS]; /* 0: the device does not have this slot */
	uint32_t range[SLOTS];
};

/*@
  // The memory of each transfer that the device has is pinned.
  predicate driver_ok(struct driver d, struct prec_ledger l) =
    \forall integer i; 0 <= i < SLOTS && d.size[i] != 0 ==>
      d.range[i] < PREC_LEDGER_RANGES &&
      l.place.range[i] == d.range[i] + 1;
*/

/* Checks the claim [address, address + size), pins the memory and describes it
 * to the device.  A failed call changes nothing. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  requires driver: \valid(d) && \separated(d, ledger, space) &&
    driver_ok(*d, *ledger);
  terminates \true;
  exits \false;
  assigns d->host[0 .. SLOTS - 1], d->size[0 .. SLOTS - 1],
    d->range[0 .. SLOTS - 1], ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
    ledger->place.range[0 .. PREC_LEDGER_PLACES - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures pinned: driver_ok(*d, *ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures lent: \result == PREC_OK ==> slot < SLOTS && 0 < size &&
    \exists integer i; 0 <= i < space->count &&
      space->start[i] <= address && address + size <= space->end[i] &&
      d->host[slot] - space->host[i] == address - space->start[i] &&
      d->size[slot] == size && d->range[slot] == space->slot[i] &&
      rights_grant(space->rights[i], PREC_READ | PREC_WRITE) &&
      range_open(\old(*ledger), client, space->slot[i]);
  ensures nothing: \result != PREC_OK ==>
    *d == \old(*d) && *ledger == \old(*ledger);
*/
PREC_MUST_CHECK enum prec_status driver_submit(struct driver *d,
					       struct prec_ledger *ledger,
					       const struct prec_space *space,
					       uint32_t client, uint32_t slot,
					       uint64_t address, uint64_t size);

/*
 * The device reports that the transfer in the slot is complete.  PREC_OK: the
 * report is believed.  PREC_GONE: the memory was taken back meanwhile, so the
 * report is not believed.  PREC_INVALID: the device did not have the slot.
 * *quiet: a range that may now be released, or PREC_NONE.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  requires driver: \valid(d) && driver_ok(*d, *ledger);
  requires out: \valid(quiet) && \separated(d, ledger, quiet);
  terminates \true;
  exits \false;
  assigns *quiet, d->size[0 .. SLOTS - 1],
    ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
    ledger->state[0 .. PREC_LEDGER_RANGES - 1],
    ledger->place.range[0 .. PREC_LEDGER_PLACES - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures pinned: driver_ok(*d, *ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures done: slot < SLOTS ==> d->size[slot] == 0;
  ensures unused: *quiet != PREC_NONE ==> nothing_pins(*ledger, *quiet);
  ensures believed: \result == PREC_OK ==>
    slot < SLOTS && ledger->state[d->range[slot]] == PREC_PIN_LIVE;
*/
PREC_MUST_CHECK enum prec_status driver_done(struct driver *d,
					     struct prec_ledger *ledger,
					     uint32_t slot, uint32_t *quiet);

#endif
