// SPDX-License-Identifier: MIT
#include "store/nvme/controller.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>

/* The admin queue has as many entries as the others have at most. */
#define ADMIN_DEPTH NVME_DEPTH_MAX
#define MEMORY_SIZE (3ull * NVME_PAGE)

/* The slot of the command that completes when something has happened. */
#define EVENT_SLOT (ADMIN_DEPTH - 2)
#define LOG_SIZE   512u

/* Lanes of one store: more workers than a server may have. */
#define PAIRS_MAX 64u

int64_t nvme_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void nvme_signal(int fd)
{
	int error = errno;

	while (eventfd_write(fd, 1) < 0 && errno == EINTR)
		continue;
	errno = error;
}

static void wait_us(long us)
{
	const struct timespec moment = { 0, us * 1000 };

	nanosleep(&moment, NULL);
}

static bool load(const struct nvme_controller *controller, uint32_t offset,
		 uint32_t *value)
{
	return controller->bus->ops->load(controller->bus, offset, value);
}

static bool store(const struct nvme_controller *controller, uint32_t offset,
		  uint32_t value)
{
	return controller->bus->ops->store(controller->bus, offset, value);
}

static bool store_address(const struct nvme_controller *controller,
			  uint32_t offset, uint64_t value)
{
	return store(controller, offset, (uint32_t)value) &&
	       store(controller, offset + 4, (uint32_t)(value >> 32));
}

/* Wait until these bits of its status are so.  One that has failed does not
 * become ready. */
static bool wait_for(const struct nvme_controller *controller, uint32_t bits,
		     uint32_t wanted)
{
	int64_t end = nvme_now_ms() + controller->timeout_ms;
	uint32_t status = 0;

	for (;;) {
		if (!load(controller, NVME_CSTS, &status) ||
		    status == NVME_ALL_ONES ||
		    (wanted && (status & NVME_CSTS_FATAL)))
			return false;
		if ((status & bits) == wanted)
			return true;
		if (nvme_now_ms() > end)
			return false;
		wait_us(200);
	}
}

static bool disable(const struct nvme_controller *controller)
{
	uint32_t now;

	if (!load(controller, NVME_CC, &now) || now == NVME_ALL_ONES)
		return false;
	/* One that is being enabled must be ready before it is disabled. */
	if (now & NVME_CC_ENABLE)
		wait_for(controller, NVME_CSTS_READY, NVME_CSTS_READY);
	return store(controller, NVME_CC, now & ~NVME_CC_ENABLE) &&
	       wait_for(controller, NVME_CSTS_READY, 0);
}

bool nvme_controller_is_well(const struct nvme_controller *controller)
{
	uint32_t status;

	return load(controller, NVME_CSTS, &status) &&
	       status != NVME_ALL_ONES && !(status & NVME_CSTS_FATAL);
}

static void set_doorbells(const struct nvme_controller *controller,
			  struct nvme_queue *queue)
{
	queue->doorbells[0] =
		NVME_DOORBELLS + 2 * queue->id * controller->stride;
	queue->doorbells[1] = queue->doorbells[0] + controller->stride;
}

/* Return the number of a free slot.  EVENT_SLOT: the controller has not
 * answered sixty commands. */
static uint32_t free_slot(const struct nvme_queue *queue)
{
	uint32_t slot = 0;

	while (slot < EVENT_SLOT && nvme_queue_flies(queue, slot))
		slot++;
	return slot;
}

/* A command of the admin queue has ended, which nobody waits for any more: one
 * that was late, or the one that waits for an event. */
static void ended_alone(struct nvme_controller *controller, uint32_t slot,
			uint16_t status, uint32_t value)
{
	/* One that failed is not put again: the controller reports nothing. */
	if (slot != EVENT_SLOT || status != 0)
		return;
	controller->happened = true;
	controller->event = value;
}

static int carry_out(struct nvme_controller *controller,
		     const struct nvme_command *command, uint32_t *value)
{
	int64_t end = nvme_now_ms() + controller->admin_ms;
	struct nvme_queue *queue = &controller->admin;
	uint32_t slot = free_slot(queue), done, said;
	uint16_t status;
	long us = 20;

	if (slot == EVENT_SLOT)
		return NVME_LATE;
	nvme_queue_put(queue, slot, command);
	if (!nvme_queue_ring(queue))
		return NVME_GONE;
	for (;;) {
		/* One that was late may complete now. */
		while (nvme_queue_reap(queue, &done, &status, &said)) {
			nvme_queue_acknowledge(queue);
			if (done != slot) {
				ended_alone(controller, done, status, said);
				continue;
			}
			if (value)
				*value = said;
			return status;
		}
		if (nvme_now_ms() >= end)
			return NVME_LATE;
		wait_us(us);
		us = us < 1000 ? 2 * us : us;
	}
}

