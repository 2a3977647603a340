/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PIN_H
#define PRECARIUM_PIN_H

#include <stdint.h>

#include <precarium/space.h>
#include <precarium/ledger.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The calls on a ledger of pins.  ledger.h says what a ledger is, which states
 * a range goes through, and what the contracts below mean by their words.
 *
 * No call allocates, locks, or makes a system call; none is for
 * handlers.  Calls on one ledger are made one at a time.  The caller's lock, if
 * it has one, need not be held while it works on the device in between.  The
 * work of a call is bounded by the constants of ledger.h.
 */

/*
 * The bytes of a ledger in the library that runs.  A later one may have more,
 * for larger numbers of everything.  A program that must run with it gets so
 * many bytes from the system, leaves the fields alone, and uses the calls.
 */
/*@
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures size: \result == sizeof(struct prec_ledger);
*/
PREC_EXPORT uint64_t prec_ledger_size(void);

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
 * quota, or the domain is shut or holds condemned ranges.  PREC_FULL: no room.
 * On each of these nothing has changed.
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
 * PREC_REFUSED: its domain is shut or holds condemned ranges.  On each of these
 * nothing has changed.
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
 *
 * Those other means are a second mapping (a *hold*), which no request names.
 * Memory that the client has truncated cannot be pinned again: a program that
 * wants to cut off makes the hold when it grants the range, and counts its
 * bytes twice.
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
  ensures elsewhere: places_elsewhere_kept(\old(*ledger), *ledger, domain);
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
 * range back.  It stays pinned and counted until its domain is buried, and the
 * domain takes no new pins.  PREC_INVALID: not revoked; nothing has changed.
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

/*
 * From here on the domain takes no new ranges and no new pins, though none of
 * its ranges is condemned: its device was removed, or another ledger has
 * condemned memory of the same device.  Ranges that it has drain, become quiet
 * and are released as before.  Only prec_ledger_bury opens it again.
 * PREC_INVALID: no such domain; nothing has changed.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  terminates \true;
  exits \false;
  assigns ledger->dead[0 .. PREC_LEDGER_DOMAINS - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures nothing: \result != PREC_OK ==> *ledger == \old(*ledger);
  behavior shut:
    assumes known: domain < PREC_LEDGER_DOMAINS;
    assigns ledger->dead[domain];
    ensures said: \result == PREC_OK;
    ensures shut: ledger->dead[domain] == 1;
  behavior unknown:
    assumes none: domain >= PREC_LEDGER_DOMAINS;
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_ledger_shut(struct prec_ledger *ledger, uint32_t domain);

/*
 * Nobody, in any process, has the domain's device and its tables open any more,
 * so the kernel has reset the device, emptied the tables and unpinned the
 * pages.  All ranges of the domain become free, whatever their
 * state, condemned ones too; their clients no longer hold them; their pins are
 * gone, and a later unpin of such a place returns PREC_INVALID.  The domain is
 * open again, for the device when it is opened anew.
 *
 * Shut the domain first, then close, then call this: nothing else shows that
 * the device is quiet.  PREC_INVALID: no such domain.  PREC_BUSY: it takes new
 * pins, so it was neither shut nor condemned.  On each of these nothing has
 * changed.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  terminates \true;
  exits \false;
  assigns ledger->place.range[0 .. PREC_LEDGER_PLACES - 1],
    ledger->owner.client[0 .. PREC_LEDGER_RANGES - 1],
    ledger->owner.bytes[0 .. PREC_LEDGER_RANGES - 1],
    ledger->state[0 .. PREC_LEDGER_RANGES - 1],
    ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
    ledger->held[0 .. PREC_LEDGER_CLIENTS - 1],
    ledger->dead[0 .. PREC_LEDGER_DOMAINS - 1], ledger_ended[0 .. 511];
  ensures ledger: ledger_sound(*ledger);
  ensures nothing: \result != PREC_OK ==> *ledger == \old(*ledger);
  ensures alive: \forall integer d; 0 <= d < PREC_LEDGER_DOMAINS &&
    d != domain ==> ledger->dead[d] == \old(*ledger).dead[d];
  behavior buried:
    assumes known: domain < PREC_LEDGER_DOMAINS;
    assumes dead: ledger->dead[domain] != 0;
    ensures said: \result == PREC_OK;
    ensures buried: ledger_buried(\old(*ledger), *ledger, domain);
    ensures open: ledger->dead[domain] == 0;
  behavior unknown:
    assumes none: domain >= PREC_LEDGER_DOMAINS;
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  behavior open:
    assumes known: domain < PREC_LEDGER_DOMAINS;
    assumes open: ledger->dead[domain] == 0;
    assigns \nothing;
    ensures said: \result == PREC_BUSY;
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_ledger_bury(struct prec_ledger *ledger, uint32_t domain);

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
