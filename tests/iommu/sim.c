// SPDX-License-Identifier: MIT
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

void sim_init(struct sim *sim, const struct sim_manner *manner,
	      const struct sim_memory *memory, void *world)
{
	memset(sim, 0, sizeof(*sim));
	sim->manner = *manner;
	sim->memory = memory;
	sim->world = world;
}

void sim_aim(struct sim_request *request, const struct prec_pages *pages)
{
	if (pages->count > SIM_ENTRIES)
		abort();
	request->count = pages->count;
	for (uint32_t i = 0; i < pages->count; i++)
		request->entry[i] = pages->entry[i] / PAGE * PAGE;
}

static void moment(struct sim *sim)
{
	uint32_t now = sim->moments++;

	if (sim->at_moment)
		sim->at_moment(sim->world, now);
}

/* A call of an operation begins.  True: it is the one that is to fail. */
static bool begin(struct sim *sim)
{
	moment(sim);
	return ++sim->calls == sim->failing;
}

static struct sim_map *map_at(struct sim *sim, uint64_t iova)
{
	for (uint32_t i = 0; i < SIM_MAPS; i++) {
		if (sim->map[i].there && sim->map[i].iova == iova)
			return &sim->map[i];
	}
	return NULL;
}

static void unpin(struct sim *sim, struct sim_map *map)
{
	map->there = false;
	for (uint32_t i = 0; i < map->pages; i++)
		sim->memory->unpin(sim->world, map->frame[i]);
}

/* All or nothing. */
static struct sim_map *pin(struct sim *sim, const struct iommu_mapping *what)
{
	struct sim_map *map = sim->map;

	while (map < sim->map + SIM_MAPS && map->there)
		map++;
	if (map == sim->map + SIM_MAPS || what->size / PAGE > SIM_PAGES)
		abort();
	*map = (struct sim_map){ .there = true,
				 .lag = sim->manner.lag,
				 .rights = what->rights,
				 .iova = what->iova };
	for (uint64_t at = 0; at < what->size; at += PAGE) {
		uint64_t frame = sim->memory->pin(sim->world, what->host + at);

		if (!frame) {
			unpin(sim, map);
			return NULL;
		}
		map->frame[map->pages++] = frame;
	}
	return map;
}

static enum iommu_answer sim_map(void *device, struct iommu_mapping *what)
{
	struct sim *sim = device;
	bool fails = begin(sim);
	struct sim_map *map = map_at(sim, what->iova);

	if (!map && !what->own && !fails)
		map = pin(sim, what);
	if (map && fails)
		unpin(sim, map);
	what->own = sim;
	moment(sim);
	if (!map || fails)
		return IOMMU_FAILED;
	return map->lag == 0 || map->lag-- == 0 ? IOMMU_DONE : IOMMU_NOT_YET;
}

static enum iommu_answer sim_unmap(void *device, struct iommu_mapping *what)
{
	struct sim *sim = device;
	bool fails = begin(sim);
	struct sim_map *map = map_at(sim, what->iova);
	enum iommu_answer answer = IOMMU_NOT_YET;

	sim->unmapped_unknown += !map;
	/* As if the system had said that it unmapped fewer bytes. */
	if (!map || fails) {
		answer = IOMMU_FAILED;
	} else if (map->lag < sim->manner.lag) {
		map->lag++;
	} else {
		unpin(sim, map);
		answer = IOMMU_DONE;
	}
	moment(sim);
	return answer;
}

static void sim_put(void *device, const struct iommu_command *what)
{
	struct sim *sim = device;
	struct sim_queue *queue = &sim->queue[what->queue];
	struct sim_command *command = queue->command;

	begin(sim);
	while (command < queue->command + SIM_DEPTH && command->there)
		command++;
	if (command == queue->command + SIM_DEPTH || queue->deleted)
		abort();
	*command = (struct sim_command){ .there = true,
					 .slot = what->slot,
					 .request = what->own };
	moment(sim);
}

static bool sim_reap(void *device, uint32_t number, uint32_t *slot,
		     uint32_t *status)
{
	struct sim *sim = device;
	struct sim_queue *queue = &sim->queue[number];
	bool any = queue->first != queue->last;

	/* Called all the time: only a moment if there is something. */
	if (!any)
		return false;
	begin(sim);
	*slot = queue->done[queue->first % SIM_UNREAD].slot;
	*status = queue->done[queue->first % SIM_UNREAD].status;
	queue->first++;
	moment(sim);
	return true;
}

void sim_report(struct sim *sim, uint32_t number, uint32_t slot,
		uint32_t status)
{
	struct sim_queue *queue = &sim->queue[number];

	queue->done[queue->last++ % SIM_UNREAD] =
		(struct sim_done){ slot, status };
}

static void sim_abort(void *device, const struct iommu_command *what)
{
	struct sim *sim = device;
	struct sim_queue *queue = &sim->queue[what->queue];

	begin(sim);
	for (uint32_t i = 0; i < SIM_DEPTH; i++) {
		struct sim_command *command = &queue->command[i];

		if (!sim->manner.aborts || !command->there || command->stuck ||
		    command->slot != what->slot)
			continue;
		command->there = false;
		sim_report(sim, what->queue, what->slot, SIM_ABORTED);
	}
	moment(sim);
}

static bool is_possible(const struct sim *sim, enum iommu_level level)
{
	switch (level) {
	case IOMMU_QUEUE:
		return !sim->manner.no_queue;
	case IOMMU_DEVICE:
		return !sim->manner.no_disable;
	default:
		return !sim->manner.no_reset;
	}
}