int nvme_controller_admin(struct nvme_controller *controller,
			  const struct nvme_command *command, uint32_t *value)
{
	int got;

	pthread_mutex_lock(&controller->mutex);
	got = carry_out(controller, command, value);
	pthread_mutex_unlock(&controller->mutex);
	return got;
}

static const char *page_of(const struct nvme_controller *controller)
{
	return (const char *)controller->memory + 2ull * NVME_PAGE;
}

/* Fill in the caller's page. */
static bool identify(struct nvme_controller *controller, uint32_t what,
		     uint32_t number, uint8_t page[NVME_PAGE],
		     struct store_error *error)
{
	struct nvme_command command = {
		.opcode = NVME_IDENTIFY,
		.namespace = number,
		.data = { controller->address + 2ull * NVME_PAGE },
		.dword10 = what,
	};
	int got;

	pthread_mutex_lock(&controller->mutex);
	memset(controller->memory + 2ull * NVME_PAGE, 0, NVME_PAGE);
	got = carry_out(controller, &command, NULL);
	memcpy(page, page_of(controller), NVME_PAGE);
	pthread_mutex_unlock(&controller->mutex);
	if (got == 0)
		return true;
	if (what == NVME_IDENTIFY_NAMESPACE && got > 0)
		return store_fail(error,
				  "%s: namespace %u is not there; expected one "
				  "that is attached (nvme list-ns), up to %u",
				  controller->bus->name, number,
				  controller->identity.namespaces);
	return store_fail(error,
			  "%s: does not say what it is (%s); expected a "
			  "controller that works",
			  controller->bus->name,
			  got > 0 ? "an error" : "no answer in time");
}

bool nvme_controller_look(struct nvme_controller *controller,
			  struct nvme_namespace *space,
			  struct store_error *error)
{
	uint32_t number = controller->space.number;
	uint8_t page[NVME_PAGE];

	return identify(controller, NVME_IDENTIFY_NAMESPACE, number, page,
			error) &&
	       nvme_read_namespace(page, controller->bus->name, number,
				   &controller->identity, space, error);
}

/* How many pairs it grants.  It may say a larger number than was asked for. */
static bool ask_for_pairs(struct nvme_controller *controller,
			  struct store_error *error)
{
	const struct nvme_command command = {
		.opcode = NVME_SET_FEATURES,
		.dword10 = NVME_QUEUE_COUNT,
		.dword11 = (PAIRS_MAX - 1) << 16 | (PAIRS_MAX - 1),
	};
	/* Vector 0 is the admin queue's, which is polled. */
	uint32_t most = controller->bus->vectors - 1, granted = 0;
	uint32_t doorbells = (controller->bus->size - NVME_DOORBELLS) /
			     (2 * controller->stride);
	int got = nvme_controller_admin(controller, &command, &granted);
	uint32_t sq = (granted & 0xffff) + 1, cq = (granted >> 16) + 1;

	if (got != 0)
		return store_fail(error,
				  "%s: grants no queues; expected at least one "
				  "pair",
				  controller->bus->name);
	most = sq < most ? sq : most;
	most = cq < most ? cq : most;
	most = doorbells - 1 < most ? doorbells - 1 : most;
	controller->pairs = most < PAIRS_MAX ? most : PAIRS_MAX;
	return true;
}

static void await_event(struct nvme_controller *controller)
{
	const struct nvme_command command = { .opcode = NVME_AWAIT_EVENT };

	controller->happened = false;
	if (nvme_queue_flies(&controller->admin, EVENT_SLOT))
		return;
	nvme_queue_put(&controller->admin, EVENT_SLOT, &command);
	nvme_queue_ring(&controller->admin);
}

/* Let it report events, if it can. */
static void ask_for_events(struct nvme_controller *controller)
{
	const struct nvme_command command = {
		.opcode = NVME_SET_FEATURES,
		.dword10 = NVME_EVENTS,
		.dword11 = NVME_TELL_NAMESPACES,
	};

	if (!controller->identity.tells)
		return;
	pthread_mutex_lock(&controller->mutex);
	if (carry_out(controller, &command, NULL) == 0)
		await_event(controller);
	pthread_mutex_unlock(&controller->mutex);
}

