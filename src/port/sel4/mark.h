/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_MARK_H
#define PRECARIUM_PORT_SEL4_MARK_H

#include <precarium/keeper.h>
#include <precarium/region.h>

/* What the keeper writes where other threads may be reading. */

/* The region's memory was found gone, and `replaced`: has an empty page in its
 * place now.  The epoch moves last. */
/*@
  requires region: \valid(region);
  terminates \true;
  exits \false;
  assigns region->flags, region->epoch;
*/
void mark_lost(struct prec_region *region, bool replaced);

/* Count, where other threads may read. */
/*@
  requires counter: \valid(counter);
  terminates \true;
  exits \false;
  assigns *counter;
*/
void mark_count(uint64_t *counter);

/* While a region is being looked at: it was lent for more than the capability
 * grants. */
/*@
  requires region: \valid(region);
  terminates \true;
  exits \false;
  assigns region->port[0 .. 31];
*/
void mark_refused(struct prec_region *region);

#endif
