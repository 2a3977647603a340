// SPDX-License-Identifier: MIT
#include "store/nvme/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of a pair's memory: its queues, the lists of the pages of its buffers, and
 * the buffers.  The lists never change, so they are written once. */
#define LISTS	    (2ull * NVME_PAGE)
#define LIST_SIZE   (NVME_BUFFER / NVME_PAGE * 8ull)
#define BUFFERS	    (4ull * NVME_PAGE)
#define MEMORY_SIZE (BUFFERS + (uint64_t)NVME_SLOTS_MAX * NVME_BUFFER)

/* A command that is in flight whenever the controller fails may be why. */
#define DROPS_MAX 3u

_Static_assert(NVME_SLOTS_MAX *LIST_SIZE <= BUFFERS - LISTS,
	       "the lists have two pages");
_Static_assert(NVME_PAGE % LIST_SIZE == 0, "no list crosses a page");

static uint64_t bit(uint32_t slot)
{
	return 1ull << slot;
}

/* Take the lowest slot out of a set that is not empty. */
static uint32_t take_lowest(uint64_t *slots)
{
	uint32_t slot = (uint32_t)__builtin_ctzll(*slots);

	*slots &= *slots - 1;
	return slot;
}

static uint64_t buffer_address(const struct nvme_pair *pair, uint32_t slot)
{
	return pair->address + BUFFERS + (uint64_t)slot * NVME_BUFFER;
}

static void write_lists(struct nvme_pair *pair)
{
	for (uint32_t slot = 0; slot < NVME_SLOTS_MAX; slot++) {
		uint64_t *list = (uint64_t *)(void *)(pair->memory + LISTS +
						      slot * LIST_SIZE);

		for (uint32_t i = 0; i + 1 < NVME_BUFFER / NVME_PAGE; i++)
			list[i] = buffer_address(pair, slot) +
				  (i + 1ull) * NVME_PAGE;
	}
}

static bool take_memory(struct nvme_pair *pair, struct store_error *error)
{
	struct nvme_bus *bus = pair->controller->bus;
	void *at = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (at == MAP_FAILED)
		return store_fail(error, "%s: out of memory", bus->name);
	pair->memory = at;
	if (!bus->ops->map(bus, at, MEMORY_SIZE, &pair->address, error))
		return false;
	write_lists(pair);
	pair->queue.sq = at;
	pair->queue.cq = (void *)(pair->memory + NVME_PAGE);
	pair->queue.sq_address = pair->address;
	pair->queue.cq_address = pair->address + NVME_PAGE;
	nvme_queue_clear(&pair->queue);
	return true;
}

static bool take_vector(struct nvme_pair *pair, struct store_error *error)
{
	struct nvme_bus *bus = pair->controller->bus;

	pair->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pair->fd >= 0 && bus->ops->interrupt(bus, pair->number, pair->fd))
		return true;
	return store_fail(error, "%s: interrupt %u cannot be had: %s",
			  bus->name, pair->number, strerror(errno));
}

bool nvme_pair_open(struct nvme_pair *pair, struct nvme_controller *controller,
		    uint32_t number, struct store_error *error)
{
	memset(pair, 0, sizeof(*pair));
	pair->controller = controller;
	pair->number = number;
	pair->fd = -1;
	pair->guard_fd = -1;
	pair->queue.bus = controller->bus;
	pair->queue.id = number;
	pair->queue.depth = controller->depth;
	pthread_mutex_init(&pair->mutex, NULL);
	if (take_memory(pair, error) && take_vector(pair, error)) {
		if (nvme_controller_add(controller, &pair->queue))
			return true;
		store_fail(error,
			   "%s: queue pair %u cannot be made; expected a "
			   "controller that works",
			   controller->bus->name, number);
	}
	return false;
}

void nvme_pair_close(struct nvme_pair *pair)
{
	if (pair->memory)
		munmap(pair->memory, MEMORY_SIZE);
	if (pair->fd >= 0)
		close(pair->fd);
	pthread_mutex_destroy(&pair->mutex);
}

uint32_t nvme_pair_take(struct nvme_pair *pair)
{
	uint64_t free = ~pair->used & (bit(pair->queue.depth - 1) - 1);
	uint32_t slot;

	if (!free)
		return NVME_SLOTS_MAX;
	slot = take_lowest(&free);
	pair->used |= bit(slot);
	return slot;
}

uint8_t *nvme_pair_buffer(const struct nvme_pair *pair, uint32_t slot)
{
	return pair->memory + BUFFERS + (uint64_t)slot * NVME_BUFFER;
}

void nvme_pair_aim(const struct nvme_pair *pair, uint32_t slot, uint32_t size,
		   struct nvme_command *command)
{
	uint64_t address = buffer_address(pair, slot);

	command->data[0] = address;
	command->data[1] = 0;
	if (size > 2 * NVME_PAGE)
		command->data[1] = pair->address + LISTS + slot * LIST_SIZE;
	else if (size > NVME_PAGE)
		command->data[1] = address + NVME_PAGE;
}

static void drain_fd(int fd)
{
	int error = errno;
	eventfd_t count;

	while (eventfd_read(fd, &count) < 0 && errno == EINTR)
		continue;
	errno = error;
}

/* Under the mutex. */
static void end(struct nvme_pair *pair, uint64_t slots, uint16_t status)
{
	pair->ended |= slots;
	while (slots)
		pair->slots[take_lowest(&slots)].status = status;
}

