// SPDX-License-Identifier: MIT
#include "virtio/still.h"

#include "virtio/packed.h"
#include "virtio/split.h"

/*
 * The proof of the snapshot theorem: ghost code only, so nothing of it is in
 * the program.  By induction over the fetches the image has each of them, as
 * none covers a byte of another.  A number is its bytes, so the image has each
 * descriptor where it was fetched.  By induction over the chain it leads where
 * the fetches have led.
 */

/* The image has all that was fetched. */
/*@ ghost
  /@ requires once: fetched_once;
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures has: image_has(packed, table, fetch_count); @/
  static void image_is_true(int packed, int table)
  {
    int n = 0;
    /@ loop invariant range: 0 <= n <= fetch_count;
       loop invariant has: image_has(packed, table, n);
       loop assigns n;
       loop variant fetch_count - n; @/
    while (n < fetch_count) {
      /@ assert new: \forall integer at; fetch_covers(n, at) ==>
           image(packed, table, n + 1, at) ==
             fetched_byte(packed, table, n, at - fetch_at[n]); @/
      /@ assert apart: \forall integer m, at; 0 <= m < n &&
           fetch_covers(m, at) ==> !fetch_covers(n, at); @/
      /@ assert kept: \forall integer at; !fetch_covers(n, at) ==>
           image(packed, table, n + 1, at) == image(packed, table, n, at); @/
      n++;
    }
  }
*/

/* A number is its bytes. */
/*@ ghost
  /@ terminates \true;
     exits \false;
     assigns \nothing;
     ensures whole: value == byte_of(value, 0) + 0x100 * byte_of(value, 1); @/
  static void bytes_of_16(uint16_t value)
  {
  }
*/
/*@ ghost
  /@ terminates \true;
     exits \false;
     assigns \nothing;
     ensures whole: value == byte_of(value, 0) + 0x100 * byte_of(value, 1) +
       0x10000 * (byte_of(value, 2) + 0x100 * byte_of(value, 3)); @/
  static void bytes_of_32(uint32_t value)
  {
    /@ assert second: value / 0x10000 == value / 0x100 / 0x100; @/
    /@ assert third: value / 0x1000000 == value / 0x10000 / 0x100; @/
  }
*/
/*@ ghost
  /@ terminates \true;
     exits \false;
     assigns \nothing;
     ensures whole: value == byte_of(value, 0) + 0x100 * byte_of(value, 1) +
       0x10000 * (byte_of(value, 2) + 0x100 * byte_of(value, 3)) +
       0x100000000 * (byte_of(value, 4) + 0x100 * byte_of(value, 5) +
       0x10000 * (byte_of(value, 6) + 0x100 * byte_of(value, 7))); @/
  static void bytes_of_64(uint64_t value)
  {
    /@ assert second: value / 0x10000 == value / 0x100 / 0x100; @/
    /@ assert third: value / 0x1000000 == value / 0x10000 / 0x100; @/
    /@ assert fourth: value / 0x100000000 == value / 0x1000000 / 0x100; @/
    /@ assert fifth: value / 0x10000000000 ==
         value / 0x100000000 / 0x100; @/
    /@ assert sixth: value / 0x1000000000000 ==
         value / 0x10000000000 / 0x100; @/
    /@ assert seventh: value / 0x100000000000000 ==
         value / 0x1000000000000 / 0x100; @/
  }
*/

/*@
  // From byte b on, fetch m brought this number.
  predicate brought16{L}(integer packed, integer table, integer m, integer b,
                         integer value) =
    fetched_byte(packed, table, m, b) == byte_of(value, 0) &&
    fetched_byte(packed, table, m, b + 1) == byte_of(value, 1);

  predicate brought32{L}(integer packed, integer table, integer m, integer b,
                         integer value) =
    brought16(packed, table, m, b, value) &&
    fetched_byte(packed, table, m, b + 2) == byte_of(value, 2) &&
    fetched_byte(packed, table, m, b + 3) == byte_of(value, 3);

  predicate brought64{L}(integer packed, integer table, integer m, integer b,
                         integer value) =
    brought32(packed, table, m, b, value) &&
    fetched_byte(packed, table, m, b + 4) == byte_of(value, 4) &&
    fetched_byte(packed, table, m, b + 5) == byte_of(value, 5) &&
    fetched_byte(packed, table, m, b + 6) == byte_of(value, 6) &&
    fetched_byte(packed, table, m, b + 7) == byte_of(value, 7);

  // Fetch m has so many bytes from byte b on.
  predicate fetch_has{L}(integer m, integer b, integer size) =
    0 <= m < fetch_count <= FETCH_MAX &&
    0 <= b && b + size <= fetch_size[m];
*/

