/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TOUCHED_H
#define PRECARIUM_TOUCHED_H

#include <stdint.h>

/*
 * For a prover; a compiler finds nothing here.  The record of the client memory
 * that the last copy of access.h touched, in order.  The contracts there say in
 * terms of this record where a copy goes, and those of the port make its
 * entries.
 *
 * An access to [at, at + size) touches no byte outside that range, and `done`
 * bytes of it were moved.  `ours` is the program's side of a copy in or out,
 * `fill` the value of a fill; other accesses have neither.
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
/* As many entries as one call makes: one for each span of the longest list. */
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
