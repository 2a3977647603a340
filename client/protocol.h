/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_PROTOCOL_H
#define PRECARIUM_CLIENT_PROTOCOL_H

#include <stdint.h>

/*
 * The vhost-user messages with the numbers of the specification, written a
 * second time on purpose: a front-end that shared them with the server under
 * test would share every mistake in them.
 */
enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
	VHOST_USER_IOTLB_MSG = 22,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_GET_INFLIGHT_FD = 31,
	VHOST_USER_SET_INFLIGHT_FD = 32,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_SET_STATUS = 39,
	VHOST_USER_GET_STATUS = 40,
};

/* On the server's own channel. */
#define VHOST_USER_BACKEND_IOTLB_MSG	     1u
#define VHOST_USER_BACKEND_CONFIG_CHANGE_MSG 2u

#define VHOST_USER_VERSION    1u
#define VHOST_USER_REPLY      (1u << 2)
#define VHOST_USER_NEED_REPLY (1u << 3)
#define VHOST_USER_NO_FD      (1u << 8) /* in the u64 of KICK and CALL */
#define VHOST_USER_FDS_MAX    8u
#define VHOST_USER_TABLE_MAX  8u /* regions in SET_MEM_TABLE */

#define VHOST_USER_F_PROTOCOL_FEATURES 30

enum vhost_user_protocol_feature {
	VHOST_USER_PROTOCOL_F_MQ = 0,
	VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1,
	VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
	VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5,
	VHOST_USER_PROTOCOL_F_CONFIG = 9,
	VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12,
	VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
	VHOST_USER_PROTOCOL_F_STATUS = 16,
};

struct vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

struct vhost_user_region {
	uint64_t guest_address;
	uint64_t size;
	uint64_t user_address;
	uint64_t file_offset;
};

struct vhost_user_one_region {
	uint64_t padding;
	struct vhost_user_region region;
};

struct vhost_user_table {
	uint32_t count;
	uint32_t padding;
	struct vhost_user_region regions[VHOST_USER_TABLE_MAX];
};

struct vhost_user_vring_state {
	uint32_t index;
	uint32_t number;
};

struct vhost_user_vring_address {
	uint32_t index;
	uint32_t flags;
	uint64_t descriptors;
	uint64_t used;
	uint64_t available;
	uint64_t log;
};

struct vhost_user_log_base {
	uint64_t size;
	uint64_t offset;
};

enum vhost_user_iotlb_type {
	VHOST_USER_IOTLB_MISS = 1,
	VHOST_USER_IOTLB_UPDATE = 2,
	VHOST_USER_IOTLB_INVALIDATE = 3,
};

struct vhost_user_iotlb {
	uint64_t address; /* of the IOMMU */
	uint64_t size;
	uint64_t user_address;
	uint8_t permission; /* bits: the device reads, it writes */
	uint8_t type;
	uint8_t padding[6];
};

#define VHOST_USER_CONFIG_SIZE 60u /* what QEMU asks for */

struct vhost_user_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t bytes[VHOST_USER_CONFIG_SIZE];
};

struct vhost_user_inflight {
	uint64_t size;
	uint64_t offset;
	uint16_t queue_count;
	uint16_t queue_size;
};

/* The part of a queue in the log of requests in flight. */
struct vhost_user_log_state {
	uint8_t in_flight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct vhost_user_log {
	uint64_t features;
	uint16_t version;
	uint16_t count;
	uint16_t last_batch_head;
	uint16_t used_index;
	struct vhost_user_log_state states[];
};

/* The same for a packed ring: an entry for each descriptor. */
struct vhost_user_packed_log_state {
	uint8_t in_flight;
	uint8_t padding;
	uint16_t next;
	uint16_t last;
	uint16_t num;
	uint64_t counter;
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

struct vhost_user_packed_log {
	uint64_t features;
	uint16_t version;
	uint16_t count;
	uint16_t free_head;
	uint16_t old_free_head;
	uint16_t used_index;
	uint16_t old_used_index;
	uint8_t used_wrap;
	uint8_t old_used_wrap;
	uint8_t padding[7];
	struct vhost_user_packed_log_state states[];
};

#endif
