/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_PROTOCOL_H
#define PRECARIUM_VHOST_PROTOCOL_H

#include <stdint.h>

/*
 * vhost-user on the wire (QEMU, docs/interop/vhost-user.rst).  Everything is in
 * the byte order of the machine, and unchecked.
 */
enum {
	VHOST_GET_FEATURES = 1,
	VHOST_SET_FEATURES = 2,
	VHOST_SET_OWNER = 3,
	VHOST_RESET_OWNER = 4,
	VHOST_SET_MEM_TABLE = 5,
	VHOST_SET_LOG_BASE = 6,
	VHOST_SET_LOG_FD = 7,
	VHOST_SET_VRING_NUM = 8,
	VHOST_SET_VRING_ADDR = 9,
	VHOST_SET_VRING_BASE = 10,
	VHOST_GET_VRING_BASE = 11,
	VHOST_SET_VRING_KICK = 12,
	VHOST_SET_VRING_CALL = 13,
	VHOST_SET_VRING_ERR = 14,
	VHOST_GET_PROTOCOL_FEATURES = 15,
	VHOST_SET_PROTOCOL_FEATURES = 16,
	VHOST_GET_QUEUE_NUM = 17,
	VHOST_SET_VRING_ENABLE = 18,
	VHOST_SEND_RARP = 19,
	VHOST_NET_SET_MTU = 20,
	VHOST_SET_BACKEND_REQ_FD = 21,
	VHOST_IOTLB_MSG = 22,
	VHOST_SET_VRING_ENDIAN = 23,
	VHOST_GET_CONFIG = 24,
	VHOST_SET_CONFIG = 25,
	VHOST_CLOSE_CRYPTO_SESSION = 27,
	VHOST_POSTCOPY_LISTEN = 29,
	VHOST_GET_INFLIGHT_FD = 31,
	VHOST_SET_INFLIGHT_FD = 32,
	VHOST_GPU_SET_SOCKET = 33,
	VHOST_RESET_DEVICE = 34,
	VHOST_VRING_KICK = 35,
	VHOST_GET_MAX_MEM_SLOTS = 36,
	VHOST_ADD_MEM_REG = 37,
	VHOST_REM_MEM_REG = 38,
	VHOST_SET_STATUS = 39,
	VHOST_GET_STATUS = 40,
	VHOST_MESSAGE_END = 44, /* one past the last that is specified */
};

/* On the back-end's own channel, from us to the client. */
enum {
	VHOST_BACKEND_IOTLB = 1,
	VHOST_BACKEND_CONFIG_CHANGE = 2,
};

/* Flags of the header. */
#define VHOST_VERSION_MASK 0x3u
#define VHOST_VERSION	   0x1u
#define VHOST_REPLY	   (1u << 2)
#define VHOST_NEED_REPLY   (1u << 3)

/* Feature bit: what is written into the client's memory is logged. */
#define VHOST_F_LOG_ALL 26

/* Feature bit: protocol features can be negotiated. */
#define VHOST_F_PROTOCOL_FEATURES 30

/* Protocol feature bits. */
enum {
	VHOST_PROTOCOL_MQ = 0,
	VHOST_PROTOCOL_LOG_SHMFD = 1,
	VHOST_PROTOCOL_REPLY_ACK = 3,
	VHOST_PROTOCOL_BACKEND_REQ = 5,
	VHOST_PROTOCOL_CONFIG = 9,
	VHOST_PROTOCOL_INFLIGHT_SHMFD = 12,
	VHOST_PROTOCOL_RESET_DEVICE = 13,
	VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS = 15,
	VHOST_PROTOCOL_STATUS = 16,
};

/* The u64 of SET_VRING_KICK, CALL and ERR: a queue, and "no descriptor". */
#define VHOST_RING_INDEX 0xffu
#define VHOST_RING_NO_FD (1u << 8)

#define VHOST_TABLE_MAX	 8u   /* regions in SET_MEM_TABLE */
#define VHOST_CONFIG_MAX 256u /* bytes of device configuration */
#define VHOST_FDS_MAX	 8u   /* descriptors with one message */

struct vhost_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
};

struct vhost_ring_state {
	uint32_t index;
	uint32_t num;
};

struct vhost_ring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t descriptors; /* in the front-end's own address space */
	uint64_t used;
	uint64_t available;
	uint64_t log; /* guest's address of the used ring */
};

/* Its flag: what is written into the used ring is logged, at `log`. */
#define VHOST_RING_LOG 1u

struct vhost_log_base {
	uint64_t size;
	uint64_t offset; /* into the file */
};

struct vhost_memory_entry {
	uint64_t guest; /* address for the guest */
	uint64_t size;
	uint64_t user;	 /* address for the front-end */
	uint64_t offset; /* into the file */
};

struct vhost_memory_table {
	uint32_t count;
	uint32_t padding;
	struct vhost_memory_entry entries[VHOST_TABLE_MAX];
};

struct vhost_memory_one {
	uint64_t padding;
	struct vhost_memory_entry entry;
};

struct vhost_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t bytes[VHOST_CONFIG_MAX];
};

#define VHOST_CONFIG_HEADER 12u

struct vhost_inflight_shape {
	uint64_t size;	 /* bytes of the log */
	uint64_t offset; /* into the file */
	uint16_t queues;
	uint16_t queue_size;
};

/* Some front-ends send the padding of the struct, too. */
#define VHOST_INFLIGHT_SHAPE_SIZE 20u

/* A translation of addresses, in either direction. */
struct vhost_iotlb {
	uint64_t address; /* of the IOMMU */
	uint64_t size;
	uint64_t user; /* address for the front-end */
	uint8_t rights;
	uint8_t type;
};

#define VHOST_IOTLB_SIZE 26u /* without the padding */

/* Its rights: the device may … */
#define VHOST_IOTLB_READ  1u
#define VHOST_IOTLB_WRITE 2u

enum {
	VHOST_IOTLB_MISS = 1, /* ours: it is asked for */
	VHOST_IOTLB_UPDATE = 2,
	VHOST_IOTLB_INVALIDATE = 3,
};

union vhost_payload {
	uint64_t number;
	struct vhost_ring_state state;
	struct vhost_ring_addr addr;
	struct vhost_memory_table table;
	struct vhost_memory_one one;
	struct vhost_config config;
	struct vhost_inflight_shape inflight;
	struct vhost_log_base log;
	struct vhost_iotlb iotlb;
};

_Static_assert(sizeof(struct vhost_header) == 12, "as on the wire");
_Static_assert(sizeof(struct vhost_ring_addr) == 40, "as on the wire");
_Static_assert(sizeof(struct vhost_memory_table) == 264, "as on the wire");
_Static_assert(sizeof(struct vhost_memory_one) == 40, "as on the wire");
_Static_assert(sizeof(struct vhost_config) == 268, "as on the wire");
_Static_assert(sizeof(struct vhost_inflight_shape) == 24, "padded by 4");
_Static_assert(sizeof(struct vhost_iotlb) == 32, "padded by 6");

#endif
