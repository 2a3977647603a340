// SPDX-License-Identifier: MIT
/*
 * A root task that lends memory and takes it back, and prints what was revoked,
 * when, and what came of it.
 *
 *   client   has a VSpace and a CSpace of its own, and the originals of four
 *            frames.  It sends copies of them, and revokes when it likes.
 *   driver   works on the copies.  It trusts nothing that the client does.
 *   keeper   a thread of higher priority in the driver's VSpace.  The driver's
 *            faults go to it, and it holds the capabilities to what is lent.
 *
 * Set-up comes first; what a driver does is from "work" on.  system.h is what
 * any root task needs, and says nothing of the library.
 */
#include "client.h"
#include "edu.h"
#include "root.h"
#include "system.h"

#include <precarium/precarium.h>

#include <stddef.h>

#define SIZE (PAGES * 4096ull)

/* ---- the keeper, and the threads whose faults it serves ------------------ */

enum { DRIVER, VICTIM, THREADS };

static struct prec_keeper keeper;
static struct system_thread threads[THREADS];
static seL4_CPtr calls[THREADS], keeper_endpoint, keeper_replies;
static seL4_CPtr received;  /* PAGES slots, for what the client sends */
static uint64_t stopped_at; /* by a fault that is nobody's */

/* The thread stays stopped; here it is the owner's turn.  We only say so. */
static void foreign(const struct prec_keeper_fault *fault, void *context)
{
	(void)context;
	if (fault->thread != VICTIM) {
		say("the driver is stopped at %lx\n", fault->ip);
		system_end(1);
	}
	__atomic_store_n(&stopped_at, fault->address, __ATOMIC_RELEASE);
}

static void keeper_main(uint64_t argument)
{
	(void)argument;
	prec_keeper_serve(&keeper, keeper_endpoint, keeper_replies, foreign,
			  NULL);
}

/* A window of 64 pages, each with a slot for its capability, and page tables of
 * our own; a frame of zeroes and eight to write, for pages that are lost. */
static void set_up_window(void)
{
	seL4_CPtr untyped;

	keeper.cspace = ROOT;
	keeper.depth = DEPTH;
	keeper.vspace = seL4_CapInitThreadVSpace;
	keeper.window = WINDOW_AT;
	keeper.pages = 64;
	keeper.slots = system_slots(keeper.pages);
	keeper.zero = system_frames(1, &untyped);
	keeper.frame_count = 8;
	keeper.client_frames = 4;
	keeper.frames = system_frames(keeper.frame_count, &untyped);
	keeper.probe = system_object(seL4_TCBObject, 0);
	keeper.scratch = SCRATCH_AT;
	keeper.scratch_slot = system_slots(1);
	system_tables(keeper.vspace, WINDOW_AT, keeper.pages * 4096ull);
	system_tables(keeper.vspace, SCRATCH_AT, 4096);
}

/* One endpoint for all: a badge says whether it is a fault or a call, and of
 * which thread. */
static void set_up_threads(void)
{
	static struct system_thread thread;

	keeper_endpoint = system_object(seL4_EndpointObject, 0);
#ifdef CONFIG_KERNEL_MCS
	keeper_replies = system_object(seL4_ReplyObject, 0);
	for (uint32_t i = 0; i < PREC_KEEPER_THREADS; i++)
		system_object(seL4_ReplyObject, 0);
#endif
	for (uint32_t i = 0; i < THREADS; i++) {
		seL4_CPtr faults = system_badged(keeper_endpoint,
						 PREC_KEEPER_BADGE_FAULT + i);

		calls[i] = system_badged(keeper_endpoint,
					 PREC_KEEPER_BADGE_CALL + i);
		system_thread(&threads[i], ROOT, 0, seL4_CapInitThreadVSpace,
			      THREADS_AT + i * 0x10000ull, faults, 100);
		keeper.tcb[i] = threads[i].tcb;
	}
	if (prec_keeper_init(&keeper))
		system_must(seL4_InvalidArgument, "the keeper");
	system_thread(&thread, ROOT, 0, seL4_CapInitThreadVSpace,
		      THREADS_AT + 0x80000, 0, 200);
	system_start(&thread, keeper_main, 0);
}

/* ---- the table ----------------------------------------------------------- */

static uint32_t rows, wrong;

static void row(const char *doing, const char *revoked)
{
	say("%-33s %-29s ", doing, revoked);
}

static void as_specified(bool is)
{
	say("%s\n", is ? "" : "  NOT AS SPECIFIED");
	rows++;
	wrong += !is;
}

