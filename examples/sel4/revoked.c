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
 * This file is what a driver does.  driver.c sets up what it is given, and
 * client.c is the client.  system.h is what any root task needs, and says
 * nothing of the library.
 */
#include "client.h"
#include "driver.h"
#include "edu.h"
#include "root.h"

#include <precarium/precarium.h>

#include <stddef.h>

#define SIZE (PAGES * 4096ull)

/* ---- threads ------------------------------------------------------------- */

enum { DRIVER, VICTIM, THREADS };

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
		if (++whole % 10000 == 0)
			seL4_Yield(); /* for a kernel without a timer */
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
	if (!prec_keeper_enter(&keeper, VICTIM, driver_call[VICTIM]))
		(void)*(volatile uint8_t *)(uintptr_t)address;
}

static void foreign_fault(void)
{
	row("another thread loads, unprepared", "page 2, before");
	lend_all();
	client_ask(REVOKE, 2);
	system_start(&driver_thread[VICTIM], load_plainly,
		     region.span.host + 2 * 4096);
	while (!__atomic_load_n(&stopped_at, __ATOMIC_ACQUIRE))
		seL4_Yield();
	say("that thread is stopped; we go on");
	as_specified(stopped_at == region.span.host + 2 * 4096);
	give_back();
}

/* ---- a device ------------------------------------------------------------ */

static struct prec_ledger ledger; /* of what the device may be using */
static struct prec_io_loan loan;

/*
 * The device's copy of a capability is made from the one that is mapped for us,
 * and so comes after it in the order in which revoking deletes copies.  If our
 * copy is there after the device has said "done", the device's was there until
 * then.
 */
static void lend_to_device(void)
{
	loan.io = &the_device;
	loan.region = &region;
	loan.domain = PREC_IO_SPACE;
	loan.rights = PREC_READ | PREC_WRITE;
	prec_ledger_init(&ledger);
	if (prec_ledger_quota(&ledger, loan.client, SIZE) ||
	    prec_io_lend(&ledger, &loan))
		system_must(seL4_IllegalOperation, "what the device is lent");
}

static void start(uint64_t page, bool to_memory)
{
	if (prec_io_begin(&ledger, &loan, 0,
			  to_memory ? PREC_WRITE : PREC_READ))
		wrong++;
	edu_start(prec_io_address(&loan, page * 4096), to_memory);
}

/* What it says is one thing; what we believe another. */
static void completed(const char *doing, const char *revoked, uint64_t page,
		      enum prec_status want)
{
	bool done = edu_wait();
	enum prec_status check =
		prec_io_end(&ledger, &loan, 0, page * 4096, EDU_BYTES);

	row(doing, revoked);
	say("it says done, the check says %s", prec_status_name(check));
	as_specified(done && check == want);
}

static void device(void)
{
	if (device_missing) {
		say("no device is tried: %s\n", device_missing);
		return;
	}
	lend_all();
	lend_to_device();
	start(0, false);
	completed("a device reads page 0", "nothing", 0, PREC_OK);
	start(1, true);
	completed("it writes page 1", "nothing", 1, PREC_OK);
	row("... and the client finds there", "");
	say("what was in page 0");
	as_specified(client_ask(PEEK, 4096 + 5) == client_pattern(5));
	start(2, true);
	client_ask(REVOKE, 2);
	completed("it writes page 2", "page 2, in flight", 2, PREC_GONE);
	row("... and the client finds there", "");
	say("its own bytes: nothing was written");
	as_specified(client_ask(PEEK, 2 * 4096 + 5) ==
		     client_pattern(2 * 4096 + 5));
	if (prec_io_take_back(&ledger, &loan))
		wrong++;
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
	if (prec_keeper_enter(&keeper, DRIVER, driver_call[DRIVER]))
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
	keeper.pages = 64;
	keeper.frame_count = 8;
	keeper.client_frames = 4;
	driver_set_up(THREADS, 0);
	client_set_up();
	driver_serve(foreign);
	system_start(&driver_thread[DRIVER], driver_main, 0);
}
