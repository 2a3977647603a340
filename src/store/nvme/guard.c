// SPDX-License-Identifier: MIT
#include "store/nvme/guard.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

/* How often it looks, while somebody uses the store. */
#define LOOK_MS 250

static void count(uint32_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void set_halted(struct nvme_store *nvme, uint32_t halted)
{
	__atomic_store_n(&nvme->events.halted, halted, __ATOMIC_RELAXED);
}

/* For good.  Holds `work`, so that nobody else uses the bus but pairs; and they
 * are killed first. */
static void give_up(struct nvme_store *nvme)
{
	pthread_mutex_lock(&nvme->mutex);
	nvme->dead = true;
	pthread_mutex_unlock(&nvme->mutex);
	count(&nvme->events.gone);
	for (uint32_t i = 0; i < nvme->pair_count; i++)
		nvme_pair_kill(nvme->pairs[i]);
	nvme->bus->ops->close(nvme->bus);
	nvme->bus = NULL;
}

static bool add_all(struct nvme_store *nvme)
{
	for (uint32_t i = 0; i < nvme->pair_count; i++) {
		struct nvme_pair *pair = nvme->pairs[i];

		nvme_pair_quiet(pair);
		if (!nvme_controller_add(&nvme->controller, &pair->queue))
			return false;
	}
	return true;
}

/* All pairs are halted.  True: all queues are there again, and empty. */
static bool restart(struct nvme_store *nvme)
{
	struct store_error ignored = { .text = "" };

	count(&nvme->events.restarts);
	return nvme_controller_restart(&nvme->controller, &ignored) &&
	       add_all(nvme);
}

static void restart_or_give_up(struct nvme_store *nvme)
{
	bool good;

	set_halted(nvme, 1);
	for (uint32_t i = 0; i < nvme->pair_count; i++)
		nvme_pair_halt(nvme->pairs[i]);
	good = restart(nvme);
	if (!good) {
		count(&nvme->events.resets);
		good = nvme->bus->ops->reset(nvme->bus) && restart(nvme);
	}
	for (uint32_t i = 0; good && i < nvme->pair_count; i++)
		nvme_pair_run(nvme->pairs[i]);
	if (!good)
		give_up(nvme);
	set_halted(nvme, 0);
}

/* True: the pair runs again. */
static bool remake(struct nvme_store *nvme, struct nvme_pair *pair)
{
	count(&nvme->events.deletes);
	nvme_pair_halt(pair);
	if (!nvme_controller_remove(&nvme->controller, &pair->queue))
		return false;
	nvme_pair_quiet(pair);
	if (!nvme_controller_add(&nvme->controller, &pair->queue))
		return false;
	nvme_pair_run(pair);
	return true;
}

/* False: the controller has to be restarted. */
static bool look_after_pair(struct nvme_store *nvme, struct nvme_pair *pair)
{
	uint32_t slot = 0;

	switch (nvme_pair_late(pair, &nvme->patience, &slot)) {
	case NVME_ABORT_IT:
		count(&nvme->events.aborts);
		nvme_controller_abort(&nvme->controller, &pair->queue, slot);
		return true;
	case NVME_DELETE_QUEUE:
		return remake(nvme, pair);
	default:
		return true;
	}
}

static bool is_removed(const struct nvme_bus *bus)
{
	struct pollfd removed = { .fd = bus->removed_fd, .events = POLLIN };

	return bus->removed_fd >= 0 && poll(&removed, 1, 0) > 0;
}

/* Its lanes find the new size. */
static void set_capacity(struct nvme_store *nvme, uint64_t capacity)
{
	store_set_capacity(&nvme->store, capacity);
	for (uint32_t i = 0; i < nvme->pair_count; i++)
		nvme_signal(nvme->pairs[i]->fd);
}

/* The namespace has changed, the controller says.  A store that has all of it
 * stays so; one that was made smaller stays smaller.  False: it cannot be
 * served as it is now, unless a restart brings it back. */
static bool follow(struct nvme_store *nvme)
{
	struct nvme_namespace *space = &nvme->controller.space, now;
	uint64_t capacity = store_capacity(&nvme->store);
	struct store_error ignored = { .text = "" };

	if (!nvme_controller_look(&nvme->controller, &now, &ignored) ||
	    now.block != space->block)
		return false;
	if (now.capacity < capacity || capacity == space->capacity)
		set_capacity(nvme, now.capacity);
	space->capacity = now.capacity;
	return true;
}

static void look(struct nvme_store *nvme)
{
	bool good = true;

	if (nvme->dead)
		return;
	if (is_removed(nvme->bus)) {
		give_up(nvme);
		return;
	}
	good = nvme_controller_is_well(&nvme->controller);
	if (good && nvme_controller_changed(&nvme->controller))
		good = follow(nvme);
	for (uint32_t i = 0; good && i < nvme->pair_count; i++)
		good = look_after_pair(nvme, nvme->pairs[i]);
	if (!good)
		restart_or_give_up(nvme);
}

void nvme_guard_look(struct nvme_store *nvme)
{
	pthread_mutex_lock(&nvme->work);
	look(nvme);
	pthread_mutex_unlock(&nvme->work);
}

/* Wait for a reason to look.  False: the store is to be closed. */
static bool wait_for_reason(struct nvme_store *nvme)
{
	struct pollfd reasons[2] = {
		{ .fd = nvme->guard_fd, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};
	eventfd_t told;
	bool stopping;
	int timeout;

	pthread_mutex_lock(&nvme->mutex);
	if (!nvme->dead)
		reasons[1].fd = nvme->bus->removed_fd;
	timeout = nvme->lanes > 0 && !nvme->dead ? LOOK_MS : -1;
	pthread_mutex_unlock(&nvme->mutex);
	if (poll(reasons, 2, timeout) > 0 && reasons[0].revents &&
	    eventfd_read(nvme->guard_fd, &told) < 0)
		return true;
	pthread_mutex_lock(&nvme->mutex);
	stopping = nvme->stopping;
	pthread_mutex_unlock(&nvme->mutex);
	return !stopping;
}

bool nvme_guard_map(struct nvme_store *nvme)
{
	bool worked;

	pthread_mutex_lock(&nvme->work);
	worked = mapper_work(&nvme->mapper);
	pthread_mutex_unlock(&nvme->work);
	return worked;
}

static void *run(void *argument)
{
	struct nvme_store *nvme = argument;

	prctl(PR_SET_NAME, "nvme");
	while (wait_for_reason(nvme)) {
		nvme_guard_look(nvme);
		/* A piece takes some 10 ms. */
		while (nvme_guard_map(nvme))
			nvme_guard_look(nvme);
	}
	return NULL;
}

/* It takes faults, and what a filter of system calls says; the signals of the
 * process are for others. */
bool nvme_guard_start(struct nvme_store *nvme, struct store_error *error)
{
	static const int kept[] = { SIGBUS,  SIGSEGV, SIGILL, SIGFPE,
				    SIGTRAP, SIGABRT, SIGSYS };
	sigset_t others, before;
	int failed;

	sigfillset(&others);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		sigdelset(&others, kept[i]);
	pthread_sigmask(SIG_SETMASK, &others, &before);
	failed = pthread_create(&nvme->guard, NULL, run, nvme);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	nvme->guarded = failed == 0;
	return nvme->guarded ||
	       store_fail(error, "%s: no thread to guard it: %s",
			  nvme->bus->name, strerror(failed));
}

void nvme_guard_stop(struct nvme_store *nvme)
{
	if (!nvme->guarded)
		return;
	pthread_mutex_lock(&nvme->mutex);
	nvme->stopping = true;
	pthread_mutex_unlock(&nvme->mutex);
	nvme_signal(nvme->guard_fd);
	pthread_join(nvme->guard, NULL);
	nvme->guarded = false;
}
