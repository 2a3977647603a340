/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_STORE_FAKE_NVME_H
#define PRECARIUM_TESTS_STORE_FAKE_NVME_H

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/nvme/guard.h"
#include "store/nvme/nvme.h"
#include "tests/expect.h"

/*
 * A controller in this process, which carries out commands when its doorbell is
 * rung.  What it says of itself are bytes that a test may change, and it can be
 * told to be bad in many ways.  It is strict about what it is told: addresses
 * that were never given to it end the test.  Whoever changes it while other
 * threads use it holds its mutex.
 */
#define FAKE_PAIRS  8u /* with the admin queues */
#define FAKE_MAPS   16u
#define FAKE_HELD   256u
#define FAKE_LENT   64u
#define FAKE_BLOCKS 2048u
/* Where it finds the memory of a mapping; far from any address of ours. */
#define FAKE_ADDRESS(i) (0x7000000000ull + (i)*0x100000000ull)

/* What it does with a command of an I/O queue. */
enum fake_manner {
	FAKE_GOOD,
	FAKE_HOLDS,  /* carries it out when it is let go: fake_let_go */
	FAKE_LOSES,  /* never completes it; forgets it when its queue goes */
	FAKE_STUCK,  /* as FAKE_LOSES, and its queue cannot be deleted */
	FAKE_DEAF,   /* as FAKE_STUCK, and the controller cannot be disabled */
	FAKE_BROKEN, /* as FAKE_DEAF, and a reset by its bus does not help */
};

struct fake_queue {
	uint64_t sq, cq; /* 0: not made */
	uint32_t size;
	uint32_t head; /* of the submission queue */
	uint32_t tail; /* of the completion queue */
	uint32_t phase;
	int fd; /* of the interrupt; -1: none */
};

struct fake_held {
	uint32_t queue; /* 0: free */
	struct nvme_command command;
};

struct fake {
	struct nvme_bus bus;
	pthread_mutex_t mutex;
	uint64_t cap;
	uint32_t cc, csts, aqa;
	uint64_t asq, acq;
	uint8_t identity[NVME_PAGE];
	uint8_t space[NVME_PAGE];
	uint32_t granted; /* pairs for I/O */
	uint32_t block;
	uint8_t *disk;
	enum fake_manner manner;
	int32_t loses;	  /* commands that `manner` is for; -1: all */
	uint16_t status;  /* of I/O commands; 0: as they should end */
	uint32_t failing; /* … so many of them */
	bool gone;	  /* pulled out */
	bool closed;
	bool aborts;	     /* Abort ends a command that it has lost */
	bool lies;	     /* completes each command with nonsense before */
	uint32_t zeroes_max; /* blocks; more are an invalid field */
	int removed[2];	     /* a pipe */
	struct {
		uint8_t *at;
		uint64_t size;
	} maps[FAKE_MAPS];
	uint32_t map_count;
	/* Memory of clients, by its address; 0: none. */
	struct {
		uint64_t iova;
		uint8_t *at;
		uint64_t size;
		uint32_t rights;
	} lent[FAKE_LENT];
	uint32_t lent_used; /* pages that were found there */
	bool refuses;	    /* memory that is lent */
	bool faults; /* lookups of what is gone, which are counted in … */
	uint32_t faulted;
	bool awaited; /* a command waits for an event, in … */
	uint16_t await_slot;
	bool masked;	/* … and none is reported until its log was read */
	uint32_t tells; /* the events that it was asked to report */
	struct fake_queue queues[FAKE_PAIRS];
	struct fake_held held[FAKE_HELD];
	/* What it was asked for. */
	uint32_t commands[256]; /* of I/O queues, by opcode */
	uint32_t durable;
	uint32_t deallocated;
	uint32_t largest; /* bytes of one command */
};

static inline struct fake *fake_of(struct nvme_bus *bus)
{
	return (struct fake *)bus;
}