/* So the image has each number that was fetched. */
/*@ ghost
  /@ requires has: image_has(packed, table, fetch_count);
     requires inside: fetch_has(m, b, 2);
     requires brought: brought16(packed, table, m, b, value);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures still: value == still16(packed, table, fetch_at[m] + b); @/
  static void still_16(int packed, int table, int m, int b, uint16_t value)
  {
    bytes_of_16(value);
    /@ assert b0: image(packed, table, fetch_count, fetch_at[m] + b) ==
         fetched_byte(packed, table, m, b); @/
    /@ assert b1: image(packed, table, fetch_count, fetch_at[m] + b + 1) ==
         fetched_byte(packed, table, m, b + 1); @/
  }
*/
/*@ ghost
  /@ requires has: image_has(packed, table, fetch_count);
     requires inside: fetch_has(m, b, 4);
     requires brought: brought32(packed, table, m, b, value);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures still: value == still32(packed, table, fetch_at[m] + b); @/
  static void still_32(int packed, int table, int m, int b, uint32_t value)
  {
    bytes_of_32(value);
    /@ assert b0: image(packed, table, fetch_count, fetch_at[m] + b) ==
         fetched_byte(packed, table, m, b); @/
    /@ assert b1: image(packed, table, fetch_count, fetch_at[m] + b + 1) ==
         fetched_byte(packed, table, m, b + 1); @/
    /@ assert b2: image(packed, table, fetch_count, fetch_at[m] + b + 2) ==
         fetched_byte(packed, table, m, b + 2); @/
    /@ assert b3: image(packed, table, fetch_count, fetch_at[m] + b + 3) ==
         fetched_byte(packed, table, m, b + 3); @/
  }
*/
/*@ ghost
  /@ requires has: image_has(packed, table, fetch_count);
     requires inside: fetch_has(m, b, 8);
     requires brought: brought64(packed, table, m, b, value);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures still: value == still64(packed, table, fetch_at[m] + b); @/
  static void still_64(int packed, int table, int m, int b, uint64_t value)
  {
    bytes_of_64(value);
    /@ assert b0: image(packed, table, fetch_count, fetch_at[m] + b) ==
         fetched_byte(packed, table, m, b); @/
    /@ assert b1: image(packed, table, fetch_count, fetch_at[m] + b + 1) ==
         fetched_byte(packed, table, m, b + 1); @/
    /@ assert b2: image(packed, table, fetch_count, fetch_at[m] + b + 2) ==
         fetched_byte(packed, table, m, b + 2); @/
    /@ assert b3: image(packed, table, fetch_count, fetch_at[m] + b + 3) ==
         fetched_byte(packed, table, m, b + 3); @/
    /@ assert b4: image(packed, table, fetch_count, fetch_at[m] + b + 4) ==
         fetched_byte(packed, table, m, b + 4); @/
    /@ assert b5: image(packed, table, fetch_count, fetch_at[m] + b + 5) ==
         fetched_byte(packed, table, m, b + 5); @/
    /@ assert b6: image(packed, table, fetch_count, fetch_at[m] + b + 6) ==
         fetched_byte(packed, table, m, b + 6); @/
    /@ assert b7: image(packed, table, fetch_count, fetch_at[m] + b + 7) ==
         fetched_byte(packed, table, m, b + 7); @/
  }
*/

