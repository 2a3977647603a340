// SPDX-License-Identifier: MIT
/*
 * The memory goes before instruction 1, 2, 3, … of each operation that works
 * on it, our fault handler included, and each outcome must be one of those
 * specified.
 *
 * The driver is a child, stepped from outside by the parent, which is also the
 * clients: it holds their files and takes the memory.  For "page, then all"
 * and the like the first part is lost before the operation starts, so that the
 * fault is certain, and the second at instruction N, mostly of the handler.
 *
 * The driver looks after itself (registers, control words, signal mask, a
 * transaction on a good client's region, unmapping); the parent judges the
 * result by what is in the driver's memory and in the clients' files.
 */
#include "losses.h"
#include "operations.h"
#include "stepper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static const struct loss losses[] = {
	{ "all", OF_BOTH(KEEP), OF_BOTH(TAKE_ALL) },
	{ "second page", OF_BOTH(KEEP), OF_BOTH(TAKE_PAGE) },
	{ "some bytes", OF_BOTH(KEEP), OF_BOTH(TAKE_BYTES) },
	{ "hole", OF_BOTH(KEEP), OF_BOTH(PUNCH) },
	{ "all and back", OF_BOTH(KEEP), OF_BOTH(BOUNCE) },
	{ "revoked", OF_BOTH(KEEP), OF_BOTH(REVOKE) },
	/* two clients, or one that lent two regions */
	{ "all of A", OF_BOTH(KEEP), OF_A(TAKE_ALL) },
	{ "all of B", OF_BOTH(KEEP), OF_B(TAKE_ALL) },
	{ "A, page of B", OF_BOTH(KEEP), { TAKE_ALL, TAKE_PAGE } },
	{ "page of A, B", OF_BOTH(KEEP), { TAKE_PAGE, TAKE_ALL } },
	{ "A, B revoked", OF_BOTH(KEEP), { TAKE_ALL, REVOKE } },
	/* a second time, while the first is dealt with */
	{ "page, then all", OF_BOTH(TAKE_PAGE), OF_BOTH(TAKE_ALL) },
	{ "page, then back", OF_BOTH(TAKE_PAGE), OF_BOTH(GIVE_BACK) },
	{ "page, then revoked", OF_BOTH(TAKE_PAGE), OF_BOTH(REVOKE) },
	{ "all, then back", OF_BOTH(TAKE_ALL), OF_BOTH(GIVE_BACK) },
};

#define LOSS_COUNT   (sizeof(losses) / sizeof(losses[0]))
#define FIRST_OF_TWO 6u
#define FIRST_TWICE  11u

/* What came of it, for the table. */
enum outcome { WENT_WELL, WENT_GONE, WENT_DISTURBED, UNSPECIFIED, OUTCOMES };

struct row {
	uint32_t points;
	uint32_t outcomes[OUTCOMES];
};

static struct row rows[OPERATION_MAX][LOSS_COUNT];
static struct stepper stepper;
static struct work *work;
static uint8_t seen[LOSERS][LENT_SIZE]; /* just before the loss at N */
static bool verbose;
static uint32_t unspecified;

#define UNSPECIFIED_MAX 12u

/* Where byte i of an operation comes from or goes to. */
struct place {
	unsigned int who; /* LOSERS: the driver */
	uint32_t offset;
};

static struct place place_of(const struct piece *pieces, uint32_t i)
{
	struct place driver = { LOSERS, i };
	uint32_t n;

	for (n = 0; n < PIECE_MAX && pieces[n].size; n++) {
		if (i < pieces[n].size)
			return (struct place){ pieces[n].who,
					       pieces[n].at + i };
		i -= pieces[n].size;
	}
	return driver;
}

/* The case that is judged. */
struct trial {
	const struct operation *op;
	struct loss_effect effects[LOSERS];
};

static uint8_t sent(const struct operation *op, uint32_t i)
{
	struct place from = place_of(op->from, i);

	return from.who == LOSERS ? driver_byte(op, i)
				  : lent_byte(from.who, from.offset);
}

/* Bytes from the start that were within reach all the time. */
static uint32_t in_reach(const struct trial *t)
{
	uint32_t i;

	for (i = 0; i < t->op->size; i++) {
		struct place from = place_of(t->op->from, i);
		struct place to = place_of(t->op->to, i);

		if (from.who < LOSERS &&
		    from.offset >= t->effects[from.who].cut)
			break;
		if (to.who < LOSERS && to.offset >= t->effects[to.who].cut)
			break;
	}
	return i;
}

