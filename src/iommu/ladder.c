// SPDX-License-Identifier: MIT
#include "iommu/domain.h"

#include <assert.h>
#include <string.h>

#include "iommu/flight.h"
#include "iommu/loan.h"

/*
 * The ladder: how commands that do not end are ended.
 *
 * A queue and the device each have one quiesce, which is IDLE, QUIESCING or
 * RESTARTING.  While the device's is not idle, those of queues rest: it covers
 * them.  What is in flight when a quiesce is done was dropped by the device; it
 * is put again after the restart unless it is to end.
 */

void iommu_open(struct iommu_domain *domain, const struct iommu_ops *ops,
		void *device, const struct iommu_options *options,
		struct iova *iova)
{
	memset(domain, 0, sizeof(*domain));
	domain->ops = ops;
	domain->device = device;
	domain->options = *options;
	domain->iova = iova;
	prec_ledger_init(&domain->ledger);
	/* A client that has nothing yet may have any quota. */
	for (uint32_t i = 0; i < PREC_LEDGER_CLIENTS; i++)
		(void)!prec_ledger_quota(&domain->ledger, i, options->quota);
}

static struct iommu_quiesce *whole(struct iommu_domain *domain)
{
	return &domain->quiesce[IOMMU_QUEUES];
}

static void begin(struct iommu_domain *domain, enum iommu_level level,
		  uint32_t queue, uint64_t now)
{
	struct iommu_quiesce *quiesce =
		level == IOMMU_QUEUE ? &domain->quiesce[queue] : whole(domain);

	quiesce->stage = IOMMU_QUIESCING;
	quiesce->level = level;
	quiesce->deadline = iommu_later(now, domain->options.patience[level]);
	domain->ops->quiesce(domain->device, level, queue);
}

/* Is what is going on enough? */
static bool is_covered(struct iommu_domain *domain, enum iommu_level level,
		       uint32_t queue)
{
	const struct iommu_quiesce *all = whole(domain);

	if (level == IOMMU_QUEUE)
		return !flight_is_open(domain, queue);
	return all->stage == IOMMU_QUIESCING && all->level >= level;
}

void iommu_quiesce(struct iommu_domain *domain, enum iommu_level level,
		   uint32_t queue, uint64_t now)
{
	if (!domain->dead && !is_covered(domain, level, queue))
		begin(domain, level, queue, now);
}

/* Does a quiesce of this level and queue concern the flight? */
static bool concerns(enum iommu_level level, uint32_t queue,
		     const struct iommu_flight *flight)
{
	return level != IOMMU_QUEUE || flight->queue == queue;
}

static void read_queue(struct iommu_domain *domain, uint32_t queue,
		       uint64_t now)
{
	uint32_t slot, status;

	/* No more than can be true: a device could go on for ever. */
	for (uint32_t i = 0; i < IOMMU_SLOTS; i++) {
		if (!domain->ops->reap(domain->device, queue, &slot, &status))
			return;
		if (flight_complete(domain, queue, slot, status))
			continue;
		/* A device that reports what it was not asked is not to be
		 * relied on: it begins anew. */
		domain->counts.untrue++;
		if (whole(domain)->stage == IOMMU_IDLE)
			iommu_quiesce(domain, IOMMU_DEVICE, 0, now);
	}
}

static void read_queues(struct iommu_domain *domain, enum iommu_level level,
			uint32_t queue, uint64_t now)
{
	for (uint32_t i = 0; i < domain->options.queues; i++) {
		if (level != IOMMU_QUEUE || i == queue)
			read_queue(domain, i, now);
	}
}

/* Unread completions are read first: they are of these commands, and not of
 * those that use the same slots next. */
static void finish(struct iommu_domain *domain, struct iommu_quiesce *quiesce,
		   uint32_t queue, uint64_t now)
{
	enum iommu_level level = quiesce->level;

	domain->counts.quiesced[level]++;
	quiesce->stage = IOMMU_RESTARTING;
	quiesce->deadline = iommu_later(now, domain->options.patience[level]);
	read_queues(domain, level, queue, now);
	for (uint32_t i = 0; i < IOMMU_SLOTS; i++) {
		struct iommu_flight *flight = &domain->flight[i];

		if (flight->stage == IOMMU_IN_FLIGHT &&
		    concerns(level, queue, flight))
			flight_drop(domain, flight);
	}
	for (uint32_t i = 0; level != IOMMU_QUEUE && i < IOMMU_QUEUES; i++)
		domain->quiesce[i].stage = IOMMU_IDLE;
}