/* And each descriptor: of a split ring, */
/*@ ghost
  /@ requires has: image_has(0, table, fetch_count);
     requires fetch: fetch_has(m, 0, 16) && m != table;
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures still: still_desc(table, fetch_at[m], fetch_desc[m]); @/
  static void desc_is_still(int table, int m)
  {
    still_64(0, table, m, 0, fetch_desc[m].addr);
    still_32(0, table, m, 8, fetch_desc[m].len);
    still_16(0, table, m, 12, fetch_desc[m].flags);
    still_16(0, table, m, 14, fetch_desc[m].next);
  }
*/
/* of its table, */
/*@ ghost
  /@ requires has: image_has(0, table, fetch_count);
     requires fetch: fetch_has(table, 16 * i, 16) &&
       0 <= i < LENT_TABLE_MAX;
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures still: still_desc(table, fetch_at[table] + 16 * i,
       fetch_table[i]); @/
  static void entry_is_still(int table, int i)
  {
    /@ assert place: \forall integer k; 0 <= k < 16 ==>
         (16 * i + k) / 16 == i && (16 * i + k) % 16 == k; @/
    /@ assert first: (16 * i) / 16 == i && (16 * i) % 16 == 0; @/
    /@ assert byte: fetched_byte(0, table, table, 16 * i) ==
         byte_of(fetch_table[i].addr, 0); @/
    still_64(0, table, table, 16 * i, fetch_table[i].addr);
    still_32(0, table, table, 16 * i + 8, fetch_table[i].len);
    still_16(0, table, table, 16 * i + 12, fetch_table[i].flags);
    still_16(0, table, table, 16 * i + 14, fetch_table[i].next);
  }
*/
/* of a packed ring, in two fetches, */
/*@ ghost
  /@ requires has: image_has(1, table, fetch_count);
     requires fetches: fetch_has(m, 0, 2) && fetch_size[m] == 2 &&
       fetch_has(m + 1, 0, 14) && fetch_size[m + 1] == 14 &&
       fetch_at[m] == fetch_at[m + 1] + 14;
     requires other: m != table && m + 1 != table;
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures flags: fetch_value[m] ==
       still16(1, table, fetch_at[m + 1] + 14);
     ensures rest: still_packed(table, fetch_at[m + 1],
       fetch_packed[m + 1].addr, fetch_packed[m + 1].len,
       fetch_packed[m + 1].id); @/
  static void slot_is_still(int table, int m)
  {
    still_16(1, table, m, 0, fetch_value[m]);
    still_64(1, table, m + 1, 0, fetch_packed[m + 1].addr);
    still_32(1, table, m + 1, 8, fetch_packed[m + 1].len);
    still_16(1, table, m + 1, 12, fetch_packed[m + 1].id);
  }
*/
/* and of its table. */
/*@ ghost
  /@ requires has: image_has(1, table, fetch_count);
     requires fetch: fetch_has(table, 16 * i, 16) &&
       0 <= i < LENT_TABLE_MAX;
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures addr: fetch_packed_table[i].addr ==
       still64(1, table, fetch_at[table] + 16 * i);
     ensures len: fetch_packed_table[i].len ==
       still32(1, table, fetch_at[table] + 16 * i + 8);
     ensures flags: fetch_packed_table[i].flags ==
       still16(1, table, fetch_at[table] + 16 * i + 14); @/
  static void packed_entry_is_still(int table, int i)
  {
    /@ assert place: \forall integer k; 0 <= k < 16 ==>
         (16 * i + k) / 16 == i && (16 * i + k) % 16 == k; @/
    /@ assert first: (16 * i) / 16 == i && (16 * i) % 16 == 0; @/
    /@ assert byte: fetched_byte(1, table, table, 16 * i) ==
         byte_of(fetch_packed_table[i].addr, 0); @/
    still_64(1, table, table, 16 * i, fetch_packed_table[i].addr);
    still_32(1, table, table, 16 * i + 8, fetch_packed_table[i].len);
    still_16(1, table, table, 16 * i + 14, fetch_packed_table[i].flags);
  }
*/

