// SPDX-License-Identifier: MIT
/*
 * The client revokes before instruction 1, 2, 3, … of each operation on its
 * memory, on the model of seL4.  Each outcome must be one of those specified.
 *
 * The child is the whole system; its first thread is the driver, and is stepped
 * by the parent.  At a point the parent has another thread of the child revoke,
 * which runs while the driver is stopped.
 */
#include "scenario.h"
#include "examples/sel4/system.h"

#include "tests/library/stepper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIRST_PAGE 2u /* of two that are lent, of which the second is lost */
#define LOST_AT	   ((FIRST_PAGE + 1) * 4096ull)
#define SEED	   2u

enum operation_kind { COPY_IN, COPY_OUT, FILL, LOAD, STORE, ABANDON, COVER };

static const struct operation {
	const char *name;
	enum operation_kind kind;
	uint32_t before, size; /* bytes before the edge, and in all */
	uint32_t stride;       /* each so-manyth point is tried */
} operations[] = {
	{ "copy in", COPY_IN, 20, 40, 1 },
	{ "copy in, in vectors", COPY_IN, 100, 300, 1 },
	{ "copy in, a string", COPY_IN, 4000, 5000, 41 },
	{ "copy out", COPY_OUT, 20, 40, 1 },
	{ "copy out, in vectors", COPY_OUT, 100, 300, 1 },
	{ "fill", FILL, 20, 40, 1 },
	{ "load", LOAD, 0, 8, 1 },
	{ "store", STORE, 0, 8, 1 },
	{ "abandoned", ABANDON, 16, 32, 1 },
	{ "substituted", COVER, 16, 32, 1 },
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* What parent and child both see. */
static struct shared {
	uint32_t operation;
	struct prec_result got;
	char wrong[96];
} * shared;

static int to_revoker[2], from_revoker[2];

/* ---- the child ----------------------------------------------------------- */

static struct prec_region region;
static struct prec_transaction transaction;
static uint32_t words[8]; /* that a transaction read */

static void wrong(const char *what)
{
	if (what && !shared->wrong[0])
		snprintf(shared->wrong, sizeof(shared->wrong), "%s", what);
}

static void revoker(uint64_t argument)
{
	char byte = (char)argument;

	while (read(to_revoker[0], &byte, 1) == 1) {
		seL4_CNode_Revoke(client_cnode, CLIENT_FRAMES + FIRST_PAGE + 1,
				  CLIENT_BITS);
		if (write(from_revoker[1], &byte, 1) != 1)
			break;
	}
}

static void set_up(void)
{
	static struct system_thread thread;

	model_start();
	scenario_set_up();
	scenario_become_driver();
	system_thread(&thread, ROOT, 0, seL4_CapInitThreadVSpace,
		      THREADS_AT + 0x800000, 0, 100);
	system_start(&thread, revoker, 0);
}

static void load_words(struct prec_transaction *t, void *argument)
{
	const struct operation *op = argument;
	const volatile uint32_t *at =
		(const volatile uint32_t *)((char *)prec_plain(
						    prec_lent(&region)) +
					    4096 - op->before);

	for (t->cursor = 0; t->cursor < op->size / 4; t->cursor++)
		words[t->cursor] = at[t->cursor];
}

static void operate(void *argument)
{
	const struct operation *op = argument;
	uint64_t from = 4096 - op->before;
	struct prec_result *got = &shared->got;
	uint64_t word = 0;

	switch (op->kind) {
	case COPY_IN:
		*got = prec_copy_in(buffer, region.span, from, op->size);
		break;
	case COPY_OUT:
		*got = prec_copy_out(region.span, from, buffer, op->size);
		break;
	case FILL:
		*got = prec_fill(region.span, from, 0x66, op->size);
		break;
	case LOAD:
		got->status = prec_load64(region.span, from, &word);
		got->done = got->status ? 0 : op->size;
		memcpy(buffer, &word, sizeof(word));
		break;
	case STORE:
		got->status =
			prec_store64(region.span, from, 0x6666666666666666);
		got->done = got->status ? 0 : op->size;
		break;
	default:
		got->status = prec_transaction_run(&transaction, load_words,
						   argument);
		got->done = 4 * transaction.cursor;
	}
}

/* ---- what is specified --------------------------------------------------- */

static uint8_t stored(const struct operation *op, uint32_t i)
{
	return op->kind == COPY_OUT ? (uint8_t)(0x40 + i) : 0x66;
}

static bool stores(const struct operation *op)
{
	return op->kind == COPY_OUT || op->kind == FILL || op->kind == STORE;
}

/* In the client's own view. */
static const char *judge_client(const struct operation *op)
{
	const volatile uint8_t *own =
		(const volatile uint8_t *)(uintptr_t)CLIENT_AT;
	uint64_t from = LOST_AT - op->before, i;

	for (i = 0; i < PAGES * 4096ull; i++) {
		bool done =
			stores(op) && i >= from && i < from + shared->got.done;

		if (own[i] != (done ? stored(op, (uint32_t)(i - from))
				    : client_pattern(i, SEED)))
			return "the client's memory is not as told";
	}
	return NULL;
}

static const char *judge_buffer(const struct operation *op)
{
	uint64_t done =
		op->kind == LOAD && shared->got.status ? 0 : shared->got.done;

	if (buffer_wrong(LOST_AT - op->before, done, SEED))
		return "what was read is not the client's";
	for (uint64_t i = done; op->kind == COPY_IN && i < op->size; i++)
		if (buffer[i] != 0xaa)
			return "bytes beyond `done` were delivered";
	return NULL;
}

/* Of the lost page a word is the client's, or zero if that is allowed. */
static const char *judge_words(const struct operation *op)
{
	uint64_t count = shared->got.done / 4, i;

	for (i = 0; i < count; i++) {
		uint64_t at = LOST_AT - op->before + 4 * i;
		uint8_t want[4];

		for (uint32_t b = 0; b < 4; b++)
			want[b] = client_pattern(at + b, SEED);
		if (memcmp(want, &words[i], 4) == 0)
			continue;
		if (op->kind != COVER || at < LOST_AT || words[i] != 0)
			return "a word is neither the client's nor zero";
	}
	return NULL;
}

static const char *judge_status(const struct operation *op)
{
	const struct prec_result *got = &shared->got;

	switch (got->status) {
	case PREC_OK:
		return got->done == op->size ? NULL : "ok, and not all is done";
	case PREC_GONE:
		if (op->kind <= FILL &&
		    (got->done < op->before || got->done >= op->size))
			return "gone, and done to the wrong byte";
		return prec_region_epoch(&region) ? NULL
						  : "the epoch stands still";
	case PREC_DISTURBED:
		if (op->kind != COVER || !transaction.note.substituted)
			return "disturbed, where nothing was to be replaced";
		return got->done == op->size ? NULL : "it did not finish";
	default:
		return "a status that is not specified";
	}
}

static void put_back(const struct operation *op)
{
	volatile uint8_t *own = (volatile uint8_t *)(uintptr_t)CLIENT_AT;
	uint64_t from = LOST_AT - op->before;

	for (uint64_t i = from; i < from + op->size; i++)
		own[i] = client_pattern(i, SEED);
}

static void run(void)
{
	const struct operation *op = &operations[shared->operation];
	static struct prec_region *regions[] = { &region };
	struct stepper_state state = { .mxcsr = 0x1f80, .control = 0x37f };
	enum prec_refusal why;
	const char *lost;

	memset(buffer, 0xaa, sizeof(buffer));
	for (uint32_t i = 0; op->kind == COPY_OUT && i < op->size; i++)
		buffer[i] = stored(op, i);
	transaction = (struct prec_transaction){
		.regions = regions,
		.region_count = 1,
		.policy = op->kind == COVER ? PREC_SUBSTITUTE : PREC_ABANDON,
	};
	receive_frames(FIRST_PAGE, 2, true);
	if (lend(&region, FIRST_PAGE, 2, PREC_READ | PREC_WRITE, &why))
		wrong("not lent");
	stepper_window(operate, (void *)(uintptr_t)op, &state);
	lost = stepper_lost(&state);
	if (lost)
		wrong(lost);
	wrong(judge_status(op));
	if (op->kind >= ABANDON)
		wrong(judge_words(op));
	else if (!stores(op))
		wrong(judge_buffer(op));
	wrong(judge_client(op));
	put_back(op);
	if (prec_region_unmap(&region))
		wrong("not unmapped");
}

static void prepare(void)
{
	set_up();
	client_ask(CLIENT_FILL, SEED, 0, 0);
}

/* ---- the parent ---------------------------------------------------------- */

static struct stepper stepper;
static uint32_t points, gone, failed;

static bool take_back(void)
{
	char byte = 1;

	return write(to_revoker[1], &byte, 1) == 1 &&
	       read(from_revoker[0], &byte, 1) == 1;
}

static bool start(void)
{
	return stepper_start(&stepper, prepare, run);
}

/* One run, with the loss at a point, or none while the window is listed. */
static bool run_once(uint32_t operation, int64_t point)
{
	shared->operation = operation;
	shared->wrong[0] = 0;
	if (!stepper_open(&stepper))
		return false;
	if (point < 0 && !stepper_walk(&stepper))
		return false;
	if (point >= 0 &&
	    (!stepper_go(&stepper, (uint32_t)point) || !take_back()))
		return false;
	return stepper_finish(&stepper);
}

static void try_point(uint32_t operation, int64_t point)
{
	const char *why = NULL;

	if (!run_once(operation, point))
		why = stepper.why;
	else if (shared->wrong[0])
		why = shared->wrong;
	points++;
	gone += shared->got.status != PREC_OK;
	if (!why)
		return;
	failed++;
	printf("UNSPECIFIED: %s, revoked at point %lld: %s (%s, %llu done)\n",
	       operations[operation].name, (long long)point, why,
	       prec_status_name(shared->got.status),
	       (unsigned long long)shared->got.done);
}

static void try_all(uint32_t operation)
{
	const struct operation *op = &operations[operation];
	uint32_t count, first = points, first_gone = gone;

	if (!run_once(operation, -1)) {
		printf("not walked: %s: %s\n", op->name, stepper.why);
		failed++;
		return;
	}
	count = stepper.count;
	for (uint32_t i = 0; i + 1 < count && failed < 10; i += op->stride)
		try_point(operation, i);
	printf("%-24s %5u points, lost in %5u\n", op->name, points - first,
	       gone - first_gone);
	/* Before the first instruction it must have been noticed, and after the
	 * last access not. */
	if (gone == first_gone) {
		printf("%s: no loss was noticed\n", op->name);
		failed++;
	}
}

int main(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || pipe(to_revoker) || pipe(from_revoker))
		return 2;
	if (!stepper_works())
		return 77;
	if (!start()) {
		printf("no driver: %s\n", stepper.why);
		return 2;
	}
	for (uint32_t i = 0; i < OPERATIONS; i++)
		try_all(i);
	stepper_end_child(&stepper);
	stepper_print_total(&stepper, points, failed);
	return failed != 0;
}
