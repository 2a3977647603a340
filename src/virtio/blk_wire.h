/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VIRTIO_BLK_WIRE_H
#define PRECARIUM_VIRTIO_BLK_WIRE_H

#include <stdint.h>

/* Block device structures as they are laid out in memory: VIRTIO 1.2, clause
 * 5.2. */

/* 5.2.3 Feature bits */
#define VIRTIO_BLK_F_SIZE_MAX	  1u
#define VIRTIO_BLK_F_SEG_MAX	  2u
#define VIRTIO_BLK_F_GEOMETRY	  4u
#define VIRTIO_BLK_F_RO		  5u
#define VIRTIO_BLK_F_BLK_SIZE	  6u
#define VIRTIO_BLK_F_FLUSH	  9u
#define VIRTIO_BLK_F_TOPOLOGY	  10u
#define VIRTIO_BLK_F_CONFIG_WCE	  11u
#define VIRTIO_BLK_F_MQ		  12u
#define VIRTIO_BLK_F_DISCARD	  13u
#define VIRTIO_BLK_F_WRITE_ZEROES 14u

/* 5.2.6 Device operation: request types */
#define VIRTIO_BLK_T_IN		  0u
#define VIRTIO_BLK_T_OUT	  1u
#define VIRTIO_BLK_T_FLUSH	  4u
#define VIRTIO_BLK_T_GET_ID	  8u
#define VIRTIO_BLK_T_DISCARD	  11u
#define VIRTIO_BLK_T_WRITE_ZEROES 13u

/* 5.2.6: the status byte */
#define VIRTIO_BLK_S_OK	    0u
#define VIRTIO_BLK_S_IOERR  1u
#define VIRTIO_BLK_S_UNSUPP 2u

/* 5.2.6: a sector is 512 bytes, whatever blk_size is. */
#define VIRTIO_BLK_SECTOR 512u

/* 5.2.6: the length of the id that GET_ID asks for, padded with zeroes. */
#define VIRTIO_BLK_ID_BYTES 20u

/* 5.2.6: the part of a request before the data. */
struct virtio_blk_req_header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};

#define VIRTIO_BLK_HEADER_SIZE 16u

/* 5.2.6: a segment of a discard or write zeroes request is struct
 * virtio_blk_discard_write_zeroes: le64 sector, le32 num_sectors, le32 flags.
 * Bit 0 of the flags is unmap; the other bits are reserved. */
#define VIRTIO_BLK_RANGE_SIZE  16u
#define VIRTIO_BLK_RANGE_UNMAP 1u

/* 5.2.4 Device configuration layout, up to the last field of a feature that we
 * offer.  The compiler pads the struct; the client sees the first 60 bytes. */
#define VIRTIO_BLK_CONFIG_SIZE 60u

struct virtio_blk_config {
	uint64_t capacity; /* in sectors */
	uint32_t size_max;
	uint32_t seg_max;
	struct {
		uint16_t cylinders;
		uint8_t heads;
		uint8_t sectors;
	} geometry;
	uint32_t blk_size;
	struct {
		uint8_t physical_block_exp;
		uint8_t alignment_offset;
		uint16_t min_io_size;
		uint32_t opt_io_size;
	} topology;
	uint8_t writeback;
	uint8_t unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors;
	uint32_t max_discard_seg;
	uint32_t discard_sector_alignment;
	uint32_t max_write_zeroes_sectors;
	uint32_t max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap;
	uint8_t unused1[3];
};

#endif
