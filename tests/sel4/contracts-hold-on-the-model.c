// SPDX-License-Identifier: MIT
/*
 * What the prover believes of the kernel's calls is so on the model: the
 * scenario runs, and at each call of the keeper the clauses of its contract are
 * evaluated over the model's own books.
 */
#include "contracts.h"
#include "scenario.h"
#include "tests/sel4/model/model.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct slot {
	enum cap_kind is;
	uint32_t of;
	uint64_t at;
	bool write;
};

/* Of a device: its slot of a page. */
struct io_slot {
	bool is;
	uint64_t at;
	bool write;
};

/* Of the keeper's thread, and of the first one before there is a keeper. */
static struct slot before[PREC_KEEPER_PAGES], after[PREC_KEEPER_PAGES];
static struct io_slot io_before[PREC_KEEPER_PAGES], io_after[PREC_KEEPER_PAGES];
static const struct prec_io *in_device; /* that the call is about, or NULL */
static uint64_t shown_frame;
static const char *in_call;
static uint64_t *clauses; /* shared with the parent */

/* ---- the model's books, as the contracts see them ------------------------ */

static struct cap *cap_in(uint64_t slot)
{
	return model_slot(&model_root, slot);
}

static struct slot slot_of(uint32_t page)
{
	const struct cap *cap = cap_in(keeper.slots + page);
	struct slot slot = { .is = CAP_NONE };

	if (!cap->object)
		return slot;
	slot.is = cap->object == cap_in(keeper.zero)->object ? CAP_ZERO
							     : CAP_CLIENT;
	for (uint32_t i = 0; i < keeper.frame_count; i++) {
		if (cap->object != cap_in(keeper.frames + i)->object)
			continue;
		slot.is = CAP_OURS;
		slot.of = i;
	}
	if (cap->vspace) {
		slot.at = cap->mapped;
		slot.write = model_prot(cap->mapped) & PROT_WRITE;
	}
	return slot;
}

static struct io_slot io_slot_of(uint32_t page)
{
	const struct cap *cap = cap_in(in_device->slots + page);
	struct io_slot slot = { .is = cap->object != NULL };

	if (slot.is && cap->vspace) {
		slot.at = cap->mapped;
		slot.write = model_device_finds(cap->mapped, true) >= 0;
	}
	return slot;
}

static void look(struct slot *slots, struct io_slot *io_slots)
{
	pthread_mutex_lock(&model_lock);
	for (uint32_t i = 0; i < keeper.pages; i++) {
		slots[i] = slot_of(i);
		if (in_device)
			io_slots[i] = io_slot_of(i);
	}
	pthread_mutex_unlock(&model_lock);
}

void contract_clause(const char *name, bool holds)
{
	if (!holds)
		model_wrong("%s: %s: not so", in_call, name);
	(*clauses)++;
}

void contract_pre_io(const char *call, const struct prec_io *io)
{
	in_device = io;
	in_call = call;
	look(before, io_before);
}

void contract_pre(const char *call)
{
	contract_pre_io(call, NULL);
}

void contract_post(void)
{
	look(after, io_after);
}

/* ---- predicates ---------------------------------------------------------- */

bool contract_left_alone(uint32_t page)
{
	const struct slot *a = &before[page], *b = &after[page];

	if (a->is == b->is && a->of == b->of && a->at == b->at &&
	    a->write == b->write)
		return true;
	return a->is == CAP_CLIENT && b->is == CAP_NONE && b->at == 0;
}

bool contract_others(uint32_t page)
{
	for (uint32_t i = 0; i < PREC_KEEPER_PAGES; i++)
		if (i != page && !contract_left_alone(i))
			return false;
	return true;
}

bool contract_all_left_alone(void)
{
	return contract_others(PREC_KEEPER_PAGES);
}

bool contract_made(uint32_t page, enum cap_kind kind)
{
	return before[page].is == CAP_NONE && after[page].at == 0 &&
	       (after[page].is == kind ||
		(kind == CAP_CLIENT && after[page].is == CAP_NONE));
}