/* The direct descriptors of a chain, and the one that names its table. */
/*@ ghost
  /@ requires queue: \valid_read(q) && q->size <= VIRTQ_SIZE_MAX;
     requires has: image_has(0, table, fetch_count);
     requires range: 0 <= chain_first && 0 < n &&
       chain_direct <= n <= chain_direct + 1 &&
       chain_first + n <= fetch_count <= FETCH_MAX &&
       (table < 0 || chain_first + n <= table);
     requires head: fetch_index[chain_first] == head;
     requires followed: ring_followed(*q, chain_first + n);
     requires taken: ring_taken;
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures still: ring_still(*q, table, head);
     ensures links: \forall integer i; 0 <= i < chain_direct && i + 1 < n ==>
       has_next(element_flags[i]);
     ensures place: fetch_index[chain_first + n - 1] ==
       still_link(table, q->desc.address, head, n - 1);
     ensures last: still_desc(table,
       still_place(table, q->desc.address, head, n - 1),
       fetch_desc[chain_first + n - 1]); @/
  static void ring_is_still(const struct virtq *q, int table, uint32_t head,
                            int n)
  {
    int k = 0;
    /@ loop invariant range: 0 <= k <= n;
       loop invariant still: \forall integer i;
         0 <= i < k && i < chain_direct ==>
         still_link(table, q->desc.address, head, i) < q->size &&
         element_still(table, i,
           still_place(table, q->desc.address, head, i));
       loop invariant links: \forall integer i;
         0 <= i < k && i < chain_direct && i + 1 < n ==>
         has_next(element_flags[i]);
       loop invariant link: k < n ==> fetch_index[chain_first + k] ==
         still_link(table, q->desc.address, head, k);
       loop invariant before: 0 < k ==> fetch_index[chain_first + k - 1] ==
         still_link(table, q->desc.address, head, k - 1);
       loop invariant last: 0 < k ==> still_desc(table,
         still_place(table, q->desc.address, head, k - 1),
         fetch_desc[chain_first + k - 1]);
       loop assigns k;
       loop variant n - k; @/
    while (k < n) {
      int m = chain_first + k;
      desc_is_still(table, m);
      /@ assert at: fetch_at[m] ==
           still_place(table, q->desc.address, head, k); @/
      /@ assert this: still_desc(table,
           still_place(table, q->desc.address, head, k), fetch_desc[m]); @/
      /@ assert taken: k < chain_direct ==> desc_taken(m - chain_first, m); @/
      /@ assert linked: k + 1 < n ==> desc_linked(m + 1); @/
      /@ assert inside: still_link(table, q->desc.address, head, k) <
           q->size; @/
      /@ assert element: k < chain_direct ==> element_still(table, k,
           still_place(table, q->desc.address, head, k)); @/
      /@ assert next: still_link(table, q->desc.address, head, k + 1) ==
           fetch_desc[m].next; @/
      k++;
    }
  }
*/

/* Its entries of the table. */
/*@ ghost
  /@ requires has: image_has(0, table, fetch_count);
     requires table: 0 <= table < fetch_count <= FETCH_MAX &&
       fetch_at[table] == addr && fetch_size[table] == size &&
       size <= 16 * LENT_TABLE_MAX;
     requires range: 0 <= chain_direct < element_count <= ELEMENT_MAX;
     requires taken: table_taken(element_count, size / 16);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures still: table_still(table, addr, size);
     ensures links: \forall integer i;
       chain_direct <= i < element_count - 1 ==> has_next(element_flags[i]);
  @/
  static void table_is_still(int table, uint64_t addr, uint64_t size)
  {
    int k = chain_direct;
    /@ loop invariant range: chain_direct <= k <= element_count;
       loop invariant still: \forall integer i; chain_direct <= i < k ==>
         entry_still(table, addr, size, i);
       loop invariant links: \forall integer i;
         chain_direct <= i < k && i < element_count - 1 ==>
         has_next(element_flags[i]);
       loop invariant link: k < element_count ==> element_index[k] ==
         still_link(table, addr, 0, k - chain_direct);
       loop assigns k;
       loop variant element_count - k; @/
    while (k < element_count) {
      /@ assert taken: entry_taken(k, size / 16); @/
      int i = element_index[k];
      entry_is_still(table, i);
      /@ assert linked: k + 1 < element_count ==> entry_linked(k + 1); @/
      /@ assert this: still_desc(table,
           still_place(table, addr, 0, k - chain_direct), fetch_table[i]); @/
      /@ assert inside: still_link(table, addr, 0, k - chain_direct) <
           size / 16; @/
      /@ assert element: entry_still(table, addr, size, k); @/
      /@ assert next: still_link(table, addr, 0, k + 1 - chain_direct) ==
           fetch_table[i].next; @/
      k++;
    }
  }
*/

/*@ ghost
  void still_chain(const struct virtq *q, enum virtq_answer answer,
                   uint32_t head, uint64_t addr, uint64_t size)
  {
    int table = size != 0 ? fetch_count - 1 : -1;
    int k = 0;
    if (answer != VIRTQ_TAKEN)
      return;
    image_is_true(0, table);
    if (size != 0) {
      int m = fetch_count - 2;
      ring_is_still(q, table, head, chain_direct + 1);
      /@ assert at: fetch_index[m] ==
           still_link(table, q->desc.address, head, chain_direct); @/
      /@ assert last: still_desc(table,
           still_place(table, q->desc.address, head, chain_direct),
           fetch_desc[m]); @/
      /@ assert inside: desc_fetched(*q, m); @/
      /@ assert named: table_named(addr, size, m); @/
      table_is_still(table, addr, size);
    } else {
      ring_is_still(q, table, head, chain_direct);
    }
    /@ loop invariant range: 0 <= k <= chain_first;
       loop invariant still: \forall integer m; 0 <= m < k ==>
         fetch_value[m] == still16(0, table, fetch_at[m]);
       loop assigns k;
       loop variant chain_first - k; @/
    while (k < chain_first) {
      still_16(0, table, k, 0, fetch_value[k]);
      k++;
    }
    /@ assert which: table == table_fetch(size); @/
    /@ assert ring: ring_still(*q, table_fetch(size), head); @/
    /@ assert named: size != 0 ==>
         table_still_named(*q, table_fetch(size), head, addr, size); @/
    /@ assert table: size != 0 ==>
         table_still(table_fetch(size), addr, size); @/
    /@ assert links: \forall integer i; 0 <= i < element_count - 1 ==>
         has_next(element_flags[i]); @/
  }
*/