static void sim_quiesce(void *device, enum iommu_level level, uint32_t queue)
{
	struct sim *sim = device;

	begin(sim);
	if (level == IOMMU_QUEUE && is_possible(sim, level))
		sim->queue[queue].deleting = true;
	if (level == IOMMU_DEVICE && is_possible(sim, level))
		sim->disabling = true;
	if (level == IOMMU_BUS && is_possible(sim, level))
		sim->resetting = true;
	sim->restart_lag = sim->manner.lag;
	moment(sim);
}

static enum iommu_answer sim_quiesced(void *device, enum iommu_level level,
				      uint32_t queue)
{
	struct sim *sim = device;
	bool fails = begin(sim);
	bool is_done = level == IOMMU_QUEUE    ? sim->queue[queue].deleted
		       : level == IOMMU_DEVICE ? !sim->disabling
					       : !sim->resetting;

	moment(sim);
	if (fails || !is_possible(sim, level))
		return IOMMU_FAILED;
	return is_done ? IOMMU_DONE : IOMMU_NOT_YET;
}

static enum iommu_answer sim_restart(void *device, enum iommu_level level,
				     uint32_t queue)
{
	struct sim *sim = device;
	bool fails = begin(sim);

	moment(sim);
	if (fails)
		return IOMMU_FAILED;
	if (sim->restart_lag > 0) {
		sim->restart_lag--;
		return IOMMU_NOT_YET;
	}
	for (uint32_t i = 0; i < SIM_QUEUES; i++) {
		if (level != IOMMU_QUEUE || i == queue)
			sim->queue[i].deleted = false;
	}
	return IOMMU_DONE;
}

const struct iommu_ops sim_ops = {
	.map = sim_map,
	.unmap = sim_unmap,
	.put = sim_put,
	.reap = sim_reap,
	.abort = sim_abort,
	.quiesce = sim_quiesce,
	.quiesced = sim_quiesced,
	.restart = sim_restart,
};

static uint64_t look_up(const struct sim *sim, uint64_t iova,
			const struct sim_request *request)
{
	uint32_t right = request->into_memory ? PREC_WRITE : PREC_READ;

	for (uint32_t i = 0; i < SIM_MAPS; i++) {
		const struct sim_map *map = &sim->map[i];

		if (map->there && map->rights & right && iova >= map->iova &&
		    iova - map->iova < (uint64_t)map->pages * PAGE)
			return map->frame[(iova - map->iova) / PAGE];
	}
	return 0;
}

static void take(const struct sim *sim, struct sim_command *command)
{
	const struct sim_request *request = command->request;

	command->taken = true;
	for (uint32_t i = 0; sim->manner.early && i < request->count; i++)
		command->found[i] = look_up(sim, request->entry[i], request);
}

static void move_page(struct sim *sim, struct sim_command *command)
{
	uint32_t at = command->at++;
	uint64_t now =
		look_up(sim, command->request->entry[at], command->request);
	uint64_t frame = now;

	/* An IOMMU that drains also stops what was looked up. */
	if (sim->manner.early)
		frame = sim->manner.cached || now ? command->found[at] : 0;
	if (frame)
		sim->memory->touch(sim->world, frame, command->request, at);
	else
		command->failed = true;
	if (at == 0 && command->slot == 0 && sim->now < sim->manner.hangs)
		command->stuck = true;
}

/* False: it has nothing to do. */
static bool step_command(struct sim *sim, uint32_t number,
			 struct sim_command *command)
{
	if (command->stuck && sim->now >= sim->manner.hangs)
		command->stuck = false;
	if (!command->there || command->stuck)
		return false;
	/* Of a queue that is being deleted it begins nothing. */
	if (!command->taken && sim->queue[number].deleting)
		return false;
	if (!command->taken) {
		take(sim, command);
	} else if (command->at < command->request->count) {
		move_page(sim, command);
	} else {
		sim_report(sim, number, command->slot,
			   command->failed && !sim->manner.silent);
		command->there = false;
	}
	return true;
}

/* What has not begun is dropped; what has is waited for, also if it is
 * stuck. */
static bool step_deleting(struct sim_queue *queue)
{
	if (!queue->deleting)
		return false;
	for (uint32_t i = 0; i < SIM_DEPTH; i++) {
		if (queue->command[i].there && queue->command[i].taken)
			return false;
	}
	for (uint32_t i = 0; i < SIM_DEPTH; i++)
		queue->command[i].there = false;
	queue->deleting = false;
	queue->deleted = true;
	return true;
}

/* All commands are dropped where they are. */
static bool step_stopping(struct sim *sim)
{
	if (!sim->disabling && !sim->resetting)
		return false;
	for (uint32_t i = 0; i < SIM_QUEUES; i++) {
		for (uint32_t k = 0; k < SIM_DEPTH; k++)
			sim->queue[i].command[k].there = false;
		sim->queue[i].deleting = false;
		sim->queue[i].deleted = true;
	}
	sim->disabling = false;
	sim->resetting = false;
	return true;
}

bool sim_step(struct sim *sim, uint32_t pick)
{
	const uint32_t all = SIM_QUEUES * SIM_DEPTH;

	sim->steps++;
	for (uint32_t n = 0; n < all; n++) {
		uint32_t i = (pick + n) % all;
		struct sim_queue *queue = &sim->queue[i / SIM_DEPTH];

		/* A queue that is deleted is worked on no more. */
		if (!queue->deleted &&
		    step_command(sim, i / SIM_DEPTH,
				 &queue->command[i % SIM_DEPTH]))
			return true;
	}
	for (uint32_t i = 0; i < SIM_QUEUES; i++) {
		if (step_deleting(&sim->queue[i]))
			return true;
	}
	return step_stopping(sim);
}

uint32_t sim_maps(const struct sim *sim)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < SIM_MAPS; i++)
		count += sim->map[i].there;
	return count;
}