bool contract_mapped(uint32_t page, bool write)
{
	const struct slot *a = &before[page], *b = &after[page];

	if (a->is == CAP_CLIENT && b->is == CAP_NONE && b->at == 0)
		return true;
	return b->is == a->is && b->is != CAP_NONE && b->of == a->of &&
	       b->at == keeper.window + 4096 * (uint64_t)page &&
	       (!b->write || write);
}

enum cap_kind contract_was(uint32_t page)
{
	return before[page].is;
}

enum cap_kind contract_is(uint32_t page)
{
	return after[page].is;
}

uint64_t contract_at(uint32_t page)
{
	return after[page].at;
}

uint32_t contract_of(uint32_t page)
{
	return after[page].of;
}

/* The device's copy goes after the processor's. */
bool contract_io_left_alone(uint32_t page)
{
	const struct io_slot *a = &io_before[page], *b = &io_after[page];

	if (a->is == b->is && a->at == b->at && a->write == b->write)
		return true;
	return a->is && contract_io_empty(page) && after[page].is != CAP_CLIENT;
}

bool contract_io_others(uint32_t page)
{
	for (uint32_t i = 0; i < PREC_KEEPER_PAGES; i++)
		if (i != page && !contract_io_left_alone(i))
			return false;
	return true;
}

bool contract_io_made(uint32_t page)
{
	return !io_before[page].is && io_after[page].at == 0 &&
	       (io_after[page].is || after[page].is == CAP_NONE);
}

bool contract_io_mapped(uint32_t page, uint64_t at, bool write)
{
	const struct io_slot *b = &io_after[page];

	if (!io_before[page].is)
		return false;
	if (contract_io_empty(page))
		return after[page].is != CAP_CLIENT;
	return b->is && b->at == at && (!b->write || write);
}

bool contract_io_empty(uint32_t page)
{
	return !io_after[page].is && io_after[page].at == 0;
}

/* ---- frames -------------------------------------------------------------- */

int contract_frame_open(void)
{
	const struct cap *cap = cap_in(keeper.scratch_slot);
	int frame = (int)keeper.frame_count - 1;

	if (!cap->object)
		return -1;
	while (frame >= 0 &&
	       cap->object != cap_in(keeper.frames + (uint32_t)frame)->object)
		frame--;
	return cap->vspace && cap->mapped == keeper.scratch ? frame : -2;
}

bool contract_frame_clean(uint32_t frame)
{
	uint64_t words[512];

	if (pread(model_memory, words, sizeof(words),
		  (off_t)cap_in(keeper.frames + frame)->object->at) !=
	    (ssize_t)sizeof(words))
		return false;
	for (uint32_t i = 0; i < 512; i++)
		if (words[i] != 0)
			return false;
	return true;
}

void contract_show(uint64_t from)
{
	shown_frame = from;
}

bool contract_shown(uint64_t from)
{
	return shown_frame == from;
}

/* ---- threads ------------------------------------------------------------- */

static struct tcb thread_of(uint32_t thread)
{
	struct tcb tcb;

	pthread_mutex_lock(&model_lock);
	tcb = *cap_in(keeper.tcb[thread])->object->tcb;
	pthread_mutex_unlock(&model_lock);
	return tcb;
}

bool contract_stopped(uint32_t thread)
{
	return thread_of(thread).state == FAULTED;
}

/* It may have met its next fault already; what was written is still known. */
bool contract_runs_at(uint32_t thread, uint64_t ip)
{
	return thread_of(thread).start.rip == ip;
}

bool contract_landed(uint32_t thread, uint64_t sp, uint64_t argument)
{
	struct tcb tcb = thread_of(thread);

	return tcb.start.rsp == sp && tcb.start.rdi == argument;
}

/* ---- running ------------------------------------------------------------- */

int main(int argc, char **argv)
{
	int status;

	clauses = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (clauses == MAP_FAILED)
		return 1;
	if (fork() == 0) {
		model_start();
		scenario(argc > 1 ? argv[1] : NULL);
		for (;;)
			pause();
	}
	wait(&status);
	printf("%llu clauses hold\n", (unsigned long long)*clauses);
	return status != 0 || *clauses == 0;
}