/* The memory at an address that it was given. */
static inline uint8_t *fake_at(struct fake *fake, uint64_t address,
			       uint64_t size)
{
	for (uint32_t i = 0; i < fake->map_count; i++) {
		uint64_t offset = address - FAKE_ADDRESS(i);

		if (address >= FAKE_ADDRESS(i) && offset < fake->maps[i].size &&
		    size <= fake->maps[i].size - offset)
			return fake->maps[i].at + offset;
	}
	for (uint32_t i = 0; i < FAKE_LENT; i++) {
		uint64_t offset = address - fake->lent[i].iova;

		if (!fake->lent[i].iova || address < fake->lent[i].iova ||
		    offset >= fake->lent[i].size)
			continue;
		fake->lent_used++;
		return fake->lent[i].at + offset;
	}
	/* An access that the IOMMU has blocked goes nowhere. */
	if (fake->faults && address < FAKE_ADDRESS(0)) {
		static _Alignas(NVME_PAGE) uint8_t nowhere[NVME_PAGE];

		fake->faulted++;
		return nowhere + address % NVME_PAGE;
	}
	fprintf(stderr, "the controller was told 0x%llx, of %llu bytes\n",
		(unsigned long long)address, (unsigned long long)size);
	abort();
}

static inline void fake_complete(struct fake *fake, uint32_t number,
				 uint16_t slot, uint16_t status, uint32_t value)
{
	struct fake_queue *queue = &fake->queues[number];
	struct nvme_completion *entry = (void *)fake_at(
		fake, queue->cq + queue->tail * sizeof(*entry), sizeof(*entry));

	entry->value = value;
	entry->head = (uint16_t)queue->head;
	entry->queue = (uint16_t)number;
	__atomic_store_n(&entry->last,
			 (uint32_t)status << 17 | queue->phase << 16 | slot,
			 __ATOMIC_RELEASE);
	queue->tail = (queue->tail + 1) % queue->size;
	if (queue->tail == 0)
		queue->phase ^= 1;
	if (number && queue->fd >= 0)
		MUST(eventfd_write(queue->fd, 1) == 0);
}

/* Byte `at` of the data of a command (4.1.1 of the standard: only the first
 * entry has an offset, and a list does not cross a page here). */
static inline uint8_t *fake_data(struct fake *fake,
				 const struct nvme_command *command,
				 uint32_t bytes, uint32_t at)
{
	uint64_t first = NVME_PAGE - command->data[0] % NVME_PAGE, entry;
	uint64_t page = at < first ? 0 : (at - first) / NVME_PAGE + 1;
	uint64_t inside = at < first ? command->data[0] % NVME_PAGE + at
				     : (at - first) % NVME_PAGE;

	if (page == 0)
		return fake_at(fake, command->data[0] + at, 1);
	entry = command->data[1];
	if (bytes > first + NVME_PAGE) {
		MUST(entry % 8 == 0 &&
		     entry % NVME_PAGE + page * 8 <= NVME_PAGE);
		entry = *(uint64_t *)(void *)fake_at(fake,
						     entry + (page - 1) * 8, 8);
	}
	MUST(entry % NVME_PAGE == 0);
	return fake_at(fake, entry + inside, 1);
}

static inline void fake_move(struct fake *fake,
			     const struct nvme_command *command, uint8_t *disk,
			     uint32_t bytes, bool to_disk)
{
	for (uint32_t at = 0; at < bytes;) {
		uint8_t *memory = fake_data(fake, command, bytes, at);
		uint32_t step =
			NVME_PAGE - (uint32_t)((uintptr_t)memory % NVME_PAGE);

		step = step < bytes - at ? step : bytes - at;
		if (to_disk)
			memcpy(disk + at, memory, step);
		else
			memcpy(memory, disk + at, step);
		at += step;
	}
}

