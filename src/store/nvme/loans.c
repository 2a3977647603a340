// SPDX-License-Identifier: MIT
#include "store/nvme/loans.h"

#include <assert.h>
#include <stdlib.h>

#include <precarium/pages.h>

/* A list holds so much, wherever it begins in a page. */
#define BYTES_MAX ((PREC_PAGES_MAX - 1ull) * PREC_DEVICE_PAGE)

struct nvme_loans {
	struct nvme_store *nvme;
	struct nvme_pair *pair;
	struct iommu_domain domain;
	struct store_loan *refused; /* to be reported */
	uint64_t slots;		    /* of commands that move clients' memory */
	uint32_t flight[NVME_SLOTS_MAX]; /* where the domain has them */
	/* A completion that the domain is to read. */
	bool done;
	uint32_t done_slot;
	uint16_t done_status;
};

static uint64_t now_ms(void)
{
	return (uint64_t)nvme_now_ms();
}

static enum iommu_answer map(void *device, struct iommu_mapping *mapping)
{
	struct nvme_loans *loans = device;

	return mapper_map(&loans->nvme->mapper, mapping, loans->pair->fd);
}

static enum iommu_answer unmap(void *device, struct iommu_mapping *mapping)
{
	struct nvme_loans *loans = device;

	return mapper_unmap(&loans->nvme->mapper, mapping, loans->pair->fd);
}

/* The lane puts it, with others. */
static void put(void *device, const struct iommu_command *command)
{
	(void)device;
	(void)command;
}

static bool reap(void *device, uint32_t queue, uint32_t *slot, uint32_t *status)
{
	struct nvme_loans *loans = device;
	bool done = loans->done;

	(void)queue;
	loans->done = false;
	*slot = loans->done_slot;
	*status = loans->done_status;
	return done;
}

static void abort_command(void *device, const struct iommu_command *command)
{
	const struct nvme_loans *loans = device;

	nvme_pair_hurry(loans->pair, 1ull << (uintptr_t)command->own);
}

static const struct iommu_ops ops = {
	.map = map,
	.unmap = unmap,
	.put = put,
	.reap = reap,
	.abort = abort_command,
};

struct nvme_loans *nvme_loans_open(struct nvme_store *nvme,
				   struct nvme_pair *pair)
{
	/* What is taken back in use is ended at once; the guard takes the time
	 * that it takes. */
	const struct iommu_options options = {
		.queues = 1,
		.depth = NVME_SLOTS_MAX,
		.hold = nvme->holds,
		.quota = nvme->pin_max,
		.drain = 0,
		.abort = UINT64_MAX,
	};
	struct nvme_loans *loans = calloc(1, sizeof(*loans));

	if (!loans)
		return NULL;
	loans->nvme = nvme;
	loans->pair = pair;
	iommu_open(&loans->domain, &ops, loans, &options, nvme->addresses);
	return loans;
}

void nvme_loans_close(struct nvme_loans *loans)
{
	free(loans);
}

static void refuse(struct nvme_loans *loans, struct store_loan *loan,
		   const char *why)
{
	loan->why = why;
	loan->next = loans->refused;
	loans->refused = loan;
}

void nvme_loans_lend(struct nvme_loans *loans, struct store_loan *loan)
{
	switch (iommu_lend(&loans->domain, loan->owner, &loan->span, loan,
			   &loan->number)) {
	case PREC_OK:
		/* Begin to pin it now. */
		iommu_look(&loans->domain, now_ms());
		break;
	case PREC_INVALID:
		refuse(loans, loan,
		       "the controller cannot be lent it; "
		       "expected whole pages");
		break;
	case PREC_FULL:
		refuse(loans, loan, "the IOMMU has no addresses for it");
		break;
	default:
		refuse(loans, loan,
		       "more than a client may let the controller "
		       "pin; expected less memory, or pin=SIZE");
		break;
	}
}

void nvme_loans_take_back(struct nvme_loans *loans, struct store_loan *loan)
{
	iommu_take_back(&loans->domain, loan->number, now_ms());
	iommu_look(&loans->domain, now_ms());
}

static struct store_loan *take_refused(struct nvme_loans *loans)
{
	struct store_loan *loan = loans->refused;

	loans->refused = loan->next;
	loan->state = STORE_LOAN_REFUSED;
	return loan;
}

struct store_loan *nvme_loans_settled(struct nvme_loans *loans)
{
	static const enum store_loan_state states[] = {
		[IOMMU_LIVE] = STORE_LOAN_HERE,
		[IOMMU_REFUSED] = STORE_LOAN_REFUSED,
		[IOMMU_HELD] = STORE_LOAN_HELD,
		[IOMMU_LEFT] = STORE_LOAN_LEFT,
	};
	struct store_loan *loan;
	struct iommu_news news;

