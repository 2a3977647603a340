// SPDX-License-Identifier: MIT
#include "device.h"

/* ---- set-up -------------------------------------------------------------- */

/*@
  requires keeper: \valid_read(keeper) && given_ok(*keeper);
  requires io: \valid_read(io);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures ok: \result <==> io_given_ok(*keeper, *io);
*/
static bool numbers_make_sense(const struct prec_keeper *keeper,
			       const struct prec_io *io)
{
	return io->at != 0 && io->at % 4096 == 0 &&
	       io->at <= PREC_ADDRESS_MAX - 4096 * (uint64_t)keeper->pages &&
	       io->slots <= UINT64_MAX - keeper->pages;
}

/*@
  requires keeper: \valid_read(keeper) && given_ok(*keeper);
  requires io: \valid_read(io) && io_given_ok(*keeper, *io);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures ok: \result <==> io_slots_ok(*keeper, *io);
*/
static bool slots_are_apart(const struct prec_keeper *keeper,
			    const struct prec_io *io)
{
	if (do_ranges_meet(keeper->slots, keeper->pages, io->slots,
			   keeper->pages) ||
	    do_ranges_meet(io->slots, keeper->pages, keeper->zero, 1) ||
	    do_ranges_meet(io->slots, keeper->pages, keeper->scratch_slot, 1))
		return false;
	return keeper->frame_count == 0 ||
	       !do_ranges_meet(io->slots, keeper->pages, keeper->frames,
			       keeper->frame_count);
}

/*@
  requires keeper: \valid_read(keeper) && book_ok(*keeper);
  requires io: \valid_read(io);
  terminates \true;
  exits \false;
  assigns CAPS;
  ensures said: \result == PREC_OK || \result == PREC_BUSY ||
    \result == PREC_SYSTEM;
  ensures book: book_ok(*keeper);
  ensures others: all_left_alone{Pre, Post};
  ensures empty: \result == PREC_OK ==> \forall integer i;
    0 <= i < keeper->pages ==> io_is[i] == 0 && io_at[i] == 0;
*/
static enum prec_status try_pages(const struct prec_keeper *keeper,
				  const struct prec_io *io)
{
	enum prec_status status;
	uint32_t page;

	/*@
	  loop invariant range: 0 <= page <= keeper->pages;
	  loop invariant book: book_ok(*keeper);
	  loop invariant others: all_left_alone{Pre, Here};
	  loop invariant empty: \forall integer i; 0 <= i < page ==>
	    io_is[i] == 0 && io_at[i] == 0;
	  loop assigns page, status, CAPS;
	  loop variant keeper->pages - page;
	*/
	for (page = 0; page < keeper->pages; page++) {
		status = call_io_try(keeper, io, page);
		if (status != PREC_OK)
			return status;
	}
	return PREC_OK;
}

enum prec_status device_set_up(const struct prec_keeper *keeper,
			       struct prec_io *io)
{
	enum prec_status status;
	uint32_t i;

	if (!numbers_make_sense(keeper, io) || !slots_are_apart(keeper, io))
		return PREC_INVALID;
	status = try_pages(keeper, io);
	if (status != PREC_OK)
		return status;
	/*@
	  loop invariant range: 0 <= i <= PREC_KEEPER_REGIONS;
	  loop invariant none: \forall integer r; 0 <= r < i ==>
	    io->lent[r] == 0;
	  loop assigns i, io->lent[0 .. PREC_KEEPER_REGIONS - 1];
	  loop variant PREC_KEEPER_REGIONS - i;
	*/
	for (i = 0; i < PREC_KEEPER_REGIONS; i++)
		io->lent[i] = 0;
	return PREC_OK;
}

/* ---- lending ------------------------------------------------------------- */

/* One page.  Whatever is in its slot of the window is the client's, or gone. */
/*@
  requires keeper: \valid_read(keeper) && book_ok(*keeper);
  requires io: \valid_read(io) && io_ok(*keeper, *io);
  requires page: page < keeper->pages && keeper->window_book.owner[page] != 0;
  requires lent: io->lent[keeper->window_book.owner[page] - 1] != 0;
  requires empty: io_is[page] == 0;
  terminates \true;
  exits \false;
  assigns CAPS, IO_CAPS;
  ensures said: \result == PREC_OK || \result == PREC_GONE ||
    \result == PREC_SYSTEM;
  ensures book: book_ok(*keeper);
  ensures window: all_left_alone{Pre, Post};
  ensures ok: io_ok(*keeper, *io);
  ensures others: io_others{Pre, Post}(page);
  ensures lent: \result == PREC_OK && cap_is[page] == CAP_CLIENT ==>
    io_is[page] == 1 && io_at[page] == io->at + 4096 * page;
  ensures rights: \result == PREC_OK && io_is[page] == 1 && !write ==>
    io_write[page] == 0;
  ensures nothing: \result != PREC_OK ==> io_is[page] == 0;
  ensures gone: keeper->window_book.state[page] != PAGE_LENT ==>
    \result == PREC_GONE;
*/
static enum prec_status lend_page(const struct prec_keeper *keeper,
				  const struct prec_io *io, uint32_t page,
				  bool write)
{
	if (keeper->window_book.state[page] != PAGE_LENT ||
	    !call_io_copy(keeper, io, page))
		return PREC_GONE;
	if (!call_io_map(keeper, io, page, write)) {
		call_io_delete(keeper, io, page);
		return PREC_SYSTEM;
	}
	return PREC_OK;
}