static inline uint16_t fake_discard(struct fake *fake,
				    const struct nvme_command *command)
{
	uint32_t count = (command->dword10 & 255) + 1;
	uint32_t bytes = count * (uint32_t)sizeof(struct nvme_dataset_range);

	for (uint32_t i = 0; i < count; i++) {
		struct nvme_dataset_range range;

		fake_move(fake, command, NULL, 0, true);
		memcpy(&range,
		       fake_data(fake, command, bytes,
				 i * (uint32_t)sizeof(range)),
		       sizeof(range));
		if (range.first > FAKE_BLOCKS ||
		    range.blocks > FAKE_BLOCKS - range.first)
			return NVME_BEYOND_END;
		memset(fake->disk + range.first * fake->block, 0xdd,
		       (size_t)range.blocks * fake->block);
	}
	return 0;
}

/* Carry out a command of an I/O queue. */
static inline uint16_t fake_do(struct fake *fake,
			       const struct nvme_command *command)
{
	uint64_t first = command->dword10 | (uint64_t)command->dword11 << 32;
	uint64_t blocks = (command->dword12 & 0xffff) + 1;
	uint8_t *disk;

	fake->commands[command->opcode]++;
	if (command->dword12 & NVME_DURABLE)
		fake->durable++;
	if (fake->status && fake->failing) {
		fake->failing--;
		return fake->status;
	}
	if (command->namespace != 1)
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	if (command->opcode == NVME_FLUSH)
		return 0;
	if (command->opcode == NVME_DATASET)
		return fake_discard(fake, command);
	if (first > FAKE_BLOCKS || blocks > FAKE_BLOCKS - first)
		return NVME_BEYOND_END | NVME_DO_NOT_RETRY;
	disk = fake->disk + first * fake->block;
	if (blocks * fake->block > fake->largest &&
	    command->opcode != NVME_WRITE_ZEROES)
		fake->largest = (uint32_t)(blocks * fake->block);
	switch (command->opcode) {
	case NVME_READ:
	case NVME_WRITE:
		fake_move(fake, command, disk, (uint32_t)(blocks * fake->block),
			  command->opcode == NVME_WRITE);
		return 0;
	case NVME_WRITE_ZEROES:
		if (blocks > fake->zeroes_max)
			return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
		if (command->dword12 & NVME_DEALLOCATE)
			fake->deallocated++;
		memset(disk, 0, blocks * fake->block);
		return 0;
	default:
		return NVME_INVALID_OPCODE | NVME_DO_NOT_RETRY;
	}
}

static inline void fake_hold(struct fake *fake, uint32_t queue,
			     const struct nvme_command *command)
{
	uint32_t i = 0;

	while (i < FAKE_HELD && fake->held[i].queue)
		i++;
	MUST(i < FAKE_HELD);
	fake->held[i] = (struct fake_held){ queue, *command };
}

/* Carry out what was held, the latest first, so that order is not kept. */
static inline void fake_let_go(struct fake *fake)
{
	for (uint32_t i = FAKE_HELD; i-- > 0;) {
		struct fake_held one = fake->held[i];

		fake->held[i].queue = 0;
		if (one.queue)
			fake_complete(fake, one.queue, one.command.slot,
				      fake_do(fake, &one.command), 0);
	}
}

/* Return how many it forgets. */
static inline uint32_t fake_forget(struct fake *fake, uint32_t queue)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < FAKE_HELD; i++) {
		if (!fake->held[i].queue ||
		    (queue && fake->held[i].queue != queue))
			continue;
		fake->held[i].queue = 0;
		count++;
	}
	return count;
}

static inline uint16_t fake_delete(struct fake *fake, uint32_t number,
				   bool completion)
{
	struct fake_queue *queue = &fake->queues[number % FAKE_PAIRS];

	if (!number || number >= FAKE_PAIRS || !queue->cq)
		return NVME_INVALID_FIELD;
	if (!completion && fake->manner >= FAKE_STUCK)
		return NVME_INVALID_FIELD;
	if (completion) {
		MUST(!queue->sq);
		queue->cq = 0;
	} else {
		fake_forget(fake, number);
		queue->sq = 0;
	}
	return 0;
}

