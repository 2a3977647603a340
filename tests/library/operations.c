// SPDX-License-Identifier: MIT
#include "operations.h"

#include "stepped-driver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct work *driver_work;

/* The library's own, asked of the processor when the handler is installed. */
extern uint8_t prec_vector_size __attribute__((visibility("hidden")));
extern uint64_t prec_copy_string_min __attribute__((visibility("hidden")));
extern uint64_t prec_fill_string_min __attribute__((visibility("hidden")));
extern void prec_machine_setup(void);
static uint8_t widest;

static const struct operation *op; /* the one under way */
static struct prec_region *const regions = driver_regions;
static struct prec_span from_spans[PIECE_MAX], to_spans[PIECE_MAX];
static uint32_t from_count, to_count;
static uint8_t outgoing[BUFFER_SIZE];
static struct stepper_state state;

uint8_t driver_byte(const struct operation *of, uint32_t i)
{
	return of->constant ? 0xa5 : (uint8_t)(0x80 | ((i * 11) & 0x7f));
}

static uint8_t *incoming(void)
{
	return driver_work->buffer + BUFFER_GUARD;
}

static void keep(struct prec_result result)
{
	driver_work->status = result.status;
	driver_work->done = result.done;
}

/* One access: all of it or nothing. */
static void keep_whole(enum prec_status status)
{
	driver_work->status = status;
	driver_work->done = status == PREC_OK ? op->size : 0;
}

static void run_copy_in(void *none)
{
	(void)none;
	keep(prec_copy_in(incoming(), regions[LOSER_A].span, op->from[0].at,
			  op->size));
}

static void run_copy_out(void *none)
{
	(void)none;
	keep(prec_copy_out(regions[LOSER_A].span, op->to[0].at, outgoing,
			   op->size));
}

static void run_fill(void *none)
{
	(void)none;
	keep(prec_fill(regions[LOSER_A].span, op->to[0].at, outgoing[0],
		       op->size));
}

static void run_across(void *none)
{
	(void)none;
	keep(prec_copy_across(regions[LOSER_B].span, op->to[0].at,
			      regions[LOSER_A].span, op->from[0].at, op->size));
}

static void run_gather(void *none)
{
	(void)none;
	keep(prec_gather(incoming(), op->size, from_spans, from_count));
}

static void run_scatter(void *none)
{
	(void)none;
	keep(prec_scatter(to_spans, to_count, outgoing, op->size));
}

