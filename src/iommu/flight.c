// SPDX-License-Identifier: MIT
#include "iommu/flight.h"

#include <assert.h>
#include <string.h>

#include "iommu/loan.h"

static uint32_t slot_of(const struct iommu_domain *domain,
			const struct iommu_flight *flight)
{
	return (uint32_t)(flight - domain->flight);
}

static struct iommu_command command_of(const struct iommu_domain *domain,
				       const struct iommu_flight *flight)
{
	return (struct iommu_command){
		.queue = flight->queue,
		.slot = slot_of(domain, flight) % domain->options.depth,
		.own = flight->own,
	};
}

static void hand_over(struct iommu_domain *domain, struct iommu_flight *flight)
{
	const struct iommu_command command = command_of(domain, flight);

	flight->stage = IOMMU_IN_FLIGHT;
	domain->ops->put(domain->device, &command);
}

void flight_abort(struct iommu_domain *domain, struct iommu_flight *flight,
		  uint64_t deadline)
{
	const struct iommu_command command = command_of(domain, flight);

	flight->aborted = true;
	flight->deadline = deadline;
	domain->ending = true;
	domain->counts.aborted++;
	domain->ops->abort(domain->device, &command);
}

static uint32_t free_slot(const struct iommu_domain *domain, uint32_t queue)
{
	uint32_t depth = domain->options.depth;

	for (uint32_t i = 0; i < depth; i++) {
		uint32_t slot = (domain->next_slot[queue] + i) % depth;

		if (domain->flight[queue * depth + slot].stage == IOMMU_IDLE)
			return queue * depth + slot;
	}
	return PREC_NONE;
}

/* Before the device is told of it. */
static enum prec_status pin(struct iommu_domain *domain, uint32_t client,
			    const struct prec_pages *pages, uint32_t slot)
{
	return pages ? prec_flight_begin(&domain->pinned, &domain->ledger,
					 pages, client, slot)
		     : PREC_OK;
}

enum prec_status iommu_put(struct iommu_domain *domain, uint32_t queue,
			   uint32_t client, const struct prec_pages *pages,
			   void *own, uint32_t *slot)
{
	enum prec_status status;
	struct iommu_flight *flight;
	uint32_t free;

	if (queue >= domain->options.queues)
		return PREC_INVALID;
	if (domain->shut)
		return PREC_REFUSED;
	if (!flight_is_open(domain, queue))
		return PREC_BUSY;
	free = free_slot(domain, queue);
	if (free == PREC_NONE)
		return PREC_BUSY;
	status = pin(domain, client, pages, free);
	if (status != PREC_OK)
		return status;
	flight = &domain->flight[free];
	*flight = (struct iommu_flight){ .queue = queue, .own = own };
	if (pages) {
		flight->range_count = pages->ranges;
		memcpy(flight->range, pages->range, sizeof(flight->range));
	}
	domain->next_slot[queue] = free % domain->options.depth + 1;
	hand_over(domain, flight);
	*slot = free;
	return PREC_OK;
}

bool flight_uses(const struct iommu_flight *flight, uint32_t range)
{
	for (uint32_t i = 0; i < flight->range_count; i++) {
		if (flight->range[i] == range)
			return true;
	}
	return false;
}

/* Returns whether all its ranges have been live since they were pinned. */
static bool unpin(struct iommu_domain *domain,
		  const struct iommu_flight *flight)
{
	enum prec_status status;
	uint32_t quiet;

	if (flight->range_count == 0)
		return true;
	status = prec_flight_end(&domain->pinned, &domain->ledger,
				 slot_of(domain, flight), &quiet);
	assert(status != PREC_INVALID);
	for (uint32_t i = 0; quiet && i < flight->range_count; i++) {
		uint32_t range = flight->range[i];

		if (prec_ledger_next_quiet(&domain->ledger, range) == range)
			loan_quiet(domain, range);
	}
	return status == PREC_OK;
}

static void end(struct iommu_domain *domain, struct iommu_flight *flight)
{
	uint32_t last = domain->ended_first + domain->ended_count++;

	flight->stage = IOMMU_ENDED;
	domain->ended[last % IOMMU_SLOTS] = slot_of(domain, flight);
}

bool flight_complete(struct iommu_domain *domain, uint32_t queue, uint32_t slot,
		     uint32_t status)
{
	struct iommu_flight *flight;

	if (slot >= domain->options.depth)
		return false;
	flight = &domain->flight[queue * domain->options.depth + slot];
	/* Too late to be of use, and nothing that was not known. */
	if (flight->stage == IOMMU_LOST || flight->held)
		return true;
	if (flight->stage != IOMMU_IN_FLIGHT)
		return false;
	flight->status = status;
	flight->completed = true;
	flight->believed = unpin(domain, flight);
	end(domain, flight);
	return true;
}

static bool all_live(const struct iommu_domain *domain,
		     const struct iommu_flight *flight)
{
	for (uint32_t i = 0; i < flight->range_count; i++) {
		if (domain->loan[flight->range[i]].state != IOMMU_LIVE)
			return false;
	}
	return true;
}

/* What is put again keeps its pins: the device has no use for them now, but
 * the ledger knows of no pause. */
void flight_drop(struct iommu_domain *domain, struct iommu_flight *flight)
{
	if (!flight->insisted && all_live(domain, flight)) {
		flight->stage = IOMMU_AGAIN;
		return;
	}
	flight_end_dropped(domain, flight);
}

void flight_end_dropped(struct iommu_domain *domain,
			struct iommu_flight *flight)
{
	unpin(domain, flight);
	end(domain, flight);
}

void flight_put_again(struct iommu_domain *domain, struct iommu_flight *flight)
{
	domain->counts.again++;
	hand_over(domain, flight);
}

void flight_lose(struct iommu_domain *domain, struct iommu_flight *flight,
		 uint64_t now)
{
	for (uint32_t i = 0; i < flight->range_count; i++)
		loan_hold(domain, flight->range[i], now);
	flight->held = true;
	end(domain, flight);
}

void flight_bury(struct iommu_domain *domain, struct iommu_flight *flight)
{
	flight->held = false;
	if (flight->stage == IOMMU_LOST)
		flight->stage = IOMMU_IDLE;
	else if (flight->stage == IOMMU_IN_FLIGHT ||
		 flight->stage == IOMMU_AGAIN)
		end(domain, flight);
}

bool iommu_ended(struct iommu_domain *domain, struct iommu_outcome *outcome)
{
	struct iommu_flight *flight;
	uint32_t slot;

	if (domain->ended_count == 0)
		return false;
	slot = domain->ended[domain->ended_first];
	domain->ended_first = (domain->ended_first + 1) % IOMMU_SLOTS;
	domain->ended_count--;
	flight = &domain->flight[slot];
	*outcome = (struct iommu_outcome){
		.own = flight->own,
		.slot = slot,
		.status = flight->status,
		.completed = flight->completed,
		.believed = flight->believed,
		.held = flight->held,
	};
	flight->stage = flight->held ? IOMMU_LOST : IOMMU_IDLE;
	return true;
}
