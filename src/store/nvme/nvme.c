// SPDX-License-Identifier: MIT
#include "store/nvme/nvme.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/nvme/bus_vfio.h"
#include "store/nvme/guard.h"
#include "store/nvme/pairs.h"

/* As Linux's own driver waits for a command; the rest is for a client, which is
 * ended when its deadline (--drain-timeout) has passed twice. */
static const struct nvme_patience patience = {
	.command = 30000,
	.hurried = 500,
	.aborted = 1000,
};

static bool refused;

void nvme_open_no_more(void)
{
	refused = true;
}

static struct nvme_store *nvme_store(struct store *store)
{
	return (struct nvme_store *)store;
}

/* A namespace that is grown grows the store.  Its own size is changed by
 * whoever manages the controller. */
static bool nvme_resize(struct store *store, uint64_t capacity,
			struct store_error *error)
{
	struct nvme_store *nvme = nvme_store(store);
	struct nvme_controller *controller = &nvme->controller;
	struct nvme_namespace space = { .block = 0 };
	bool good;

	pthread_mutex_lock(&nvme->work);
	good = nvme->dead ? store_fail(error, "the NVMe controller is gone")
			  : nvme_controller_look(controller, &space, error);
	if (good && space.block != controller->space.block)
		good = store_fail(
			error,
			"%s: namespace %u has blocks of %u bytes now; "
			"expected %u as before",
			nvme->bus->name, space.number, space.block,
			controller->space.block);
	if (good && capacity == 0)
		capacity = space.capacity;
	if (good &&
	    (capacity > space.capacity || capacity % store->block_size != 0))
		good = store_fail(error,
				  "%s: namespace %u cannot have %" PRIu64
				  " bytes; expected whole blocks of %u, up to "
				  "%" PRIu64,
				  nvme->bus->name, space.number, capacity,
				  store->block_size, space.capacity);
	if (good) {
		controller->space.capacity = space.capacity;
		store_set_capacity(store, capacity);
	}
	pthread_mutex_unlock(&nvme->work);
	return good;
}

static void nvme_close(struct store *store)
{
	struct nvme_store *nvme = nvme_store(store);

	nvme_guard_stop(nvme);
	/* First the bus: then the controller reaches no memory any more. */
	if (nvme->bus) {
		nvme_controller_shut_down(&nvme->controller);
		nvme->bus->ops->close(nvme->bus);
	}
	for (uint32_t i = 0; i < nvme->pair_count; i++) {
		nvme_pair_close(nvme->pairs[i]);
		free(nvme->pairs[i]);
	}
	nvme_controller_close(&nvme->controller);
	mapper_destroy(&nvme->mapper);
	iova_free(nvme->addresses);
	if (nvme->guard_fd >= 0)
		close(nvme->guard_fd);
	pthread_mutex_destroy(&nvme->work);
	pthread_mutex_destroy(&nvme->mutex);
	free(nvme);
}

static const struct store_ops nvme_ops = {
	.lane_open = nvme_lane_open,
	.lane_close = nvme_lane_close,
	.add = nvme_lane_add,
	.start = nvme_lane_start,
	.reap = nvme_lane_reap,
	.cancel = nvme_lane_cancel,
	/* The guard does whatever it takes, and has begun. */
	.insist = nvme_lane_cancel,
	.resize = nvme_resize,
	.close = nvme_close,
};

/* Of a controller that reaches clients' memory. */
static const struct store_ops nvme_pin_ops = {
	.lane_open = nvme_lane_open,
	.lane_close = nvme_lane_close,
	.add = nvme_lane_add,
	.start = nvme_lane_start,
	.reap = nvme_lane_reap,
	.cancel = nvme_lane_cancel,
	.insist = nvme_lane_cancel,
	.lend = nvme_lane_lend,
	.take_back = nvme_lane_take_back,
	.settled = nvme_lane_settled,
	.account = nvme_lane_account,
	.resize = nvme_resize,
	.close = nvme_close,
};

void nvme_pin(struct store *store, uint64_t bytes, bool holds)
{
	nvme_store(store)->pin_max = bytes;
	nvme_store(store)->holds = holds;
	store->ops = &nvme_pin_ops;
}

/* What the mapper asks for, on the guard's thread.  A bus that is closed
 * reaches nothing. */
static bool map(void *device, const struct iommu_mapping *piece)
{
	const struct nvme_store *nvme = device;

	return nvme->bus && nvme->bus->ops->lend(nvme->bus, piece);
}

static uint64_t unmap(void *device, uint64_t iova, uint64_t size)
{
	const struct nvme_store *nvme = device;

	return nvme->bus ? nvme->bus->ops->take_back(nvme->bus, iova, size)
			 : size;
}