bool nvme_controller_changed(struct nvme_controller *controller)
{
	struct nvme_queue *admin = &controller->admin;
	struct nvme_command command = {
		.opcode = NVME_GET_LOG,
		.namespace = NVME_ALL_NAMESPACES,
		.data = { controller->address + 2ull * NVME_PAGE },
	};
	uint32_t slot, value, event;
	uint16_t status;
	bool happened;

	pthread_mutex_lock(&controller->mutex);
	while (nvme_queue_reap(admin, &slot, &status, &value)) {
		nvme_queue_acknowledge(admin);
		ended_alone(controller, slot, status, value);
	}
	happened = controller->happened;
	event = controller->event;
	if (happened) {
		command.dword10 =
			(LOG_SIZE / 4 - 1) << 16 | NVME_EVENT_LOG(event);
		carry_out(controller, &command, NULL);
		await_event(controller);
	}
	pthread_mutex_unlock(&controller->mutex);
	return happened && NVME_EVENT_TYPE(event) == NVME_EVENT_NOTICE &&
	       NVME_EVENT_IS(event) == NVME_EVENT_NAMESPACE;
}

static bool enable(struct nvme_controller *controller,
		   struct store_error *error)
{
	struct nvme_queue *admin = &controller->admin;
	uint32_t sizes = (ADMIN_DEPTH - 1) << 16 | (ADMIN_DEPTH - 1);

	nvme_queue_clear(admin);
	if (store(controller, NVME_AQA, sizes) &&
	    store_address(controller, NVME_ASQ, admin->sq_address) &&
	    store_address(controller, NVME_ACQ, admin->cq_address) &&
	    store(controller, NVME_CC, NVME_CC_SETUP | NVME_CC_ENABLE) &&
	    wait_for(controller, NVME_CSTS_READY, NVME_CSTS_READY))
		return true;
	return store_fail(error,
			  "%s: does not become ready within %u ms; expected a "
			  "controller that works",
			  controller->bus->name, controller->timeout_ms);
}

/* What its registers say before it is enabled. */
static bool read_capabilities(struct nvme_controller *controller,
			      struct store_error *error)
{
	const struct nvme_bus *bus = controller->bus;
	uint32_t low, high;

	if (!load(controller, NVME_CAP, &low) ||
	    !load(controller, NVME_CAP + 4, &high) ||
	    (low == NVME_ALL_ONES && high == NVME_ALL_ONES))
		return store_fail(error,
				  "%s: does not answer; expected a controller "
				  "that has power",
				  bus->name);
	if ((high >> 16 & 15) != 0 || !(high >> 5 & 1))
		return store_fail(error,
				  "%s: takes no pages of 4 KiB, or no NVM "
				  "commands; expected one that does",
				  bus->name);
	controller->timeout_ms = ((low >> 24) + 1) * 500;
	controller->stride = 4u << (high & 15);
	controller->depth = (low & 0xffff) + 1 < NVME_DEPTH_MAX
				    ? (low & 0xffff) + 1
				    : NVME_DEPTH_MAX;
	if (controller->depth < 2 || bus->vectors < 2 ||
	    bus->size < NVME_DOORBELLS + 4 * controller->stride)
		return store_fail(error,
				  "%s: has queues of %u entries, %u vectors of "
				  "MSI-X and %u bytes of registers; expected "
				  "at least 2, 2, and room for 2 pairs of "
				  "doorbells",
				  bus->name, controller->depth, bus->vectors,
				  bus->size);
	return true;
}

static bool take_memory(struct nvme_controller *controller,
			struct store_error *error)
{
	struct nvme_queue *admin = &controller->admin;

	controller->memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (controller->memory == MAP_FAILED) {
		controller->memory = NULL;
		return store_fail(error, "out of memory");
	}
	if (!controller->bus->ops->map(controller->bus, controller->memory,
				       MEMORY_SIZE, &controller->address,
				       error))
		return false;
	admin->bus = controller->bus;
	admin->depth = ADMIN_DEPTH;
	admin->sq = (void *)controller->memory;
	admin->cq = (void *)(controller->memory + NVME_PAGE);
	admin->sq_address = controller->address;
	admin->cq_address = controller->address + NVME_PAGE;
	set_doorbells(controller, admin);
	return true;
}

