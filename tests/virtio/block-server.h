/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_VIRTIO_BLOCK_SERVER_H
#define PRECARIUM_TESTS_VIRTIO_BLOCK_SERVER_H

#include "tests/library/losses.h"

#include "virtio/blk_complete.h"

/*
 * The smallest block device: one queue, a store in its own memory,
 * data moved by copies.  It serves one request a run.
 */
#define QUEUE_SIZE  8u
#define STORE_SIZE  (16u * VIRTIO_BLK_SECTOR)
#define DATA_SECTOR 3u
#define DATA_SIZE   (2u * VIRTIO_BLK_SECTOR)

/* Somewhere in a client's memory. */
struct place {
	unsigned int who;
	uint32_t offset;
};

/* By what address the client calls it. */
static inline uint64_t place_address(struct place place)
{
	return 0x10000ull * (place.who + 1) + place.offset;
}

/* From where the rings are. */
#define DESC_AT	 0u
#define AVAIL_AT 256u
#define USED_AT	 512u

/* Shared by device and judge. */
struct served {
	struct place rings;	   /* in */
	bool again;		   /* in: go on with the queue as it is */
	enum virtq_answer answer;  /* out: of split_next */
	enum virtq_answer decoded; /* out: of vblk_decode, if it was taken */
	struct vblk_request request;
	uint64_t moved;
	bool disturbed; /* an epoch moved before the outcome */
	struct vblk_outcome outcome;
	bool stored;		    /* out: the status byte was */
	uint32_t used;		    /* out: the length that was told */
	enum prec_status completed; /* out: PREC_REFUSED: not tried */
	enum virtq_state state;	    /* out: when the request was done */
	uint32_t in_flight;
	bool held;			/* out: a head is still in flight */
	uint16_t next_avail, next_used; /* out: for the next run */
	char wrong[96];
	uint8_t store[STORE_SIZE];
};

extern struct served *served;

/* What the store holds at first: never a byte of a client's. */
uint8_t store_byte(uint32_t i);

void block_server_prepare(void);
void block_server_run(void);

#endif
