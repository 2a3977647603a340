/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_KEEPER_H
#define PRECARIUM_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/fault.h>
#include <precarium/region.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * How faults reach the library on seL4: by the keeper, a thread of higher
 * priority than those that touch lent memory.  It owns the window (the range of
 * addresses at which lent pages appear) and every capability in it.  The driver
 * threads are badged senders of one endpoint, on which their faults arrive as
 * well as their calls.  So one thread does one thing at a time, and what it
 * knows needs no lock.
 *
 * Capabilities are named by their addresses in the keeper's CSpace, as
 * seL4_CPtr.
 */

#define PREC_KEEPER_PAGES   4096u /* of a window: 16 MiB */
#define PREC_KEEPER_REGIONS 64u
#define PREC_KEEPER_THREADS 8u
#define PREC_KEEPER_FRAMES  64u /* of ours, for pages that are substituted */
#define PREC_KEEPER_CLIENTS 16u
#define PREC_KEEPER_OPEN    32u /* regions that one thread may have open */

/* Badges of the endpoint: plus the number of the driver thread. */
#define PREC_KEEPER_BADGE_FAULT 0x100u
#define PREC_KEEPER_BADGE_CALL  0x200u

struct prec_fixup;
struct prec_io;
struct prec_transaction;

/* Private: what page i of the window holds.  Its capability, if it has one, is
 * in slot slots + i, always. */
struct prec_window {
	uint8_t state[PREC_KEEPER_PAGES];
	uint8_t owner[PREC_KEEPER_PAGES];     /* region + 1; 0: none */
	uint8_t frame_of[PREC_KEEPER_PAGES];  /* which of our frames it has */
	uint16_t used_by[PREC_KEEPER_FRAMES]; /* page + 1; 0: free */
	uint8_t used_for[PREC_KEEPER_FRAMES]; /* the client */
};

/* Private: which pages of the window a region has, and whose it is. */
struct prec_regions {
	uint32_t first[PREC_KEEPER_REGIONS];
	uint32_t pages[PREC_KEEPER_REGIONS];  /* 0: there is no such region */
	uint32_t client[PREC_KEEPER_REGIONS]; /* whose budget of frames */
};

/* Private: what a driver thread has open.  It writes this; the keeper reads
 * `top` while that thread is stopped at a fault, and the rest at any time. */
struct prec_keeper_thread {
	struct prec_transaction *top;
	const struct prec_region *open[PREC_KEEPER_OPEN];
	uint32_t open_count;
};

/*
 * A keeper.  The caller places it in memory that the keeper and the driver
 * threads share, sets the first part and zeroes the rest, and must not move it.
 */
struct prec_keeper {
	uint64_t cspace;   /* the CNode of all slots below */
	uint64_t vspace;   /* of the driver threads, and of the keeper */
	uint64_t window;   /* its first address; its page tables are mapped */
	uint64_t slots;    /* the first of `pages` consecutive empty slots */
	uint64_t zero;     /* a frame of zeroes, which nobody writes */
	uint64_t frames;   /* the first of `frame_count` frames of memory */
	uint64_t probe;    /* a TCB that never runs: see prec_region_map */
	uint64_t scratch;  /* an address with a page table and no page */
	uint64_t scratch_slot; /* an empty slot, for the page there */
	uint64_t tcb[PREC_KEEPER_THREADS]; /* of driver threads; 0: none */
	uint32_t depth;         /* of an address in the CNode: seL4_WordBits */
	uint32_t pages;         /* of the window: at most PREC_KEEPER_PAGES */
	uint32_t frame_count;   /* at most PREC_KEEPER_FRAMES */
	uint32_t client_frames; /* how many of them one client may use up */
	/* Private. */
	const struct prec_fixup *fixups, *fixups_end;
	struct prec_fault_counts counts;
	struct prec_region *region[PREC_KEEPER_REGIONS];
	struct prec_keeper_thread thread[PREC_KEEPER_THREADS];
	uint64_t retry_at[PREC_KEEPER_THREADS]; /* address of the last retry */
	uint32_t retries[PREC_KEEPER_THREADS];  /* in a row, there */
	uint32_t holds[PREC_KEEPER_THREADS]; /* reply object + 1: see _serve */
	struct prec_window window_book;
	struct prec_regions region_book;
	struct prec_io *devices; /* that see the window: io_sel4.h */
};