/* May byte i have been read as zero? */
static bool may_be_zero(const struct trial *t, uint32_t i)
{
	struct place from = place_of(t->op->from, i);
	const struct loss_effect *effect = &t->effects[from.who];

	if (from.who == LOSERS)
		return false;
	return from.offset >= effect->zeros ||
	       (work->replaced && from.offset >= effect->cut);
}

static const char *judge_driver_memory(const struct trial *t)
{
	const uint8_t *bytes = work->buffer + BUFFER_GUARD;
	uint64_t done = work->done;
	uint32_t i;

	for (i = 0; i < BUFFER_GUARD; i++)
		if (work->buffer[i] != CANARY ||
		    bytes[t->op->size + i] != CANARY)
			return "the driver's memory beside the bytes changed";
	if (t->op->to[0].size)
		return NULL;
	for (i = 0; i < t->op->size; i++) {
		/* the cursor follows its byte */
		if (t->op->kind != COPIES && i == done)
			continue;
		if (i >= done && bytes[i] != CANARY)
			return "bytes beyond `done` were delivered";
		if (i < done && bytes[i] != sent(t->op, i) &&
		    !(bytes[i] == 0 && may_be_zero(t, i)))
			return "a wrong byte was delivered";
	}
	return NULL;
}

/* A byte that is said to be stored. */
static const char *judge_stored(const struct trial *t, uint32_t i,
				struct place to, const uint8_t *file)
{
	const struct loss_effect *effect = &t->effects[to.who];
	bool zero = may_be_zero(t, i);
	uint8_t want = sent(t->op, i);

	if (work->replaced && to.offset >= effect->cut)
		return NULL;
	if (to.offset >= effect->zeros)
		return NULL;
	if (to.offset >= effect->early)
		return "stored where nothing was within reach";
	if (to.offset >= effect->cut && !effect->revoked)
		file = seen[to.who];
	if (file[to.offset] != want && !(zero && file[to.offset] == 0))
		return "a byte said to be stored was not";
	return NULL;
}

/* Which byte of the operation goes to this place, or -1. */
static int32_t byte_at(const struct operation *op, unsigned int who,
		       uint32_t offset)
{
	uint32_t n, i = 0;

	for (n = 0; n < PIECE_MAX && op->to[n].size; n++) {
		const struct piece *p = &op->to[n];

		if (p->who == who && offset >= p->at &&
		    offset - p->at < p->size)
			return (int32_t)(i + offset - p->at);
		i += p->size;
	}
	return -1;
}

static const char *judge_file(const struct trial *t, unsigned int who)
{
	const struct loss_effect *effect = &t->effects[who];
	uint8_t file[LENT_SIZE];
	const char *wrong = NULL;
	uint32_t offset;

	lent_read(who, file);
	for (offset = 0; offset < LENT_SIZE && !wrong; offset++) {
		int32_t i = byte_at(t->op, who, offset);
		const uint8_t *now = offset < effect->ends ? file : seen[who];
		struct place to = { who, offset };

		if (i >= 0 && (uint64_t)i < work->done)
			wrong = judge_stored(t, (uint32_t)i, to, file);
		else if (i >= 0 && t->op->kind != COPIES &&
			 (uint64_t)i == work->done)
			continue;
		else if (now[offset] != lent_byte(who, offset) &&
			 !(now[offset] == 0 && (offset >= effect->zeros ||
						offset >= effect->early)))
			wrong = "a byte not said to be stored changed";
	}
	return wrong;
}

/* A swap says what it found; if that was expected, it stored. */
static const char *judge_swap(const struct trial *t)
{
	const struct loss_effect *effect = &t->effects[LOSER_A];
	const struct piece *p = &t->op->from[0];
	uint8_t file[LENT_SIZE];
	uint8_t first[8], zero[8] = { 0 };
	const uint8_t *found = work->buffer + BUFFER_GUARD;
	const uint8_t *now;
	uint32_t i;

	for (i = 0; i < t->op->size; i++)
		first[i] = lent_byte(p->who, p->at + i);
	lent_read(LOSER_A, file);
	now = p->at >= effect->cut && !effect->revoked ? seen[LOSER_A] : file;
	if (memcmp(found, first, t->op->size) != 0 &&
	    (work->status == PREC_GONE || p->at < effect->zeros ||
	     memcmp(found, zero, t->op->size) != 0))
		return "found what was never there";
	if (p->at >= effect->zeros || p->at >= effect->early)
		return NULL;
	for (i = 0; i < t->op->size; i++)
		if (now[p->at + i] != (work->status == PREC_OK
					       ? driver_byte(t->op, i)
					       : first[i]))
			return "the swap did not do what it said";
	return NULL;
}

