/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PAGES_H
#define PRECARIUM_PAGES_H

#include <stdint.h>

#include <precarium/ledger.h>
#include <precarium/space.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a device is told of lent memory, and that it is pinned meanwhile.
 *
 * The *windows* of a device are a space (space.h) of their own: an entry
 * starts at an address in this process, `host` is the device's address of the
 * same byte, and `slot` is the range of the ledger, which knows whose it is.  A
 * window is whole pages.  It is entered when the device's tables map it, taken
 * out when the range is revoked, and its device addresses are not given to
 * another window before the range is released or buried.
 *
 * A *list* is the pages of one command, as NVMe wants them (PRP entries, NVMe
 * base specification 2.0, 4.1.1): each entry is a device address; the first
 * may begin inside its page, all others begin theirs.  A *flight* is a command
 * that the device has, in a slot of the caller's numbering.  The flight in
 * slot s has the places PREC_PAGES_RANGES * s and on of the ledger, and no
 * other.
 *
 * It is proved that each entry of a list lies, with its whole page, in a
 * window that grants the right; that the entries are the pages of the memory
 * that was added, in its order, and no more of them than its bytes need; and
 * that, while a list is in flight, each range that it names is pinned and
 * belongs to the client.  That the windows are what the device's tables map,
 * and that the entries reach the device unchanged, is the caller's part.
 *
 * No call allocates, locks, or makes a system call; none is for handlers.
 * Calls on one list, or on one ledger and its flights, are made one at a time.
 */
#define PREC_DEVICE_PAGE  4096u
#define PREC_PAGES_MAX	  129u /* entries of a list: 512 KiB, and an offset */
#define PREC_PAGES_RANGES 8u   /* different ranges in one list */
#define PREC_FLIGHT_SLOTS (PREC_LEDGER_PLACES / PREC_PAGES_RANGES)

/* The caller provides the structure. */
struct prec_pages {
	uint32_t count;	 /* entries */
	uint32_t ranges; /* how many */
	uint32_t right;	 /* what the device does: PREC_READ, PREC_WRITE */
	uint32_t range[PREC_PAGES_RANGES];
	uint64_t offset;		 /* of the first entry in its page */
	uint64_t bytes;			 /* in all */
	uint64_t entry[PREC_PAGES_MAX];	 /* device addresses */
	uint32_t window[PREC_PAGES_MAX]; /* of each: the entry of the space */
	uint32_t name[PREC_PAGES_MAX];	 /* of each: which of the ranges */
};

/* The commands that a device has.  The caller provides the structure and zeroes
 * it. */
struct prec_flights {
	uint32_t range[PREC_LEDGER_PLACES]; /* range + 1, or 0: none */
};

