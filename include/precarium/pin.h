/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PIN_H
#define PRECARIUM_PIN_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/space.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

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
 *                condemn          condemned, for ever
 *
 * (prec_ledger_quiesced unpins every place of a domain.)
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
 * if nothing can show that the device is quiet.  Then its pages are never
 * unpinned while this process lives, and the domain takes no new pins.
 *
 * No call allocates, locks, or makes a system call; none is for
 * handlers.  Calls on one ledger are made one at a time.  The caller's lock, if
 * it has one, need not be held while it works on the device in between.  The
 * work of a call is bounded by the constants below.
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
	uint8_t dead[PREC_LEDGER_DOMAINS];  /* holds condemned ranges */
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

  predicate states_kept(struct prec_ledger before,
                        struct prec_ledger after) =
    \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
      after.state[r] == before.state[r];

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

  // Pinned, for `client`, and its domain is not dead.
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

/* Make an empty ledger.  Every client's quota is 0: nothing is granted yet. */
/*@
  requires ledger: \valid(ledger);
  terminates \true;
  exits \false;
  assigns *ledger, ledger_begun[0 .. 511], ledger_ended[0 .. 511];
  ensures ledger: ledger_sound(*ledger);
  ensures empty: \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
    ledger->state[r] == PREC_PIN_FREE;
  ensures no_quota: \forall integer c; 0 <= c < PREC_LEDGER_CLIENTS ==>
    ledger->quota[c] == 0;
  ensures alive: \forall integer d; 0 <= d < PREC_LEDGER_DOMAINS ==>
    ledger->dead[d] == 0;
*/
PREC_EXPORT void prec_ledger_init(struct prec_ledger *ledger);

