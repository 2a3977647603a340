/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_DEVICE_OWNER_H
#define PRECARIUM_TESTS_DEVICE_OWNER_H

/*
 * Clients whose rings are always full, on stores that answer at once: what each
 * of them gets of a loop can be counted, and depends on no clock.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <precarium/signals_linux.h>

#include "device/device.h"
#include "device/queue.h"
#include "device/release.h"
#include "device/setup.h"
#include "device/turn.h"
#include "tests/expect.h"
#include "virtio/blk_wire.h"

/* Of a queue: so many requests, each of two descriptors, or of three with
 * data. */
#define DEPTH  64u
#define SIZE   256u
#define USER   0x700000u
#define AVAIL  4096u
#define USED   8192u
#define HEADER 12288u
#define STATUS 12352u
#define DATA   16384u
#define PART   32768u /* of a queue */
#define QUEUES 8u

/* A store that reports each transfer in the next reap. */
struct instant {
	struct store store;
	struct store_lane lane;
	struct store_io *first;
	struct store_io **last;
	uint32_t held; /* in the store */
	bool holds;    /* and report none, as long as this is set */
};

static inline struct instant *instant_of(struct store_lane *lane)
{
	return (struct instant *)((char *)lane -
				  offsetof(struct instant, lane));
}

static inline struct store_lane *instant_open(const struct store *store,
					      struct store_error *error)
{
	struct instant *instant = (struct instant *)(uintptr_t)store;

	(void)error;
	instant->lane = (struct store_lane){ .store = store, .fd = -1 };
	instant->last = &instant->first;
	return &instant->lane;
}

static inline void instant_close(struct store_lane *lane)
{
	(void)lane;
}

static inline bool instant_add(struct store_lane *lane, struct store_io *io)
{
	struct instant *instant = instant_of(lane);

	io->next = NULL;
	*instant->last = io;
	instant->last = &io->next;
	instant->held++;
	return true;
}

static inline enum store_left instant_start(struct store_lane *lane)
{
	(void)lane;
	return STORE_NOTHING;
}

static inline struct store_io *instant_reap(struct store_lane *lane)
{
	struct instant *instant = instant_of(lane);
	struct store_io *io = instant->holds ? NULL : instant->first;

	if (!io)
		return NULL;
	instant->first = io->next;
	if (!instant->first)
		instant->last = &instant->first;
	instant->held--;
	io->result = (struct prec_result){ PREC_OK, 0, io->size };
	return io;
}

static inline void instant_cancel(struct store_lane *lane, struct store_io *io)
{
	(void)lane;
	(void)io;
}

static const struct store_ops instant_ops = {
	.lane_open = instant_open,
	.lane_close = instant_close,
	.add = instant_add,
	.start = instant_start,
	.reap = instant_reap,
	.cancel = instant_cancel,
};

/* An export: its store, and what is decided for its clients. */
struct owner {
	struct instant instant;
	struct device_policy policy;
};

struct greedy {
	struct device device;
	struct client_record client;
	uint8_t *memory;
	int fd;
	uint32_t queues;
	uint32_t type; /* VIRTIO_BLK_T_FLUSH, or IN with 4096 bytes */
};

static struct loop loop;
static struct log_group group;

static inline void owner_init(struct owner *owner, const char *name)
{
	memset(owner, 0, sizeof(*owner));
	owner->instant.store = (struct store){
		.ops = &instant_ops,
		.capacity = 1u << 20,
		.block_size = 512,
	};
	owner->policy = (struct device_policy){
		.name = name,
		.store = &owner->instant.store,
		.queues_max = QUEUES,
		.bytes_in_flight_max = 1u << 30,
	};
}

static inline uint16_t greedy_used(const struct greedy *greedy, uint32_t queue)
{
	uint16_t index;

	memcpy(&index, greedy->memory + PART * queue + USED + VIRTQ_USED_IDX,
	       sizeof(index));
	return index;
}

/* Each request that has ended becomes available again. */
static inline void greedy_refill(struct greedy *greedy)
{
	for (uint32_t queue = 0; queue < greedy->queues; queue++) {
		uint16_t index = (uint16_t)(greedy_used(greedy, queue) + DEPTH);

		memcpy(greedy->memory + PART * queue + AVAIL + VIRTQ_AVAIL_IDX,
		       &index, sizeof(index));
	}
}

