/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_CALLS_H
#define PRECARIUM_PORT_SEL4_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/io_sel4.h>
#include <precarium/keeper.h>

/*
 * What the keeper asks of seL4: window.c and fault.c call the kernel only
 * through this page.  For the prover a call has a contract and no body; for the
 * machine it is one call of libsel4 (calls_raw.h).  Each contract names the
 * section of the reference manual from which it was written, and the functions
 * of the kernel's abstract specification that it abstracts from, with their
 * theories (l4v, spec/abstract; Arch… is in a folder of each processor).
 *
 * The contracts speak of a ghost state: what is in the slot of each page of the
 * window, at which address that copy is mapped, and whether for writing.
 *
 * The adversary.  A client may revoke at any instant, on another processor too.
 * So each call, besides what it does, lets any slot that held a client's frame
 * have become empty, and what it mapped is then unmapped.  That is all that a
 * client can do to a slot of ours: it has no capability to our CNode.
 *
 * Manual: 3.2 Deletion and Revocation.
 * l4v: CSpace_A cap_revoke, cap_delete, rec_del, finalise_cap, empty_slot;
 * ArchVSpace_A arch_finalise_cap, unmap_page.
 */

#ifdef __FRAMAC__
#define SEL4_CALL
#else
#define SEL4_CALL static inline
#endif

enum cap_kind {
	CAP_NONE = 0, /* the slot is empty */
	CAP_CLIENT,   /* a copy of a client's frame */
	CAP_ZERO,     /* a copy of our frame of zeroes */
	CAP_OURS,     /* a copy of frame cap_of of ours */
};

/* The arrays have PREC_KEEPER_PAGES, _FRAMES and _THREADS entries. */
/*@ ghost
  int cap_is[4096];
  uint32_t cap_of[4096];
  uint64_t cap_at[4096];   // where it is mapped; 0: nowhere
  int cap_write[4096];     // ... for writing
  int frame_clean[64];     // nothing was stored in it since it was cleared
  int frame_open;          // which of our frames is at the scratch address; -1
  uint64_t shown_frame;    // the capability that was last found to be memory
  int shown;               // 0: none was
  int seen[4096];          // it was found there, since this was last cleared
  uint32_t answered;       // the thread whose fault is being answered
  int thread_stopped[8];   // 1: at a fault, waiting for our answer
  uint64_t thread_ip[8];   // where it goes on
  uint64_t thread_sp[8];
  uint64_t thread_argument[8];
*/
/* clang-format off */
#define CAPS \
	cap_is[0 .. PREC_KEEPER_PAGES - 1], \
	cap_of[0 .. PREC_KEEPER_PAGES - 1], \
	cap_at[0 .. PREC_KEEPER_PAGES - 1], \
	cap_write[0 .. PREC_KEEPER_PAGES - 1]
#define FRAMES_CLEAN frame_clean[0 .. PREC_KEEPER_FRAMES - 1]
/* clang-format on */

/*@
  // What a client may have done meanwhile to the slot of page i.
  predicate left_alone{A, B}(integer i) =
    (\at(cap_is[i], B) == \at(cap_is[i], A) &&
     \at(cap_of[i], B) == \at(cap_of[i], A) &&
     \at(cap_at[i], B) == \at(cap_at[i], A) &&
     \at(cap_write[i], B) == \at(cap_write[i], A)) ||
    (\at(cap_is[i], A) == CAP_CLIENT && \at(cap_is[i], B) == CAP_NONE &&
     \at(cap_at[i], B) == 0);

  predicate others{A, B}(integer page) =
    \forall integer i; 0 <= i < PREC_KEEPER_PAGES && i != page ==>
      left_alone{A, B}(i);

  predicate all_left_alone{A, B} =
    \forall integer i; 0 <= i < PREC_KEEPER_PAGES ==> left_alone{A, B}(i);

  // The copy that was made is there, or was the client's and is gone again.
  predicate made{A, B}(integer page, integer kind) =
    \at(cap_is[page], A) == CAP_NONE && \at(cap_at[page], B) == 0 &&
    (\at(cap_is[page], B) == kind ||
     (kind == CAP_CLIENT && \at(cap_is[page], B) == CAP_NONE));
*/

