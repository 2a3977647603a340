/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TOUCHED_H
#define PRECARIUM_TOUCHED_H

#include <stdint.h>

/*
 * For a prover; a compiler finds nothing here.  Which client memory the last
 * copy of access.h touched, in order: the contracts there say where a copy
 * goes in terms of this record, and those of the port make the entries.
 *
 * An access to [at, at + size) touches no byte outside of it, and came `done`
 * bytes far.  `ours` is the driver's side of a copy in or out, `fill` the value
 * of a fill; other accesses have neither.
 */
/*@ ghost
  struct prec_touch {
    uint64_t at;
    uint64_t size;
    uint64_t done;
    const unsigned char *ours;
    uint8_t fill;
    uint8_t writes; // 1: changes client memory, 0: only reads it
  };
  uint64_t prec_touched_count;
  struct prec_touch prec_touched[0xffffffff];
*/
/* As many as one call makes: an access for each span of the longest list. */
#define PREC_TOUCHED_MAX 0xffffffff

/*@
  predicate touched{L}(integer k, integer at, integer size, integer writes,
                       integer done) =
    prec_touched[k].at == at && prec_touched[k].size == size &&
    prec_touched[k].writes == writes && prec_touched[k].done == done;

  predicate touched_whole{L}(integer k) =
    prec_touched[k].done == prec_touched[k].size;
*/

#endif