static inline void greedy_write_rings(struct greedy *greedy, uint32_t queue)
{
	const struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header = { greedy->type, 0, 0 };
	uint8_t *part = greedy->memory + PART * queue;
	bool reads = greedy->type == VIRTIO_BLK_T_IN;
	uint64_t at = (uint64_t)PART * queue;

	memcpy(part + HEADER, &header, sizeof(header));
	for (uint16_t i = 0; i < DEPTH; i++) {
		uint16_t head = (uint16_t)(2 * i);
		const struct virtq_desc desc[2] = {
			{ at + HEADER, 16, VIRTQ_DESC_F_NEXT,
			  (uint16_t)(head + 1) },
			{ at + (reads ? DATA : STATUS), reads ? 4097 : 1,
			  VIRTQ_DESC_F_WRITE, 0 },
		};

		memcpy(part + VIRTQ_DESC_SIZE * head, desc, sizeof(desc));
	}
	for (uint32_t i = 0; i < SIZE; i++) {
		uint16_t head = (uint16_t)(2 * (i % DEPTH));

		memcpy(part + AVAIL + VIRTQ_AVAIL_RING + 2u * i, &head,
		       sizeof(head));
	}
}

static inline void greedy_set_up(struct greedy *greedy, uint32_t index)
{
	struct queue *queue = device_queue(&greedy->device, index);
	const uint64_t at = USER + (uint64_t)PART * index;
	const struct ring_addr addr = {
		.descriptors = at,
		.available = at + AVAIL,
		.used = at + USED,
	};
	const char *why;

	greedy_write_rings(greedy, index);
	MUST(queue_set_num(queue, SIZE, &why));
	MUST(queue_set_base(queue, 0, &why));
	MUST(queue_set_addr(queue, &addr, &why));
	MUST(queue_set_kick(queue, eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK),
			    &why));
	queue_enable(queue, true);
}

static inline void greedy_open(struct greedy *greedy, const struct owner *owner,
			       uint32_t queues, uint32_t type)
{
	const struct memory_entry entry = { .size = PART * queues,
					    .user = USER };
	const struct memory_admission admission = { .regions_max = 8 };
	const char *why = "";

	memset(greedy, 0, sizeof(*greedy));
	greedy->queues = queues;
	greedy->type = type;
	client_init(&greedy->client, owner->policy.name, &group);
	__atomic_fetch_add(&loop.devices, 1, __ATOMIC_RELAXED);
	MUST(device_open(&greedy->device, &loop, &owner->policy,
			 &greedy->client) == NULL);
	device_set_features(&greedy->device, 1ull << VIRTIO_BLK_F_FLUSH);
	greedy->fd = memfd_create("lent", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	MUST(greedy->fd >= 0 && ftruncate(greedy->fd, PART * queues) == 0);
	greedy->memory = mmap(NULL, PART * queues, PROT_READ | PROT_WRITE,
			      MAP_SHARED, greedy->fd, 0);
	MUST(greedy->memory != MAP_FAILED);
	memset(greedy->memory, 0, PART * queues);
	MUST(memory_add(greedy->device.memory, &entry, greedy->fd, &admission,
			&why));
	device_memory_changed(&greedy->device);
	for (uint32_t i = 0; i < queues; i++)
		greedy_set_up(greedy, i);
}

static inline void greedy_close(struct greedy *greedy)
{
	device_end(&greedy->device, "the test ends");
	device_abort(&greedy->device);
	while (device_in_flight(&greedy->device))
		turn_serve(&loop);
	device_close(&greedy->device);
	__atomic_fetch_sub(&loop.devices, 1, __ATOMIC_RELAXED);
	munmap(greedy->memory, PART * greedy->queues);
	close(greedy->fd);
}

static inline uint64_t greedy_served(const struct greedy *greedy)
{
	return greedy->client.counters.requests;
}

static inline void owners_begin(void)
{
	const char *what;

	MUST(prec_fault_install() == PREC_OK);
	MUST(release_start());
	MUST(loop_open(&loop, POLLING_ALWAYS, &what));
	log_group_init(&group, 64, 8);
}

#endif