static void put_again(struct iommu_domain *domain)
{
	for (uint32_t i = 0; i < IOMMU_SLOTS; i++) {
		struct iommu_flight *flight = &domain->flight[i];

		if (flight->stage == IOMMU_AGAIN &&
		    flight_is_open(domain, flight->queue))
			flight_put_again(domain, flight);
	}
}

/* It is quiet and stays so. */
static void stay_down(struct iommu_domain *domain)
{
	domain->shut = true;
	for (uint32_t i = 0; i <= IOMMU_QUEUES; i++)
		domain->quiesce[i].stage = IOMMU_IDLE;
	for (uint32_t i = 0; i < IOMMU_SLOTS; i++) {
		if (domain->flight[i].stage == IOMMU_AGAIN)
			flight_end_dropped(domain, &domain->flight[i]);
	}
}

/* Nobody can vouch for the device. */
static void die(struct iommu_domain *domain, uint64_t now)
{
	domain->dead = true;
	for (uint32_t i = 0; i < IOMMU_SLOTS; i++) {
		if (domain->flight[i].stage == IOMMU_IN_FLIGHT)
			flight_lose(domain, &domain->flight[i], now);
	}
	/* A queue that was quiesced before had dropped these. */
	stay_down(domain);
}

/* The next rung. */
static void escalate(struct iommu_domain *domain,
		     const struct iommu_quiesce *quiesce, uint64_t now)
{
	if (quiesce->level != IOMMU_BUS)
		begin(domain, quiesce->level + 1, 0, now);
	else if (quiesce->stage == IOMMU_RESTARTING)
		stay_down(domain);
	else
		die(domain, now);
}

static enum iommu_answer ask(const struct iommu_domain *domain,
			     const struct iommu_quiesce *quiesce,
			     uint32_t queue)
{
	if (quiesce->stage == IOMMU_QUIESCING)
		return domain->ops->quiesced(domain->device, quiesce->level,
					     queue);
	return domain->ops->restart(domain->device, quiesce->level, queue);
}

static void step_quiesce(struct iommu_domain *domain, uint32_t queue,
			 uint64_t now)
{
	struct iommu_quiesce *quiesce = &domain->quiesce[queue];
	enum iommu_answer answer;

	if (quiesce->stage == IOMMU_IDLE)
		return;
	answer = ask(domain, quiesce, queue);
	if (answer == IOMMU_DONE && quiesce->stage == IOMMU_RESTARTING) {
		quiesce->stage = IOMMU_IDLE;
		put_again(domain);
	} else if (answer == IOMMU_DONE) {
		finish(domain, quiesce, queue, now);
	} else if (answer == IOMMU_FAILED || now >= quiesce->deadline) {
		escalate(domain, quiesce, now);
	}
}

static void step_quiesces(struct iommu_domain *domain, uint64_t now)
{
	for (uint32_t i = 0; i < domain->options.queues; i++) {
		if (whole(domain)->stage == IOMMU_IDLE)
			step_quiesce(domain, i, now);
	}
	step_quiesce(domain, IOMMU_QUEUES, now);
}

/* Nobody else is disturbed, if the device can end it alone. */
static void end_command(struct iommu_domain *domain,
			struct iommu_flight *flight, uint64_t now)
{
	if (!domain->ops->abort) {
		iommu_quiesce(domain, IOMMU_QUEUE, flight->queue, now);
		return;
	}
	if (!flight->aborted)
		flight_abort(domain, flight,
			     iommu_later(now, domain->options.abort));
}

/* End the commands that use it. */
static void end_users(struct iommu_domain *domain, uint32_t range, uint64_t now)
{
	for (uint32_t i = 0; i < IOMMU_SLOTS; i++) {
		struct iommu_flight *flight = &domain->flight[i];

		if (flight->stage == IOMMU_IN_FLIGHT &&
		    flight_uses(flight, range))
			end_command(domain, flight, now);
	}
}

