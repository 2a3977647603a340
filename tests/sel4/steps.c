// SPDX-License-Identifier: MIT
#include "steps.h"
#include "scenario.h"

#include <stddef.h>

#define LOST_AT	  (STEP_LOST * 4096ull)
#define LENT_AT	  (STEP_PAGE * 4096ull)
#define LENT_SIZE 8192ull
#define AROUND	  256u /* bytes beyond an operation that are looked at, too */
#define FILLED	  0x66u

const struct step_operation step_operations[] = {
	{ "copy in", STEP_COPY_IN, 20, 40, 1 },
	{ "copy in, in vectors", STEP_COPY_IN, 100, 300, 1 },
	{ "copy in, a string", STEP_COPY_IN, 4000, 5000, 41 },
	{ "copy out", STEP_COPY_OUT, 20, 40, 1 },
	{ "copy out, in vectors", STEP_COPY_OUT, 100, 300, 1 },
	{ "fill", STEP_FILL, 20, 40, 1 },
	{ "load", STEP_LOAD, 0, 8, 1 },
	{ "store", STEP_STORE, 0, 8, 1 },
	{ "abandoned", STEP_ABANDON, 16, 32, 1 },
	{ "substituted", STEP_COVER, 16, 32, 1 },
	{ NULL, STEP_COPY_IN, 0, 0, 0 },
};

struct step_operation step_variant(const struct step_operation *op,
				   uint32_t variant)
{
	struct step_operation other = *op;

	switch (op->kind) {
	case STEP_LOAD:
	case STEP_STORE:
		break;
	case STEP_ABANDON:
	case STEP_COVER:
		variant /= 4;
		other.before += 4 * (variant % 8);
		other.size += 4 * (variant % 8) + 4 * (variant % 5);
		break;
	default:
		other.before += variant % 41;
		other.size += variant % 41 + variant % 13;
	}
	return other;
}

static struct prec_region region;
static struct prec_transaction transaction;
static uint32_t words[32]; /* that a transaction read */
static uint64_t word;	   /* that was loaded */

static bool stores(const struct step_operation *op)
{
	return op->kind == STEP_COPY_OUT || op->kind == STEP_FILL ||
	       op->kind == STEP_STORE;
}

void step_begin(const struct step_operation *op, struct step_run *run)
{
	static struct prec_region *regions[] = { &region };
	enum prec_refusal why;

	for (uint64_t i = 0; i < op->size + 64ull; i++)
		buffer[i] = op->kind == STEP_COPY_OUT
				    ? client_pattern(LOST_AT - op->before + i,
						     STEP_SEED + 1)
				    : 0xaa;
	transaction = (struct prec_transaction){
		.regions = regions,
		.region_count = 1,
		.policy =
			op->kind == STEP_COVER ? PREC_SUBSTITUTE : PREC_ABANDON,
	};
	*run = (struct step_run){ .wrong = NULL };
	receive_frames(STEP_PAGE, 2, true);
	if (lend(&region, STEP_PAGE, 2, PREC_READ | PREC_WRITE, &why))
		run->wrong = "not lent";
}

static void load_words(struct prec_transaction *t, void *argument)
{
	const struct step_operation *op = argument;
	const volatile uint32_t *at =
		(const volatile uint32_t *)((char *)prec_plain(
						    prec_lent(&region)) +
					    4096 - op->before);

	for (t->cursor = 0; t->cursor < op->size / 4; t->cursor++)
		words[t->cursor] = at[t->cursor];
}

static struct prec_result whole(enum prec_status status, uint64_t size)
{
	return (struct prec_result){ status, 0, status ? 0 : size };
}

static struct prec_result operate(const struct step_operation *op)
{
	uint64_t from = 4096 - op->before;
	enum prec_status status;

	switch (op->kind) {
	case STEP_COPY_IN:
		return prec_copy_in(buffer, region.span, from, op->size);
	case STEP_COPY_OUT:
		return prec_copy_out(region.span, from, buffer, op->size);
	case STEP_FILL:
		return prec_fill(region.span, from, FILLED, op->size);
	case STEP_LOAD:
		return whole(prec_load64(region.span, from, &word), op->size);
	case STEP_STORE:
		return whole(prec_store64(region.span, from,
					  0x0101010101010101u * FILLED),
			     op->size);
	default:
		status = prec_transaction_run(&transaction, load_words,
					      (void *)(uintptr_t)op);
		return (struct prec_result){ status, 0,
					     4 * transaction.cursor };
	}
}

