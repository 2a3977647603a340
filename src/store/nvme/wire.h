/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_NVME_WIRE_H
#define PRECARIUM_STORE_NVME_WIRE_H

#include <stdint.h>

/* What a controller and we have agreed on: NVM Express Base 2.0 and NVM Command
 * Set 1.0.  All of it is little-endian, as is every machine that this runs
 * on. */

#define NVME_PAGE      4096u
#define NVME_PCI_CLASS 0x010802u

/* Registers (3.1.3), by their offset. */
enum {
	NVME_CAP = 0x00, /* capabilities, 64 bits */
	NVME_CC = 0x14,
	NVME_CSTS = 0x1c,
	NVME_AQA = 0x24, /* sizes of the admin queues */
	NVME_ASQ = 0x28, /* their addresses, 64 bits each */
	NVME_ACQ = 0x30,
	NVME_DOORBELLS = 0x1000,
};

#define NVME_CC_ENABLE 1u
/* Entries of 64 and 16 bytes; pages of 4 KiB; the NVM command set. */
#define NVME_CC_SETUP	  (4u << 20 | 6u << 16)
#define NVME_CC_SHUT_DOWN (1u << 14)
#define NVME_CSTS_READY	  1u
#define NVME_CSTS_FATAL	  2u
/* How far a shutdown is, and that it is complete. */
#define NVME_CSTS_SHUT_DOWN	(3u << 2)
#define NVME_CSTS_WAS_SHUT_DOWN (2u << 2)

/* A read of a device that is not there any more. */
#define NVME_ALL_ONES 0xffffffffu

enum nvme_admin_opcode {
	NVME_DELETE_SQ = 0x00,
	NVME_CREATE_SQ = 0x01,
	NVME_GET_LOG = 0x02,
	NVME_DELETE_CQ = 0x04,
	NVME_CREATE_CQ = 0x05,
	NVME_IDENTIFY = 0x06,
	NVME_ABORT = 0x08,
	NVME_SET_FEATURES = 0x09,
	NVME_AWAIT_EVENT = 0x0c,
};

enum nvme_opcode {
	NVME_FLUSH = 0x00,
	NVME_WRITE = 0x01,
	NVME_READ = 0x02,
	NVME_WRITE_ZEROES = 0x08,
	NVME_DATASET = 0x09,
};

#define NVME_IDENTIFY_NAMESPACE	 0u
#define NVME_IDENTIFY_CONTROLLER 1u
/* Features. */
#define NVME_QUEUE_COUNT 7u
#define NVME_EVENTS	 11u

/* An event (5.2): its type, what it is, and the log page that tells more and
 * whose reading lets the controller report the next of that type. */
#define NVME_EVENT_TYPE(value) ((value)&7u)
#define NVME_EVENT_IS(value)   ((value) >> 8 & 255u)
#define NVME_EVENT_LOG(value)  ((value) >> 16 & 255u)
#define NVME_EVENT_NOTICE      2u
#define NVME_EVENT_NAMESPACE   0u /* notice: a namespace has changed */
/* … which the feature enables, and the controller may have. */
#define NVME_TELL_NAMESPACES (1u << 8)
#define NVME_ALL_NAMESPACES  0xffffffffu

/* Of a queue's creation: contiguous; with interrupts. */
#define NVME_CONTIGUOUS 1u
#define NVME_INTERRUPTS 2u

/* In dword 12 of a command. */
#define NVME_DURABLE	(1u << 30) /* FUA */
#define NVME_DEALLOCATE (1u << 25) /* of write zeroes */
/* In dword 11 of NVME_DATASET. */
#define NVME_DATASET_DISCARD 4u

/* A block count is stored in 16 bits, less one. */
#define NVME_BLOCKS_MAX 65536u

/* An entry of a submission queue (3.3.3.1). */
struct nvme_command {
	uint8_t opcode;
	uint8_t flags;
	uint16_t slot; /* the command identifier */
	uint32_t namespace;
	uint32_t reserved[4];
	uint64_t data[2]; /* PRP entries */
	uint32_t dword10;
	uint32_t dword11;
	uint32_t dword12;
	uint32_t dword13;
	uint32_t dword14;
	uint32_t dword15;
};
_Static_assert(sizeof(struct nvme_command) == 64, "as the standard has it");

/* An entry of a completion queue (3.3.3.2). */
struct nvme_completion {
	uint32_t value;
	uint32_t reserved;
	uint16_t head; /* of the submission queue */
	uint16_t queue;
	/* The slot; above it the phase, which the controller writes last, and
	 * the status. */
	uint32_t last;
};
_Static_assert(sizeof(struct nvme_completion) == 16, "as the standard has it");

/* A range of NVME_DATASET. */
struct nvme_dataset_range {
	uint32_t attributes;
	uint32_t blocks;
	uint64_t first;
};

/* A status: code in 8 bits, its type in 3, two of retries, more, do not
 * retry. */
#define NVME_STATUS_CODE(status) ((status)&0x7ffu)
#define NVME_DO_NOT_RETRY	 0x4000u

enum nvme_status_code {
	NVME_INVALID_OPCODE = 0x001,
	NVME_INVALID_FIELD = 0x002,
	NVME_ABORTED = 0x007,
	NVME_SQ_DELETED = 0x008,
	NVME_BEYOND_END = 0x080,
	NVME_NO_SPACE = 0x081,
	NVME_WRITE_PROTECTED = 0x020,
	NVME_READ_ONLY_RANGE = 0x182,
};

#endif