/*
 * Check what was given, and make the keeper ready.  Each slot of the window is
 * tried, with the frame of zeroes at its place.  Called once, by the keeper or
 * before it runs.
 *
 * PREC_INVALID: a number makes no sense, ranges of slots overlap, a frame is no
 * memory, or the table of accessors is missing.  PREC_BUSY: a slot is in use.
 * PREC_SYSTEM: a page cannot be mapped at each place, as where a page table is
 * missing.  In each case the slots are as they were.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_keeper_init(struct prec_keeper *keeper);

/*
 * Register the calling thread as driver thread number `thread`.  `endpoint` is
 * an address in its own CSpace, of the keeper's endpoint with the badge
 * PREC_KEEPER_BADGE_CALL + thread and the rights to send and to grant replies;
 * its fault endpoint is the same with PREC_KEEPER_BADGE_FAULT.  prec_region_map
 * and what works on regions may be called from then on.  PREC_INVALID: there is
 * no such thread, or it has no TCB.
 */
PREC_EXPORT PREC_MUST_CHECK enum prec_status
prec_keeper_enter(struct prec_keeper *keeper, uint32_t thread,
		  uint64_t endpoint);

/* A fault as the kernel reports it: seL4_VMFault_*. */
struct prec_keeper_fault {
	uint64_t ip;
	uint64_t address;
	uint64_t status; /* the processor's word on it */
	uint32_t thread; /* number of the driver thread */
	bool fetch;      /* of an instruction */
	bool other;      /* no page fault; the rest but thread is 0 */
};

/* What became of it. */
enum prec_keeper_answer {
	/* Not ours.  The thread is as it was: stopped, waiting for a reply. */
	PREC_KEEPER_PASS = 0,
	/* Its registers were written, and it runs.  Make no reply. */
	PREC_KEEPER_RESUMED,
	/* A page is there now.  Reply, and it tries the access again. */
	PREC_KEEPER_REPLY,
};

/* Told of a fault that is not ours, by the keeper.  The thread stays stopped
 * until its owner restarts it, by its TCB. */
typedef void prec_keeper_foreign_fn(const struct prec_keeper_fault *fault,
				    void *context);

/*
 * Be the keeper: wait on the endpoint, serve faults and calls; does not return.
 * `replies`, with MCS: the first of PREC_KEEPER_THREADS + 1 consecutive reply
 * objects; a thread that stays stopped keeps one until its next fault.  Else 0.
 */
PREC_EXPORT void prec_keeper_serve(struct prec_keeper *keeper,
				   uint64_t endpoint, uint64_t replies,
				   prec_keeper_foreign_fn *foreign,
				   void *context);

/*
 * For those who have a loop of their own, such as the parent of a Microkit
 * protection domain: the next three, from one thread.  What prec_keeper_serve
 * does is no more than this.
 *
 * Read a fault from the message registers.  `label` is that of the message,
 * `thread` the number of the thread that sent it.
 */
PREC_EXPORT struct prec_keeper_fault prec_keeper_read_fault(uint64_t label,
							    uint32_t thread);

/* Decide on a fault, and do as decided.  Notes and counters are written before
 * the thread runs again. */
PREC_EXPORT PREC_MUST_CHECK enum prec_keeper_answer
prec_keeper_fault(struct prec_keeper *keeper,
		  const struct prec_keeper_fault *fault);

/* Serve a call of a driver thread, whose message is in the message registers,
 * and leave the reply there: two words. */
PREC_EXPORT void prec_keeper_call(struct prec_keeper *keeper);

/* What has happened so far, as prec_fault_read_counts, which is for driver
 * threads.  Any thread. */
PREC_EXPORT void prec_keeper_read_counts(const struct prec_keeper *keeper,
					 struct prec_fault_counts *counts);

#ifdef __cplusplus
}
#endif
#endif