static struct prec_result result;

void step_operate(void *argument)
{
	result = operate(argument);
}

/* ---- what is specified --------------------------------------------------- */

/* In the client's own view: what was told, and nothing beyond. */
static const char *judge_client(const struct step_operation *op, uint64_t done)
{
	uint64_t from = LOST_AT - op->before;
	uint64_t first = from - LENT_AT < AROUND ? LENT_AT : from - AROUND;
	uint64_t end = from + (stores(op) ? done : 0), wrong;
	uint64_t last = from + op->size + AROUND;

	if (last > LENT_AT + LENT_SIZE)
		last = LENT_AT + LENT_SIZE;
	wrong = client_ask(CLIENT_COUNT_WRONG, first, from - first, STEP_SEED);
	if (op->kind == STEP_COPY_OUT)
		wrong += client_ask(CLIENT_COUNT_WRONG, from, end - from,
				    STEP_SEED + 1);
	else
		wrong += client_ask(CLIENT_COUNT_OTHER, from, end - from,
				    FILLED);
	wrong += client_ask(CLIENT_COUNT_WRONG, end, last - end, STEP_SEED);
	if (end != from)
		client_ask(CLIENT_PUT_BACK, from, end - from, STEP_SEED);
	return wrong ? "the client's memory is not as told" : NULL;
}

static const char *judge_copy(const struct step_operation *op, uint64_t done)
{
	if (buffer_wrong(LOST_AT - op->before, done, STEP_SEED))
		return "what was read is not the client's";
	for (uint64_t i = done; i < op->size + 64ull; i++)
		if (buffer[i] != 0xaa)
			return "bytes beyond `done` were delivered";
	return NULL;
}

static uint32_t client_word(uint64_t at)
{
	uint32_t value = 0;

	for (uint32_t b = 4; b-- > 0;)
		value = value << 8 | client_pattern(at + b, STEP_SEED);
	return value;
}

/* Of the lost page a word is the client's, or zero if that is allowed. */
static const char *judge_words(const struct step_operation *op, uint64_t done)
{
	for (uint64_t i = 0; i < done / 4; i++) {
		uint64_t at = LOST_AT - op->before + 4 * i;

		if (words[i] == client_word(at))
			continue;
		if (op->kind != STEP_COVER || at < LOST_AT || words[i] != 0)
			return "a word is neither the client's nor zero";
	}
	return NULL;
}

static const char *judge_read(const struct step_operation *op, uint64_t done)
{
	uint64_t at = LOST_AT - op->before;

	if (op->kind == STEP_COPY_IN)
		return judge_copy(op, done);
	if (op->kind == STEP_LOAD && done &&
	    word != (client_word(at) | (uint64_t)client_word(at + 4) << 32))
		return "what was loaded is not the client's";
	return op->kind >= STEP_ABANDON ? judge_words(op, done) : NULL;
}

static const char *judge_status(const struct step_operation *op,
				const struct prec_result *got)
{
	bool sized = op->kind <= STEP_FILL;

	switch (got->status) {
	case PREC_OK:
		return got->done == op->size ? NULL : "ok, and not all is done";
	case PREC_GONE:
		if (sized && (got->done < op->before || got->done >= op->size))
			return "gone, and done to the wrong byte";
		return prec_region_epoch(&region) ? NULL
						  : "the epoch stands still";
	case PREC_DISTURBED:
		if (op->kind != STEP_COVER || !transaction.note.substituted)
			return "disturbed, where nothing was to be replaced";
		return got->done == op->size ? NULL : "it did not finish";
	default:
		return "a status that is not specified";
	}
}

void step_end(const struct step_operation *op, struct step_run *run)
{
	const char *wrong[3];

	run->got = result;
	wrong[0] = judge_status(op, &result);
	wrong[1] = judge_read(op, result.done);
	wrong[2] = judge_client(op, result.done);
	for (uint32_t i = 0; i < 3 && !run->wrong; i++)
		run->wrong = wrong[i];
	if (prec_region_unmap(&region) && !run->wrong)
		run->wrong = "not unmapped";
}
