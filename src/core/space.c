// SPDX-License-Identifier: MIT
#include <precarium/space.h>

/*
 * The table is sorted and its entries are disjoint, so one binary search
 * decides every claim: it ends at the last entry that starts at or below the
 * address, or at the first entry if there is none.
 *
 * The client chooses the addresses, so a branch predictor would be wrong at
 * every other step.  Each step therefore selects one of two numbers, which gcc
 * compiles without a branch (clang 14 does not), and the cost of a claim does
 * not depend on the address.
 */
uint32_t prec_space_find(const struct prec_space *space, uint64_t address)
{
	uint32_t low = 0;
	uint32_t left = space->count;

	if (left == 0)
		return PREC_NONE;
	/*@
	  loop invariant range: 1 <= left && low + left <= space->count;
	  loop invariant below: low > 0 ==> space->start[low] <= address;
	  loop invariant above: \forall integer i;
	    low + left <= i < space->count ==> address < space->start[i];
	  loop assigns low, left;
	  loop variant left;
	*/
	while (left > 1) {
		uint32_t mid = low + left / 2;

		low = space->start[mid] <= address ? mid : low;
		left -= left / 2;
	}
	if (address < space->start[low] || address >= space->end[low])
		return PREC_NONE;
	return low;
}

uint64_t prec_space_size(void)
{
	return sizeof(struct prec_space);
}

uint32_t prec_space_capacity(void)
{
	return PREC_SPACE_MAX;
}

uint32_t prec_space_slot(const struct prec_space *space, uint32_t index)
{
	return index < space->count ? space->slot[index] : PREC_NONE;
}