/*
 * Set the number of bytes that `client` may hold over all domains, whether
 * pinned, quarantined or condemned: what it can make the system keep.
 * PREC_INVALID: no such client.  PREC_BUSY: it already holds more; the quota is
 * unchanged.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  terminates \true;
  exits \false;
  assigns ledger->quota[0 .. PREC_LEDGER_CLIENTS - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures others: \forall integer c; 0 <= c < PREC_LEDGER_CLIENTS &&
    c != client ==> ledger->quota[c] == \old(*ledger).quota[c];
  ensures nothing: \result != PREC_OK ==> *ledger == \old(*ledger);
  behavior unknown:
    assumes none: client >= PREC_LEDGER_CLIENTS;
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  behavior over:
    assumes known: client < PREC_LEDGER_CLIENTS;
    assumes over: bytes < ledger->held[client];
    assigns \nothing;
    ensures said: \result == PREC_BUSY;
  behavior set:
    assumes known: client < PREC_LEDGER_CLIENTS;
    assumes within: ledger->held[client] <= bytes;
    assigns ledger->quota[client];
    ensures said: \result == PREC_OK;
    ensures set: ledger->quota[client] == bytes;
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_ledger_quota(struct prec_ledger *ledger, uint32_t client, uint64_t bytes);

/*
 * Enter `bytes` of the client's memory, to be pinned and mapped in `domain`.
 * Call this first and pin afterwards, so that the quota is checked before it is
 * used; if the system then refuses, revoke and release.  *range is the number
 * that identifies the range in all other calls, until it is released.
 *
 * PREC_INVALID: no such client or domain, or no bytes.  PREC_REFUSED: over the
 * quota, or the domain holds condemned ranges.  PREC_FULL: no room.  On each of
 * these nothing has changed.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  requires out: \valid(range) && \separated(range, ledger);
  requires counted: \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
    ledger_begun[r] < LEDGER_GRANTS_MAX;
  terminates \true;
  exits \false;
  assigns *range, ledger->state[0 .. PREC_LEDGER_RANGES - 1],
    ledger->owner.client[0 .. PREC_LEDGER_RANGES - 1],
    ledger->owner.bytes[0 .. PREC_LEDGER_RANGES - 1],
    ledger->domain[0 .. PREC_LEDGER_RANGES - 1],
    ledger->held[0 .. PREC_LEDGER_CLIENTS - 1], ledger_begun[0 .. 511];
  ensures ledger: ledger_sound(*ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures nothing: \result != PREC_OK ==> *ledger == \old(*ledger);
  behavior wrong:
    assumes wrong: client >= PREC_LEDGER_CLIENTS ||
      domain >= PREC_LEDGER_DOMAINS || bytes == 0;
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  behavior refused:
    assumes known: client < PREC_LEDGER_CLIENTS &&
      domain < PREC_LEDGER_DOMAINS && bytes > 0;
    assumes refused: ledger->dead[domain] != 0 ||
      ledger->held[client] + bytes > ledger->quota[client];
    assigns \nothing;
    ensures said: \result == PREC_REFUSED;
  behavior asked:
    assumes known: client < PREC_LEDGER_CLIENTS &&
      domain < PREC_LEDGER_DOMAINS && bytes > 0;
    assumes within: ledger->dead[domain] == 0 &&
      ledger->held[client] + bytes <= ledger->quota[client];
    ensures said: \result == PREC_OK || \result == PREC_FULL;
    ensures full: \result == PREC_FULL ==> *range == \old(*range) &&
      \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
        ledger->state[r] != PREC_PIN_FREE;
    ensures granted: \result == PREC_OK ==> *range < PREC_LEDGER_RANGES &&
      \at(ledger->state[\at(*range, Post)], Pre) == PREC_PIN_FREE &&
      range_open(*ledger, client, *range) &&
      ledger->domain[*range] == domain &&
      ledger->owner.bytes[*range] == bytes && nothing_pins(*ledger, *range);
    ensures paid: \result == PREC_OK ==>
      ledger->held[client] == \old(ledger->held[client]) + bytes;
    ensures others: \result == PREC_OK ==>
      others_kept(\old(*ledger), *ledger, *range);
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_ledger_grant(struct prec_ledger *ledger, uint32_t client, uint32_t domain,
		  uint64_t bytes, uint32_t *range);

/*
 * Pin the range, before a request that names it is given to the device.
 * `place` is the caller's number for where the request names it.
 *
 * PREC_INVALID: no such range or place.  PREC_BUSY: the place has a pin.
 * PREC_GONE: the range is not live.  PREC_RIGHTS: it is another client's.
 * PREC_REFUSED: its domain holds condemned ranges.  On each of these nothing
 * has changed.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  terminates \true;
  exits \false;
  assigns ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
    ledger->place.range[0 .. PREC_LEDGER_PLACES - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures others: others_kept(\old(*ledger), *ledger, range);
  ensures elsewhere: \forall integer p; 0 <= p < PREC_LEDGER_PLACES &&
    p != place ==>
    ledger->place.range[p] == \old(*ledger).place.range[p];
  ensures told: \result ==
    pin_answer(\old(*ledger), client, range, place);
  ensures nothing: \result != PREC_OK ==> *ledger == \old(*ledger);
  behavior pinned:
    assumes open: range_open(*ledger, client, range);
    assumes empty: place < PREC_LEDGER_PLACES &&
      ledger->place.range[place] == 0;
    assigns ledger->pins[range], ledger->place.range[place];
    ensures said: \result == PREC_OK;
    ensures pinned: ledger->place.range[place] == range + 1;
    ensures one_more: ledger->pins[range] == \old(ledger->pins[range]) + 1;
  behavior refused:
    assumes closed: !range_open(*ledger, client, range) ||
      place >= PREC_LEDGER_PLACES || ledger->place.range[place] != 0;
    assigns \nothing;
    ensures said: \result != PREC_OK;
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_ledger_pin(struct prec_ledger *ledger, uint32_t client, uint32_t range,
		uint32_t place);

/*
 * The same for a whole request: pins ranges[0 .. count - 1] at the places from
 * `first` on, either all of them or none.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  requires list: \valid_read(ranges + (0 .. count - 1)) &&
    \separated(ranges + (0 .. count - 1), ledger);
  terminates \true;
  exits \false;
  assigns ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
    ledger->place.range[0 .. PREC_LEDGER_PLACES - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures no_room: first + count > PREC_LEDGER_PLACES ==>
    \result == PREC_INVALID;
  ensures open: first + count <= PREC_LEDGER_PLACES &&
    (\forall integer j; 0 <= j < count ==>
      pin_answer(\old(*ledger), client, ranges[j], first + j) == PREC_OK) ==>
    \result == PREC_OK;
  ensures told: first + count <= PREC_LEDGER_PLACES ==>
    \forall integer i; 0 <= i < count &&
      (\forall integer j; 0 <= j < i ==>
        pin_answer(\old(*ledger), client, ranges[j], first + j) == PREC_OK) &&
      pin_answer(\old(*ledger), client, ranges[i], first + i) != PREC_OK ==>
      \result == pin_answer(\old(*ledger), client, ranges[i], first + i);
  ensures all: \result == PREC_OK ==> first + count <= PREC_LEDGER_PLACES &&
    (\forall integer i; 0 <= i < count ==>
      range_open(\old(*ledger), client, ranges[i])) &&
    (\forall integer p; first <= p < first + count ==>
      \old(*ledger).place.range[p] == 0 &&
      ledger->place.range[p] == ranges[p - first] + 1);
  ensures elsewhere: \result == PREC_OK ==>
    \forall integer p; 0 <= p < PREC_LEDGER_PLACES &&
      !(first <= p < first + count) ==>
      ledger->place.range[p] == \old(*ledger).place.range[p];
  ensures nothing: \result != PREC_OK ==> *ledger == \old(*ledger);
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_ledger_pin_all(struct prec_ledger *ledger, uint32_t client,
		    const uint32_t *ranges, uint32_t count, uint32_t first);

/*
 * Undo the pin at `place`, because its request is no longer in flight: its
 * completion was read, or the queue that held it has finished quiescing.  An
 * answer to an abort command, a timeout, or an unmap of the range is not
 * enough.
 *
 * PREC_INVALID: no pin there; nothing has changed, nor has *unpin.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  requires out: \valid(unpin) && \separated(unpin, ledger);
  terminates \true;
  exits \false;
  assigns *unpin, ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
    ledger->state[0 .. PREC_LEDGER_RANGES - 1],
    ledger->place.range[0 .. PREC_LEDGER_PLACES - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures drains: ledger_drains(\old(*ledger), *ledger);
  ensures elsewhere: \forall integer p; 0 <= p < PREC_LEDGER_PLACES &&
    p != place ==>
    ledger->place.range[p] == \old(*ledger).place.range[p];
  ensures others: \result == PREC_OK ==>
    others_kept(\old(*ledger), *ledger, unpin->range);
  ensures nothing: \result != PREC_OK ==> *ledger == \old(*ledger);
  behavior unpinned:
    assumes pinned: place < PREC_LEDGER_PLACES &&
      ledger->place.range[place] != 0;
    assigns *unpin, ledger->pins[ledger->place.range[place] - 1],
      ledger->state[ledger->place.range[place] - 1],
      ledger->place.range[place];
    ensures said: \result == PREC_OK;
    ensures undone: ledger->place.range[place] == 0;
    ensures range: unpin->range == \old(ledger->place.range[place]) - 1 &&
      unpin->range < PREC_LEDGER_RANGES;
    ensures one_less: ledger->pins[unpin->range] ==
      \at(ledger->pins[\at(unpin->range, Post)], Pre) - 1;
    ensures quiet: unpin->quiet == unpin->range <==>
      ledger->state[unpin->range] == PREC_PIN_QUIET;
    ensures or_none: unpin->quiet == unpin->range ||
      unpin->quiet == PREC_NONE;
    ensures unused: unpin->quiet != PREC_NONE ==>
      nothing_pins(*ledger, unpin->quiet);
    ensures believed: unpin->believed <==>
      ledger->state[unpin->range] == PREC_PIN_LIVE;
  behavior none:
    assumes none: place >= PREC_LEDGER_PLACES ||
      ledger->place.range[place] == 0;
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_ledger_unpin(struct prec_ledger *ledger, uint32_t place,
		  struct prec_unpin *unpin);

/*
 * The client takes the range back, or it was found gone.  From here on there
 * are no new pins, and no completion is believed.  *quiet is the range if
 * nothing pins it and it may be released; else PREC_NONE, and a later unpin
 * returns it.
 *
 * PREC_INVALID: no such range, or not live; nothing has changed, nor has
 * *quiet.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  requires out: \valid(quiet) && \separated(quiet, ledger);
  terminates \true;
  exits \false;
  assigns *quiet, ledger->state[0 .. PREC_LEDGER_RANGES - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures others: others_kept(\old(*ledger), *ledger, range);
  ensures nothing: \result != PREC_OK ==> *ledger == \old(*ledger);
  behavior revoked:
    assumes live: range < PREC_LEDGER_RANGES &&
      ledger->state[range] == PREC_PIN_LIVE;
    assigns *quiet, ledger->state[range];
    ensures said: \result == PREC_OK;
    ensures idle: ledger->pins[range] == 0 ==> *quiet == range &&
      ledger->state[range] == PREC_PIN_QUIET &&
      nothing_pins(*ledger, range);
    ensures in_use: ledger->pins[range] != 0 ==> *quiet == PREC_NONE &&
      ledger->state[range] == PREC_PIN_DRAINING;
  behavior not_live:
    assumes not_live: range >= PREC_LEDGER_RANGES ||
      ledger->state[range] != PREC_PIN_LIVE;
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_ledger_revoke(struct prec_ledger *ledger, uint32_t range, uint32_t *quiet);

/*
 * The deadline has passed: the caller has unmapped the range from the device's
 * tables and holds its pages by other means.  A draining range becomes
 * quarantined; nothing is released.  PREC_INVALID: not draining; nothing has
 * changed.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  terminates \true;
  exits \false;
  assigns ledger->state[0 .. PREC_LEDGER_RANGES - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures others: others_kept(\old(*ledger), *ledger, range);
  ensures nothing: \result != PREC_OK ==> *ledger == \old(*ledger);
  behavior cut_off:
    assumes draining: range < PREC_LEDGER_RANGES &&
      ledger->state[range] == PREC_PIN_DRAINING;
    assigns ledger->state[range];
    ensures said: \result == PREC_OK;
    ensures held: ledger->state[range] == PREC_PIN_QUARANTINED;
  behavior not_draining:
    assumes not_draining: range >= PREC_LEDGER_RANGES ||
      ledger->state[range] != PREC_PIN_DRAINING;
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_ledger_cut_off(struct prec_ledger *ledger, uint32_t range);

/*
 * The domain has finished a quiesce: a reset, or the deletion of its queues, is
 * complete, and no request is in flight in it.  Undoes every pin in it; a later
 * unpin of such a place returns PREC_INVALID.  Completions that are still
 * unread must be dropped, because their places may be used by new requests.
 *
 * Returns the number of ranges that became quiet; prec_ledger_next_quiet finds
 * them.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  terminates \true;
  exits \false;
  assigns ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
    ledger->state[0 .. PREC_LEDGER_RANGES - 1],
    ledger->place.range[0 .. PREC_LEDGER_PLACES - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures drains: ledger_drains(\old(*ledger), *ledger);
  ensures idle: \forall integer r; 0 <= r < PREC_LEDGER_RANGES &&
    ledger->domain[r] == domain ==> ledger->pins[r] == 0 &&
    nothing_pins(*ledger, r) &&
    ledger->state[r] != PREC_PIN_DRAINING &&
    ledger->state[r] != PREC_PIN_QUARANTINED;
  ensures others: \forall integer r; 0 <= r < PREC_LEDGER_RANGES &&
    ledger->domain[r] != domain ==>
    range_kept(\old(*ledger), *ledger, r);
  ensures some: \result <= PREC_LEDGER_PLACES;
  ensures none: \result == 0 ==> states_kept(\old(*ledger), *ledger);
*/
PREC_EXPORT uint32_t prec_ledger_quiesced(struct prec_ledger *ledger,
					  uint32_t domain);

