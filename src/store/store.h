/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_STORE_H
#define PRECARIUM_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <precarium/ledger.h>
#include <precarium/space.h>
#include <precarium/status.h>

#include "store/error.h"
#include "store/range.h"

/*
 * A store keeps the blocks of a device.  All workers share it.  Once it is open
 * nothing but its capacity changes.  Each worker opens a lane of its own, which
 * no other thread touches:
 *
 *	lane = store->ops->lane_open(store, &why);
 *	while (… && ops->add(lane, &io))	any number of transfers
 *		;
 *	ops->start(lane);			submit them together
 *	poll(lane->fd)				unless it is -1, or start said
 *						STORE_MORE
 *	while ((io = ops->reap(lane)))		each comes back exactly once
 *		…
 *
 * A store moves bytes between itself and the client's pages, and reports how
 * many moved.  It knows nothing of rings.  It does not decide whether the
 * client's memory stayed in place meanwhile: the caller compares epochs.
 */

enum store_io_kind {
	STORE_READ,    /* from the store into the client's pages */
	STORE_WRITE,   /* from the client's pages into the store */
	STORE_FLUSH,   /* make durable what was written and reported before */
	STORE_DISCARD, /* the ranges may be forgotten, but need not be */
	STORE_WRITE_ZEROES, /* the ranges read as zeroes from now on */
	STORE_REFRESH,	    /* forget what is cached: others may have written */
};

/*
 * One transfer.  The caller owns it: from add to reap it must move neither the
 * transfer nor its spans, and must keep the regions of the spans mapped.
 */
struct store_io {
	enum store_io_kind kind;
	bool errand;	 /* of the caller's: no request */
	uint32_t owner;	 /* whose loans the spans may be in: see store_loan */
	bool durable;	 /* of a write: durable by the time it is reported */
	uint64_t offset; /* bytes into the store; offset + size <= capacity */
	uint64_t size;	 /* bytes: the sum of the spans, or of the ranges */
	const struct prec_span *spans;
	uint32_t span_count;
	uint32_t range_count;
	/* For DISCARD and WRITE_ZEROES, which have neither offset nor spans. */
	const struct store_range *ranges;

	/* Out.  This is the transfer that found the store's first sync to have
	 * failed: see sync_error. */
	bool first_sync_failed;
	/* Out.  PREC_OK: done == size.  PREC_GONE: the client's pages were
	 * lost, and an unknown number of bytes beyond `done` may have moved.
	 * PREC_SYSTEM: the store failed; result.error is the errno. */
	struct prec_result result;

	/* Private to the store from add to reap. */
	struct store_io *next;
	void *slot;
};

/*
 * Memory that was lent to us, and is lent on to a store that lets hardware
 * reach it: such a store has to pin it, which takes time, and to take it out of
 * the hardware's tables again before it may be used by others.
 *
 *	COMING   --pinned--> HERE; else REFUSED
 *	HERE, COMING  --take_back--> LEAVING --out of reach--> LEFT
 *	LEAVING  --nobody vouches for the hardware--> HELD
 *	HELD     --its device was closed--> LEFT
 *
 * Spans of transfers lie in loans that are HERE, or the store does without:
 * it copies, or fails them with PREC_GONE.  What the client takes away while it
 * is HERE, nobody tells the store: the caller takes it back when it finds that.
 *
 * The caller owns it.  From lend until REFUSED or LEFT it must neither move it
 * nor unmap the span.
 */
enum store_loan_state {
	STORE_LOAN_NONE, /* was never lent */
	STORE_LOAN_COMING,
	STORE_LOAN_HERE,
	STORE_LOAN_REFUSED,
	STORE_LOAN_LEAVING,
	STORE_LOAN_HELD,
	STORE_LOAN_LEFT,
};

/* Owners of one lane are below this. */
#define STORE_OWNERS 64u

struct store_loan {
	struct prec_span span;
	/* The client.  The number names no other before all its loans have
	 * LEFT. */
	uint32_t owner;
	/* COMING and LEAVING are set by the caller, the others by the store,
	 * when settled returns the loan. */
	enum store_loan_state state;
	const char *why; /* it is REFUSED, and what was expected: static */

	/* Private to the store, from lend to REFUSED or LEFT. */
	struct store_loan *next;
	uint32_t number;
	void *own;
};

struct store;

/* Derived by each kind of store. */
struct store_lane {
	const struct store *store;
	int fd; /* readable when reap or settled returns something; lanes of one
		   thread may share it.  -1: the lane works in reap only */
};

/* What is left to do after start. */
enum store_left {
	STORE_NOTHING, /* completions make the descriptor readable */
	STORE_NO_ROOM, /* the kernel takes no more now: start again later */
	STORE_MORE,    /* reap does work of its own: start and reap again, after
			  other lanes had their turn */
};

struct store_ops {
	/* Open a lane.  The thread that opens it is the only one that uses and
	 * closes it.  NULL: *error says why. */
	struct store_lane *(*lane_open)(const struct store *store,
					struct store_error *error);
	/* Close a lane, when each transfer that was added has been reaped, and
	 * each loan has left. */
	void (*lane_close)(struct store_lane *lane);

