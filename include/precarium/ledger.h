/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_LEDGER_H
#define PRECARIUM_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/status.h>

/*
 * The ledger of pins: which lent memory a device may be accessing, and when it
 * may be given back.  The ledger only keeps records: the caller maps, submits,
 * cuts off and unmaps, in the order that the ledger allows.
 *
 * A *range* is lent memory that was pinned in a *domain*: a device behind an
 * IOMMU, or the kernel (registered buffers).  A *place* is where a request in
 * flight names a range.  Each place holds one pin, so a pin cannot be undone
 * twice.  These are the states of a range, and the only ways between them:
 *
 *   free         grant            live
 *   live         revoke           draining, or quiet if nothing pins it
 *   draining     last unpin       quiet
 *                cut_off          quarantined
 *   quarantined  last unpin       quiet
 *   quiet        release          free
 *   draining, quarantined, quiet
 *                condemn          condemned
 *   any          bury             free
 *
 * (prec_ledger_quiesced unpins every place of a domain; prec_ledger_bury is of
 * a whole domain as well.)
 *
 * Once a range is draining, no new pin is allowed, and a completion that a
 * device or the kernel reports for it is not believed.  Only a quiet range may
 * be unmapped from the device's tables, unpinned and given back.  Neither the
 * passing of time nor an unmap makes it quiet: a device that was cut off may
 * still hold a translation, and one that reports completion may have been
 * stopped silently.
 *
 * A range is quarantined if its deadline has passed and the device's tables no
 * longer map it, but the device has not been seen quiet yet.  It is condemned
 * if nothing can show that the device is quiet.  Then we never unpin its
 * pages, and the domain takes no new pins.  Only the kernel can end that: when
 * nobody has the device and its tables open any more, it resets the device,
 * empties the tables and unpins the pages.  Then the domain is buried.
 */
#define PREC_LEDGER_RANGES  512u
#define PREC_LEDGER_PLACES  4096u
#define PREC_LEDGER_CLIENTS 64u
#define PREC_LEDGER_DOMAINS 8u

enum prec_pin_state {
	PREC_PIN_FREE = 0,
	PREC_PIN_LIVE,
	PREC_PIN_DRAINING,
	PREC_PIN_QUARANTINED,
	PREC_PIN_QUIET,
	PREC_PIN_CONDEMNED,
};

struct prec_pin_places {
	uint32_t range[PREC_LEDGER_PLACES]; /* range + 1, or 0: no pin */
};

struct prec_pin_owners {
	uint32_t client[PREC_LEDGER_RANGES];
	uint64_t bytes[PREC_LEDGER_RANGES]; /* 0: the range is free */
};

/* The caller provides the structure.  The fields are for debuggers. */
struct prec_ledger {
	struct prec_pin_places place;
	struct prec_pin_owners owner;
	uint32_t state[PREC_LEDGER_RANGES]; /* enum prec_pin_state */
	uint32_t pins[PREC_LEDGER_RANGES];
	uint32_t domain[PREC_LEDGER_RANGES];
	uint64_t quota[PREC_LEDGER_CLIENTS]; /* bytes */
	uint64_t held[PREC_LEDGER_CLIENTS]; /* bytes, in every state but free */
	uint8_t dead[PREC_LEDGER_DOMAINS];  /* shut, or has condemned ranges */
};

/* The result of one unpin. */
struct prec_unpin {
	uint32_t range; /* what the place had pinned */
	uint32_t quiet; /* that range, if this made it quiet; else PREC_NONE */
	bool believed;	/* the range has been live since the pin: a "done" of
			   the device may be reported, if the region's epoch
			   did not move either */
};

/* The bytes of one client by state: bytes[PREC_PIN_LIVE] and so on. */
struct prec_pin_account {
	uint64_t bytes[PREC_PIN_CONDEMNED + 1];
};

/*@ ghost
  // How often each range was granted and released.
  unsigned long long ledger_begun[512];
  unsigned long long ledger_ended[512];
*/
#define LEDGER_GRANTS_MAX 0xffffffffffffffff