static void copied(struct prec_result got, enum prec_status status,
		   uint64_t from, uint64_t to)
{
	say("%s, %lu bytes", prec_status_name(got.status), got.done);
	as_specified(got.status == status && got.done >= from &&
		     got.done <= to);
}

/* ---- work ---------------------------------------------------------------- */

static struct prec_region region;
static uint8_t buffer[SIZE];

/* The client sends copies of its capabilities once more, which the keeper
 * examines, copies and maps. */
static enum prec_status lend(bool writable, uint32_t rights,
			     enum prec_refusal *why)
{
	struct prec_lending lending = { .frames = received,
					.rights = rights,
					.size = SIZE };

	for (uint32_t i = 0; i < PAGES; i++) {
		seL4_CNode_Delete(ROOT, received + i, DEPTH);
		seL4_CNode_Copy(ROOT, received + i, DEPTH, client_cnode,
				CLIENT_FRAMES + i, CLIENT_BITS,
				writable ? seL4_ReadWrite : seL4_CanRead);
	}
	return prec_region_map(&region, &lending, why);
}

static void lend_all(void)
{
	enum prec_refusal why;

	if (lend(true, PREC_READ | PREC_WRITE, &why))
		system_must(seL4_InvalidCapability, prec_refusal_text(why));
}

static void give_back(void)
{
	if (prec_region_unmap(&region))
		wrong++;
}

static void copies(void)
{
	row("copies 16 KiB", "nothing");
	lend_all();
	copied(prec_copy_in(buffer, region.span, 0, SIZE), PREC_OK, SIZE, SIZE);
	row("copies 16 KiB", "page 2, before");
	client_ask(REVOKE, 2);
	copied(prec_copy_in(buffer, region.span, 0, SIZE), PREC_GONE, 8192,
	       8192);
	row("copies to the client", "page 2, before");
	copied(prec_copy_out(region.span, 4096 + 100, buffer, 8192), PREC_GONE,
	       3996, 3996);
	give_back();
}

static void copies_meanwhile(void)
{
	struct prec_result got;
	uint32_t whole = 0;

	row("copies 16 KiB, over and over", "page 3, meanwhile");
	lend_all();
	client_ask(REVOKE_LATER, 3);
	while ((got = prec_copy_in(buffer, region.span, 0, SIZE)).status ==
	       PREC_OK)
		whole++;
	say("%u whole copies, then ", whole);
	copied(got, PREC_GONE, 3 * 4096, SIZE - 1);
	client_ask(PEEK, 0); /* its revocation has come to its end */
	give_back();
}

/* Code that knows nothing of all this: plain loads and stores. */
static void add_up(struct prec_transaction *t, void *argument)
{
	const volatile uint8_t *at = prec_plain(prec_lent(&region));
	uint64_t *sum = argument;

	for (t->cursor = 0; t->cursor < SIZE; t->cursor++)
		*sum += at[t->cursor];
}

static void plain_code(enum prec_policy policy, const char *doing,
		       enum prec_status want)
{
	struct prec_region *regions[] = { &region };
	struct prec_transaction t = { .regions = regions,
				      .region_count = 1,
				      .policy = policy };
	uint64_t sum = 0, expected = 0;
	enum prec_status status;

	row(doing, "page 1, before");
	lend_all();
	client_ask(REVOKE, 1);
	status = prec_transaction_run(&t, add_up, &sum);
	for (uint64_t at = 0; at < t.cursor; at++)
		expected += at / 4096 == 1 ? 0 : client_pattern(at);
	say("%s, at byte %lu", prec_status_name(status), t.cursor);
	/* What is abandoned may have kept its sum in a register. */
	as_specified(status == want &&
		     (want == PREC_GONE ? t.cursor == 4096 : sum == expected) &&
		     t.note.address == region.span.host + 4096);
	give_back();
}

static void refused(const char *doing, uint32_t rights, bool writable,
		    seL4_CPtr instead)
{
	enum prec_refusal why = PREC_REFUSAL_NONE;
	enum prec_status status;

	row(doing, "-");
	if (instead) {
		struct prec_lending lending = { .frames = instead,
						.rights = rights,
						.size = 4096 };

		status = prec_region_map(&region, &lending, &why);
	} else {
		status = lend(writable, rights, &why);
	}
	say("%s: %s", prec_status_name(status), prec_refusal_text(why));
	as_specified(status == PREC_REFUSED);
}

static void load_plainly(uint64_t address)
{
	if (!prec_keeper_enter(&keeper, VICTIM, calls[VICTIM]))
		(void)*(volatile uint8_t *)(uintptr_t)address;
}