static const char *judge_status(const struct trial *t)
{
	uint32_t size = t->op->size, reach = in_reach(t);

	switch (work->status) {
	case PREC_OK:
		if (work->replaced)
			return "ok, with empty pages";
		return work->done == size ? NULL : "ok, but not all is done";
	case PREC_GONE:
		if (work->done < reach)
			return "gone, but stopped before the edge";
		/* plain pointers may be done when the loss is found */
		if (t->op->kind == COPIES && work->done >= size)
			return "gone, but all is done";
		if (reach == size)
			return "gone, but nothing was lost";
		if (work->replaced && !work->abandoned &&
		    !t->effects[LOSER_A].revoked)
			return "gone, but it finished on empty pages";
		return work->moved ? NULL : "gone, and the epoch stands still";
	case PREC_DISTURBED:
		if (t->op->kind != SUBSTITUTES || reach == size)
			return "nothing was to be replaced";
		if (!work->replaced)
			return "disturbed, and the note says nothing";
		if (work->done != size)
			return "disturbed, but it did not finish";
		return work->moved ? NULL
				   : "disturbed, and the epoch stands still";
	case PREC_REFUSED:
		if (work->done || !t->effects[LOSER_A].revoked)
			return "revoked before, and yet it ran";
		return work->moved ? NULL
				   : "revoked, and the epoch stands still";
	default:
		return "a status that is not specified";
	}
}

static const char *judge(const struct trial *t)
{
	const char *wrong = work->wrong[0] ? work->wrong : NULL;
	unsigned int who;

	if (!wrong)
		wrong = judge_status(t);
	if (!wrong && t->op->kind == SWAPS)
		return judge_swap(t);
	if (!wrong)
		wrong = judge_driver_memory(t);
	for (who = 0; who < LOSERS && !wrong; who++)
		wrong = judge_file(t, who);
	return wrong;
}

static enum outcome outcome_of(enum prec_status status)
{
	if (status == PREC_OK)
		return WENT_WELL;
	return status == PREC_DISTURBED ? WENT_DISTURBED : WENT_GONE;
}

static void complain(const struct operation *op, const struct loss *loss,
		     int64_t point, const char *wrong)
{
	char name[128] = "";

	unspecified++;
	if (point >= 0)
		stepper_symbol(stepper.points[point].instruction, name,
			       sizeof(name));
	printf("UNSPECIFIED: %s, lost %s, point %lld at %#llx %s: %s "
	       "(%s, %llu done)\n",
	       op->name, loss->name, (long long)point,
	       point < 0
		       ? 0ull
		       : (unsigned long long)stepper.points[point].instruction,
	       name, wrong, prec_status_name(work->status),
	       (unsigned long long)work->done);
}

static bool start(void)
{
	return stepper_start(&stepper, operations_prepare, operations_run);
}

enum { UNSTEPPED = -2, WALK = -1 };

/* Let the child run `op` once, with the loss at point n; or none, or none
 * while its window is listed. */
static bool run(const struct operation *op, const struct loss *loss, int64_t n)
{
	unsigned int who;

	lent_restore();
	work->operation = (uint32_t)(op - operations);
	work->wrong[0] = 0;
	if (!stepper_open(&stepper))
		return false;
	loss_happen(loss->before);
	if (n == WALK && !stepper_walk(&stepper))
		return false;
	if (n >= 0 && !stepper_go(&stepper, (uint32_t)n))
		return false;
	for (who = 0; who < LOSERS; who++)
		lent_read(who, seen[who]);
	if (n >= 0)
		loss_happen(loss->at);
	return stepper_finish(&stepper);
}

static bool try_point(const struct operation *op, const struct loss *loss,
		      int64_t n, struct row *row)
{
	struct trial t = { .op = op };
	const char *wrong;
	unsigned int who;

	for (who = 0; who < LOSERS; who++)
		t.effects[who] = loss_effect_on(loss, n >= 0, who);
	if (run(op, loss, n)) {
		wrong = judge(&t);
	} else {
		wrong = stepper.why;
		stepper_end_child(&stepper);
	}
	if (wrong)
		complain(op, loss, n, wrong);
	if (!stepper.child && !start()) {
		printf("no driver: %s\n", stepper.why);
		exit(2);
	}
	if (n < 0)
		return !wrong;
	row->points++;
	row->outcomes[wrong ? UNSPECIFIED : outcome_of(work->status)]++;
	return unspecified < UNSPECIFIED_MAX;
}