/* The first quiet range at or after `from`, or PREC_NONE. */
/*@
  requires ledger: \valid_read(ledger) && ledger_ok(*ledger);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures quiet: \result == PREC_NONE || from <= \result <
    PREC_LEDGER_RANGES && ledger->state[\result] == PREC_PIN_QUIET;
  ensures unused: \result != PREC_NONE ==> ledger->pins[\result] == 0;
  ensures first: \forall integer r; from <= r < PREC_LEDGER_RANGES &&
    (\result == PREC_NONE || r < \result) ==>
    ledger->state[r] != PREC_PIN_QUIET;
*/
PREC_EXPORT uint32_t prec_ledger_next_quiet(const struct prec_ledger *ledger,
					    uint32_t from);

/*
 * A quiet range has been unmapped, flushed, unpinned and given back: free its
 * number.  Call this after all that, because nothing else keeps the number from
 * being used again too early.  If the system cannot do it, condemn the range.
 *
 * PREC_INVALID: no such range, or it was released already.  PREC_BUSY: not
 * quiet.  On each of these nothing has changed.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  terminates \true;
  exits \false;
  assigns ledger->state[0 .. PREC_LEDGER_RANGES - 1],
    ledger->owner.client[0 .. PREC_LEDGER_RANGES - 1],
    ledger->owner.bytes[0 .. PREC_LEDGER_RANGES - 1],
    ledger->held[0 .. PREC_LEDGER_CLIENTS - 1], ledger_ended[0 .. 511];
  ensures ledger: ledger_sound(*ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures others: others_kept(\old(*ledger), *ledger, range);
  ensures nothing: \result != PREC_OK ==> *ledger == \old(*ledger);
  behavior released:
    assumes quiet: range < PREC_LEDGER_RANGES &&
      ledger->state[range] == PREC_PIN_QUIET;
    assigns ledger->state[range], ledger->owner.client[range],
      ledger->owner.bytes[range],
      ledger->held[ledger->owner.client[range]], ledger_ended[range];
    ensures said: \result == PREC_OK;
    ensures free: ledger->state[range] == PREC_PIN_FREE;
    ensures unused: nothing_pins(*ledger, range);
    ensures once: ledger_ended[range] == \old(ledger_ended[range]) + 1;
    ensures repaid: ledger->held[ledger->owner.client[range]] ==
      \old(ledger->held[ledger->owner.client[range]]) -
      \old(ledger->owner.bytes[range]);
  behavior unknown:
    assumes unknown: range >= PREC_LEDGER_RANGES ||
      ledger->state[range] == PREC_PIN_FREE;
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  behavior held:
    assumes held: range < PREC_LEDGER_RANGES &&
      ledger->state[range] != PREC_PIN_FREE &&
      ledger->state[range] != PREC_PIN_QUIET;
    assigns \nothing;
    ensures said: \result == PREC_BUSY;
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_ledger_release(struct prec_ledger *ledger, uint32_t range);

/*
 * Nothing can show that the device is quiet, or the system could not give the
 * range back.  It stays pinned and counted for ever, and its domain takes no
 * new pins.  PREC_INVALID: not revoked; nothing has changed.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  terminates \true;
  exits \false;
  assigns ledger->state[0 .. PREC_LEDGER_RANGES - 1],
    ledger->dead[0 .. PREC_LEDGER_DOMAINS - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures others: others_kept(\old(*ledger), *ledger, range);
  ensures nothing: \result != PREC_OK ==> *ledger == \old(*ledger);
  behavior condemned:
    assumes revoked: range < PREC_LEDGER_RANGES &&
      ledger->state[range] >= PREC_PIN_DRAINING;
    assigns ledger->state[range], ledger->dead[ledger->domain[range]];
    ensures said: \result == PREC_OK;
    ensures condemned: ledger->state[range] == PREC_PIN_CONDEMNED;
    ensures dead: ledger->dead[ledger->domain[range]] == 1;
  behavior not_revoked:
    assumes not_revoked: range >= PREC_LEDGER_RANGES ||
      ledger->state[range] < PREC_PIN_DRAINING;
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_ledger_condemn(struct prec_ledger *ledger, uint32_t range);

/* What the client holds, by state.  All zeroes if there is no such client. */
/*@
  requires ledger: \valid_read(ledger) && ledger_ok(*ledger);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures each: client < PREC_LEDGER_CLIENTS ==>
    \forall integer s; 0 <= s <= PREC_PIN_CONDEMNED ==> \result.bytes[s] ==
      bytes_in(*ledger, client, s, PREC_LEDGER_RANGES);
  ensures all: client < PREC_LEDGER_CLIENTS ==>
    account_sum(\result) == ledger->held[client];
  ensures nobody: client >= PREC_LEDGER_CLIENTS ==>
    \forall integer s; 0 <= s <= PREC_PIN_CONDEMNED ==>
      \result.bytes[s] == 0;
*/
PREC_EXPORT struct prec_pin_account
prec_ledger_account(const struct prec_ledger *ledger, uint32_t client);

#ifdef __cplusplus
}
#endif
#endif