/* Those that were aborted, and are there still. */
static void step_aborted(struct iommu_domain *domain, uint64_t now)
{
	bool any = false;

	for (uint32_t i = 0; domain->ending && i < IOMMU_SLOTS; i++) {
		const struct iommu_flight *flight = &domain->flight[i];

		if (flight->stage != IOMMU_IN_FLIGHT || !flight->aborted)
			continue;
		any = true;
		if (now >= flight->deadline)
			iommu_quiesce(domain, IOMMU_QUEUE, flight->queue, now);
	}
	domain->ending = any;
}

static void step_loans(struct iommu_domain *domain, uint64_t now)
{
	for (uint32_t i = 0; domain->moving && i < domain->loan_end; i++) {
		if (loan_step(domain, i, now))
			end_users(domain, i, now);
	}
}

void iommu_bury(struct iommu_domain *domain)
{
	domain->shut = true;
	domain->dead = true;
	domain->buried = true;
	domain->moving = 0;
	domain->windows.count = 0;
	for (uint32_t i = 0; i <= IOMMU_QUEUES; i++)
		domain->quiesce[i].stage = IOMMU_IDLE;
	for (uint32_t i = 0; i < domain->loan_end; i++)
		loan_bury(domain, i);
	for (uint32_t i = 0; i < IOMMU_SLOTS; i++)
		flight_bury(domain, &domain->flight[i]);
}

/* All that the device had has been reported. */
static void open_again(struct iommu_domain *domain)
{
	enum prec_status status = prec_ledger_shut(&domain->ledger, 0);

	if (status == PREC_OK)
		status = prec_ledger_bury(&domain->ledger, 0);
	assert(status == PREC_OK);
	memset(&domain->pinned, 0, sizeof(domain->pinned));
	domain->shut = false;
	domain->dead = false;
	domain->buried = false;
}

void iommu_look(struct iommu_domain *domain, uint64_t now)
{
	if (domain->buried) {
		if (domain->news == 0 && domain->ended_count == 0)
			open_again(domain);
		return;
	}
	read_queues(domain, IOMMU_DEVICE, 0, now);
	step_quiesces(domain, now);
	step_loans(domain, now);
	step_aborted(domain, now);
}

void iommu_take_back(struct iommu_domain *domain, uint32_t loan, uint64_t now)
{
	enum iommu_state state = domain->loan[loan].state;

	if (state != IOMMU_COMING && state != IOMMU_LIVE)
		return;
	loan_revoke(domain, loan, now);
	/* What a quiesce has dropped is in no device. */
	for (uint32_t i = 0; i < IOMMU_SLOTS; i++) {
		struct iommu_flight *flight = &domain->flight[i];

		if (flight->stage == IOMMU_AGAIN && flight_uses(flight, loan))
			flight_end_dropped(domain, flight);
	}
}

void iommu_insist(struct iommu_domain *domain, uint32_t slot, uint64_t now)
{
	struct iommu_flight *flight = &domain->flight[slot];

	flight->insisted = true;
	if (flight->stage == IOMMU_AGAIN)
		flight_end_dropped(domain, flight);
	else if (flight->stage == IOMMU_IN_FLIGHT)
		end_command(domain, flight, now);
}

uint64_t iommu_due(const struct iommu_domain *domain)
{
	uint64_t due = UINT64_MAX;

	for (uint32_t i = 0; i <= IOMMU_QUEUES; i++) {
		const struct iommu_quiesce *quiesce = &domain->quiesce[i];

		if (quiesce->stage != IOMMU_IDLE && quiesce->deadline < due)
			due = quiesce->deadline;
	}
	for (uint32_t i = 0; domain->moving && i < domain->loan_end; i++) {
		const struct iommu_loan *loan = &domain->loan[i];

		if (loan->state == IOMMU_DRAINING && !loan->late &&
		    loan->deadline < due)
			due = loan->deadline;
	}
	for (uint32_t i = 0; domain->ending && i < IOMMU_SLOTS; i++) {
		const struct iommu_flight *flight = &domain->flight[i];

		if (flight->stage == IOMMU_IN_FLIGHT && flight->aborted &&
		    flight->deadline < due)
			due = flight->deadline;
	}
	return due;
}