static inline uint16_t fake_create(struct fake *fake,
				   const struct nvme_command *command)
{
	uint32_t number = command->dword10 & 0xffff;
	struct fake_queue *queue = &fake->queues[number % FAKE_PAIRS];
	uint32_t size = (command->dword10 >> 16) + 1;

	if (!number || number > fake->granted || number >= FAKE_PAIRS ||
	    size > (fake->cap & 0xffff) + 1)
		return NVME_INVALID_FIELD;
	if (command->opcode == NVME_CREATE_CQ) {
		MUST(!queue->cq && command->dword11 >> 16 == number);
		queue->cq = command->data[0];
		queue->size = size;
		queue->tail = 0;
		queue->phase = 1;
		return 0;
	}
	MUST(queue->cq && !queue->sq && size == queue->size);
	queue->sq = command->data[0];
	queue->head = 0;
	return 0;
}

static inline uint32_t fake_abort(struct fake *fake, uint32_t what)
{
	for (uint32_t i = 0; i < FAKE_HELD; i++) {
		if (fake->held[i].queue != (what & 0xffff) ||
		    fake->held[i].command.slot != what >> 16 || !fake->aborts)
			continue;
		fake->held[i].queue = 0;
		fake_complete(fake, what & 0xffff, (uint16_t)(what >> 16),
			      NVME_ABORTED, 0);
		return 0;
	}
	return 1;
}

static inline void fake_admin(struct fake *fake,
			      const struct nvme_command *command)
{
	uint16_t status = 0;
	uint32_t value = 0;

	switch (command->opcode) {
	case NVME_IDENTIFY:
		if (command->dword10 == NVME_IDENTIFY_CONTROLLER)
			memcpy(fake_at(fake, command->data[0], NVME_PAGE),
			       fake->identity, NVME_PAGE);
		else if (command->namespace > 4)
			status = NVME_INVALID_FIELD;
		else if (command->namespace == 1)
			memcpy(fake_at(fake, command->data[0], NVME_PAGE),
			       fake->space, NVME_PAGE);
		break;
	case NVME_AWAIT_EVENT:
		MUST(!fake->awaited);
		fake->awaited = true;
		fake->await_slot = command->slot;
		return;
	case NVME_GET_LOG:
		MUST((command->dword10 & 0xff) == 4);
		MUST(fake_at(fake, command->data[0], NVME_PAGE));
		fake->masked = false;
		break;
	case NVME_SET_FEATURES:
		if (command->dword10 == NVME_EVENTS) {
			fake->tells = command->dword11;
			break;
		}
		value = (fake->granted - 1) << 16 | (fake->granted - 1);
		break;
	case NVME_CREATE_CQ:
	case NVME_CREATE_SQ:
		status = fake_create(fake, command);
		break;
	case NVME_DELETE_SQ:
	case NVME_DELETE_CQ:
		status = fake_delete(fake, command->dword10,
				     command->opcode == NVME_DELETE_CQ);
		break;
	case NVME_ABORT:
		value = fake_abort(fake, command->dword10);
		break;
	default:
		status = NVME_INVALID_OPCODE;
	}
	fake_complete(fake, 0, command->slot, status, value);
}

/* Its namespace has now so many blocks, of 2^log2 bytes.  True: that was
 * reported. */
static inline bool fake_change(struct fake *fake, uint64_t blocks, uint8_t log2)
{
	bool told;

	pthread_mutex_lock(&fake->mutex);
	memcpy(fake->space, &blocks, sizeof(blocks));
	fake->space[130] = log2;
	told = fake->awaited && !fake->masked &&
	       (fake->tells & NVME_TELL_NAMESPACES);
	if (told) {
		fake->awaited = false;
		fake->masked = true;
		fake_complete(fake, 0, fake->await_slot, 0,
			      NVME_EVENT_NOTICE | 4 << 16);
	}
	pthread_mutex_unlock(&fake->mutex);
	return told;
}

/* A completion of no command: of slots that are not in flight. */
static inline void fake_lie(struct fake *fake, uint32_t number, uint16_t slot)
{
	static const uint16_t slots[] = { 62, 63, 64, 1000, 0xffff };
	uint16_t lie = slots[slot % 5];

	if (lie != slot)
		fake_complete(fake, number, lie, 0, 0);
}