#define DEFINE_ACCESS(bits)                                                    \
	static void run_load##bits(void *none)                                 \
	{                                                                      \
		(void)none;                                                    \
		keep_whole(prec_load##bits(regions[LOSER_A].span,              \
					   op->from[0].at,                     \
					   (uint##bits##_t *)incoming()));     \
	}                                                                      \
	static void run_store##bits(void *none)                                \
	{                                                                      \
		uint##bits##_t value;                                          \
                                                                               \
		(void)none;                                                    \
		memcpy(&value, outgoing, sizeof(value));                       \
		keep_whole(prec_store##bits(regions[LOSER_A].span,             \
					    op->to[0].at, value));             \
	}

DEFINE_ACCESS(8)
DEFINE_ACCESS(16)
DEFINE_ACCESS(32)
DEFINE_ACCESS(64)

#define DEFINE_SWAP(bits)                                                      \
	static void run_swap##bits(void *none)                                 \
	{                                                                      \
		uint##bits##_t value;                                          \
		bool swapped;                                                  \
                                                                               \
		(void)none;                                                    \
		memcpy(&value, outgoing, sizeof(value));                       \
		keep_whole(prec_compare_exchange##bits(                        \
			regions[LOSER_A].span, op->from[0].at,                 \
			(uint##bits##_t *)incoming(), value, &swapped));       \
	}

DEFINE_SWAP(32)
DEFINE_SWAP(64)

/* --- transactions --- */

static struct prec_region *const only_a[] = { &driver_regions[LOSER_A] };
static struct prec_region *const only_b[] = { &driver_regions[LOSER_B] };
static struct prec_transaction outer, inner;

static uint8_t *plain(const struct piece *p)
{
	return (uint8_t *)prec_plain(prec_lent(&regions[p->who])) + p->at;
}

/* Read a byte in a state that no C code may be left in: other rounding and
 * control words, something on the x87 stack, the direction and alignment
 * flags set, all callee-saved registers overwritten, the stack deeper.  The
 * trap flag that pushfq finds is the stepper's and must not come back. */
static uint8_t read_upset(const uint8_t *from)
{
	uint8_t byte;

	/* clang-format off */
	__asm__ volatile(
		"leaq	-128(%%rsp), %%rsp\n\t"
		"pushq	%%rbx\n\tpushq	%%rbp\n\tpushq	%%r12\n\t"
		"pushq	%%r13\n\tpushq	%%r14\n\tpushq	%%r15\n\t"
		"subq	$16, %%rsp\n\t"
		"stmxcsr (%%rsp)\n\tfnstcw	4(%%rsp)\n\t"
		"movl	$0x3f80, 8(%%rsp)\n\tldmxcsr 8(%%rsp)\n\t"
		"movl	$0x027f, 8(%%rsp)\n\tfldcw	8(%%rsp)\n\t"
		"fld1\n\t"
		"xorl	%%ebx, %%ebx\n\txorl	%%ebp, %%ebp\n\t"
		"xorl	%%r12d, %%r12d\n\txorl	%%r13d, %%r13d\n\t"
		"xorl	%%r14d, %%r14d\n\txorl	%%r15d, %%r15d\n\t"
		"pushfq\n\tandl	$~0x100, (%%rsp)\n\t"
		"orl	$0x40400, (%%rsp)\n\tpopfq\n\t"
		"lodsb\n\t"
		"pushfq\n\tandl	$~0x40500, (%%rsp)\n\tpopfq\n\t"
		"fstp	%%st(0)\n\t"
		"fldcw	4(%%rsp)\n\tldmxcsr (%%rsp)\n\t"
		"addq	$16, %%rsp\n\t"
		"popq	%%r15\n\tpopq	%%r14\n\tpopq	%%r13\n\t"
		"popq	%%r12\n\tpopq	%%rbp\n\tpopq	%%rbx\n\t"
		"leaq	128(%%rsp), %%rsp"
		: "=&a"(byte), "+S"(from)
		:
		: "memory", "cc");
	/* clang-format on */
	return byte;
}

static void read_piece(const struct piece *p, bool upset)
{
	const volatile uint8_t *from = plain(p);
	uint8_t *to = incoming() + outer.cursor;
	uint32_t i;

	for (i = 0; i < p->size; i++) {
		to[i] = upset ? read_upset((const uint8_t *)plain(p) + i)
			      : from[i];
		outer.cursor++;
	}
}

static void read_upset_fn(struct prec_transaction *t, void *none)
{
	(void)t;
	(void)none;
	read_piece(&op->from[0], true);
}

static void read_fn(struct prec_transaction *t, void *none)
{
	uint32_t n;

	(void)t;
	(void)none;
	for (n = 0; n < from_count; n++)
		read_piece(&op->from[n], false);
}

static void write_fn(struct prec_transaction *t, void *none)
{
	volatile uint8_t *to = plain(&op->to[0]);
	uint32_t i;

	(void)none;
	for (i = 0; i < op->size; i++) {
		to[i] = outgoing[i];
		t->cursor = i + 1;
	}
}

static void copy_fn(struct prec_transaction *t, void *none)
{
	(void)none;
	t->cursor = prec_copy_in(incoming(), regions[LOSER_A].span,
				 op->from[0].at, op->size)
			    .done;
}

/* A note speaks of the fault that it was taken of. */
static void check_note(const struct prec_transaction *t)
{
	const struct prec_note *note = &t->note;
	const struct prec_region *at = prec_region_at(note->address);

	if (note->faults == 0 && !note->abandoned && !note->address)
		return;
	if (note->faults && (at == only_a[0] || at == only_b[0]))
		return;
	snprintf(driver_work->wrong, sizeof(driver_work->wrong),
		 "the note is wrong: %llu faults at %#llx",
		 (unsigned long long)note->faults,
		 (unsigned long long)note->address);
}

static void run_outer(enum prec_policy policy, prec_transaction_fn *fn)
{
	memset(&outer, 0, sizeof(outer));
	outer.regions = only_a;
	outer.region_count = 1;
	outer.policy = policy;
	driver_work->status = prec_transaction_run(&outer, fn, NULL);
	driver_work->done = outer.cursor;
	driver_work->replaced = outer.note.substituted;
	driver_work->abandoned = outer.note.abandoned;
	check_note(&outer);
}

static void run_read_upset(void *none)
{
	(void)none;
	run_outer(PREC_ABANDON, read_upset_fn);
}

static void run_write(void *none)
{
	(void)none;
	run_outer(PREC_ABANDON, write_fn);
}

static void run_substitute_read(void *none)
{
	(void)none;
	run_outer(PREC_SUBSTITUTE, read_fn);
}

static void run_substitute_upset(void *none)
{
	(void)none;
	run_outer(PREC_SUBSTITUTE, read_upset_fn);
}

static void run_substitute_write(void *none)
{
	(void)none;
	run_outer(PREC_SUBSTITUTE, write_fn);
}

/* The same between two calls. */
static void run_scope(prec_transaction_fn *fn)
{
	memset(&outer, 0, sizeof(outer));
	outer.regions = only_a;
	outer.region_count = 1;
	outer.policy = PREC_SUBSTITUTE;
	driver_work->status = prec_scope_begin(&outer);
	if (driver_work->status == PREC_OK) {
		fn(&outer, NULL);
		driver_work->status = prec_scope_end(&outer);
	}
	driver_work->done = outer.cursor;
	driver_work->replaced = outer.note.substituted;
	check_note(&outer);
}

static void run_scope_read(void *none)
{
	(void)none;
	run_scope(read_fn);
}

static void run_scope_upset(void *none)
{
	(void)none;
	run_scope(read_upset_fn);
}

static void run_scope_write(void *none)
{
	(void)none;
	run_scope(write_fn);
}

/* The same with nothing around it; the counters tell what the note would. */
static void run_tolerated(prec_transaction_fn *fn)
{
	uint64_t epoch = prec_region_epoch(only_a[0]);
	struct prec_fault_counts before, after;

	memset(&outer, 0, sizeof(outer));
	prec_fault_read_counts(&before);
	fn(&outer, NULL);
	prec_fault_read_counts(&after);
	driver_work->done = outer.cursor;
	driver_work->replaced = after.substituted != before.substituted;
	if (epoch == prec_region_epoch(only_a[0]))
		driver_work->status = PREC_OK;
	else
		driver_work->status =
			driver_work->replaced ? PREC_DISTURBED : PREC_GONE;
}

static void run_tolerated_read(void *none)
{
	(void)none;
	run_tolerated(read_fn);
}

static void run_tolerated_upset(void *none)
{
	(void)none;
	run_tolerated(read_upset_fn);
}

static void run_tolerated_write(void *none)
{
	(void)none;
	run_tolerated(write_fn);
}

static void run_copy_within(void *none)
{
	(void)none;
	run_outer(PREC_ABANDON, copy_fn);
}

/* Reads the inner's region, then the outer's from within it. */
static void inner_fn(struct prec_transaction *t, void *none)
{
	(void)t;
	(void)none;
	read_piece(&op->from[1], false);
	read_piece(&op->from[2], false);
}

static enum prec_status inner_status;

static void run_inner(struct prec_region *const *named, prec_transaction_fn *fn)
{
	memset(&inner, 0, sizeof(inner));
	inner.regions = named;
	inner.region_count = 1;
	inner_status = prec_transaction_run(&inner, fn, NULL);
	check_note(&inner);
}

static void nested_fn(struct prec_transaction *t, void *none)
{
	(void)t;
	(void)none;
	read_piece(&op->from[0], false);
	run_inner(only_b, inner_fn);
	if (inner_status == PREC_OK)
		read_piece(&op->from[3], false);
}

static void run_nested(void *none)
{
	(void)none;
	inner_status = PREC_OK;
	run_outer(PREC_ABANDON, nested_fn);
	if (driver_work->status == PREC_OK)
		driver_work->status =
			inner_status == PREC_REFUSED ? PREC_GONE : inner_status;
}

/* Both name the region: the inner one is abandoned, and the outer one carries
 * on where it was, on empty pages. */
static void inner_part_fn(struct prec_transaction *t, void *none)
{
	struct piece part = op->from[0];

	(void)t;
	(void)none;
	part.at += 4;
	part.size = 4;
	read_piece(&part, false);
}

static void carry_on_fn(struct prec_transaction *t, void *none)
{
	struct piece part = op->from[0];
	bool was_replaced;

	(void)none;
	part.size = 4;
	read_piece(&part, false);
	was_replaced = outer.note.substituted;
	run_inner(only_a, inner_part_fn);
	if (inner_status == PREC_DISTURBED && !was_replaced)
		driver_wrong("the fault did not go to the innermost");
	part.at = op->from[0].at + (uint32_t)t->cursor;
	part.size = op->size - (uint32_t)t->cursor;
	read_piece(&part, false);
}

static void run_carry_on(void *none)
{
	(void)none;
	run_outer(PREC_SUBSTITUTE, carry_on_fn);
}

/* clang-format off */

/* Across the edge between the two pages, a third of it before. */
#define ACROSS_EDGE(who, size) { who, LENT_PAGE - ((size) + 2) / 3, size }
#define AT_EDGE(who, size) { who, LENT_PAGE, size }

#define ONCE .twice = false

#define COPY(n, ...)                                                        \
	{ .name = "copy in " #n, .run = run_copy_in, .size = n,               \
	  .from = { ACROSS_EDGE(LOSER_A, n) }, __VA_ARGS__ },                 \
	{ .name = "copy out " #n, .run = run_copy_out, .size = n,             \
	  .to = { ACROSS_EDGE(LOSER_A, n) }, __VA_ARGS__ },                   \
	{ .name = "copy across " #n, .run = run_across, .size = n,            \
	  .two_clients = true, .from = { ACROSS_EDGE(LOSER_A, n) },           \
	  .to = { { LOSER_B, LENT_PAGE - (n) / 2, n } }, __VA_ARGS__ }

#define FILL(n, ...)                                                          \
	{ .name = "fill " #n, .run = run_fill, .constant = true, .size = n,   \
	  .to = { ACROSS_EDGE(LOSER_A, n) }, __VA_ARGS__ }

#define ACCESS(bits, often)                                                   \
	{ .name = "load " #bits, .run = run_load##bits, .twice = often,       \
	  .size = bits / 8, .from = { AT_EDGE(LOSER_A, bits / 8) } },         \
	{ .name = "store " #bits, .run = run_store##bits, .twice = often,     \
	  .size = bits / 8, .to = { AT_EDGE(LOSER_A, bits / 8) } }

#define SWAP(bits)                                                            \
	{ .name = "compare-exchange " #bits, .run = run_swap##bits,           \
	  .kind = SWAPS, .twice = bits == 64, .size = bits / 8,               \
	  .from = { AT_EDGE(LOSER_A, bits / 8) } }

#define PARTS                                                                 \
	{ { LOSER_A, 4090, 20 }, { LOSER_B, 4089, 30 }, { LOSER_A, 40, 9 } }

const struct operation operations[] = {
	ACCESS(8, false), ACCESS(16, false), ACCESS(32, true),
	ACCESS(64, false), SWAP(32), SWAP(64),
	COPY(3, ONCE), COPY(6, ONCE), COPY(13, ONCE),
	COPY(23, .twice = true), COPY(57, ONCE),
	COPY(64, ONCE), COPY(107, .vectors = 32), COPY(128, .vectors = 32),
	COPY(333, .vectors = 32), COPY(200, .vectors = 32),
	COPY(100, .vectors = 64), COPY(199, .vectors = 64),
	COPY(300, .vectors = 64), COPY(777, .vectors = 64),
	COPY(145, .vectors = 16), COPY(79, .string = true),
	FILL(3, ONCE), FILL(7, ONCE), FILL(12, ONCE), FILL(25, ONCE),
	FILL(45, ONCE), FILL(107, ONCE), FILL(333, ONCE),
	FILL(145, .vectors = 16), FILL(79, .string = true),
	{ .name = "gather", .run = run_gather, .two_clients = true,
	  .size = 59, .from = PARTS },
	{ .name = "scatter", .run = run_scatter, .two_clients = true,
	  .size = 59, .to = PARTS },
	{ .name = "abandon, reading", .run = run_read_upset, .kind = ABANDONS,
	  .twice = true, .size = 6, .from = { ACROSS_EDGE(LOSER_A, 6) } },
	{ .name = "abandon, writing", .run = run_write, .kind = ABANDONS,
	  .size = 12, .to = { ACROSS_EDGE(LOSER_A, 12) } },
	{ .name = "copy in transaction", .run = run_copy_within,
	  .kind = ABANDONS, .size = 23,
	  .from = { ACROSS_EDGE(LOSER_A, 23) } },
	{ .name = "substitute, reading", .run = run_substitute_read,
	  .kind = SUBSTITUTES, .twice = true, .size = 12,
	  .from = { ACROSS_EDGE(LOSER_A, 12) } },
	{ .name = "substitute, upset", .run = run_substitute_upset,
	  .kind = SUBSTITUTES, .size = 6,
	  .from = { ACROSS_EDGE(LOSER_A, 6) } },
	{ .name = "substitute, writing", .run = run_substitute_write,
	  .kind = SUBSTITUTES, .twice = true, .size = 12,
	  .to = { ACROSS_EDGE(LOSER_A, 12) } },
	{ .name = "substitute, go back", .run = run_substitute_read,
	  .kind = SUBSTITUTES, .size = 8,
	  .from = { { LOSER_A, 4094, 4 }, { LOSER_A, 4080, 4 } } },
	{ .name = "scope, reading", .run = run_scope_read,
	  .kind = SUBSTITUTES, .size = 12,
	  .from = { ACROSS_EDGE(LOSER_A, 12) } },
	{ .name = "scope, upset", .run = run_scope_upset,
	  .kind = SUBSTITUTES, .size = 6,
	  .from = { ACROSS_EDGE(LOSER_A, 6) } },
	{ .name = "scope, writing", .run = run_scope_write,
	  .kind = SUBSTITUTES, .size = 12,
	  .to = { ACROSS_EDGE(LOSER_A, 12) } },
	{ .name = "tolerated, reading", .run = run_tolerated_read,
	  .kind = SUBSTITUTES, .tolerated = true, .twice = true, .size = 12,
	  .from = { ACROSS_EDGE(LOSER_A, 12) } },
	{ .name = "tolerated, upset", .run = run_tolerated_upset,
	  .kind = SUBSTITUTES, .tolerated = true, .size = 6,
	  .from = { ACROSS_EDGE(LOSER_A, 6) } },
	{ .name = "tolerated, writing", .run = run_tolerated_write,
	  .kind = SUBSTITUTES, .tolerated = true, .size = 12,
	  .to = { ACROSS_EDGE(LOSER_A, 12) } },
	{ .name = "nested", .run = run_nested, .kind = ABANDONS,
	  .two_clients = true, .twice = true, .size = 16,
	  .from = { { LOSER_A, 100, 4 }, { LOSER_B, 4094, 4 },
		    { LOSER_A, 4094, 4 }, { LOSER_A, 5000, 4 } } },
	{ .name = "nested, one region", .run = run_carry_on,
	  .kind = SUBSTITUTES, .twice = true, .size = 12,
	  .from = { { LOSER_A, 4090, 12 } } },
};

/* clang-format on */

const uint32_t operation_count = sizeof(operations) / sizeof(operations[0]);
_Static_assert(sizeof(operations) / sizeof(operations[0]) <= OPERATION_MAX,
	       "OPERATION_MAX is too small");

/* --- the driver around them --- */

static void revoke_one(unsigned int who)
{
	if (prec_region_revoke(&regions[who]) != PREC_OK)
		driver_wrong("a region cannot be revoked");
}

/* The judge installs no handler, which would ask the processor. */
bool operation_is_possible(const struct operation *one)
{
	prec_machine_setup();
	return one->vectors <= prec_vector_size;
}

void operations_prepare(void)
{
	driver_prepare(driver_work->wrong);
	widest = prec_vector_size;
	lent_answer(revoke_one);
}

static uint32_t make_spans(const struct piece *pieces, struct prec_span *spans)
{
	uint32_t n;

	for (n = 0; n < PIECE_MAX && pieces[n].size; n++)
		if (prec_span_part(regions[pieces[n].who].span, pieces[n].at,
				   pieces[n].size, &spans[n]) != PREC_OK)
			driver_wrong("a piece is out of range");
	return n;
}

static void begin(void)
{
	uint32_t i;

	op = &operations[driver_work->operation];
	driver_lend(LOSER_A, op->tolerated ? PREC_TOLERATE : 0);
	driver_lend(LOSER_B, op->tolerated ? PREC_TOLERATE : 0);
	from_count = make_spans(op->from, from_spans);
	to_count = make_spans(op->to, to_spans);
	memset(driver_work->buffer, CANARY, BUFFER_SIZE);
	for (i = 0; i < op->size; i++)
		outgoing[i] = driver_byte(op, i);
	if (op->kind == SWAPS)
		for (i = 0; i < op->size; i++)
			incoming()[i] = lent_byte(LOSER_A, op->from[0].at + i);
	driver_work->status = PREC_INVALID;
	driver_work->done = 0;
	driver_work->replaced = false;
	driver_work->abandoned = false;
	prec_vector_size = op->vectors ? op->vectors : widest;
	prec_copy_string_min = op->string ? 0 : UINT64_MAX;
	prec_fill_string_min = op->string ? 0 : UINT64_MAX;
	memset(&state, 0, sizeof(state));
	state.mxcsr = 0x5f80;	/* round up */
	state.control = 0x0f7f; /* round towards zero */
	errno = 4711;
}

void operations_run(void)
{
	uint64_t before;

	begin();
	before = prec_region_epoch(&regions[LOSER_A]) +
		 prec_region_epoch(&regions[LOSER_B]);
	stepper_window(op->run, NULL, &state);
	if (errno != 4711)
		driver_wrong("errno is not kept");
	if (stepper_lost(&state))
		driver_wrong(stepper_lost(&state));
	driver_work->moved = prec_region_epoch(&regions[LOSER_A]) +
				     prec_region_epoch(&regions[LOSER_B]) !=
			     before;
	driver_serve_good();
	driver_take_down(LOSER_A);
	driver_take_down(LOSER_B);
	driver_check();
}
