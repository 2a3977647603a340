/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_STORE_H
#define PRECARIUM_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <precarium/space.h>
#include <precarium/status.h>

#include "store/error.h"
#include "store/range.h"

/*
 * What stores the blocks of a device.  A store is shared by all workers and
 * does not change once it is open, but for its capacity; each worker works
 * through a lane of its own, which no other thread touches.
 *
 *	lane = store->ops->lane_open(store, &why);
 *	while (… && ops->add(lane, &io))	any number of requests
 *		;
 *	ops->start(lane);			hand them to the kernel at once
 *	poll(lane->fd)				if it is not -1, nor has more
 *	while ((io = ops->reap(lane)))		each comes back exactly once
 *		…
 *
 * A store moves bytes between itself and the client's pages and reports what
 * moved.  It knows no rings, and whether a client is to be believed is not
 * its business: epochs are compared by the caller.
 */

enum store_io_kind {
	STORE_READ,    /* from the store into the client's pages */
	STORE_WRITE,   /* from the client's pages into the store */
	STORE_FLUSH,   /* everything written and reported before is durable */
	STORE_DISCARD, /* the ranges may be forgotten, or not */
	STORE_WRITE_ZEROES, /* the ranges read as zeroes from now on */
};

/*
 * One transfer.  Placed by the caller, who keeps it and its spans where they
 * are, and the regions of the spans mapped, from add to reap.
 */
struct store_io {
	enum store_io_kind kind;
	bool durable;	 /* a write: durable itself when it is reported */
	uint64_t offset; /* bytes into the store; offset + size <= capacity */
	uint64_t size;	 /* bytes: the sum of the spans, or of the ranges */
	const struct prec_span *spans;
	uint32_t span_count;
	uint32_t range_count;
	/* Of DISCARD and WRITE_ZEROES, which have no offset and no spans. */
	const struct store_range *ranges;

	/* Out.  Success is PREC_OK with done == size; PREC_GONE: the client's
	 * pages were lost, with an unknown part moved beyond `done`;
	 * PREC_SYSTEM: the store failed, `error` says how. */
	struct prec_result result;

	/* Private to the store, from add to reap. */
	struct store_io *next;
	void *slot;
};

struct store;

/* Derived by each kind of store. */
struct store_lane {
	const struct store *store;
	int fd; /* readable when reap has something; -1: never asynchronous */
};

/* What a lane has left when it was told to start. */
enum store_left {
	STORE_NOTHING, /* its descriptor tells of what is to come */
	STORE_NO_ROOM, /* the system has none just now: start again, later */
	STORE_MORE,    /* work of the caller's thread: start and reap, when
			  others have had their turn */
};

struct store_ops {
	/* NULL: *error says why.  The thread that opens a lane is the one that
	 * uses and closes it. */
	struct store_lane *(*lane_open)(const struct store *store,
					struct store_error *error);
	/* Nothing may be between add and reap. */
	void (*lane_close)(struct store_lane *lane);

	/* Accept a transfer.  False: no room before something is reaped. */
	bool (*add)(struct store_lane *lane, struct store_io *io);
	/* Begin what was added.  What the calling thread itself has to do is
	 * done by reap, so much of it for each start. */
	enum store_left (*start)(struct store_lane *lane);
	/* A finished transfer, or NULL. */
	struct store_io *(*reap)(struct store_lane *lane);
	/* Finish a transfer early if that is possible; it is reaped all the
	 * same, as done or as failed. */
	void (*cancel)(struct store_lane *lane, struct store_io *io);

	/*
	 * Another capacity, while lanes are open; one thread at a time.  0: what
	 * there is now.  What is larger than the image grows it where it can;
	 * no image is ever cut.  False: *error says why; nothing has changed.
	 */
	bool (*resize)(struct store *store, uint64_t capacity,
		       struct store_error *error);

	void (*close)(struct store *store);
};

/* What is good for speed, in bytes; 0: not known. */
struct store_topology {
	uint32_t physical_block; /* a power of 2, at least block_size */
	uint32_t alignment;	 /* where the first of them begins */
	uint32_t min_io;
	uint32_t opt_io;
};

/* Derived by each kind of store. */
struct store {
	const struct store_ops *ops;
	uint64_t
		capacity; /* bytes, a multiple of STORE_SECTOR; store_capacity */
	uint32_t block_size; /* bytes the store likes transfers to be made of */
	/* What a discard should be aligned to, in bytes.  0: neither DISCARD
	 * nor WRITE_ZEROES is ever added. */
	uint32_t discard_align;
	struct store_topology topology;
	/* What tells apart the blocks that are stored: two stores with the same
	 * one share them.  NULL: this store shares with none. */
	const void *image;
	bool read_only; /* nothing that writes is ever added */
};

#define STORE_SECTOR 512u

/*
 * Any thread.  Whoever reads a capacity finds the store at least as large as it
 * was then: it has grown before its capacity does.  It may have shrunk since;
 * requests that began before that go on, and may fail.
 */
static inline uint64_t store_capacity(const struct store *store)
{
	return __atomic_load_n(&store->capacity, __ATOMIC_ACQUIRE);
}

static inline void store_set_capacity(struct store *store, uint64_t capacity)
{
	__atomic_store_n(&store->capacity, capacity, __ATOMIC_RELEASE);
}

#endif
