/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_LANE_H
#define PRECARIUM_STORE_FILE_LANE_H

#include <sys/queue.h>
#include <sys/uio.h>

#include "store/file/ahead.h"
#include "store/file/engine.h"
#include "store/file/file.h"

/*
 * One worker's lane to a file, for the files that make it up: lane.c, window.c
 * and ways.c.
 */
enum {
	/* Slots are allocated so many at a time, when all others are in use. */
	SLOTS_AT_ONCE = 32,
	/* At least the seg_max of devices: a request of so many segments goes
	 * to the kernel at once. */
	SLOT_VECTORS = 128,
	/* Buffers that a lane keeps when no slot uses them. */
	BUFFERS_KEPT = 8,
	/* Of a lane with a transfer that changes a part of a block, no more
	 * are under way than each that follows can be compared with. */
	COMPARED_MAX = 64,
};

/* How a range is discarded or made zeroes.  Bits, for `lacks`. */
enum range_way {
	WAY_PUNCH = 1,
	WAY_ZERO = 2,
	WAY_WRITE = 4,
	WAY_NOTHING = 8,
	WAY_DISCARD = 16,
};

/* What a window moves. */
enum window_stage {
	WINDOW_PLAIN,	/* the client's own memory, or zeroes */
	WINDOW_BOUNCED, /* the buffer, for the client */
	WINDOW_FILL,	/* a block, of which the transfer changes a part … */
	WINDOW_MERGED,	/* … and the same with that part */
	WINDOW_FAILED,	/* nothing: it could not be set up */
};

struct file_window {
	enum window_stage stage;
	bool direct;	 /* it went by O_DIRECT */
	bool always;	 /* bounce: O_DIRECT refused the client's memory */
	int32_t failed;	 /* WINDOW_FAILED: the errno, negative */
	uint32_t skip;	 /* bytes of the buffer before the cursor */
	uint32_t part;	 /* … of the transfer */
	uint32_t size;	 /* … in all */
	uint64_t bytes;	 /* that the vectors hold */
	uint64_t offset; /* of the buffer in the file */
	uint8_t *buffer; /* aligned; NULL: none */
	struct iovec vectors[SLOT_VECTORS];
};

struct file_slot {
	struct store_io *io;
	struct file_lane *lane;
	/* In the list of free slots, of copies, or of those that wait for a
	 * sync or for others; or that the same sync is for as for the
	 * leader. */
	struct file_slot *next;
	int32_t synced; /* the result of that sync */
	/* In the list of those that wait for memory, of those without an entry,
	 * or of those that were found completed, with this result. */
	struct file_slot *ring_next;
	int32_t found;
	uint64_t done;	    /* the cursor: bytes of the transfer that moved */
	uint64_t span_done; /* … of them, in span, or range, `span` */
	uint32_t span;
	uint32_t retries;
	/* Lack of memory: since when, and until when it waits; 0: it does
	 * not. */
	int64_t lacking_ms;
	int64_t due_ms;
	uint32_t delay_ms; /* the last */
	enum range_way way;
	uint32_t lacks; /* ways that failed for this range */
	bool syncing;	/* all is written, and being made durable */
	bool cancelled;
	/* The blocks of the file that it may change, in bytes, if somebody has
	 * to know: see window_enter.  `end` 0: none. */
	uint64_t start;
	uint64_t end;
	TAILQ_ENTRY(file_slot) noted; /* while `end` is not 0 */
	bool merges;		      /* it changes a part of a block */
	bool waits;		      /* for others to end */
	struct file_window window;
};

struct file_slots {
	struct file_slots *next;
	struct file_slot slots[SLOTS_AT_ONCE];
};

struct file_lane {
	struct store_lane lane;
	struct file_store *file;
	struct file_engine *engine;
	struct file_line line;
	uint32_t lacks; /* ways that the file system does not support */
	struct file_slot *free;
	struct file_slot *copy; /* windows for the worker to copy, in turn */
	struct file_slot **copy_last;
	uint32_t copies;	   /* bytes to copy in this turn, still */
	struct file_slot *to_sync; /* wait for the next sync */
	struct file_slot *leader;  /* whose sync is with the kernel */
	struct file_slot *synced;  /* have their result */
	/* Those with blocks, and those that wait for them. */
	TAILQ_HEAD(, file_slot) under_way;
	TAILQ_HEAD(, file_slot) waiting;
	uint32_t under_way_count;
	uint32_t merging; /* of both, those that change a part of a block */
	struct file_slot *delayed; /* wait for memory */
	struct file_slot *unsent;  /* found no entry free, or a turn over */
	struct file_slot **unsent_last;
	uint32_t sends;		     /* bytes to submit in this turn, still */
	struct file_slot *completed; /* found by other lanes */
	struct file_sync_place place;
	struct ahead ahead;
	uint8_t *buffers[BUFFERS_KEPT];
	uint32_t buffer_count;
	struct file_slots *slots; /* all that were allocated */
};

#endif
