/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_PORT_H
#define PRECARIUM_PORT_PORT_H

#include <stdint.h>

#include <precarium/touched.h>

/*
 * What core asks of a platform.  A port implements this page and the calls of
 * include/precarium/ that name system objects (regions, faults, transactions);
 * core implements the rest over this page.
 *
 * Each call accesses client memory at `host`.  The caller has checked that the
 * `size` bytes there lie in one mapped region that grants the right needed.
 * The memory may change or vanish at any instant.  The result is the number of
 * bytes, counted from the start, that were certainly moved.  If it is less than
 * `size`, the memory is gone from there on, and no byte beyond was changed.
 * Nothing is promised about the values: the client may write anything.
 *
 * For the prover, each access leaves an entry in the record of touched.h, so
 * that core can promise its callers where it went.
 */

/*@
  requires room: \valid(to + (0 .. size - 1));
  requires recorded: prec_touched_count < PREC_TOUCHED_MAX;
  terminates \true;
  exits \false;
  assigns to[0 .. size - 1],
    prec_touched_count, prec_touched[prec_touched_count];
  ensures part: \result <= size;
  ensures counted: prec_touched_count == \old(prec_touched_count) + 1;
  ensures touched: touched(\old(prec_touched_count), host, size, 0, \result);
  ensures ours: prec_touched[\old(prec_touched_count)].ours == to;
*/
uint64_t prec_port_copy_in(unsigned char *to, uint64_t host, uint64_t size);

/*@
  requires there: \valid_read(from + (0 .. size - 1));
  requires recorded: prec_touched_count < PREC_TOUCHED_MAX;
  terminates \true;
  exits \false;
  assigns prec_touched_count, prec_touched[prec_touched_count];
  ensures part: \result <= size;
  ensures counted: prec_touched_count == \old(prec_touched_count) + 1;
  ensures touched: touched(\old(prec_touched_count), host, size, 1, \result);
  ensures ours: prec_touched[\old(prec_touched_count)].ours == from;
*/
uint64_t prec_port_copy_out(uint64_t host, const unsigned char *from,
			    uint64_t size);

/*@
  requires recorded: prec_touched_count + 1 < PREC_TOUCHED_MAX;
  terminates \true;
  exits \false;
  assigns prec_touched_count,
    prec_touched[prec_touched_count .. prec_touched_count + 1];
  ensures part: \result <= size;
  ensures counted: prec_touched_count == \old(prec_touched_count) + 2;
  ensures to: touched(\old(prec_touched_count), to_host, size, 1, \result);
  ensures from: touched(\old(prec_touched_count) + 1, from_host, size, 0,
    \result);
*/
uint64_t prec_port_copy_across(uint64_t to_host, uint64_t from_host,
			       uint64_t size);

/*@
  requires recorded: prec_touched_count < PREC_TOUCHED_MAX;
  terminates \true;
  exits \false;
  assigns prec_touched_count, prec_touched[prec_touched_count];
  ensures part: \result <= size;
  ensures counted: prec_touched_count == \old(prec_touched_count) + 1;
  ensures touched: touched(\old(prec_touched_count), host, size, 1, \result);
  ensures value: prec_touched[\old(prec_touched_count)].fill == value;
*/
uint64_t prec_port_fill(uint64_t host, uint8_t value, uint64_t size);

#endif