/*@ ghost
  void still_table(enum virtq_answer answer, int table, uint64_t addr)
  {
    int k = 0;
    if (answer != VIRTQ_TAKEN || table < 0)
      return;
    image_is_true(1, table);
    /@ loop invariant range: 0 <= k <= element_count;
       loop invariant still: \forall integer i; 0 <= i < k ==>
         list_entry_still(table, addr, i);
       loop assigns k;
       loop variant element_count - k; @/
    while (k < element_count) {
      packed_entry_is_still(table, k);
      /@ assert entry: list_entry(k); @/
      /@ assert this: list_entry_still(table, addr, k); @/
      k++;
    }
  }
*/

/*@ ghost
  void still_list(const struct virtq *q, enum virtq_answer answer,
                  uint32_t from, int wrap, uint32_t id, uint64_t addr,
                  uint64_t size)
  {
    int table = size != 0 ? 2 : -1;
    int j = 0;
    if (answer != VIRTQ_TAKEN)
      return;
    image_is_true(1, table);
    /@ loop invariant range: 0 <= j <= list_count;
       loop invariant slots: \forall integer i; 0 <= i < j ==>
         slot_still(table, slot_place(q->desc.address, q->size, from, i),
           from + i < q->size ? wrap : wrap == 0 ? 1 : 0) &&
         (i < list_count - 1 <==> has_next(still16(1, table,
           slot_place(q->desc.address, q->size, from, i) + 14)));
       loop invariant elements: size == 0 ==> \forall integer i; 0 <= i < j ==>
         !is_indirect(element_flags[i]) &&
         packed_still(table, i,
           slot_place(q->desc.address, q->size, from, i));
       loop invariant last: 0 < j ==> still_packed(table,
         slot_place(q->desc.address, q->size, from, j - 1),
         fetch_packed[2 * j - 1].addr, fetch_packed[2 * j - 1].len,
         fetch_packed[2 * j - 1].id);
       loop invariant flags: 0 < j ==> fetch_value[2 * j - 2] ==
         still16(1, table,
           slot_place(q->desc.address, q->size, from, j - 1) + 14);
       loop assigns j;
       loop variant list_count - j; @/
    while (j < list_count) {
      /@ assert desc: list_desc(q->desc.address, q->size, from, wrap, j); @/
      slot_is_still(table, 2 * j);
      /@ assert at: fetch_at[2 * j + 1] ==
           slot_place(q->desc.address, q->size, from, j); @/
      /@ assert more: j < list_count - 1 ==> list_more(j); @/
      /@ assert end: j == list_count - 1 ==> !list_more(j); @/
      /@ assert slot: slot_still(table,
           slot_place(q->desc.address, q->size, from, j),
           from + j < q->size ? wrap : wrap == 0 ? 1 : 0); @/
      /@ assert next: j < list_count - 1 <==> has_next(still16(1, table,
           slot_place(q->desc.address, q->size, from, j) + 14)); @/
      /@ assert element: size == 0 ==> list_element(j); @/
      /@ assert this: size == 0 ==> packed_still(table, j,
           slot_place(q->desc.address, q->size, from, j)); @/
      j++;
    }
    if (size != 0)
      still_table(answer, table, addr);
    /@ assert slots: slots_still(table, q->desc, q->size, from, wrap); @/
    /@ assert id: id == still16(1, table,
         slot_place(q->desc.address, q->size, from, list_count - 1) + 12); @/
    /@ assert elements: size == 0 ==>
         list_slots_still(q->desc, q->size, from); @/
    /@ assert indirect: size != 0 ==> is_indirect(still16(1, table,
         slot_place(q->desc.address, q->size, from, 0) + 14)); @/
    /@ assert named: size != 0 ==> still_packed(table,
         slot_place(q->desc.address, q->size, from, 0), addr, size, id); @/
  }
*/