static inline void fake_rung(struct fake *fake, uint32_t number, uint32_t tail)
{
	struct fake_queue *queue = &fake->queues[number];

	MUST(queue->sq && tail < queue->size);
	while (queue->head != tail) {
		struct nvme_command command;

		memcpy(&command,
		       fake_at(fake, queue->sq + queue->head * sizeof(command),
			       sizeof(command)),
		       sizeof(command));
		queue->head = (queue->head + 1) % queue->size;
		if (number == 0) {
			fake_admin(fake, &command);
			continue;
		}
		if (fake->lies)
			fake_lie(fake, number, command.slot);
		if (fake->manner != FAKE_GOOD && fake->loses != 0) {
			fake->loses -= fake->loses > 0;
			fake_hold(fake, number, &command);
			continue;
		}
		fake_complete(fake, number, command.slot,
			      fake_do(fake, &command), 0);
	}
}

static inline bool fake_load(struct nvme_bus *bus, uint32_t offset,
			     uint32_t *value)
{
	struct fake *fake = fake_of(bus);
	bool there;

	pthread_mutex_lock(&fake->mutex);
	MUST(!fake->closed);
	there = !fake->gone;
	*value = offset == NVME_CAP	  ? (uint32_t)fake->cap
		 : offset == NVME_CAP + 4 ? (uint32_t)(fake->cap >> 32)
		 : offset == NVME_CC	  ? fake->cc
		 : offset == NVME_CSTS	  ? fake->csts
					  : 0;
	pthread_mutex_unlock(&fake->mutex);
	return there;
}

static inline void fake_drop_queues(struct fake *fake)
{
	fake_forget(fake, 0);
	fake->awaited = false;
	fake->masked = false;
	for (uint32_t i = 0; i < FAKE_PAIRS; i++) {
		fake->queues[i].sq = 0;
		fake->queues[i].cq = 0;
	}
}

static inline void fake_enable(struct fake *fake)
{
	fake->queues[0] = (struct fake_queue){
		.sq = fake->asq,
		.cq = fake->acq,
		.size = (fake->aqa & 0xffff) + 1,
		.phase = 1,
		.fd = -1,
	};
	fake->csts = NVME_CSTS_READY;
}

static inline void fake_control(struct fake *fake, uint32_t value)
{
	bool was = fake->cc & NVME_CC_ENABLE, is = value & NVME_CC_ENABLE;

	fake->cc = value;
	if (value & NVME_CC_SHUT_DOWN)
		fake->csts |= NVME_CSTS_WAS_SHUT_DOWN;
	if (was && !is && fake->manner < FAKE_DEAF) {
		fake_drop_queues(fake);
		fake->csts = 0;
	} else if (!was && is && fake->csts == 0) {
		fake_enable(fake);
	}
}

static inline void fake_set64(uint64_t *to, bool high, uint32_t value)
{
	*to = high ? (*to & 0xffffffff) | (uint64_t)value << 32
		   : (*to & ~0xffffffffull) | value;
}

static inline void fake_set(struct fake *fake, uint32_t offset, uint32_t value)
{
	uint32_t stride = 4u << (fake->cap >> 32 & 15);
	uint32_t doorbell = (offset - NVME_DOORBELLS) / stride;

	MUST(offset % 4 == 0 && offset <= fake->bus.size - 4);
	if (offset == NVME_CC)
		fake_control(fake, value);
	else if (offset == NVME_AQA)
		fake->aqa = value;
	else if (offset == NVME_ASQ || offset == NVME_ASQ + 4)
		fake_set64(&fake->asq, offset != NVME_ASQ, value);
	else if (offset == NVME_ACQ || offset == NVME_ACQ + 4)
		fake_set64(&fake->acq, offset != NVME_ACQ, value);
	else if (offset >= NVME_DOORBELLS && doorbell % 2 == 0 &&
		 doorbell / 2 < FAKE_PAIRS)
		fake_rung(fake, doorbell / 2, value);
	else
		MUST(offset >= NVME_DOORBELLS && doorbell / 2 < FAKE_PAIRS &&
		     value < fake->queues[doorbell / 2].size);
}