/*@
  predicate windows_ok(struct prec_space s) =
    space_ok(s) &&
    \forall integer i; 0 <= i < s.count ==>
      s.start[i] % PREC_DEVICE_PAGE == 0 && s.host[i] % PREC_DEVICE_PAGE == 0 &&
      (s.end[i] - s.start[i]) % PREC_DEVICE_PAGE == 0 &&
      s.slot[i] < PREC_LEDGER_RANGES;

  // All of the page in which the device's address lies is in the window.
  predicate page_in(struct prec_space s, integer at, integer i) =
    s.host[i] <= at - at % PREC_DEVICE_PAGE &&
    at - at % PREC_DEVICE_PAGE + PREC_DEVICE_PAGE <=
      s.host[i] + (s.end[i] - s.start[i]);

  predicate page_lent(struct prec_pages p, struct prec_space s, integer k) =
    p.window[k] < s.count && p.name[k] < p.ranges &&
    s.slot[p.window[k]] == p.range[p.name[k]] &&
    rights_grant(s.rights[p.window[k]], p.right) &&
    page_in(s, p.entry[k], p.window[k]);

  predicate pages_lent(struct prec_pages p, struct prec_space s) =
    \forall integer k; 0 <= k < p.count ==> page_lent(p, s, k);

  // Only the first begins inside its page, at a multiple of 4 bytes.
  predicate pages_meet(struct prec_pages p) =
    (p.count > 0 ==>
      p.entry[0] % PREC_DEVICE_PAGE == p.offset && p.offset % 4 == 0) &&
    \forall integer k; 0 < k < p.count ==> p.entry[k] % PREC_DEVICE_PAGE == 0;

  // A device that moves `bytes` from the first entry on uses each entry, and
  // none behind the last.
  predicate pages_cover(struct prec_pages p) =
    p.offset < PREC_DEVICE_PAGE &&
    (p.count == 0 ==> p.bytes == 0 && p.offset == 0) &&
    (p.count > 0 ==>
      (p.count - 1) * PREC_DEVICE_PAGE < p.offset + p.bytes <=
        p.count * PREC_DEVICE_PAGE);

  // What pins need to know of a list.
  predicate pages_named(struct prec_pages p) =
    p.count <= PREC_PAGES_MAX && p.ranges <= PREC_PAGES_RANGES &&
    (p.count > 0 ==> p.ranges > 0) && p.right <= (PREC_READ | PREC_WRITE) &&
    (\forall integer j; 0 <= j < p.ranges ==>
      p.range[j] < PREC_LEDGER_RANGES) &&
    (\forall integer k; 0 <= k < p.count ==> p.name[k] < p.ranges);

  predicate pages_ok(struct prec_pages p, struct prec_space s) =
    pages_named(p) && pages_lent(p, s) && pages_meet(p) && pages_cover(p);

  // Entry k is the device's address of what is at `at` in this process.
  predicate page_means(struct prec_pages p, struct prec_space s, integer k,
                       integer at) =
    p.entry[k] - s.host[p.window[k]] == at - s.start[p.window[k]];

  // The first n entries are those of q.
  predicate pages_kept(struct prec_pages p, struct prec_pages q, integer n) =
    \forall integer k; 0 <= k < n ==> p.entry[k] == q.entry[k] &&
      p.window[k] == q.window[k] && p.name[k] == q.name[k];

  // What the device has been told of is pinned.
  predicate flights_pinned(struct prec_flights f, struct prec_ledger l) =
    \forall integer q; 0 <= q < PREC_LEDGER_PLACES && f.range[q] != 0 ==>
      l.place.range[q] == f.range[q];

  // So its range is neither free nor quiet: it may not be given back.
  predicate flights_held(struct prec_flights f, struct prec_ledger l) =
    \forall integer q; 0 <= q < PREC_LEDGER_PLACES && f.range[q] != 0 ==>
      l.state[f.range[q] - 1] != PREC_PIN_FREE &&
      l.state[f.range[q] - 1] != PREC_PIN_QUIET;

  predicate in_slot(integer q, integer slot) =
    slot * PREC_PAGES_RANGES <= q < (slot + 1) * PREC_PAGES_RANGES;

  predicate slot_empty(struct prec_flights f, integer slot) =
    \forall integer q; in_slot(q, slot) ==> f.range[q] == 0;

  predicate other_slots_kept(struct prec_flights f, struct prec_flights g,
                             integer slot) =
    \forall integer q; 0 <= q < PREC_LEDGER_PLACES && !in_slot(q, slot) ==>
      f.range[q] == g.range[q];

  // All ranges of the flight are live.
  predicate slot_live(struct prec_flights f, struct prec_ledger l,
                      integer slot) =
    \forall integer q; in_slot(q, slot) && f.range[q] != 0 ==>
      l.state[f.range[q] - 1] == PREC_PIN_LIVE;
*/

/* Begin an empty list, of memory that the device is to read (PREC_READ), to
 * write (PREC_WRITE), or both. */
/*@
  requires list: \valid(pages);
  requires right: right <= (PREC_READ | PREC_WRITE);
  terminates \true;
  exits \false;
  assigns *pages;
  ensures list: pages_named(*pages) && pages_meet(*pages) &&
    pages_cover(*pages);
  ensures right: pages->right == right;
  ensures empty: pages->count == 0 && pages->bytes == 0 && pages->ranges == 0;
*/
PREC_EXPORT void prec_pages_begin(struct prec_pages *pages, uint32_t right);

/*
 * Add the pages of [at, at + size), addresses in this process, to a list that
 * was begun with the windows as they are.
 *
 * PREC_INVALID: no bytes.  PREC_RANGE: not within one window.  PREC_RIGHTS:
 * the window does not grant the right.  PREC_REFUSED: no list can say it,
 * since it begins at no multiple of 4 bytes, or it does not follow the bytes
 * before it at a border of pages; those bytes have to be copied, or the
 * command ends here. PREC_FULL: too many pages, or ranges, for one command.
 * On each of these the list is unchanged.
 */
