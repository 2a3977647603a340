/* SPDX-License-Identifier: MIT */
#ifndef PREC_VIRTIO_RING_H
#define PREC_VIRTIO_RING_H

#include <stdint.h>

/*
 * Split virtqueues as they lie in memory: VIRTIO 1.2, clause 2.7.  All fields
 * are little-endian (1.4); the structs are read and written whole on
 * little-endian processors only, which client.h checks.
 */

/* 2.7: the size is a power of 2, at most 32768.  We take what the clients that
 * exist ask for. */
#define VIRTQ_SIZE_MAX 1024u

/* 2.7: alignment of the three areas. */
#define VIRTQ_DESC_ALIGN  16u
#define VIRTQ_AVAIL_ALIGN 2u
#define VIRTQ_USED_ALIGN  4u

/* 2.7.5 The Virtqueue Descriptor Table */
#define VIRTQ_DESC_F_NEXT     1u
#define VIRTQ_DESC_F_WRITE    2u
#define VIRTQ_DESC_F_INDIRECT 4u

struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

#define VIRTQ_DESC_SIZE 16u

/* 2.7.6 The Virtqueue Available Ring: flags, idx, ring[size], used_event */
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1u
#define VIRTQ_AVAIL_FLAGS	   0u
#define VIRTQ_AVAIL_IDX		   2u
#define VIRTQ_AVAIL_RING	   4u
#define VIRTQ_AVAIL_ENTRY	   2u

/* 2.7.8 The Virtqueue Used Ring: flags, idx, ring[size], avail_event */
#define VIRTQ_USED_F_NO_NOTIFY 1u
#define VIRTQ_USED_FLAGS       0u
#define VIRTQ_USED_IDX	       2u
#define VIRTQ_USED_RING	       4u
#define VIRTQ_USED_ENTRY       8u

struct virtq_used_elem {
	uint32_t id;  /* head of the chain */
	uint32_t len; /* bytes that the device wrote into it */
};

#endif