static inline bool fake_store(struct nvme_bus *bus, uint32_t offset,
			      uint32_t value)
{
	struct fake *fake = fake_of(bus);
	bool there;

	pthread_mutex_lock(&fake->mutex);
	MUST(!fake->closed);
	there = !fake->gone;
	if (there)
		fake_set(fake, offset, value);
	pthread_mutex_unlock(&fake->mutex);
	return there;
}

static inline bool fake_map(struct nvme_bus *bus, void *at, uint64_t size,
			    uint64_t *address, struct store_error *error)
{
	struct fake *fake = fake_of(bus);

	(void)error;
	pthread_mutex_lock(&fake->mutex);
	MUST(fake->map_count < FAKE_MAPS);
	fake->maps[fake->map_count].at = at;
	fake->maps[fake->map_count].size = size;
	*address = FAKE_ADDRESS(fake->map_count++);
	pthread_mutex_unlock(&fake->mutex);
	return true;
}

static inline bool fake_lend(struct nvme_bus *bus,
			     const struct iommu_mapping *mapping)
{
	struct fake *fake = fake_of(bus);
	uint32_t i = 0;

	pthread_mutex_lock(&fake->mutex);
	while (i < FAKE_LENT && fake->lent[i].iova)
		i++;
	MUST(i < FAKE_LENT && mapping->size % NVME_PAGE == 0);
	if (!fake->refuses) {
		fake->lent[i].iova = mapping->iova;
		fake->lent[i].at = (uint8_t *)(uintptr_t)mapping->host;
		fake->lent[i].size = mapping->size;
		fake->lent[i].rights = mapping->rights;
	}
	pthread_mutex_unlock(&fake->mutex);
	return !fake->refuses;
}

static inline uint64_t fake_take_back(struct nvme_bus *bus, uint64_t iova,
				      uint64_t size)
{
	struct fake *fake = fake_of(bus);
	uint64_t taken = 0;

	pthread_mutex_lock(&fake->mutex);
	for (uint32_t i = 0; i < FAKE_LENT; i++) {
		if (fake->lent[i].iova != iova)
			continue;
		taken = fake->lent[i].size;
		fake->lent[i].iova = 0;
	}
	pthread_mutex_unlock(&fake->mutex);
	MUST(taken == size);
	return taken;
}

/* How much it reaches of clients. */
static inline uint32_t fake_lent(struct fake *fake)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < FAKE_LENT; i++)
		count += fake->lent[i].iova != 0;
	return count;
}

static inline bool fake_interrupt(struct nvme_bus *bus, uint32_t vector, int fd)
{
	struct fake *fake = fake_of(bus);

	MUST(vector > 0 && vector < FAKE_PAIRS);
	pthread_mutex_lock(&fake->mutex);
	fake->queues[vector].fd = fd;
	pthread_mutex_unlock(&fake->mutex);
	return true;
}

static inline bool fake_reset(struct nvme_bus *bus)
{
	struct fake *fake = fake_of(bus);
	bool good;

	pthread_mutex_lock(&fake->mutex);
	good = !fake->gone && fake->manner != FAKE_BROKEN;
	if (good) {
		fake_drop_queues(fake);
		fake->manner = FAKE_GOOD;
		fake->cc = 0;
		fake->csts = 0;
	}
	pthread_mutex_unlock(&fake->mutex);
	return good;
}

static inline void fake_close(struct nvme_bus *bus)
{
	pthread_mutex_lock(&fake_of(bus)->mutex);
	MUST(!fake_of(bus)->closed);
	fake_of(bus)->closed = true;
	pthread_mutex_unlock(&fake_of(bus)->mutex);
}