	if (loans->refused)
		return take_refused(loans);
	iommu_look(&loans->domain, now_ms());
	if (!iommu_settled(&loans->domain, &news))
		return NULL;
	loan = news.own;
	loan->why = "it cannot be pinned; expected memory that is there, and "
		    "that this process may lock (LimitMEMLOCK= of systemd, "
		    "ulimit -l)";
	loan->state = states[news.state];
	return loan;
}

struct prec_pin_account nvme_loans_account(const struct nvme_loans *loans,
					   uint32_t owner)
{
	return prec_ledger_account(&loans->domain.ledger, owner);
}

/* Add what lies at a place in the spans.  Returns how many bytes of it a
 * command can say. */
static uint32_t gather(const struct nvme_loans *loans,
		       const struct store_io *io, uint32_t index,
		       uint64_t inside, uint32_t most, struct prec_pages *pages)
{
	uint32_t done = 0;

	prec_pages_begin(pages,
			 io->kind == STORE_READ ? PREC_WRITE : PREC_READ);
	for (; done < most && index < io->span_count; index++) {
		const struct prec_span *span = &io->spans[index];
		uint64_t size = span->size - inside;

		if (size > most - done)
			size = most - done;
		if (prec_pages_add(pages, &loans->domain.windows,
				   span->host + inside, size) != PREC_OK)
			break;
		done += (uint32_t)size;
		inside = 0;
	}
	return done;
}

/* Whole blocks of it. */
static uint32_t gather_blocks(const struct nvme_loans *loans,
			      const struct store_io *io, uint32_t index,
			      uint64_t inside, uint32_t most,
			      struct prec_pages *pages)
{
	uint32_t block = loans->nvme->controller.space.block;
	uint32_t got = gather(loans, io, index, inside, most, pages);

	if (got % block)
		got = gather(loans, io, index, inside, got - got % block,
			     pages);
	return got;
}

/* The entries, unchanged (NVMe base 2.0, 4.1.1): two in the command, or the
 * first, and where the list of the others is; it is in the slot's buffer, which
 * nothing else uses. */
static void write_entries(const struct nvme_loans *loans, uint32_t slot,
			  const struct prec_pages *pages,
			  struct nvme_command *command)
{
	uint64_t *list =
		(uint64_t *)(void *)nvme_pair_buffer(loans->pair, slot);

	nvme_pair_aim(loans->pair, slot, NVME_PAGE, command);
	if (pages->count == 2)
		command->data[1] = pages->entry[1];
	else if (pages->count > 2)
		command->data[1] = command->data[0];
	for (uint32_t i = 1; i < pages->count; i++)
		list[i - 1] = pages->entry[i];
	command->data[0] = pages->entry[0];
}

_Static_assert((PREC_PAGES_MAX - 1) * 8 <= NVME_PAGE, "a list is one page");
_Static_assert(PREC_DEVICE_PAGE == NVME_PAGE, "of the controller's pages");

uint32_t nvme_loans_aim(struct nvme_loans *loans, uint32_t slot,
			const struct store_io *io, uint32_t index,
			uint64_t inside, uint64_t most,
			struct nvme_command *command)
{
	struct prec_pages pages;
	uint32_t size;

	if (most > BYTES_MAX)
		most = BYTES_MAX;
	size = gather_blocks(loans, io, index, inside, (uint32_t)most, &pages);
	if (size == 0 ||
	    iommu_put(&loans->domain, 0, io->owner, &pages,
		      (void *)(uintptr_t)slot, &loans->flight[slot]) != PREC_OK)
		return 0;
	loans->slots |= 1ull << slot;
	write_entries(loans, slot, &pages, command);
	return size;
}

uint64_t nvme_loans_slots(const struct nvme_loans *loans)
{
	return loans ? loans->slots : 0;
}

bool nvme_loans_end(struct nvme_loans *loans, uint32_t slot, uint16_t status)
{
	struct iommu_outcome outcome = { .believed = false };
	bool ended;

	loans->done = true;
	loans->done_slot = loans->flight[slot];
	loans->done_status = status;
	loans->slots &= ~(1ull << slot);
	iommu_look(&loans->domain, now_ms());
	ended = iommu_ended(&loans->domain, &outcome);
	assert(ended && outcome.slot == loans->flight[slot]);
	(void)ended;
	return outcome.believed;
}
