// SPDX-License-Identifier: MIT
#include "iommu/loan.h"

#include <assert.h>

/* The ledger refuses only what is not so: a mistake of ours. */
static void must(enum prec_status status)
{
	assert(status == PREC_OK);
	(void)status;
}

static void report(struct iommu_domain *domain, struct iommu_loan *loan,
		   enum iommu_state state)
{
	loan->state = state;
	if (!loan->news)
		domain->news++;
	loan->news = true;
}

static void begin_to_map(struct iommu_entry *entry,
			 const struct prec_span *span, uint32_t rights,
			 uint64_t iova)
{
	entry->mapping = (struct iommu_mapping){
		.iova = iova,
		.host = span->host,
		.size = span->size,
		.rights = rights,
	};
	entry->state = IOMMU_MAPPING;
}

/* Device addresses of all mappings of a loan, or of none. */
static bool take_addresses(struct iommu_domain *domain,
			   const struct prec_span *span, uint64_t *first,
			   uint64_t *hold)
{
	if (!iova_take(domain->iova, span->size, span->host, first))
		return false;
	if (!domain->options.hold ||
	    iova_take(domain->iova, span->size, span->host, hold))
		return true;
	iova_give(domain->iova, *first);
	return false;
}

/* A range that was never used. */
static void forget(struct iommu_domain *domain, uint32_t range)
{
	uint32_t quiet;

	must(prec_ledger_revoke(&domain->ledger, range, &quiet));
	must(prec_ledger_release(&domain->ledger, range));
}

static bool is_whole_pages(const struct prec_span *span)
{
	return span->size > 0 && span->size <= PREC_ADDRESS_MAX &&
	       span->host % IOVA_PAGE == 0 && span->size % IOVA_PAGE == 0;
}

enum prec_status iommu_lend(struct iommu_domain *domain, uint32_t client,
			    const struct prec_span *span, void *own,
			    uint32_t *loan)
{
	uint64_t cost = domain->options.hold ? 2 * span->size : span->size;
	uint64_t first, hold = 0;
	struct iommu_loan *new;
	enum prec_status status;
	uint32_t range;

	if (!is_whole_pages(span))
		return PREC_INVALID;
	if (domain->shut)
		return PREC_REFUSED;
	/* Before anything is pinned: the quota. */
	status = prec_ledger_grant(&domain->ledger, client, 0, cost, &range);
	if (status != PREC_OK)
		return status;
	if (!take_addresses(domain, span, &first, &hold)) {
		forget(domain, range);
		return PREC_FULL;
	}
	new = &domain->loan[range];
	*new = (struct iommu_loan){ .state = IOMMU_COMING, .own = own };
	begin_to_map(&new->first, span, span->rights, first);
	if (domain->options.hold)
		begin_to_map(&new->hold, span, PREC_READ, hold);
	domain->moving++;
	if (range >= domain->loan_end)
		domain->loan_end = range + 1;
	*loan = range;
	return PREC_OK;
}

static void remove_window(struct iommu_domain *domain,
			  const struct iommu_loan *loan)
{
	prec_space_remove(
		&domain->windows,
		prec_space_find(&domain->windows, loan->first.mapping.host));
}

void loan_revoke(struct iommu_domain *domain, uint32_t range, uint64_t now)
{
	struct iommu_loan *loan = &domain->loan[range];
	uint32_t quiet;

	if (loan->state == IOMMU_LIVE) {
		remove_window(domain, loan);
		domain->moving++;
	}
	must(prec_ledger_revoke(&domain->ledger, range, &quiet));
	loan->state = quiet == range ? IOMMU_LEAVING : IOMMU_DRAINING;
	loan->deadline = iommu_later(now, domain->options.drain);
}

void loan_quiet(struct iommu_domain *domain, uint32_t range)
{
	struct iommu_loan *loan = &domain->loan[range];

	assert(loan->state == IOMMU_DRAINING || loan->state == IOMMU_CUT_OFF);
	loan->state = IOMMU_LEAVING;
}

static void condemn(struct iommu_domain *domain, uint32_t range)
{
	must(prec_ledger_condemn(&domain->ledger, range));
	domain->moving--;
	domain->counts.held++;
	domain->shut = true;
	report(domain, &domain->loan[range], IOMMU_HELD);
}

void loan_hold(struct iommu_domain *domain, uint32_t range, uint64_t now)
{
	struct iommu_loan *loan = &domain->loan[range];

	if (loan->state == IOMMU_LIVE)
		loan_revoke(domain, range, now);
	if (loan->state == IOMMU_DRAINING || loan->state == IOMMU_CUT_OFF)
		condemn(domain, range);
}

static void step_map(struct iommu_domain *domain, struct iommu_entry *entry)
{
	enum iommu_answer answer;

	if (entry->state != IOMMU_MAPPING)
		return;
	answer = domain->ops->map(domain->device, &entry->mapping);
	if (answer != IOMMU_NOT_YET)
		entry->state =
			answer == IOMMU_DONE ? IOMMU_MAPPED : IOMMU_UNMAPPED;
}

/* What is mapped begins to be unmapped, and goes on with it. */
static enum iommu_answer step_unmap(struct iommu_domain *domain,
				    struct iommu_entry *entry)
{
	enum iommu_answer answer;

