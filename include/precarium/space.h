/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_SPACE_H
#define PRECARIUM_SPACE_H

#include <stdint.h>

#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A span is a checked range of client memory: it lies in one region, which
 * grants the rights that were asked for.  What a client says (an address, a
 * length) is a claim; only the calls that check a claim make a span.
 *
 * `host` is the address in this process, as a number: code that is to be
 * verified, or to survive a loss, never converts it to a pointer.  It is for
 * the accessors of access.h, or for the kernel in an iovec.
 */
struct prec_span {
	uint64_t host;
	uint64_t size;    /* bytes */
	uint64_t address; /* the client's address of the first byte */
	uint32_t index;   /* entry of the space; PREC_NONE if of no space */
	uint32_t rights;  /* PREC_READ | PREC_WRITE, as lent */
};

#define PREC_READ  1u /* the program may read */
#define PREC_WRITE 2u /* the program may write */

#define PREC_NONE 0xffffffffu

/* One past the last address that a client may use: 2^56. */
#define PREC_ADDRESS_MAX 0x0100000000000000ull

/* Entries of a space.  A vhost-user front-end asks for at most 509. */
#define PREC_SPACE_MAX 512u

/*
 * The address space of one client: the ranges that it has lent, by its own
 * addresses, sorted and disjoint.  The caller provides the structure and zeroes
 * it.  While one thread changes it, no other may read it.
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
 * The bytes of a space, and the entries it takes, in the library that runs.  A
 * later one may have more.  A program that must run with it gets so many bytes
 * of zeroes from the system, leaves the fields alone, and uses the calls.
 * Programs that are built with their library may use the structure.
 */
/*@
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures size: \result == sizeof(struct prec_space);
*/
PREC_EXPORT uint64_t prec_space_size(void);
/*@
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures most: \result == PREC_SPACE_MAX;
*/
PREC_EXPORT uint32_t prec_space_capacity(void);

/*@
  predicate space_has(struct prec_space s, integer i, integer address) =
    s.start[i] <= address < s.end[i];

  predicate space_bounded(struct prec_space s) =
    s.count <= PREC_SPACE_MAX &&
    (\forall integer i; 0 <= i < s.count ==>
      s.start[i] < s.end[i] <= PREC_ADDRESS_MAX &&
      s.host[i] + (s.end[i] - s.start[i]) <= PREC_ADDRESS_MAX);

  predicate space_sorted(struct prec_space s) =
    \forall integer i, j; 0 <= i < j < s.count ==> s.end[i] <= s.start[j];

  predicate space_ok(struct prec_space s) =
    space_bounded(s) && space_sorted(s);

  predicate entry_is(struct prec_space s, integer i, integer address,
                     integer size, integer host, integer rights,
                     integer slot) =
    s.start[i] == address && s.end[i] == address + size &&
    s.host[i] == host && s.rights[i] == rights && s.slot[i] == slot;

  // Entry i of s is entry j of t.
  predicate entry_kept(struct prec_space s, integer i,
                       struct prec_space t, integer j) =
    s.start[i] == t.start[j] && s.end[i] == t.end[j] &&
    s.host[i] == t.host[j] && s.rights[i] == t.rights[j] &&
    s.slot[i] == t.slot[j];

  predicate claim_sound(integer address, integer size, integer host) =
    0 < size && address + size <= PREC_ADDRESS_MAX &&
    host + size <= PREC_ADDRESS_MAX;

  predicate space_clear(struct prec_space s, integer address, integer size) =
    \forall integer i; 0 <= i < s.count ==>
      address + size <= s.start[i] || s.end[i] <= address;

  predicate rights_grant(integer lent, integer asked) =
    (lent & asked) == asked;

  predicate span_bounded(struct prec_span p) =
    p.host + p.size <= PREC_ADDRESS_MAX &&
    p.address + p.size <= PREC_ADDRESS_MAX;

  // Entry i holds the first byte of the claim, and all of it.
  predicate entry_holds(struct prec_space s, integer i, integer address,
                        integer size) =
    space_has(s, i, address) && address + size <= s.end[i];

  // The span lies in its entry of the space, is mapped where it says, and has
  // the rights that were lent.
  predicate span_granted(struct prec_space s, struct prec_span p) =
    p.index < s.count && p.rights == s.rights[p.index] &&
    s.start[p.index] <= p.address &&
    p.address + p.size <= s.end[p.index] &&
    p.host - s.host[p.index] == p.address - s.start[p.index];
*/
/*
 * The entry that holds `address`, or PREC_NONE.  The table is sorted, so the
 * search takes at most ten steps whatever the client lent.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures entry: \result < space->count || \result == PREC_NONE;
  ensures holds: \result != PREC_NONE ==>
    space_has(*space, \result, address);
  ensures only: \forall integer i; 0 <= i < space->count &&
    space_has(*space, i, address) ==> i == \result;
*/
PREC_EXPORT uint32_t prec_space_find(const struct prec_space *space,
				     uint64_t address);