/*@
  requires keeper: \valid_read(keeper) && book_ok(*keeper);
  requires io: \valid_read(io) && io_ok(*keeper, *io);
  requires pages: first + count <= keeper->pages;
  terminates \true;
  exits \false;
  assigns CAPS, IO_CAPS;
  ensures book: book_ok(*keeper);
  ensures window: all_left_alone{Pre, Post};
  ensures ok: io_ok(*keeper, *io);
  ensures only: io_only{Pre, Post}(first, count);
  ensures gone: \forall integer i; first <= i < first + count ==>
    io_is[i] == 0 && io_at[i] == 0;
*/
static void cut_off_pages(const struct prec_keeper *keeper,
			  const struct prec_io *io, uint32_t first,
			  uint32_t count)
{
	uint32_t page, end = first + count;

	/*@
	  loop invariant range: first <= page <= end;
	  loop invariant book: book_ok(*keeper);
	  loop invariant window: all_left_alone{Pre, Here};
	  loop invariant ok: io_ok(*keeper, *io);
	  loop invariant only: io_only{Pre, Here}(first, count);
	  loop invariant gone: \forall integer i; first <= i < page ==>
	    io_is[i] == 0 && io_at[i] == 0;
	  loop assigns page, CAPS, IO_CAPS;
	  loop variant end - page;
	*/
	for (page = first; page < end; page++)
		call_io_delete(keeper, io, page);
}

/* All these pages, or none. */
/*@
  requires keeper: \valid_read(keeper) && book_ok(*keeper);
  requires io: \valid_read(io) && io_ok(*keeper, *io);
  requires pages: first + count <= keeper->pages;
  requires lent: \forall integer i; first <= i < first + count ==>
    keeper->window_book.owner[i] != 0 &&
    io->lent[keeper->window_book.owner[i] - 1] != 0;
  requires empty: \forall integer i; first <= i < first + count ==>
    io_is[i] == 0;
  terminates \true;
  exits \false;
  assigns CAPS, IO_CAPS;
  ensures said: \result == PREC_OK || \result == PREC_GONE ||
    \result == PREC_SYSTEM;
  ensures book: book_ok(*keeper);
  ensures window: all_left_alone{Pre, Post};
  ensures ok: io_ok(*keeper, *io);
  ensures only: io_only{Pre, Post}(first, count);
  ensures lent: \result == PREC_OK ==> \forall integer i;
    first <= i < first + count && cap_is[i] == CAP_CLIENT ==>
    io_is[i] == 1 && io_at[i] == io->at + 4096 * i;
  ensures rights: \result == PREC_OK && !write ==> \forall integer i;
    first <= i < first + count && io_is[i] == 1 ==> io_write[i] == 0;
  ensures nothing: \result != PREC_OK ==> \forall integer i;
    first <= i < first + count ==> io_is[i] == 0;
*/
static enum prec_status lend_pages(const struct prec_keeper *keeper,
				   const struct prec_io *io, uint32_t first,
				   uint32_t count, bool write)
{
	enum prec_status status;
	uint32_t page, end = first + count;

	/*@
	  loop invariant range: first <= page <= end;
	  loop invariant book: book_ok(*keeper);
	  loop invariant window: all_left_alone{Pre, Here};
	  loop invariant ok: io_ok(*keeper, *io);
	  loop invariant only: io_only{Pre, Here}(first, count);
	  loop invariant lent: \forall integer i;
	    first <= i < page && cap_is[i] == CAP_CLIENT ==>
	    io_is[i] == 1 && io_at[i] == io->at + 4096 * i;
	  loop invariant rights: !write ==> \forall integer i;
	    first <= i < page && io_is[i] == 1 ==> io_write[i] == 0;
	  loop invariant empty: \forall integer i; page <= i < end ==>
	    io_is[i] == 0;
	  loop assigns page, status, CAPS, IO_CAPS;
	  loop variant end - page;
	*/
	for (page = first; page < end; page++) {
		status = lend_page(keeper, io, page, write);
		if (status != PREC_OK) {
			cut_off_pages(keeper, io, first, page - first);
			return status;
		}
	}
	return PREC_OK;
}

enum prec_status device_lend(const struct prec_keeper *keeper,
			     struct prec_io *io, uint32_t number, bool write)
{
	enum prec_status status;

	if (io->lent[number])
		return PREC_BUSY;
	io->lent[number] = 1;
	/*@ assert ok: io_ok(*keeper, *io); */
	status = lend_pages(keeper, io, keeper->region_book.first[number],
			    keeper->region_book.pages[number], write);
	if (status != PREC_OK)
		io->lent[number] = 0;
	return status;
}

void device_cut_off(const struct prec_keeper *keeper, const struct prec_io *io,
		    uint32_t number)
{
	cut_off_pages(keeper, io, keeper->region_book.first[number],
		      keeper->region_book.pages[number]);
}