static const struct nvme_bus_ops fake_ops = {
	.load = fake_load,
	.store = fake_store,
	.map = fake_map,
	.lend = fake_lend,
	.take_back = fake_take_back,
	.interrupt = fake_interrupt,
	.reset = fake_reset,
	.close = fake_close,
};

static inline void fake_put(uint8_t *page, uint32_t at, uint64_t value,
			    uint32_t bytes)
{
	memcpy(page + at, &value, bytes);
}

/* A good one, with blocks of `block` bytes; 2^mdts pages in a command. */
static inline void fake_begin(struct fake *fake, uint32_t block, uint8_t mdts)
{
	static const struct iova_range addresses = { 0, 0x3fffffffff };

	memset(fake, 0, sizeof(*fake));
	pthread_mutex_init(&fake->mutex, NULL);
	fake->bus = (struct nvme_bus){ &fake_ops, "0000:00:04.0",
				       8192,	  FAKE_PAIRS,
				       -1,	  iova_new(&addresses, 1) };
	MUST(fake->bus.addresses);
	/* 64 entries; half a second to become ready; the NVM command set. */
	fake->cap = 63 | 1ull << 37;
	fake->granted = FAKE_PAIRS - 1;
	fake->block = block;
	fake->disk = calloc(FAKE_BLOCKS, block);
	MUST(fake->disk && pipe(fake->removed) == 0);
	fake->bus.removed_fd = fake->removed[0];
	fake->loses = -1;
	fake->zeroes_max = NVME_BLOCKS_MAX;
	memcpy(fake->identity + 24, "a fake", 6);
	memset(fake->identity + 30, ' ', 34);
	fake->identity[77] = mdts;
	fake->identity[512] = 0x66;
	fake->identity[513] = 0x44;
	fake_put(fake->identity, 516, 4, 4);
	fake_put(fake->identity, 520, 4 | 8, 2);
	fake_put(fake->identity, 92, NVME_TELL_NAMESPACES, 4);
	fake->identity[525] = 1;
	fake_put(fake->space, 0, FAKE_BLOCKS, 8);
	fake_put(fake->space, 128, (block == 512 ? 9 : 12) << 16, 4);
	fake->space[33] = 9;
}

static inline void fake_end(struct fake *fake)
{
	MUST(fake->closed);
	pthread_mutex_destroy(&fake->mutex);
	free(fake->disk);
	close(fake->removed[0]);
	close(fake->removed[1]);
}

static inline struct store *fake_open(struct fake *fake)
{
	struct store_error error;
	struct store *store = nvme_open_on(&fake->bus, 1, false, &error);

	if (!store)
		printf("%s\n", error.text);
	MUST(store);
	return store;
}

static inline struct prec_span fake_span(void *memory, uint64_t size)
{
	return (struct prec_span){
		.host = (uint64_t)(uintptr_t)memory,
		.size = size,
		.index = PREC_NONE,
		.rights = PREC_READ | PREC_WRITE,
	};
}

/* Lend all this to a lane, and wait until the controller reaches it; or until
 * it is refused. */
static inline void fake_settle(struct store_lane *lane, uint32_t count)
{
	struct nvme_store *nvme = (struct nvme_store *)(uintptr_t)lane->store;

	while (count > 0) {
		while (nvme_guard_map(nvme))
			continue;
		while (lane->store->ops->settled(lane))
			count--;
	}
}

/* One turn: what has ended is counted. */
static inline uint32_t fake_turn(struct store_lane *lane)
{
	uint32_t ended = 0;

	lane->store->ops->start(lane);
	while (lane->store->ops->reap(lane))
		ended++;
	lane->store->ops->start(lane);
	return ended;
}

/* Turns until so many have ended.  A controller that carries commands out at
 * once needs few. */
static inline void fake_run(struct store_lane *lane, uint32_t count)
{
	uint32_t turns = 0;

	while (count > 0) {
		uint32_t ended = fake_turn(lane);

		MUST(ended <= count && ++turns < 10000);
		count -= ended;
	}
}

#endif