/*
 * Enter [address, address + size), mapped in this process at `host`.  The table
 * stays sorted: entries above move up by one, so spans made before have a stale
 * `index` and must be resolved again.
 *
 * PREC_INVALID: size is 0, or the range or the host range passes
 * PREC_ADDRESS_MAX.  PREC_OVERLAP: the range overlaps an entry.  PREC_FULL: the
 * table has no room.  On each of these the table is unchanged.
 */
/*@
  requires table: \valid(space) && space_ok(*space);
  terminates \true;
  exits \false;
  assigns space->count, space->start[0 .. PREC_SPACE_MAX - 1],
    space->end[0 .. PREC_SPACE_MAX - 1],
    space->host[0 .. PREC_SPACE_MAX - 1],
    space->rights[0 .. PREC_SPACE_MAX - 1],
    space->slot[0 .. PREC_SPACE_MAX - 1];
  ensures table: space_ok(*space);
  behavior entered:
    assumes sound: claim_sound(address, size, host);
    assumes clear: space_clear(*space, address, size);
    assumes room: space->count < PREC_SPACE_MAX;
    ensures said: \result == PREC_OK;
    ensures more: space->count == \old(space->count) + 1;
    ensures there: \exists integer i; 0 <= i < space->count &&
      entry_is(*space, i, address, size, host, rights, slot);
    ensures below: \forall integer i; 0 <= i < \old(space->count) &&
      \old(*space).start[i] < address ==>
      entry_kept(*space, i, \old(*space), i);
    ensures above: \forall integer i; 0 <= i < \old(space->count) &&
      address <= \old(*space).start[i] ==>
      entry_kept(*space, i + 1, \old(*space), i);
  behavior unsound:
    assumes unsound: !claim_sound(address, size, host);
    assigns \nothing;
    ensures said: \result == PREC_INVALID;
  behavior met:
    assumes sound: claim_sound(address, size, host);
    assumes met: !space_clear(*space, address, size);
    assigns \nothing;
    ensures said: \result == PREC_OVERLAP;
  behavior full:
    assumes sound: claim_sound(address, size, host);
    assumes clear: space_clear(*space, address, size);
    assumes full: space->count == PREC_SPACE_MAX;
    assigns \nothing;
    ensures said: \result == PREC_FULL;
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_space_add(struct prec_space *space, uint64_t address, uint64_t size,
	       uint64_t host, uint32_t rights, uint32_t slot);

/* The slot that was entered with entry `index`, as of a span; PREC_NONE if
 * there is no such entry. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures slot: index < space->count ==> \result == space->slot[index];
  ensures none: index >= space->count ==> \result == PREC_NONE;
*/
PREC_EXPORT uint32_t prec_space_slot(const struct prec_space *space,
				     uint32_t index);

/* Remove entry `index`.  Entries above move down by one.  PREC_RANGE: there is
 * no such entry, and nothing has changed; the index that prec_space_find
 * returned is one. */
