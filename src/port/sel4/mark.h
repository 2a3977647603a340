/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_MARK_H
#define PRECARIUM_PORT_SEL4_MARK_H

#include "calls.h"

#include <precarium/keeper.h>
#include <precarium/region.h>

/*
 * What the keeper writes where other threads may be reading: by atomic
 * operations, which the prover does not know, so the contracts of this page are
 * believed.  While a fault is answered, whatever its thread will read is
 * written before that thread runs again.
 */

/*@ ghost
  int marked;             // the region of this fault: 0 no, MARKED_...
*/
#define MARKED_LOST	1
#define MARKED_REPLACED 2

/*@
  predicate one_more(integer before, integer after) =
    after == before + 1 || before == UINT64_MAX;
*/

/* The region's memory was found gone, and `replaced`: has an empty page in its
 * place now.  The epoch moves last. */
/*@
  requires region: \valid(region);
  requires stopped: thread_stopped[answered] == 1;
  terminates \true;
  exits \false;
  assigns region->flags, region->epoch, marked;
  ensures moved: one_more(\old(region->epoch), region->epoch);
  ensures marked: marked == (replaced ? MARKED_REPLACED : MARKED_LOST);
*/
void mark_lost(struct prec_region *region, bool replaced);

/* Count, where other threads may read. */
/*@
  requires counter: \valid(counter);
  requires stopped: thread_stopped[answered] == 1;
  terminates \true;
  exits \false;
  assigns *counter;
  ensures counted: one_more(\old(*counter), *counter);
*/
void mark_count(uint64_t *counter);

/* While a region is being looked at: it was lent for more than the capability
 * grants. */
/*@
  requires region: \valid(region);
  requires stopped: thread_stopped[answered] == 1;
  terminates \true;
  exits \false;
  assigns region->port[0 .. 31];
  ensures refused: region->port[0] != 0;
*/
void mark_refused(struct prec_region *region);

#endif