/*
 * Is the capability at `from` one to a frame of memory?  It is not invoked: it
 * is given as the IPC buffer of a TCB that never runs, and taken away again.
 * Memory of a device, which may wait for ever when it is read, is no memory.
 *
 * Manual: 6.1 Threads, seL4_TCB_SetIPCBuffer.
 * l4v: Decode_A decode_set_ipc_buffer; ArchVSpace_A check_valid_ipc_buffer;
 * Tcb_A invoke_tcb (ThreadControl), check_cap_at.
 */
/*@
  requires keeper: \valid_read(keeper);
  terminates \true;
  exits \false;
  assigns CAPS, shown, shown_frame;
  ensures others: all_left_alone{Pre, Post};
  ensures shown: \result ==> shown == 1 && shown_frame == from;
*/
SEL4_CALL bool call_is_memory(const struct prec_keeper *keeper, uint64_t from);

/*
 * Copy a capability into the slot of a page, with the right to write or
 * without.  The slot must be empty.  False, and the slot is as it was: it is
 * not empty, or what is copied is gone.  The copy is mapped nowhere.
 *
 * Manual: 3.1.2 CNode Methods, 3.1.4 Capability Rights, 3.1.5 Capability
 * Derivation Tree; seL4_CNode_Copy.
 * l4v: Decode_A decode_cnode_invocation; CSpace_A derive_cap, invoke_cnode
 * (InsertCall), cap_insert; ArchVSpace_A arch_derive_cap.
 */
/*@
  requires keeper: \valid_read(keeper) && page < PREC_KEEPER_PAGES;
  requires shown: shown == 1 && shown_frame == from;
  terminates \true;
  exits \false;
  assigns CAPS;
  ensures others: others{Pre, Post}(page);
  ensures made: \result ==> made{Pre, Post}(page, CAP_CLIENT);
  ensures not: !\result ==> left_alone{Pre, Post}(page);
*/
SEL4_CALL bool call_copy_lent(const struct prec_keeper *keeper, uint32_t page,
			      uint64_t from, bool write);

/* Without the right to write.  Manual, l4v: as above. */
/*@
  requires keeper: \valid_read(keeper) && page < PREC_KEEPER_PAGES;
  terminates \true;
  exits \false;
  assigns CAPS;
  ensures others: others{Pre, Post}(page);
  ensures made: \result ==> made{Pre, Post}(page, CAP_ZERO);
  ensures not: !\result ==> left_alone{Pre, Post}(page);
*/
SEL4_CALL bool call_copy_zero(const struct prec_keeper *keeper, uint32_t page);

/* The driver may store to the frame from now on.  Manual, l4v: as above. */
/*@
  requires keeper: \valid_read(keeper) && page < PREC_KEEPER_PAGES;
  requires frame: frame < keeper->frame_count <= PREC_KEEPER_FRAMES;
  requires clean: frame_clean[frame] == 1;
  terminates \true;
  exits \false;
  assigns CAPS, frame_clean[frame];
  ensures others: others{Pre, Post}(page);
  ensures made: \result ==> made{Pre, Post}(page, CAP_OURS) &&
    cap_of[page] == frame;
  ensures not: !\result ==> left_alone{Pre, Post}(page);
*/
SEL4_CALL bool call_copy_frame(const struct prec_keeper *keeper, uint32_t page,
			       uint32_t frame);

/* What came of mapping a page. */
enum call_mapped {
	CALL_MAPPED = 0,
	CALL_LARGE, /* it does not fit the page table that is there */
	CALL_FAILED,
};