/*@
  // How many of the first n places pin the range.
  logic integer pins_at(struct prec_pin_places p, integer range, integer n) =
    n <= 0 ? 0 :
    pins_at(p, range, n - 1) + (p.range[n - 1] == range + 1 ? 1 : 0);

  // Bytes of the client among the first n ranges.
  logic integer bytes_of(struct prec_pin_owners o, integer client,
                         integer n) =
    n <= 0 ? 0 :
    bytes_of(o, client, n - 1) +
    (o.client[n - 1] == client ? o.bytes[n - 1] : 0);

  // The same, of the ranges in one state.
  logic integer bytes_in(struct prec_ledger l, integer client, integer state,
                         integer n) =
    n <= 0 ? 0 :
    bytes_in(l, client, state, n - 1) +
    (l.owner.client[n - 1] == client && l.state[n - 1] == state ?
      l.owner.bytes[n - 1] : 0);

  logic integer account_sum(struct prec_pin_account a) =
    a.bytes[0] + a.bytes[1] + a.bytes[2] + a.bytes[3] + a.bytes[4] +
    a.bytes[5];

  predicate ledger_bounded(struct prec_ledger l) =
    (\forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
      l.state[r] <= PREC_PIN_CONDEMNED &&
      l.pins[r] <= PREC_LEDGER_PLACES &&
      l.owner.client[r] < PREC_LEDGER_CLIENTS &&
      l.domain[r] < PREC_LEDGER_DOMAINS) &&
    (\forall integer p; 0 <= p < PREC_LEDGER_PLACES ==>
      l.place.range[p] <= PREC_LEDGER_RANGES);

  // The counts are the counts.
  predicate ledger_counted(struct prec_ledger l) =
    \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
      l.pins[r] == pins_at(l.place, r, PREC_LEDGER_PLACES);

  predicate ledger_paid(struct prec_ledger l) =
    \forall integer c; 0 <= c < PREC_LEDGER_CLIENTS ==>
      l.held[c] == bytes_of(l.owner, c, PREC_LEDGER_RANGES) &&
      l.held[c] <= l.quota[c];

  // What each state means.  A range that nothing pins does not linger: it is
  // quiet as soon as it can be.
  predicate ledger_meant(struct prec_ledger l) =
    \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
      (l.state[r] == PREC_PIN_FREE <==> l.owner.bytes[r] == 0) &&
      (l.state[r] == PREC_PIN_FREE ==> l.pins[r] == 0) &&
      (l.state[r] == PREC_PIN_QUIET ==> l.pins[r] == 0) &&
      (l.state[r] == PREC_PIN_DRAINING ==> l.pins[r] > 0) &&
      (l.state[r] == PREC_PIN_QUARANTINED ==> l.pins[r] > 0) &&
      (l.state[r] == PREC_PIN_CONDEMNED ==> l.dead[l.domain[r]] != 0);

  predicate ledger_ok(struct prec_ledger l) =
    ledger_bounded(l) && ledger_counted(l) && ledger_paid(l) &&
    ledger_meant(l);

  // Each grant is ended by one release or is not ended yet.
  predicate ledger_once{L}(struct prec_ledger l) =
    \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
      ledger_begun[r] ==
      ledger_ended[r] + (l.state[r] == PREC_PIN_FREE ? 0 : 1);

  // What every call that changes the ledger asks for, and leaves.
  predicate ledger_sound{L}(struct prec_ledger l) =
    ledger_ok(l) && ledger_once(l);

  predicate nothing_pins(struct prec_ledger l, integer range) =
    \forall integer p; 0 <= p < PREC_LEDGER_PLACES ==>
      l.place.range[p] != range + 1;

  predicate state_moves(integer before, integer after) =
    before == after ||
    (before == PREC_PIN_FREE && after == PREC_PIN_LIVE) ||
    (before == PREC_PIN_LIVE && after == PREC_PIN_DRAINING) ||
    (before == PREC_PIN_LIVE && after == PREC_PIN_QUIET) ||
    (before == PREC_PIN_DRAINING && after == PREC_PIN_QUARANTINED) ||
    (before == PREC_PIN_DRAINING && after == PREC_PIN_QUIET) ||
    (before == PREC_PIN_QUARANTINED && after == PREC_PIN_QUIET) ||
    (before == PREC_PIN_QUIET && after == PREC_PIN_FREE) ||
    (before >= PREC_PIN_DRAINING && after == PREC_PIN_CONDEMNED);

  // What every call keeps, of every range: it goes the ways of the table
  // above and no other; and once it is no longer live nothing new pins it.
  predicate ledger_moves(struct prec_ledger before,
                         struct prec_ledger after) =
    \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
      state_moves(before.state[r], after.state[r]) &&
      (before.state[r] != PREC_PIN_LIVE ==>
        after.pins[r] <= before.pins[r]);

  predicate range_kept(struct prec_ledger before, struct prec_ledger after,
                       integer r) =
    after.state[r] == before.state[r] && after.pins[r] == before.pins[r];

  predicate others_kept(struct prec_ledger before, struct prec_ledger after,
                        integer range) =
    \forall integer r; 0 <= r < PREC_LEDGER_RANGES && r != range ==>
      range_kept(before, after, r);

  // The places that pin a range of another domain.
  predicate places_elsewhere_kept(struct prec_ledger before,
                                  struct prec_ledger after,
                                  integer domain) =
    \forall integer p; 0 <= p < PREC_LEDGER_PLACES &&
      before.place.range[p] != 0 &&
      before.domain[before.place.range[p] - 1] != domain ==>
      after.place.range[p] == before.place.range[p];

  predicate states_kept(struct prec_ledger before,
                        struct prec_ledger after) =
    \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
      after.state[r] == before.state[r];

  // What a burial does: each range of the domain is free and nothing pins it;
  // all others are as they were, and so are their places.
  predicate ledger_buried(struct prec_ledger before, struct prec_ledger after,
                          integer domain) =
    (\forall integer r; 0 <= r < PREC_LEDGER_RANGES &&
      before.domain[r] == domain ==>
      after.state[r] == PREC_PIN_FREE && after.pins[r] == 0 &&
      nothing_pins(after, r)) &&
    (\forall integer r; 0 <= r < PREC_LEDGER_RANGES &&
      before.domain[r] != domain ==>
      range_kept(before, after, r) &&
      after.owner.client[r] == before.owner.client[r] &&
      after.owner.bytes[r] == before.owner.bytes[r]) &&
    places_elsewhere_kept(before, after, domain);

  // What unpinning may do, however often: counts fall, and what nothing pins
  // any longer becomes quiet.
  predicate range_drains(struct prec_ledger before, struct prec_ledger after,
                         integer r) =
    after.pins[r] <= before.pins[r] &&
    (after.state[r] == before.state[r] ||
     (after.state[r] == PREC_PIN_QUIET &&
      (before.state[r] == PREC_PIN_DRAINING ||
       before.state[r] == PREC_PIN_QUARANTINED)));

  predicate ledger_drains(struct prec_ledger before,
                          struct prec_ledger after) =
    \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
      range_drains(before, after, r);

  // May be pinned for `client`: live, and its domain is not dead.
  predicate range_open(struct prec_ledger l, integer client, integer range) =
    range < PREC_LEDGER_RANGES && l.state[range] == PREC_PIN_LIVE &&
    l.owner.client[range] == client && l.dead[l.domain[range]] == 0;

  // What is said of a pin: first of the range, then of the place.
  logic integer range_answer(struct prec_ledger l, integer client,
                             integer range) =
    range >= PREC_LEDGER_RANGES ? PREC_INVALID :
    l.state[range] != PREC_PIN_LIVE ? PREC_GONE :
    l.owner.client[range] != client ? PREC_RIGHTS :
    l.dead[l.domain[range]] != 0 ? PREC_REFUSED : PREC_OK;

  logic integer pin_answer(struct prec_ledger l, integer client,
                           integer range, integer place) =
    range_answer(l, client, range) != PREC_OK ?
      range_answer(l, client, range) :
    place >= PREC_LEDGER_PLACES ? PREC_INVALID :
    l.place.range[place] != 0 ? PREC_BUSY : PREC_OK;
*/

#endif
