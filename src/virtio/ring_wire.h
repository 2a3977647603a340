/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_RING_WIRE_H
#define PRECARIUM_VIRTIO_RING_WIRE_H

#include <stdint.h>

/*
 * Virtqueues as they are laid out in memory: split virtqueues (VIRTIO 1.2,
 * clause 2.7) and packed virtqueues (clause 2.8).  All fields are little-endian
 * (1.4).  The structs are read and written whole, which is correct on
 * little-endian processors only; lent_raw.h checks that.
 */

/* 2.7, 2.8.10.1: the most entries of a queue. */
#define VIRTQ_SIZE_MAX 32768u

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
#define VIRTQ_USED_FLAGS 0u
#define VIRTQ_USED_IDX	 2u
#define VIRTQ_USED_RING	 4u
#define VIRTQ_USED_ENTRY 8u

struct virtq_used_elem {
	uint32_t id;  /* head of the chain */
	uint32_t len; /* bytes that the device wrote into the chain */
};

/* 2.8.10.1: alignment of the event suppression structures.  The descriptor ring
 * is aligned like a descriptor table. */
#define PVIRTQ_EVENT_ALIGN 4u

/* 2.8.1: a descriptor is available if AVAIL equals the wrap counter and USED
 * does not, and used if both equal it. */
#define PVIRTQ_DESC_F_AVAIL (1u << 7)
#define PVIRTQ_DESC_F_USED  (1u << 15)

/* 2.8.13 The Virtqueue Descriptor Format; NEXT, WRITE and INDIRECT as above */
struct pvirtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

#define PVIRTQ_DESC_FLAGS 14u

/* 2.8.14 Event Suppression Structure Format: desc, flags */
#define PVIRTQ_EVENT_DESC  0u
#define PVIRTQ_EVENT_FLAGS 2u
#define PVIRTQ_EVENT_SIZE  4u

/* 2.8.10: the two low bits of flags, and an offset with its wrap counter */
#define PVIRTQ_EVENT_F_MASK    3u
#define PVIRTQ_EVENT_F_ENABLE  0u
#define PVIRTQ_EVENT_F_DISABLE 1u
#define PVIRTQ_EVENT_F_DESC    2u
#define PVIRTQ_EVENT_WRAP      (1u << 15)

#endif