/*
 * Map the capability in the slot of a page at the page's address.  If it is the
 * client's, it may be gone again at once.  Rights that the capability does not
 * have are left out, without an error: so `write` is the most that is granted.
 *
 * Manual: 7.1 Objects, Page; seL4_X86_Page_Map, seL4_ARM_Page_Map.
 * l4v: ArchDecode_A decode_page_invocation (decode_frame_invocation); Arch_A
 * perform_page_invocation (PageMap); ArchVSpace_A create_mapping_entries.
 */
/*@
  requires keeper: \valid_read(keeper) && page < keeper->pages;
  requires bound: keeper->pages <= PREC_KEEPER_PAGES;
  requires zero: cap_is[page] == CAP_ZERO ==> !write;
  terminates \true;
  exits \false;
  assigns CAPS;
  ensures others: others{Pre, Post}(page);
  ensures mapped: \result == CALL_MAPPED ==>
    (cap_is[page] == \old(cap_is[page]) && cap_is[page] != CAP_NONE &&
     cap_of[page] == \old(cap_of[page]) &&
     cap_at[page] == keeper->window + 4096 * page &&
     (cap_write[page] == 0 || (cap_write[page] == 1 && write))) ||
    (\old(cap_is[page]) == CAP_CLIENT && cap_is[page] == CAP_NONE &&
     cap_at[page] == 0);
  ensures not: \result != CALL_MAPPED ==> left_alone{Pre, Post}(page);
*/
SEL4_CALL enum call_mapped call_map(const struct prec_keeper *keeper,
				    uint32_t page, bool write);

/*
 * Empty the slot of a page.  What it mapped is unmapped.
 *
 * Manual: 3.1.2 CNode Methods, 3.2 Deletion and Revocation;
 * seL4_CNode_Delete.
 * l4v: CSpace_A invoke_cnode (DeleteCall), cap_delete, rec_del, finalise_cap,
 * empty_slot; ArchVSpace_A arch_finalise_cap, unmap_page.
 */
/*@
  requires keeper: \valid_read(keeper) && page < PREC_KEEPER_PAGES;
  terminates \true;
  exits \false;
  assigns CAPS;
  ensures others: others{Pre, Post}(page);
  ensures empty: cap_is[page] == CAP_NONE && cap_at[page] == 0;
*/
SEL4_CALL void call_delete(const struct prec_keeper *keeper, uint32_t page);

/*
 * Is there still a capability in the slot of a page?  "No" is true for ever,
 * "yes" says nothing of now.
 *
 * Manual: 7.1 Objects, Page; seL4_X86_Page_GetAddress,
 * seL4_ARM_Page_GetAddress.
 * l4v: CSpace_A lookup_cap_and_slot; Decode_A decode_invocation (NullCap);
 * Arch_A perform_page_invocation (PageGetAddr).
 */
/*@
  requires keeper: \valid_read(keeper) && page < PREC_KEEPER_PAGES;
  terminates \true;
  exits \false;
  assigns CAPS, seen[page];
  ensures others: all_left_alone{Pre, Post};
  ensures gone: !\result ==> cap_is[page] == CAP_NONE;
  ensures seen: \result ==> seen[page] == 1;
*/
SEL4_CALL bool call_is_there(const struct prec_keeper *keeper, uint32_t page);

/*
 * Map one of our frames at the scratch address, clear it there, and take it
 * away from there.  Manual, l4v: as call_copy_lent, call_map and call_delete.
 */
/*@
  requires keeper: \valid_read(keeper);
  requires frame: frame < keeper->frame_count <= PREC_KEEPER_FRAMES;
  requires closed: frame_open == -1;
  terminates \true;
  exits \false;
  assigns CAPS, frame_open;
  ensures others: all_left_alone{Pre, Post};
  ensures open: \result ==> frame_open == frame;
  ensures not: !\result ==> frame_open == -1;
*/
SEL4_CALL bool call_scratch_open(const struct prec_keeper *keeper,
				 uint32_t frame);