	/* Accept a transfer.  False: there is no room until one is reaped. */
	bool (*add)(struct store_lane *lane, struct store_io *io);
	/* Submit what was added.  If the lane works in reap, each start allows
	 * reap a limited amount of that work. */
	enum store_left (*start)(struct store_lane *lane);
	/* Return a transfer that has ended, or NULL. */
	struct store_io *(*reap)(struct store_lane *lane);
	/* End a transfer early if that is possible.  It must still be reaped,
	 * and may have succeeded or failed. */
	void (*cancel)(struct store_lane *lane, struct store_io *io);
	/*
	 * End a transfer, which was cancelled, whatever that takes: it is
	 * reaped in bounded time, but others may have to wait for that.  NULL:
	 * the store cannot.
	 */
	void (*insist)(struct store_lane *lane, struct store_io *io);

	/*
	 * Loans.  NULL, all four: the store needs none.  None of them waits.
	 * lend: the loan is COMING.  take_back: it is LEAVING, and no transfer
	 * that is added from now on uses it; those that were added are ended
	 * in bounded time, and may have moved any bytes.  settled: return a
	 * loan whose state has changed, or NULL; to be called after reap, while
	 * loans are neither HERE nor gone.  account: how many bytes the owner's
	 * loans cost, by the states of ledger.h.
	 */
	void (*lend)(struct store_lane *lane, struct store_loan *loan);
	void (*take_back)(struct store_lane *lane, struct store_loan *loan);
	struct store_loan *(*settled)(struct store_lane *lane);
	struct prec_pin_account (*account)(const struct store_lane *lane,
					   uint32_t owner);

	/*
	 * Change the capacity, in bytes, while lanes are open; 0 takes the size
	 * that the image has now.  An image that is smaller is grown if it can
	 * be; no image is ever truncated.  One thread at a time.  False: *error
	 * says why, and nothing has changed.
	 */
	bool (*resize)(struct store *store, uint64_t capacity,
		       struct store_error *error);

	/* Free the store, when no lane is open. */
	void (*close)(struct store *store);
};

/* Hints for speed, in bytes; 0: unknown. */
struct store_topology {
	uint32_t physical_block; /* a power of 2, at least block_size */
	uint32_t alignment;	 /* offset of the first physical block */
	uint32_t min_io;
	uint32_t opt_io;
};

/* What has happened to the hardware of a store that drives it itself.  Each is
 * atomic. */
struct store_events {
	uint32_t gone;	   /* 1: it is, and all requests fail */
	uint32_t halted;   /* 1: it is being restarted, and they wait */
	uint32_t aborts;   /* commands that it was asked to abort */
	uint32_t deletes;  /* queues that were deleted to end commands */
	uint32_t restarts; /* it was disabled and enabled */
	uint32_t resets;   /* … after another reset */
};

/* Derived by each kind of store. */
struct store {
	const struct store_ops *ops;
	const struct store_events *events; /* NULL: the system drives it */
	uint64_t capacity; /* a multiple of STORE_SECTOR; see store_capacity */
	uint32_t block_size; /* bytes the store likes transfers to be made of */
	/* Alignment that a discard should have, in bytes.  0: the caller must
	 * add neither DISCARD nor WRITE_ZEROES. */
	uint32_t discard_align;
	struct store_topology topology;
	/* Identifies the image: two stores of one process with the same value
	 * share their blocks.  NULL: no other store has these blocks. */
	const void *image;
	/* The errno of the first sync that failed; 0: none has.  From then on
	 * each FLUSH and each durable transfer fails for as long as the store
	 * is open: the system reports writes that it lost once, and takes their
	 * pages for clean afterwards.  See store_sync_error. */
	int sync_error;
	bool read_only; /* the caller must add nothing that writes */
	/* Several clients may write at once, of this server and of others, on
	 * other hosts, too. */
	bool shared;
};

#define STORE_SECTOR 512u

/*
 * Read the capacity; any thread may.  A store grows before its capacity does,
 * so the bytes below a capacity that was read exist.  If the store has shrunk
 * since, requests that began before go on, and may fail.
 */
static inline uint64_t store_capacity(const struct store *store)
{
	return __atomic_load_n(&store->capacity, __ATOMIC_ACQUIRE);
}

static inline void store_set_capacity(struct store *store, uint64_t capacity)
{
	__atomic_store_n(&store->capacity, capacity, __ATOMIC_RELEASE);
}

/* Any thread may read it. */
static inline int store_sync_error(const struct store *store)
{
	return __atomic_load_n(&store->sync_error, __ATOMIC_ACQUIRE);
}

/* Read what has happened; any thread.  Nothing, if the system drives it. */
static inline struct store_events store_events(const struct store *store)
{
	const struct store_events *from = store->events;
	struct store_events read = { 0, 0, 0, 0, 0, 0 };

	if (!from)
		return read;
	read.gone = __atomic_load_n(&from->gone, __ATOMIC_RELAXED);
	read.halted = __atomic_load_n(&from->halted, __ATOMIC_RELAXED);
	read.aborts = __atomic_load_n(&from->aborts, __ATOMIC_RELAXED);
	read.deletes = __atomic_load_n(&from->deletes, __ATOMIC_RELAXED);
	read.restarts = __atomic_load_n(&from->restarts, __ATOMIC_RELAXED);
	read.resets = __atomic_load_n(&from->resets, __ATOMIC_RELAXED);
	return read;
}

/* A sync has failed; `error` is not 0.  True: it is the first. */
static inline bool store_sync_failed(struct store *store, int error)
{
	int none = 0;

	return __atomic_compare_exchange_n(&store->sync_error, &none, error,
					   false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

#endif