/* How many entries start below `address`: the index of a new one. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures range: \result <= space->count;
  ensures below: \forall integer i; 0 <= i < \result ==>
    space->start[i] < address;
  ensures above: \forall integer i; \result <= i < space->count ==>
    address <= space->start[i];
*/
static uint32_t entries_below(const struct prec_space *space, uint64_t address)
{
	uint32_t low = 0;
	uint32_t high = space->count;

	/*@
	  loop invariant range: 0 <= low <= high <= space->count;
	  loop invariant below: \forall integer i; 0 <= i < low ==>
	    space->start[i] < address;
	  loop invariant above: \forall integer i;
	    high <= i < space->count ==> address <= space->start[i];
	  loop assigns low, high;
	  loop variant high - low;
	*/
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (space->start[mid] < address)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Move the entries from `at` on up by one, and write the new one at `at`. */
/*@
  requires table: \valid(space);
  requires room: at <= space->count < PREC_SPACE_MAX;
  requires sound: address < end;
  terminates \true;
  exits \false;
  assigns space->count, space->start[0 .. PREC_SPACE_MAX - 1],
    space->end[0 .. PREC_SPACE_MAX - 1],
    space->host[0 .. PREC_SPACE_MAX - 1],
    space->rights[0 .. PREC_SPACE_MAX - 1],
    space->slot[0 .. PREC_SPACE_MAX - 1];
  ensures more: space->count == \old(space->count) + 1;
  ensures there: entry_is(*space, at, address, end - address, host, rights,
    slot);
  ensures below: \forall integer i; 0 <= i < at ==>
    entry_kept(*space, i, \old(*space), i);
  ensures above: \forall integer i; at < i < space->count ==>
    entry_kept(*space, i, \old(*space), i - 1);
*/
static void insert_at(struct prec_space *space, uint32_t at, uint64_t address,
		      uint64_t end, uint64_t host, uint32_t rights,
		      uint32_t slot)
{
	uint32_t i;

	/*@
	  loop invariant range: at <= i <= space->count;
	  loop invariant below: \forall integer j; 0 <= j < i ==>
	    entry_kept(*space, j, \at(*space, Pre), j);
	  loop invariant above: \forall integer j; i < j <= space->count ==>
	    entry_kept(*space, j, \at(*space, Pre), j - 1);
	  loop assigns i, space->start[0 .. PREC_SPACE_MAX - 1],
	    space->end[0 .. PREC_SPACE_MAX - 1],
	    space->host[0 .. PREC_SPACE_MAX - 1],
	    space->rights[0 .. PREC_SPACE_MAX - 1],
	    space->slot[0 .. PREC_SPACE_MAX - 1];
	  loop variant i - at;
	*/
	for (i = space->count; i > at; i--) {
		space->start[i] = space->start[i - 1];
		space->end[i] = space->end[i - 1];
		space->host[i] = space->host[i - 1];
		space->rights[i] = space->rights[i - 1];
		space->slot[i] = space->slot[i - 1];
	}
	space->start[at] = address;
	space->end[at] = end;
	space->host[at] = host;
	space->rights[at] = rights;
	space->slot[at] = slot;
	space->count++;
}

enum prec_status prec_space_add(struct prec_space *space, uint64_t address,
				uint64_t size, uint64_t host, uint32_t rights,
				uint32_t slot)
{
	uint64_t end;
	uint32_t at;

	if (size == 0 || size > PREC_ADDRESS_MAX)
		return PREC_INVALID;
	if (address > PREC_ADDRESS_MAX - size || host > PREC_ADDRESS_MAX - size)
		return PREC_INVALID;
	end = address + size;
	at = entries_below(space, address);
	/* Sorted and disjoint: only the two neighbours can overlap it. */
	if (at > 0 && space->end[at - 1] > address)
		return PREC_OVERLAP;
	if (at < space->count && space->start[at] < end)
		return PREC_OVERLAP;
	/*@ assert left: \forall integer j; 0 <= j < at ==>
	      space->end[j] <= address; */
	/*@ assert right: \forall integer j; at <= j < space->count ==>
	      end <= space->start[j]; */
	if (space->count >= PREC_SPACE_MAX)
		return PREC_FULL;
	insert_at(space, at, address, end, host, rights, slot);
	/*@ assert lower: \forall integer j; 0 <= j < at ==>
	      space->end[j] <= address; */
	/*@ assert upper: \forall integer j; at < j < space->count ==>
	      end <= space->start[j]; */
	/*@ assert bounded: space_bounded(*space); */
	/*@ assert sorted: space_sorted(*space); */
	/*@ assert new: entry_is(*space, at, address, size, host, rights,
	      slot); */
	return PREC_OK;
}

enum prec_status prec_space_remove(struct prec_space *space, uint32_t index)
{
	uint32_t last, i;

	if (index >= space->count)
		return PREC_RANGE;
	last = space->count - 1;
	/*@
	  loop invariant range: index <= i <= last;
	  loop invariant below: \forall integer j; 0 <= j < index ==>
	    entry_kept(*space, j, \at(*space, Pre), j);
	  loop invariant moved: \forall integer j; index <= j < i ==>
	    entry_kept(*space, j, \at(*space, Pre), j + 1);
	  loop invariant above: \forall integer j; i <= j <= last ==>
	    entry_kept(*space, j, \at(*space, Pre), j);
	  loop assigns i, space->start[0 .. PREC_SPACE_MAX - 1],
	    space->end[0 .. PREC_SPACE_MAX - 1],
	    space->host[0 .. PREC_SPACE_MAX - 1],
	    space->rights[0 .. PREC_SPACE_MAX - 1],
	    space->slot[0 .. PREC_SPACE_MAX - 1];
	  loop variant last - i;
	*/
	for (i = index; i < last; i++) {
		space->start[i] = space->start[i + 1];
		space->end[i] = space->end[i + 1];
		space->host[i] = space->host[i + 1];
		space->rights[i] = space->rights[i + 1];
		space->slot[i] = space->slot[i + 1];
	}
	space->count = last;
	return PREC_OK;
}

/* The span of a claim that begins in entry i. */
/*@
  requires table: \valid_read(space) && space_ok(*space);
  requires out: \valid(span) && \separated(span, space);
  requires entry: i < space->count && space_has(*space, i, address);
  terminates \true;
  exits \false;
  assigns *span;
  ensures said: \result == PREC_OK || \result == PREC_RANGE ||
    \result == PREC_RIGHTS;
  ensures within: \result != PREC_RANGE <==>
    entry_holds(*space, i, address, size);
  ensures allowed: \result != PREC_RANGE ==> (\result == PREC_OK <==>
    rights_grant(space->rights[i], rights));
  ensures granted: \result == PREC_OK ==> span_granted(*space, *span) &&
    span->rights == space->rights[i] && span->index == i;
  ensures asked: \result == PREC_OK ==>
    span->address == address && span->size == size;
  ensures untouched: \result != PREC_OK ==> *span == \old(*span);
*/
static inline enum prec_status span_in(const struct prec_space *space,
				       uint32_t i, uint64_t address,
				       uint64_t size, uint32_t rights,
				       struct prec_span *span)
{
	if (size > space->end[i] - address)
		return PREC_RANGE;
	if ((space->rights[i] & rights) != rights)
		return PREC_RIGHTS;
	span->host = space->host[i] + (address - space->start[i]);
	span->size = size;
	span->address = address;
	span->index = i;
	span->rights = space->rights[i];
	return PREC_OK;
}

enum prec_status prec_space_resolve(const struct prec_space *space,
				    uint64_t address, uint64_t size,
				    uint32_t rights, struct prec_span *span)
{
	uint32_t i = prec_space_find(space, address);

	if (i == PREC_NONE)
		return PREC_RANGE;
	return span_in(space, i, address, size, rights, span);
}

enum prec_status prec_space_resolve_near(const struct prec_space *space,
					 uint32_t *near, uint64_t address,
					 uint64_t size, uint32_t rights,
					 struct prec_span *span)
{
	uint32_t i = *near;
	enum prec_status status;

	if (i >= space->count || address < space->start[i] ||
	    address >= space->end[i]) {
		i = prec_space_find(space, address);
		if (i == PREC_NONE)
			return PREC_RANGE;
	}
	status = span_in(space, i, address, size, rights, span);
	if (status == PREC_OK)
		*near = i;
	return status;
}

enum prec_status prec_space_piece(const struct prec_space *space,
				  uint64_t address, uint64_t size,
				  uint32_t rights, struct prec_span *span)
{
	uint32_t i = prec_space_find(space, address);
	uint64_t room;

	if (i == PREC_NONE)
		return PREC_RANGE;
	if ((space->rights[i] & rights) != rights)
		return PREC_RIGHTS;
	room = space->end[i] - address;
	span->host = space->host[i] + (address - space->start[i]);
	span->size = size < room ? size : room;
	span->address = address;
	span->index = i;
	span->rights = space->rights[i];
	return PREC_OK;
}

enum prec_status prec_span_part(struct prec_span span, uint64_t offset,
				uint64_t size, struct prec_span *part)
{
	if (offset > span.size || size > span.size - offset)
		return PREC_RANGE;
	part->host = span.host + offset;
	part->size = size;
	part->address = span.address + offset;
	part->index = span.index;
	part->rights = span.rights;
	return PREC_OK;
}