/*@
  requires table: \valid(space) && space_ok(*space);
  terminates \true;
  exits \false;
  assigns space->count, space->start[0 .. PREC_SPACE_MAX - 1],
    space->end[0 .. PREC_SPACE_MAX - 1],
    space->host[0 .. PREC_SPACE_MAX - 1],
    space->rights[0 .. PREC_SPACE_MAX - 1],
    space->slot[0 .. PREC_SPACE_MAX - 1];
  ensures table: space_ok(*space);
  behavior removed:
    assumes entry: index < space->count;
    ensures said: \result == PREC_OK;
    ensures less: space->count == \old(space->count) - 1;
    ensures below: \forall integer i; 0 <= i < index ==>
      entry_kept(*space, i, \old(*space), i);
    ensures above: \forall integer i; index <= i < space->count ==>
      entry_kept(*space, i, \old(*space), i + 1);
    ensures gone: \forall integer address, i; 0 <= i < space->count &&
      space_has(\old(*space), index, address) ==>
      !space_has(*space, i, address);
  behavior none:
    assumes none: index >= space->count;
    assigns \nothing;
    ensures said: \result == PREC_RANGE;
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT enum prec_status prec_space_remove(struct prec_space *space,
					       uint32_t index);

/*
 * Check the claim [address, address + size): it must lie in one entry that
 * grants all of `rights`.  A range across two entries is PREC_RANGE even if
 * they are adjacent: cut it with prec_space_piece.  On any error *span is
 * unchanged.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires out: \valid(span) && \separated(span, space);
  terminates \true;
  exits \false;
  assigns *span;
  ensures said: \result == PREC_OK || \result == PREC_RANGE ||
    \result == PREC_RIGHTS;
  ensures granted: \result == PREC_OK ==> span_granted(*space, *span) &&
    rights_grant(span->rights, rights);
  ensures asked: \result == PREC_OK ==>
    span->address == address && span->size == size;
  ensures untouched: \result != PREC_OK ==> *span == \old(*span);
  ensures held: \forall integer i; 0 <= i < space->count &&
    entry_holds(*space, i, address, size) ==>
    (rights_grant(space->rights[i], rights) ? \result == PREC_OK :
      \result == PREC_RIGHTS);
  ensures outside: (\forall integer i; 0 <= i < space->count ==>
    !entry_holds(*space, i, address, size)) ==> \result == PREC_RANGE;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_space_resolve(const struct prec_space *space, uint64_t address,
		   uint64_t size, uint32_t rights, struct prec_span *span);

/*
 * The same, looking first at the entry whose index is *near, and searching only
 * if the claim does not begin there.  So claims that follow each other in one
 * entry cost the same however many entries there are.  On PREC_OK *near is the
 * entry of the span; begin with any number.  Threads that share a space have a
 * *near each, and keep it when the space changes.  On any error *span and *near
 * are unchanged.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires out: \valid(span) && \separated(span, space);
  requires hint: \valid(near) && \separated(near, space) &&
    \separated(near, span);
  terminates \true;
  exits \false;
  assigns *span, *near;
  ensures said: \result == PREC_OK || \result == PREC_RANGE ||
    \result == PREC_RIGHTS;
  ensures granted: \result == PREC_OK ==> span_granted(*space, *span) &&
    rights_grant(span->rights, rights);
  ensures asked: \result == PREC_OK ==>
    span->address == address && span->size == size && *near == span->index;
  ensures untouched: \result != PREC_OK ==>
    *span == \old(*span) && *near == \old(*near);
  ensures held: \forall integer i; 0 <= i < space->count &&
    entry_holds(*space, i, address, size) ==>
    (rights_grant(space->rights[i], rights) ? \result == PREC_OK :
      \result == PREC_RIGHTS);
  ensures outside: (\forall integer i; 0 <= i < space->count ==>
    !entry_holds(*space, i, address, size)) ==> \result == PREC_RANGE;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_space_resolve_near(const struct prec_space *space, uint32_t *near,
			uint64_t address, uint64_t size, uint32_t rights,
			struct prec_span *span);

/*
 * The first piece of the claim [address, address + size): the part that lies in
 * the entry that holds `address`.  size must not be 0.  On any error *span is
 * unchanged.
 */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires out: \valid(span) && \separated(span, space);
  requires some: 0 < size;
  terminates \true;
  exits \false;
  assigns *span;
  ensures said: \result == PREC_OK || \result == PREC_RANGE ||
    \result == PREC_RIGHTS;
  ensures granted: \result == PREC_OK ==> span_granted(*space, *span) &&
    rights_grant(span->rights, rights);
  ensures asked: \result == PREC_OK ==>
    span->address == address && 0 < span->size <= size;
  ensures whole: \result == PREC_OK ==> span->size == size ||
    span->address + span->size == space->end[span->index];
  ensures untouched: \result != PREC_OK ==> *span == \old(*span);
  ensures held: \forall integer i; 0 <= i < space->count &&
    space_has(*space, i, address) ==>
    (rights_grant(space->rights[i], rights) ? \result == PREC_OK :
      \result == PREC_RIGHTS);
  ensures outside: (\forall integer i; 0 <= i < space->count ==>
    !space_has(*space, i, address)) ==> \result == PREC_RANGE;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_space_piece(const struct prec_space *space, uint64_t address,
		 uint64_t size, uint32_t rights, struct prec_span *span);

/*
 * The part [offset, offset + size) of a span.  PREC_RANGE: it is not wholly
 * inside the span; *part is unchanged.
 */
/*@
  requires out: \valid(part);
  requires within: span_bounded(span);
  terminates \true;
  exits \false;
  assigns *part;
  ensures inside: \result == PREC_OK <==> offset + size <= span.size;
  ensures outside: \result != PREC_OK ==>
    \result == PREC_RANGE && *part == \old(*part);
  ensures there: \result == PREC_OK ==> part->size == size &&
    part->address == span.address + offset &&
    part->host == span.host + offset;
  ensures same: \result == PREC_OK ==> part->index == span.index &&
    part->rights == span.rights;
*/
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_span_part(struct prec_span span, uint64_t offset, uint64_t size,
	       struct prec_span *part);

#ifdef __cplusplus
}
#endif
#endif