/* Under the mutex: put what is ready. */
static void put_ready(struct nvme_pair *pair)
{
	int64_t now = nvme_now_ms();

	while (pair->ready) {
		uint32_t slot = take_lowest(&pair->ready);

		pair->slots[slot].since_ms = now;
		pair->slots[slot].asked = false;
		nvme_queue_put(&pair->queue, slot, &pair->slots[slot].command);
	}
	if (!nvme_queue_ring(&pair->queue))
		nvme_signal(pair->guard_fd);
}

void nvme_pair_put(struct nvme_pair *pair, uint64_t slots)
{
	if (!slots)
		return;
	pthread_mutex_lock(&pair->mutex);
	for (uint64_t left = slots; left;) {
		struct nvme_slot *slot = &pair->slots[take_lowest(&left)];

		slot->hurried = false;
		slot->drops = 0;
	}
	if (pair->state == NVME_DEAD) {
		end(pair, slots, NVME_LOST);
		nvme_signal(pair->fd);
	} else {
		pair->ready |= slots;
		if (pair->state == NVME_RUNS)
			put_ready(pair);
	}
	pthread_mutex_unlock(&pair->mutex);
}

/* Under the mutex. */
static void reap_all(struct nvme_pair *pair)
{
	uint32_t slot, value;
	uint16_t status;

	while (nvme_queue_reap(&pair->queue, &slot, &status, &value))
		end(pair, bit(slot), status);
}

uint64_t nvme_pair_collect(struct nvme_pair *pair)
{
	uint64_t ended;

	/* Before looking: what completes later makes it readable again. */
	drain_fd(pair->fd);
	pthread_mutex_lock(&pair->mutex);
	if (pair->state == NVME_RUNS) {
		reap_all(pair);
		nvme_queue_acknowledge(&pair->queue);
	}
	ended = pair->ended;
	pair->ended = 0;
	pthread_mutex_unlock(&pair->mutex);
	return ended;
}

void nvme_pair_hurry(struct nvme_pair *pair, uint64_t slots)
{
	int64_t now = nvme_now_ms();

	pthread_mutex_lock(&pair->mutex);
	while (slots) {
		struct nvme_slot *slot = &pair->slots[take_lowest(&slots)];

		if (!slot->hurried && !slot->asked)
			slot->since_ms = now;
		slot->hurried = true;
	}
	pthread_mutex_unlock(&pair->mutex);
	nvme_signal(pair->guard_fd);
	nvme_signal(pair->fd);
}

/* How late is it? */
static enum nvme_lateness lateness(const struct nvme_slot *slot,
				   const struct nvme_patience *patience,
				   int64_t now)
{
	int64_t age = now - slot->since_ms;

	if (slot->asked)
		return age >= patience->aborted ? NVME_DELETE_QUEUE
						: NVME_IN_TIME;
	return age >= (slot->hurried ? patience->hurried : patience->command)
		       ? NVME_ABORT_IT
		       : NVME_IN_TIME;
}

enum nvme_lateness nvme_pair_late(struct nvme_pair *pair,
				  const struct nvme_patience *patience,
				  uint32_t *slot)
{
	enum nvme_lateness most = NVME_IN_TIME;
	int64_t now = nvme_now_ms();
	uint64_t flying;

	pthread_mutex_lock(&pair->mutex);
	/* What has completed is not late, also if its worker has not looked;
	 * the interrupt has told it. */
	if (pair->state == NVME_RUNS)
		reap_all(pair);
	flying = pair->state == NVME_RUNS ? pair->queue.flying : 0;
	while (flying) {
		uint32_t i = take_lowest(&flying);
		enum nvme_lateness one =
			lateness(&pair->slots[i], patience, now);

		if (one <= most)
			continue;
		most = one;
		*slot = i;
	}
	if (most == NVME_ABORT_IT) {
		pair->slots[*slot].asked = true;
		pair->slots[*slot].since_ms = now;
	}
	pthread_mutex_unlock(&pair->mutex);
	return most;
}

void nvme_pair_halt(struct nvme_pair *pair)
{
	pthread_mutex_lock(&pair->mutex);
	if (pair->state == NVME_RUNS)
		pair->state = NVME_HALTED;
	pthread_mutex_unlock(&pair->mutex);
}

void nvme_pair_quiet(struct nvme_pair *pair)
{
	uint64_t dropped;

	pthread_mutex_lock(&pair->mutex);
	reap_all(pair);
	dropped = pair->queue.flying;
	nvme_queue_clear(&pair->queue);
	while (dropped) {
		uint32_t i = take_lowest(&dropped);
		struct nvme_slot *slot = &pair->slots[i];

		if (slot->asked || slot->hurried || ++slot->drops > DROPS_MAX)
			end(pair, bit(i), NVME_DROPPED);
		else
			pair->ready |= bit(i);
	}
	pthread_mutex_unlock(&pair->mutex);
}

void nvme_pair_run(struct nvme_pair *pair)
{
	pthread_mutex_lock(&pair->mutex);
	if (pair->state == NVME_HALTED) {
		pair->state = NVME_RUNS;
		put_ready(pair);
	}
	pthread_mutex_unlock(&pair->mutex);
	nvme_signal(pair->fd);
}

void nvme_pair_kill(struct nvme_pair *pair)
{
	pthread_mutex_lock(&pair->mutex);
	pair->state = NVME_DEAD;
	end(pair, pair->queue.flying | pair->ready, NVME_LOST);
	pair->queue.flying = 0;
	pair->ready = 0;
	pthread_mutex_unlock(&pair->mutex);
	nvme_signal(pair->fd);
}