static void foreign_fault(void)
{
	row("another thread loads, unprepared", "page 2, before");
	lend_all();
	client_ask(REVOKE, 2);
	system_start(&threads[VICTIM], load_plainly,
		     region.span.host + 2 * 4096);
	while (!__atomic_load_n(&stopped_at, __ATOMIC_ACQUIRE))
		seL4_Yield();
	say("that thread is stopped; we go on");
	as_specified(stopped_at == region.span.host + 2 * 4096);
	give_back();
}

/* ---- a device ------------------------------------------------------------ */

#define IO_AT 0x100000ull /* the device's address of page 0 */

/*
 * The device's copy of a capability is derived from the one that is mapped for
 * us.  A revocation deletes children first: so if our copy is there after the
 * device has said "done", the device's was there until then.
 */
static void lend_to_device(void)
{
	uint64_t first = (region.span.host - keeper.window) / 4096;
	seL4_CPtr copies = system_slots(PAGES);

	for (uint32_t i = 0; i < PAGES; i++) {
		system_must(seL4_CNode_Copy(ROOT, copies + i, DEPTH, ROOT,
					    keeper.slots + first + i, DEPTH,
					    seL4_ReadWrite),
			    "a copy for the device");
		system_must(edu_map(copies + i, IO_AT + i * 4096),
			    "a page for the device");
	}
}

/* What it says is one thing; what we believe another. */
static void completed(const char *doing, const char *revoked, uint64_t page,
		      enum prec_status want)
{
	bool done = edu_wait();
	enum prec_status check =
		prec_region_check_part(&region, page * 4096, EDU_BYTES);

	row(doing, revoked);
	say("it says done, the check says %s", prec_status_name(check));
	as_specified(done && check == want);
}

static void device(void)
{
	const char *missing = edu_open();

	if (missing) {
		say("no device is tried: %s\n", missing);
		return;
	}
	lend_all();
	lend_to_device();
	edu_start(IO_AT, false);
	completed("a device reads page 0", "nothing", 0, PREC_OK);
	edu_start(IO_AT + 4096, true);
	completed("it writes page 1", "nothing", 1, PREC_OK);
	row("... and the client finds there", "");
	say("what was in page 0");
	as_specified(client_ask(PEEK, 4096 + 5) == client_pattern(5));
	edu_start(IO_AT + 2 * 4096, true);
	client_ask(REVOKE, 2);
	completed("it writes page 2", "page 2, in flight", 2, PREC_GONE);
	row("... and the client finds there", "");
	say("its own bytes: nothing was written");
	as_specified(client_ask(PEEK, 2 * 4096 + 5) ==
		     client_pattern(2 * 4096 + 5));
	give_back();
	client_ask(FILL, 0);
}

/* ---- the end ------------------------------------------------------------- */

static void owner(void)
{
	row("copies 16 KiB", "page 0 deleted by the client");
	lend_all();
	client_ask(DELETE, 0);
	copied(prec_copy_in(buffer, region.span, 0, SIZE), PREC_OK, SIZE, SIZE);
	row("copies 16 KiB", "all, by whoever owns them");
	seL4_CNode_Revoke(ROOT, client_memory, DEPTH);
	copied(prec_copy_in(buffer, region.span, 0, SIZE), PREC_GONE, 0, 0);
	give_back();
}

static void driver_main(uint64_t argument)
{
	struct prec_fault_counts counts;

	(void)argument;
	if (prec_keeper_enter(&keeper, DRIVER, calls[DRIVER]))
		system_end(1);
	client_ask(FILL, 0);
	say("%-33s %-29s %s\n", "the driver", "revoked", "what came of it");
	copies();
	copies_meanwhile();
	plain_code(PREC_ABANDON, "adds up, to be abandoned", PREC_GONE);
	plain_code(PREC_SUBSTITUTE, "adds up, on empty pages", PREC_DISTURBED);
	refused("is lent read-only, for writing", PREC_READ | PREC_WRITE, false,
		0);
	refused("is lent an endpoint", PREC_READ, true, client_endpoint);
	foreign_fault();
	device();
	owner();
	prec_fault_read_counts(&counts);
	say("%u rows, %u not as specified; faults: %lu in copies, %lu "
	    "abandoned, "
	    "%lu substituted, %lu passed on\n",
	    rows, wrong, counts.fixed, counts.abandoned, counts.substituted,
	    counts.passed);
	system_end(wrong != 0);
}

void root_task(void)
{
	received = system_slots(PAGES);
	set_up_window();
	set_up_threads();
	client_set_up();
	system_start(&threads[DRIVER], driver_main, 0);
}