	if (entry->state == IOMMU_UNMAPPED)
		return IOMMU_DONE;
	entry->state = IOMMU_UNMAPPING;
	answer = domain->ops->unmap(domain->device, &entry->mapping);
	if (answer == IOMMU_DONE)
		entry->state = IOMMU_UNMAPPED;
	else if (answer == IOMMU_FAILED)
		entry->state = IOMMU_MAPPED;
	return answer;
}

/* It can be used, now that it is pinned. */
static bool enter_window(struct iommu_domain *domain, uint32_t range)
{
	const struct iommu_mapping *mapping =
		&domain->loan[range].first.mapping;

	return prec_space_add(&domain->windows, mapping->host, mapping->size,
			      mapping->iova, mapping->rights, range) == PREC_OK;
}

static void step_coming(struct iommu_domain *domain, uint32_t range,
			uint64_t now)
{
	struct iommu_loan *loan = &domain->loan[range];

	step_map(domain, &loan->first);
	step_map(domain, &loan->hold);
	if (loan->first.state == IOMMU_MAPPING ||
	    loan->hold.state == IOMMU_MAPPING)
		return;
	if (loan->first.state == IOMMU_MAPPED &&
	    (!domain->options.hold || loan->hold.state == IOMMU_MAPPED) &&
	    enter_window(domain, range)) {
		domain->moving--;
		report(domain, loan, IOMMU_LIVE);
		return;
	}
	loan->refused = true;
	loan_revoke(domain, range, now);
}

/* Only with a hold: to unmap is to unpin, and the pages would be given to
 * others while the device still has commands for them. */
static void cut_off(struct iommu_domain *domain, uint32_t range)
{
	struct iommu_loan *loan = &domain->loan[range];

	if (loan->hold.state != IOMMU_MAPPED ||
	    step_unmap(domain, &loan->first) != IOMMU_DONE)
		return;
	must(prec_ledger_cut_off(&domain->ledger, range));
	loan->state = IOMMU_CUT_OFF;
	domain->counts.cut_off++;
}

/* True: it is late from now on. */
static bool step_draining(struct iommu_domain *domain, uint32_t range,
			  uint64_t now)
{
	struct iommu_loan *loan = &domain->loan[range];
	bool passed = !loan->late && now >= loan->deadline;

	if (passed || loan->first.state == IOMMU_UNMAPPING)
		cut_off(domain, range);
	loan->late |= passed;
	return passed;
}

/* Nothing uses it: out of the device's table. */
static void step_leaving(struct iommu_domain *domain, uint32_t range)
{
	struct iommu_loan *loan = &domain->loan[range];
	enum iommu_answer answer;

	step_map(domain, &loan->first);
	step_map(domain, &loan->hold);
	if (loan->first.state == IOMMU_MAPPING ||
	    loan->hold.state == IOMMU_MAPPING)
		return;
	answer = step_unmap(domain, &loan->first);
	if (answer == IOMMU_DONE)
		answer = step_unmap(domain, &loan->hold);
	if (answer == IOMMU_FAILED)
		condemn(domain, range);
	if (answer != IOMMU_DONE)
		return;
	domain->moving--;
	report(domain, loan, loan->refused ? IOMMU_REFUSED : IOMMU_LEFT);
}

bool loan_step(struct iommu_domain *domain, uint32_t range, uint64_t now)
{
	switch (domain->loan[range].state) {
	case IOMMU_COMING:
		step_coming(domain, range, now);
		break;
	case IOMMU_DRAINING:
		return step_draining(domain, range, now);
	case IOMMU_LEAVING:
		step_leaving(domain, range);
		break;
	default:
		break;
	}
	return false;
}

void loan_bury(struct iommu_domain *domain, uint32_t range)
{
	struct iommu_loan *loan = &domain->loan[range];

	if (loan->state != IOMMU_FREE && loan->state != IOMMU_REFUSED)
		report(domain, loan, IOMMU_LEFT);
}

/* Only now are the number and the addresses used again. */
static void release(struct iommu_domain *domain, uint32_t range)
{
	struct iommu_loan *loan = &domain->loan[range];

	loan->state = IOMMU_FREE;
	iova_give(domain->iova, loan->first.mapping.iova);
	if (domain->options.hold)
		iova_give(domain->iova, loan->hold.mapping.iova);
	/* Else the whole ledger will be free. */
	if (!domain->buried)
		must(prec_ledger_release(&domain->ledger, range));
}

static bool is_settled(enum iommu_state state)
{
	return state == IOMMU_LIVE || state == IOMMU_REFUSED ||
	       state == IOMMU_HELD || state == IOMMU_LEFT;
}

bool iommu_settled(struct iommu_domain *domain, struct iommu_news *news)
{
	for (uint32_t i = 0; domain->news && i < domain->loan_end; i++) {
		struct iommu_loan *loan = &domain->loan[i];

		if (!loan->news || !is_settled(loan->state))
			continue;
		*news = (struct iommu_news){ i, loan->state, loan->own };
		loan->news = false;
		domain->news--;
		if (loan->state == IOMMU_REFUSED || loan->state == IOMMU_LEFT)
			release(domain, i);
		return true;
	}
	return false;
}