static const struct mapper_ops mapper_ops = { map, unmap };

/* What the namespace says of itself becomes what the store says. */
static bool describe(struct nvme_store *nvme, bool read_only,
		     struct store_error *error)
{
	const struct nvme_namespace *space = &nvme->controller.space;
	struct store *store = &nvme->store;

	if (space->read_only && !read_only)
		return store_fail(error,
				  "%s: namespace %u is write protected; "
				  "expected read-only",
				  nvme->bus->name, space->number);
	store->capacity = space->capacity;
	store->block_size = space->block;
	store->discard_align = space->block;
	store->topology.physical_block = space->block;
	store->read_only = read_only;
	store->image = nvme;
	return true;
}

struct store *nvme_open_on(struct nvme_bus *bus, uint32_t number,
			   bool read_only, struct store_error *error)
{
	struct nvme_store *nvme = calloc(1, sizeof(*nvme));

	if (!nvme) {
		store_fail(error, "out of memory");
		iova_free(bus->addresses);
		bus->ops->close(bus);
		return NULL;
	}
	nvme->store.ops = &nvme_ops;
	nvme->store.events = &nvme->events;
	nvme->bus = bus;
	nvme->patience = patience;
	pthread_mutex_init(&nvme->work, NULL);
	pthread_mutex_init(&nvme->mutex, NULL);
	nvme->addresses = bus->addresses;
	nvme->guard_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	mapper_init(&nvme->mapper, &mapper_ops, nvme, nvme->guard_fd);
	if (nvme->guard_fd < 0)
		store_fail(error, "%s: no event descriptor", bus->name);
	/* A first pair shows that all of it works. */
	if (nvme_controller_open(&nvme->controller, bus, number, error) &&
	    nvme->guard_fd >= 0 && describe(nvme, read_only, error)) {
		nvme->spare = nvme_pairs_add(nvme, error);
		if (nvme->spare) {
			nvme->spare->next = NULL;
			return &nvme->store;
		}
	}
	nvme_close(&nvme->store);
	return NULL;
}

static bool pins(const struct store_options *options)
{
	const struct store_setting *memory =
		store_options_get(options, "memory");

	return memory && strcmp(memory->text, "pin") == 0;
}

static struct store *nvme_open(const struct store_options *options,
			       struct store_error *error)
{
	const struct store_setting *number =
		store_options_get(options, "namespace");
	const struct store_setting *pin = store_options_get(options, "pin");
	const struct store_setting *hold = store_options_get(options, "hold");
	const char *address = store_options_get(options, "nvme")->text;
	struct nvme_bus *bus;
	struct store *store;

	if ((pin || hold) && !pins(options)) {
		store_fail(error, "%s: nothing is pinned; expected memory=pin",
			   pin ? "pin" : "hold");
		return NULL;
	}
	if (refused) {
		store_fail(error,
			   "%.60s: a server that filters its system calls "
			   "opens no NVMe controller while it runs; expected "
			   "a restart, or --seccomp=off",
			   address);
		return NULL;
	}
	bus = nvme_bus_vfio_open(address, error);
	if (!bus)
		return NULL;
	store = nvme_open_on(bus, number ? (uint32_t)number->size : 1,
			     options->read_only, error);
	if (store)
		store->shared = store_options_get(options, "shared");
	if (store && pins(options))
		nvme_pin(store, pin ? pin->size : UINT64_MAX, hold);
	if (store && !nvme_guard_start(nvme_store(store), error)) {
		nvme_close(store);
		return NULL;
	}
	return store;
}

static const struct store_key nvme_keys[] = {
	{ "nvme", STORE_KEY_PATH, "ADDRESS",
	  "an NVMe controller that is bound to vfio-pci", NULL },
	{ "namespace", STORE_KEY_NUMBER, "N", "of it; 1 unless said", NULL },
	{ "memory", STORE_KEY_WORD, "copy|pin",
	  "pin: it reaches guests' memory, no balloon there",
	  "expected copy, the default, or pin" },
	{ "pin", STORE_KEY_SIZE, "SIZE", "of each client, at most", NULL },
	{ "hold", STORE_KEY_FLAG, NULL,
	  "pin twice, to cut off at once what is given up in use", NULL },
	{ "shared", STORE_KEY_FLAG, NULL,
	  "several clients and programs may write to it", NULL },
	{ NULL, STORE_KEY_FLAG, NULL, NULL, NULL },
};

const struct store_kind nvme_kind = { nvme_keys, nvme_open };
