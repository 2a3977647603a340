// SPDX-License-Identifier: MIT
#include "device/start.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "device/queue.h"

static void wait_in_loop(struct device *device)
{
	if (device->waits)
		return;
	device->waits = true;
	TAILQ_INSERT_TAIL(&device->home.loop->waiting, device, waiting);
}

static void leave_loop(struct device *device)
{
	if (device->waits)
		TAILQ_REMOVE(&device->home.loop->waiting, device, waiting);
	device->waits = false;
}

/* If the store has no room now, a later turn tries again. */
static void hand_over(struct device *device)
{
	struct store_lane *lane = device->home.lane->lane;

	if (!lane->store->ops->add(lane, &device->errand)) {
		wait_in_loop(device);
		return;
	}
	device->errand_due = false;
	device->errand_busy = true;
	device->home.in_flight++;
	device->home.lane->in_flight++;
	/* The turn that submits it may have to be another one. */
	device->home.loop->settling = true;
}

static void begin_errand(struct device *device, enum store_io_kind kind)
{
	if (device->errand_busy)
		return;
	device->errand = (struct store_io){ .kind = kind, .errand = true };
	device->errand_due = true;
	hand_over(device);
}

static bool has_started(const struct device *device)
{
	return __atomic_load_n(&device->started, __ATOMIC_RELAXED);
}

static void set_started(struct device *device, bool started)
{
	__atomic_store_n(&device->started, started, __ATOMIC_RELAXED);
}

static void part_ready(struct device_part *part)
{
	struct queue *queue;

	TAILQ_FOREACH(queue, &part->queues, sibling)
	queue_ready(queue);
}

/* Those of other parts later, when these stand. */
static void queues_ready(struct device *device)
{
	part_ready(&device->home);
	device->others_wait = device->part_count > 1;
	if (device->others_wait)
		part_tell(&device->home);
}

static bool has_claim(struct device *device)
{
	uint64_t *waits = &device->client->counters.waits;

	if (claim_take(&device->claim, device->policy->store,
		       device->home.loop))
		return true;
	if (*waits == 0)
		client_log(device->client,
			   "its rings wait: another client of the image has "
			   "rings started, or requests in the store; expected "
			   "one client at a time, or shared");
	counter_set(waits, 1);
	return false;
}

static bool begin(struct device *device)
{
	if (has_started(device))
		return true;
	if (!has_claim(device)) {
		wait_in_loop(device);
		return false;
	}
	counter_set(&device->client->counters.waits, 0);
	if (device->policy->store->shared)
		begin_errand(device, STORE_REFRESH);
	else
		set_started(device, true);
	return has_started(device);
}

bool start_begin(struct device_part *part)
{
	struct device *device = part->device;

	if (part == &device->home)
		return begin(device);
	if (has_started(device))
		return true;
	__atomic_store_n(&device->start_wanted, true, __ATOMIC_RELAXED);
	part_tell(part);
	return false;
}

void start_settle(struct device *device)
{
	struct device_part *part;
	bool wanted = __atomic_exchange_n(&device->start_wanted, false,
					  __ATOMIC_RELAXED);

	if (wanted && device_state(device) == DEVICE_SERVING && begin(device))
		device->others_wait = true;
	if (!device->others_wait)
		return;
	device->others_wait = false;
	for (part = device->home.other; part; part = part->other)
		part_ready(part);
}

static void try_again(struct device *device)
{
	leave_loop(device);
	if (device->errand_due)
		hand_over(device);
	else if (device_state(device) == DEVICE_SERVING && begin(device))
		queues_ready(device);
}

void start_waiting(struct loop *loop)
{
	struct device *device = TAILQ_FIRST(&loop->waiting);
	struct device *last = TAILQ_LAST(&loop->waiting, devices), *next;

	/* Those that still wait go to the end. */
	for (; device; device = device == last ? NULL : next) {
		next = TAILQ_NEXT(device, waiting);
		try_again(device);
	}
}

bool start_end(struct device *device)
{
	if (has_started(device) && device->policy->store->shared) {
		if (!device->errand_due)
			begin_errand(device, STORE_FLUSH);
		return false;
	}
	start_close(device);
	set_started(device, false);
	return true;
}

void start_cancel(struct device *device)
{
	struct store_lane *lane = device->home.lane->lane;

	if (device->errand_busy)
		lane->store->ops->cancel(lane, &device->errand);
}

void start_close(struct device *device)
{
	leave_loop(device);
	device->errand_due = false;
	counter_set(&device->client->counters.waits, 0);
	claim_drop(&device->claim);
}

static void log_failed_sync(const struct device *device)
{
	log_export(device->policy->name,
		   "store: what was written to a shared image could not be "
		   "made durable when its client stopped: %s; another host "
		   "may read old data, and flushes fail until the export is "
		   "opened anew",
		   strerror(device->errand.result.error));
}

void start_errand_ended(struct store_io *io)
{
	struct device *device =
		(struct device *)((char *)io - offsetof(struct device, errand));
	bool cancelled =
		io->result.status != PREC_OK && io->result.error == ECANCELED;

	device->errand_busy = false;
	device->home.in_flight--;
	device->home.lane->in_flight--;
	if (io->kind == STORE_FLUSH && io->result.status != PREC_OK)
		log_failed_sync(device);
	/* Once is enough: whoever stops is told, or ended, all the same. */
	if (io->kind == STORE_FLUSH)
		set_started(device, false);
	else if (!cancelled)
		set_started(device, true);
	if (has_started(device))
		queues_ready(device);
	part_tell(&device->home);
}