static bool learn(struct nvme_controller *controller, uint32_t number,
		  struct store_error *error)
{
	uint8_t page[NVME_PAGE];

	controller->space.number = number;
	return identify(controller, NVME_IDENTIFY_CONTROLLER, 0, page, error) &&
	       nvme_read_controller(page, controller->bus->name,
				    &controller->identity, error) &&
	       nvme_controller_look(controller, &controller->space, error);
}

bool nvme_controller_open(struct nvme_controller *controller,
			  struct nvme_bus *bus, uint32_t number,
			  struct store_error *error)
{
	memset(controller, 0, sizeof(*controller));
	controller->bus = bus;
	controller->admin_ms = 5000;
	pthread_mutex_init(&controller->mutex, NULL);
	if (read_capabilities(controller, error) &&
	    take_memory(controller, error)) {
		if (!disable(controller))
			store_fail(error,
				   "%s: cannot be disabled; expected a "
				   "controller that works",
				   bus->name);
		else if (enable(controller, error) &&
			 ask_for_pairs(controller, error) &&
			 learn(controller, number, error)) {
			ask_for_events(controller);
			return true;
		}
		disable(controller);
	}
	return false;
}

void nvme_controller_shut_down(const struct nvme_controller *controller)
{
	uint32_t now;

	if (!load(controller, NVME_CC, &now) || !(now & NVME_CC_ENABLE) ||
	    now == NVME_ALL_ONES)
		return;
	if (store(controller, NVME_CC, now | NVME_CC_SHUT_DOWN))
		wait_for(controller, NVME_CSTS_SHUT_DOWN,
			 NVME_CSTS_WAS_SHUT_DOWN);
	disable(controller);
}

void nvme_controller_close(struct nvme_controller *controller)
{
	if (controller->memory)
		munmap(controller->memory, MEMORY_SIZE);
	pthread_mutex_destroy(&controller->mutex);
}

bool nvme_controller_add(struct nvme_controller *controller,
			 struct nvme_queue *queue)
{
	uint32_t size = (controller->depth - 1) << 16 | queue->id;
	const struct nvme_command cq = {
		.opcode = NVME_CREATE_CQ,
		.data = { queue->cq_address },
		.dword10 = size,
		.dword11 = queue->id << 16 | NVME_INTERRUPTS | NVME_CONTIGUOUS,
	};
	const struct nvme_command sq = {
		.opcode = NVME_CREATE_SQ,
		.data = { queue->sq_address },
		.dword10 = size,
		.dword11 = queue->id << 16 | NVME_CONTIGUOUS,
	};

	set_doorbells(controller, queue);
	return nvme_controller_admin(controller, &cq, NULL) == 0 &&
	       nvme_controller_admin(controller, &sq, NULL) == 0;
}

bool nvme_controller_remove(struct nvme_controller *controller,
			    const struct nvme_queue *queue)
{
	const struct nvme_command sq = { .opcode = NVME_DELETE_SQ,
					 .dword10 = queue->id };
	const struct nvme_command cq = { .opcode = NVME_DELETE_CQ,
					 .dword10 = queue->id };

	return nvme_controller_admin(controller, &sq, NULL) == 0 &&
	       nvme_controller_admin(controller, &cq, NULL) == 0;
}

void nvme_controller_abort(struct nvme_controller *controller,
			   const struct nvme_queue *queue, uint32_t slot)
{
	const struct nvme_command abort = { .opcode = NVME_ABORT,
					    .dword10 = slot << 16 | queue->id };

	nvme_controller_admin(controller, &abort, NULL);
}

bool nvme_controller_restart(struct nvme_controller *controller,
			     struct store_error *error)
{
	struct nvme_namespace space;

	pthread_mutex_lock(&controller->mutex);
	if (!disable(controller)) {
		pthread_mutex_unlock(&controller->mutex);
		return store_fail(error, "%s: cannot be disabled",
				  controller->bus->name);
	}
	if (!enable(controller, error)) {
		pthread_mutex_unlock(&controller->mutex);
		return false;
	}
	pthread_mutex_unlock(&controller->mutex);
	if (!ask_for_pairs(controller, error) ||
	    !nvme_controller_look(controller, &space, error))
		return false;
	if (space.block != controller->space.block ||
	    space.capacity < controller->space.capacity)
		return store_fail(error, "%s: is another after a reset",
				  controller->bus->name);
	ask_for_events(controller);
	return true;
}