static void try_all(const struct operation *op, uint32_t l)
{
	struct row *row = &rows[op - operations][l];
	const struct loss *loss = &losses[l];
	int64_t n;

	/* once before, so that what is done only once is behind us */
	if (!try_point(op, loss, UNSTEPPED, row) ||
	    !try_point(op, loss, WALK, row))
		return;
	for (n = 0; n < (int64_t)stepper.count; n++)
		if (!try_point(op, loss, n, row))
			return;
}

static bool wanted(const struct operation *op, uint32_t l)
{
	if (l >= FIRST_TWICE)
		return op->twice;
	if (l >= FIRST_OF_TWO)
		return op->two_clients;
	return true;
}

static void print_row(const char *operation, const char *loss,
		      const struct row *row)
{
	if (!row->points)
		return;
	printf("%-20s %-19s %7u %7u %7u %9u %11u\n", operation, loss,
	       row->points, row->outcomes[WENT_WELL], row->outcomes[WENT_GONE],
	       row->outcomes[WENT_DISTURBED], row->outcomes[UNSPECIFIED]);
}

static void add_row(struct row *to, const struct row *row)
{
	uint32_t i;

	to->points += row->points;
	for (i = 0; i < OUTCOMES; i++)
		to->outcomes[i] += row->outcomes[i];
}

static void print_table(void)
{
	struct row by_loss[LOSS_COUNT] = { { .points = 0 } };
	struct row total = { .points = 0 };
	uint32_t i, l;

	printf("%-20s %-19s %7s %7s %7s %9s %11s\n", "operation", "lost",
	       "points", "ok", "gone", "disturbed", "unspecified");
	for (i = 0; i < operation_count; i++) {
		struct row by_op = { .points = 0 };

		for (l = 0; l < LOSS_COUNT; l++) {
			if (verbose && rows[i][l].points)
				print_row(operations[i].name, losses[l].name,
					  &rows[i][l]);
			add_row(&by_op, &rows[i][l]);
			add_row(&by_loss[l], &rows[i][l]);
		}
		print_row(operations[i].name, "any", &by_op);
		add_row(&total, &by_op);
	}
	for (l = 0; l < LOSS_COUNT; l++)
		print_row("any", losses[l].name, &by_loss[l]);
	print_row("all", "", &total);
	stepper_print_total(&stepper, total.points, unspecified);
}

static void set_up(void)
{
	work = mmap(NULL, sizeof(*work), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (work == MAP_FAILED || !lent_make()) {
		perror("setting up");
		exit(2);
	}
	driver_work = work;
	lent_restore();
	if (!start()) {
		printf("no driver: %s\n", stepper.why);
		exit(2);
	}
}

/* copies, transactions: only these.  Other words: only operations whose name
 * holds one.  -v: a row for each operation with each loss. */
static bool chosen(const struct operation *op, int argc, char **argv)
{
	bool copies = op->kind == COPIES || op->kind == SWAPS;
	bool all = true;
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-v") == 0)
			continue;
		all = false;
		if (strstr(op->name, argv[i]) ||
		    (copies && strcmp(argv[i], "copies") == 0) ||
		    (!copies && strcmp(argv[i], "transactions") == 0))
			return true;
	}
	return all;
}

static void try_operation(const struct operation *op)
{
	uint32_t l;

	for (l = 0; l < LOSS_COUNT && unspecified < UNSPECIFIED_MAX; l++)
		if (wanted(op, l))
			try_all(op, l);
}

int main(int argc, char **argv)
{
	time_t began = time(NULL);
	uint32_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 1; i < (uint32_t)argc; i++)
		if (strcmp(argv[i], "-v") == 0)
			verbose = true;
	if (!stepper_works())
		return 77;
	set_up();
	for (i = 0; i < operation_count; i++)
		if (chosen(&operations[i], argc, argv) &&
		    operation_is_possible(&operations[i]))
			try_operation(&operations[i]);
	stepper_end_child(&stepper);
	print_table();
	printf("%lld s\n", (long long)(time(NULL) - began));
	return unspecified ? 1 : 0;
}