/*@
  requires windows: \valid_read(windows) && windows_ok(*windows);
  requires list: \valid(pages) && \separated(pages, windows) &&
    pages_ok(*pages, *windows);
  terminates \true;
  exits \false;
  assigns *pages;
  ensures list: pages_ok(*pages, *windows);
  ensures right: pages->right == \old(*pages).right;
  ensures nothing: \result != PREC_OK ==> *pages == \old(*pages);
  ensures added: \result == PREC_OK ==> 0 < size &&
    pages->bytes == \old(*pages).bytes + size &&
    pages->count > \old(*pages).count;
  ensures kept: pages_kept(*pages, \old(*pages), \old(*pages).count);
  ensures first: \result == PREC_OK ==>
    page_means(*pages, *windows, \old(*pages).count, at);
  ensures there: \result == PREC_OK ==>
    \forall integer k; \old(*pages).count < k < pages->count ==>
      page_means(*pages, *windows, k, at - at % PREC_DEVICE_PAGE +
        (k - \old(*pages).count) * PREC_DEVICE_PAGE);
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_pages_add(struct prec_pages *pages, const struct prec_space *windows,
	       uint64_t at, uint64_t size);

/*
 * Pin what the list names, before the device is told of it in `slot`.  The
 * windows must be as they were when the list was made.
 *
 * PREC_INVALID: no such slot, or the list is empty.  PREC_BUSY: a command is in
 * flight in that slot, or its places have pins.  PREC_GONE, PREC_RIGHTS,
 * PREC_REFUSED: what prec_ledger_pin says of a range.  On each of these nothing
 * has changed.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  requires list: \valid_read(pages) && pages_named(*pages);
  requires flights: \valid(flights) && flights_pinned(*flights, *ledger);
  requires apart: \separated(flights, ledger, pages);
  terminates \true;
  exits \false;
  assigns flights->range[0 .. PREC_LEDGER_PLACES - 1],
    ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
    ledger->place.range[0 .. PREC_LEDGER_PLACES - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures pinned: flights_pinned(*flights, *ledger);
  ensures held: flights_held(*flights, *ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures nothing: \result != PREC_OK ==>
    *flights == \old(*flights) && *ledger == \old(*ledger);
  ensures others: other_slots_kept(*flights, \old(*flights), slot);
  ensures empty: \result == PREC_OK ==> slot < PREC_FLIGHT_SLOTS &&
    pages->count > 0 && slot_empty(\old(*flights), slot);
  ensures told: \result == PREC_OK ==>
    \forall integer k; 0 <= k < pages->count ==>
      flights->range[slot * PREC_PAGES_RANGES + pages->name[k]] ==
        pages->range[pages->name[k]] + 1 &&
      range_open(\old(*ledger), client, pages->range[pages->name[k]]);
  ensures lent: \result == PREC_OK ==>
    \forall struct prec_space s, integer k;
      pages_ok(*pages, s) && 0 <= k < pages->count ==>
      page_in(s, pages->entry[k], pages->window[k]) &&
      rights_grant(s.rights[pages->window[k]], pages->right) &&
      flights->range[slot * PREC_PAGES_RANGES + pages->name[k]] ==
        s.slot[pages->window[k]] + 1 &&
      range_open(\old(*ledger), client, s.slot[pages->window[k]]);
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_flight_begin(struct prec_flights *flights, struct prec_ledger *ledger,
		  const struct prec_pages *pages, uint32_t client,
		  uint32_t slot);

/*
 * The command in `slot` is no longer in flight: its completion was read, or its
 * queue has finished quiescing.  Undoes its pins; *quiet is how many ranges
 * became quiet by that, and prec_ledger_next_quiet finds them.
 *
 * PREC_OK: all its ranges have been live since it began, so a completion that
 * reports success may be believed, if the regions' epochs did not move either.
 * PREC_GONE: one was revoked meanwhile; the completion is not believed.
 * PREC_INVALID: no such slot, or no command is in flight there, whatever the
 * device says; nothing has changed, and *quiet is 0.
 */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  requires flights: \valid(flights) && flights_pinned(*flights, *ledger);
  requires out: \valid(quiet);
  requires apart: \separated(flights, ledger, quiet);
  terminates \true;
  exits \false;
  assigns *quiet, flights->range[0 .. PREC_LEDGER_PLACES - 1],
    ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
    ledger->state[0 .. PREC_LEDGER_RANGES - 1],
    ledger->place.range[0 .. PREC_LEDGER_PLACES - 1];
  ensures ledger: ledger_sound(*ledger);
  ensures pinned: flights_pinned(*flights, *ledger);
  ensures moves: ledger_moves(\old(*ledger), *ledger);
  ensures drains: ledger_drains(\old(*ledger), *ledger);
  ensures others: other_slots_kept(*flights, \old(*flights), slot);
  ensures elsewhere: \forall integer p; 0 <= p < PREC_LEDGER_PLACES &&
    !in_slot(p, slot) ==>
    ledger->place.range[p] == \old(*ledger).place.range[p];
  ensures ended: slot < PREC_FLIGHT_SLOTS ==> slot_empty(*flights, slot);
  ensures some: *quiet <= PREC_PAGES_RANGES;
  ensures none: *quiet == 0 <==> states_kept(\old(*ledger), *ledger);
  ensures nothing: \result == PREC_INVALID ==>
    *flights == \old(*flights) && *ledger == \old(*ledger) && *quiet == 0;
  ensures told: slot >= PREC_FLIGHT_SLOTS ||
    slot_empty(\old(*flights), slot) ? \result == PREC_INVALID :
    slot_live(\old(*flights), \old(*ledger), slot) ? \result == PREC_OK :
    \result == PREC_GONE;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_flight_end(struct prec_flights *flights, struct prec_ledger *ledger,
		uint32_t slot, uint32_t *quiet);

#ifdef __cplusplus
}
#endif
#endif