/*@
  requires keeper: \valid_read(keeper);
  requires open: 0 <= frame_open < PREC_KEEPER_FRAMES;
  terminates \true;
  exits \false;
  assigns frame_clean[frame_open];
  ensures clean: frame_clean[frame_open] == 1;
*/
SEL4_CALL void call_scratch_clear(const struct prec_keeper *keeper);

/*@
  requires keeper: \valid_read(keeper);
  terminates \true;
  exits \false;
  assigns CAPS, frame_open;
  ensures others: all_left_alone{Pre, Post};
  ensures closed: frame_open == -1;
*/
SEL4_CALL void call_scratch_close(const struct prec_keeper *keeper);

/*
 * Let a thread that is stopped at a fault go on at another instruction, with
 * all its other registers as they were; or with another stack pointer and first
 * argument too.  No reply is to be made: the thread no longer waits for one.
 *
 * Manual: 6.1 Threads, 6.2 Faults; seL4_TCB_WriteRegisters, with resume.
 * l4v: Decode_A decode_write_registers; Tcb_A invoke_tcb (WriteRegisters),
 * restart; IpcCancel_A cancel_ipc.
 */
/*@
  requires keeper: \valid_read(keeper) && thread < PREC_KEEPER_THREADS;
  requires stopped: thread_stopped[thread] == 1;
  terminates \true;
  exits \false;
  assigns thread_stopped[thread], thread_ip[thread];
  ensures runs: \result ==> thread_stopped[thread] == 0 &&
    thread_ip[thread] == ip;
  ensures not: !\result ==> thread_stopped[thread] == 1 &&
    thread_ip[thread] == \old(thread_ip[thread]);
*/
SEL4_CALL bool call_go_on(const struct prec_keeper *keeper, uint32_t thread,
			  uint64_t ip);

/*@
  requires keeper: \valid_read(keeper) && thread < PREC_KEEPER_THREADS;
  requires stopped: thread_stopped[thread] == 1;
  terminates \true;
  exits \false;
  assigns thread_stopped[thread], thread_ip[thread], thread_sp[thread],
    thread_argument[thread];
  ensures runs: \result ==> thread_stopped[thread] == 0 &&
    thread_ip[thread] == ip && thread_sp[thread] == sp &&
    thread_argument[thread] == argument;
  ensures not: !\result ==> thread_stopped[thread] == 1 &&
    thread_ip[thread] == \old(thread_ip[thread]);
*/
SEL4_CALL bool call_land(const struct prec_keeper *keeper, uint32_t thread,
			 uint64_t ip, uint64_t sp, uint64_t argument);

/* ---- devices ------------------------------------------------------------- */

/* Of one device, of which the calls below speak: PREC_KEEPER_PAGES entries. */
/*@ ghost
  int io_is[4096];         // 1: its slot has a copy of a client's frame
  uint64_t io_at[4096];    // the device's address of it; 0: none
  int io_write[4096];      // ... to be written too
*/
/* clang-format off */
#define IO_CAPS \
	io_is[0 .. PREC_KEEPER_PAGES - 1], \
	io_at[0 .. PREC_KEEPER_PAGES - 1], \
	io_write[0 .. PREC_KEEPER_PAGES - 1]
/* clang-format on */

/*
 * The adversary, as above, with one thing that clients cannot do: the device's
 * copy is made from the processor's and comes behind it in the order in which
 * revoking deletes copies.  So when it has gone, the processor's has too.
 *
 * Manual: 3.2 Deletion and Revocation.
 * l4v: CSpace_A cap_insert (the place of the new capability), cap_revoke
 * (next_revoke_cap).
 */
/*@
  predicate io_left_alone{A, B}(integer i) =
    (\at(io_is[i], B) == \at(io_is[i], A) &&
     \at(io_at[i], B) == \at(io_at[i], A) &&
     \at(io_write[i], B) == \at(io_write[i], A)) ||
    (\at(io_is[i], A) == 1 && \at(io_is[i], B) == 0 &&
     \at(io_at[i], B) == 0 && \at(cap_is[i], B) != CAP_CLIENT);

  predicate io_others{A, B}(integer page) =
    \forall integer i; 0 <= i < PREC_KEEPER_PAGES && i != page ==>
      io_left_alone{A, B}(i);
*/

