// SPDX-License-Identifier: MIT
#include "device/loan.h"

#include <assert.h>

#include "device/clock.h"
#include "device/device.h"

static const struct store_ops *ops_of(const struct device *device)
{
	return device->home.lane->lane->store->ops;
}

bool loan_is_wanted(const struct device *device)
{
	return device->home.lane && ops_of(device)->lend;
}

void loan_lend(struct device *device, struct memory_region *region)
{
	if (!loan_is_wanted(device))
		return;
	region->loan = (struct store_loan){
		.span = region->region.span,
		.owner = device->owner,
		.state = STORE_LOAN_COMING,
	};
	region->lent_epoch = prec_region_epoch(&region->region);
	region->lent_us = clock_now_us();
	device->home.lane->moving++;
	device->home.loop->settling = true;
	ops_of(device)->lend(device->home.lane->lane, &region->loan);
}

/* Apply it to each region of a table. */
static void each(struct device *device, const struct memory *memory,
		 void (*apply)(struct device *device,
			       struct memory_region *region))
{
	for (uint32_t i = 0; memory && i < PREC_SPACE_MAX; i++) {
		if (memory->slots[i])
			apply(device, memory->slots[i]);
	}
}

void loan_lend_all(struct device *device, const struct memory *memory)
{
	each(device, memory, loan_lend);
}

void loan_take_back(struct device *device, struct memory_region *region)
{
	struct store_loan *loan = &region->loan;

	if (loan->state != STORE_LOAN_COMING && loan->state != STORE_LOAN_HERE)
		return;
	if (loan->state == STORE_LOAN_HERE)
		device->home.lane->moving++;
	loan->state = STORE_LOAN_LEAVING;
	device->home.loop->settling = true;
	ops_of(device)->take_back(device->home.lane->lane, loan);
}

void loan_take_back_all(struct device *device, const struct memory *memory)
{
	each(device, memory, loan_take_back);
}

static bool is_lost(const struct memory_region *region)
{
	return prec_region_epoch(&region->region) != region->lent_epoch;
}

static void take_back_lost(struct device *device, struct memory_region *region)
{
	if (is_lost(region))
		loan_take_back(device, region);
}

void loan_take_back_lost(struct device *device)
{
	if (loan_is_wanted(device))
		each(device, device->memory, take_back_lost);
}

/* The client's message has waited so long for it. */
static void count_pin(struct device *device, struct memory_region *region)
{
	if (region->lent_us == 0)
		return;
	device->pin_us += clock_now_us() - region->lent_us;
	region->lent_us = 0;
	counter_set(&device->client->counters.pin_ms, device->pin_us / 1000);
}

/* It is pinned now: if the file covers it still, the pages that are pinned are
 * the client's. */
static enum loan_answer check(struct device *device,
			      struct memory_region *region)
{
	count_pin(device, region);
	if (prec_region_check(&region->region) == PREC_OK && !is_lost(region))
		return LOAN_SETTLED;
	loan_take_back(device, region);
	return LOAN_MOVING;
}

enum loan_answer loan_ask(struct device *device, struct memory_region *region,
			  const char **why)
{
	switch (region->loan.state) {
	case STORE_LOAN_NONE:
		return LOAN_SETTLED;
	case STORE_LOAN_HERE:
		return check(device, region);
	case STORE_LOAN_REFUSED:
		*why = region->loan.why;
		return LOAN_REFUSED;
	case STORE_LOAN_LEFT:
		*why = "the client took some of it away while it was pinned; "
		       "expected memory that stays until it is removed";
		return LOAN_REFUSED;
	case STORE_LOAN_COMING:
	case STORE_LOAN_LEAVING:
	case STORE_LOAN_HELD:
		break;
	}
	return LOAN_MOVING;
}

enum loan_answer loan_ask_all(struct device *device,
			      const struct memory *memory, const char **why)
{
	enum loan_answer all = LOAN_SETTLED;

	for (uint32_t i = 0; i < PREC_SPACE_MAX; i++) {
		enum loan_answer one =
			memory->slots[i]
				? loan_ask(device, memory->slots[i], why)
				: LOAN_SETTLED;

		if (one == LOAN_MOVING)
			return LOAN_MOVING;
		if (one == LOAN_REFUSED)
			all = LOAN_REFUSED;
	}
	return all;
}

bool loan_has_left(const struct memory_region *region)
{
	enum store_loan_state state = region->loan.state;

	return state == STORE_LOAN_NONE || state == STORE_LOAN_REFUSED ||
	       state == STORE_LOAN_LEFT;
}

bool loan_all_have_left(const struct memory *memory)
{
	for (uint32_t i = 0; memory && i < PREC_SPACE_MAX; i++) {
		if (memory->slots[i] && !loan_has_left(memory->slots[i]))
			return false;
	}
	return true;
}

/* What is HELD moves: it leaves when the store has closed its device. */
void loan_take_news(struct lane *lane)
{
	const struct store_ops *ops = lane->lane->store->ops;
	const struct store_loan *loan;

	/* Some may drain or leave meanwhile, which is to be counted. */
	lane->loop->settling = true;
	while ((loan = ops->settled(lane->lane))) {
		if (loan->state == STORE_LOAN_HELD)
			continue;
		assert(lane->moving > 0);
		lane->moving--;
	}
}

static void set_account(struct counters *counters,
			const struct prec_pin_account *account)
{
	counter_set(&counters->pinned, account->bytes[PREC_PIN_LIVE]);
	counter_set(&counters->draining, account->bytes[PREC_PIN_DRAINING]);
	counter_set(&counters->cut_off, account->bytes[PREC_PIN_QUARANTINED]);
	counter_set(&counters->leaving, account->bytes[PREC_PIN_QUIET]);
	counter_set(&counters->condemned, account->bytes[PREC_PIN_CONDEMNED]);
}

void loan_count(struct device *device)
{
	struct prec_pin_account account;

	if (!device->has_owner)
		return;
	account =
		ops_of(device)->account(device->home.lane->lane, device->owner);
	set_account(&device->client->counters, &account);
}

bool loan_take_owner(struct device *device)
{
	uint64_t *owners = &device->home.lane->owners;

	if (!loan_is_wanted(device))
		return true;
	if (*owners == UINT64_MAX)
		return false;
	device->owner = (uint32_t)__builtin_ctzll(~*owners);
	device->has_owner = true;
	*owners |= 1ull << device->owner;
	return true;
}

void loan_give_owner(struct device *device)
{
	static const struct prec_pin_account nothing;

	if (!device->has_owner)
		return;
	device->home.lane->owners &= ~(1ull << device->owner);
	device->has_owner = false;
	set_account(&device->client->counters, &nothing);
}