/*
 * Put a copy of the capability in the slot of a page into the device's slot of
 * it.  It must be the client's: a device is never given a frame of ours.
 * False, and the slot is as it was: it is not empty, or the page is gone.
 *
 * Manual, l4v: as call_copy_lent.
 */
/*@
  requires keeper: \valid_read(keeper) && page < PREC_KEEPER_PAGES;
  requires io: \valid_read(io);
  requires lent: cap_is[page] == CAP_CLIENT || cap_is[page] == CAP_NONE;
  terminates \true;
  exits \false;
  assigns CAPS, IO_CAPS;
  ensures window: all_left_alone{Pre, Post};
  ensures others: io_others{Pre, Post}(page);
  ensures made: \result ==> \old(io_is[page]) == 0 && io_at[page] == 0 &&
    (io_is[page] == 1 || (io_is[page] == 0 && cap_is[page] == CAP_NONE));
  ensures not: !\result ==> io_left_alone{Pre, Post}(page);
*/
SEL4_CALL bool call_io_copy(const struct prec_keeper *keeper,
			    const struct prec_io *io, uint32_t page);

/*
 * Let the device reach the page by the capability in its slot, at the page's
 * address.  It may be gone again at once.
 *
 * Manual: 8.2 x86-Specific I/O, I/O Space; seL4_X86_Page_MapIO.
 * The abstract specification has no IO spaces.
 */
/*@
  requires keeper: \valid_read(keeper) && page < PREC_KEEPER_PAGES;
  requires io: \valid_read(io);
  terminates \true;
  exits \false;
  assigns CAPS, IO_CAPS;
  ensures window: all_left_alone{Pre, Post};
  ensures others: io_others{Pre, Post}(page);
  ensures mapped: \result ==>
    (io_is[page] == 1 && \old(io_is[page]) == 1 &&
     io_at[page] == io->at + 4096 * page && (io_write[page] == 0 || write)) ||
    (\old(io_is[page]) == 1 && io_is[page] == 0 && io_at[page] == 0 &&
     cap_is[page] != CAP_CLIENT);
  ensures not: !\result ==> io_left_alone{Pre, Post}(page);
*/
SEL4_CALL bool call_io_map(const struct prec_keeper *keeper,
			   const struct prec_io *io, uint32_t page, bool write);

/* Empty the device's slot of a page, and cut it off from there.  Manual, l4v:
 * as call_delete. */
/*@
  requires keeper: \valid_read(keeper) && page < PREC_KEEPER_PAGES;
  requires io: \valid_read(io);
  terminates \true;
  exits \false;
  assigns CAPS, IO_CAPS;
  ensures window: all_left_alone{Pre, Post};
  ensures others: io_others{Pre, Post}(page);
  ensures empty: io_is[page] == 0 && io_at[page] == 0;
*/
SEL4_CALL void call_io_delete(const struct prec_keeper *keeper,
			      const struct prec_io *io, uint32_t page);

/* Try a page's slot and address, with the frame of zeroes, to be read, and take
 * that away again.  PREC_BUSY: the slot is not empty.  PREC_SYSTEM: nothing can
 * be mapped there. */
/*@
  requires keeper: \valid_read(keeper) && page < PREC_KEEPER_PAGES;
  requires io: \valid_read(io);
  terminates \true;
  exits \false;
  assigns CAPS;
  ensures window: all_left_alone{Pre, Post};
  ensures said: \result == PREC_OK || \result == PREC_BUSY ||
    \result == PREC_SYSTEM;
  ensures empty: \result == PREC_OK ==> io_is[page] == 0 && io_at[page] == 0;
*/
SEL4_CALL enum prec_status call_io_try(const struct prec_keeper *keeper,
				       const struct prec_io *io, uint32_t page);

#ifndef __FRAMAC__
#include "calls_raw.h"
#endif
#endif
