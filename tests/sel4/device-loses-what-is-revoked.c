// SPDX-License-Identifier: MIT
/*
 * A device moves bytes while the client revokes, or the driver takes back.
 * What the device says to have done is believed only if it has; memory that was
 * given back stays as it is.  What a broker lends is the device's until it has
 * done.
 */
#include "scenario.h"

#include "examples/sel4/edu.h"
#include "examples/sel4/system.h"

#define ROUNDS	10u
#define SEED	8u
#define FROM_AT 0u /* two pages */
#define TO	1u
#define TO_AT	4096u
#define BOTH	(PREC_READ | PREC_WRITE)

static struct prec_ledger ledger;
static struct prec_region region;
static struct prec_io_loan loan;

static enum prec_status lend_to_device(enum prec_io_domain domain,
				       uint32_t rights)
{
	loan = (struct prec_io_loan){ .io = &the_device,
				      .region = &region,
				      .domain = domain,
				      .rights = rights };
	return prec_io_lend(&ledger, &loan);
}

static void lend_two(uint32_t rights)
{
	enum prec_refusal why;

	receive_frames(0, 2, true);
	EXPECT_EQ(lend(&region, 0, 2, rights, &why), PREC_OK);
}

static void start(uint64_t at, bool to_memory)
{
	EXPECT_EQ(prec_io_begin(&ledger, &loan, 0,
				to_memory ? PREC_WRITE : PREC_READ),
		  PREC_OK);
	edu_start(prec_io_address(&loan, at), to_memory);
}

static enum prec_status end(uint64_t at)
{
	EXPECT(edu_wait());
	return prec_io_end(&ledger, &loan, 0, at, EDU_BYTES);
}

/* From one page to the other, by way of the device. */
static enum prec_status move(uint8_t value)
{
	EXPECT_EQ(prec_fill(region.span, FROM_AT, value, EDU_BYTES).status,
		  PREC_OK);
	start(FROM_AT, false);
	EXPECT_EQ(end(FROM_AT), PREC_OK);
	start(TO_AT, true);
	return end(TO_AT);
}

/* Unless the page was revoked since. */
static void expect_moved(uint8_t value)
{
	uint64_t wrong = 0;

	if (prec_copy_in(buffer, region.span, TO_AT, EDU_BYTES).status)
		return;
	for (uint32_t i = 0; i < EDU_BYTES; i++)
		wrong += buffer[i] != value;
	EXPECT_EQ(wrong, 0);
}

/* The device is writing there, and must not reach it. */
static void expect_unreached(void)
{
	client_ask(CLIENT_PUT_BACK, TO_AT, EDU_BYTES, SEED);
	EXPECT_EQ(end(TO_AT), PREC_GONE);
	EXPECT_EQ(client_ask(CLIENT_COUNT_WRONG, TO_AT, EDU_BYTES, SEED), 0);
}

static void give_back(void)
{
	EXPECT_EQ(prec_region_unmap(&region), PREC_BUSY);
	EXPECT_EQ(prec_io_take_back(&ledger, &loan), PREC_OK);
	EXPECT_EQ(prec_io_take_back(&ledger, &loan), PREC_INVALID);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
	EXPECT_EQ(prec_ledger_account(&ledger, 0).bytes[PREC_PIN_LIVE], 0);
}

/* ---- the client revokes -------------------------------------------------- */

static void revoked(uint64_t turns)
{
	uint8_t value = 1;

	lend_two(BOTH);
	EXPECT_EQ(lend_to_device(PREC_IO_SPACE, BOTH), PREC_OK);
	EXPECT_EQ(move(value), PREC_OK);
	expect_moved(value);
	client_ask(CLIENT_REVOKE_LATER, TO, turns, 0);
	while (move(++value) == PREC_OK)
		expect_moved(value);
	/* The client's call has returned: the page is its own. */
	client_ask(CLIENT_PEEK, 0, 0, 0);
	start(TO_AT, true);
	expect_unreached();
	give_back();
}

/* ---- the driver takes back ----------------------------------------------- */

static void taken_back(void)
{
	lend_two(BOTH);
	EXPECT_EQ(lend_to_device(PREC_IO_SPACE, BOTH), PREC_OK);
	EXPECT_EQ(move(1), PREC_OK);
	start(TO_AT, true);
	EXPECT_EQ(prec_io_take_back(&ledger, &loan), PREC_BUSY);
	EXPECT_EQ(prec_io_begin(&ledger, &loan, 1, PREC_READ), PREC_GONE);
	EXPECT_EQ(prec_region_unmap(&region), PREC_BUSY);
	expect_unreached();
	give_back();
}

static void region_taken_back(void)
{
	lend_two(BOTH);
	EXPECT_EQ(lend_to_device(PREC_IO_SPACE, BOTH), PREC_OK);
	start(TO_AT, true);
	EXPECT_EQ(prec_region_revoke(&region), PREC_OK);
	expect_unreached();
	give_back();
}

/* ---- a broker has the originals ------------------------------------------ */

#define CLIENT_COPY (CLIENT_FRAMES + PAGES)

static void lend_by_broker(seL4_CPtr originals)
{
	enum prec_refusal why;

	for (uint32_t i = 0; i < 2; i++) {
		seL4_CNode_Delete(ROOT, received + i, DEPTH);
		EXPECT_EQ(seL4_CNode_Copy(ROOT, received + i, DEPTH, ROOT,
					  originals + i, DEPTH, seL4_ReadWrite),
			  0);
		EXPECT_EQ(seL4_CNode_Copy(client_cnode, CLIENT_COPY + i,
					  CLIENT_BITS, ROOT, originals + i,
					  DEPTH, seL4_ReadWrite),
			  0);
	}
	EXPECT_EQ(lend(&region, 0, 2, BOTH, &why), PREC_OK);
	EXPECT_EQ(lend_to_device(PREC_IO_BROKER, BOTH), PREC_OK);
}

static void broker(void)
{
	seL4_CPtr untyped, originals = system_frames(2, &untyped);

	lend_by_broker(originals);
	EXPECT_EQ(move(1), PREC_OK);
	/* The client has a copy, and takes back nothing by it. */
	EXPECT_EQ(prec_fill(region.span, TO_AT, 0, EDU_BYTES).status, PREC_OK);
	start(TO_AT, true);
	client_ask(CLIENT_REVOKE, PAGES + TO, 0, 0);
	client_ask(CLIENT_DELETE, PAGES + TO, 0, 0);
	EXPECT_EQ(end(TO_AT), PREC_OK);
	expect_moved(1);
	/* What is in flight comes to its end, and is not believed. */
	EXPECT_EQ(prec_fill(region.span, TO_AT, 0, EDU_BYTES).status, PREC_OK);
	start(TO_AT, true);
	EXPECT_EQ(prec_io_take_back(&ledger, &loan), PREC_BUSY);
	EXPECT_EQ(prec_io_begin(&ledger, &loan, 1, PREC_READ), PREC_GONE);
	EXPECT_EQ(end(TO_AT), PREC_GONE);
	expect_moved(1);
	give_back();
	/* And now it may revoke. */
	EXPECT_EQ(seL4_CNode_Revoke(ROOT, untyped, DEPTH), 0);
}

/* ---- what is refused ----------------------------------------------------- */

static void not_lent(void)
{
	static struct prec_io another;
	struct prec_io_loan again;

	lend_two(BOTH);
	EXPECT_EQ(prec_ledger_quota(&ledger, 0, 8191), PREC_OK);
	EXPECT_EQ(lend_to_device(PREC_IO_SPACE, BOTH), PREC_REFUSED);
	EXPECT_EQ(prec_ledger_quota(&ledger, 0, 1 << 20), PREC_OK);
	EXPECT_EQ(lend_to_device(PREC_IO_BROKER + 1, BOTH), PREC_INVALID);
	EXPECT_EQ(lend_to_device(PREC_IO_SPACE, 0), PREC_INVALID);
	loan.io = &another;
	loan.rights = BOTH;
	EXPECT_EQ(prec_io_lend(&ledger, &loan), PREC_INVALID);
	EXPECT_EQ(lend_to_device(PREC_IO_SPACE, PREC_READ), PREC_OK);
	EXPECT_EQ(prec_io_begin(&ledger, &loan, 0, PREC_WRITE), PREC_RIGHTS);
	EXPECT_EQ(prec_io_end(&ledger, &loan, 0, 0, 1), PREC_INVALID);
	EXPECT_EQ(prec_io_begin(&ledger, &loan, 0, PREC_READ), PREC_OK);
	EXPECT_EQ(prec_io_end(&ledger, &loan, 0, 8192, 1), PREC_RANGE);
	again = loan;
	EXPECT_EQ(prec_io_lend(&ledger, &again), PREC_BUSY);
	give_back();
	lend_two(PREC_READ);
	EXPECT_EQ(lend_to_device(PREC_IO_SPACE, BOTH), PREC_RIGHTS);
	client_ask(CLIENT_REVOKE, TO, 0, 0);
	EXPECT_EQ(lend_to_device(PREC_IO_SPACE, PREC_READ), PREC_GONE);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
	EXPECT_EQ(prec_ledger_account(&ledger, 0).bytes[PREC_PIN_LIVE], 0);
}

void device_loses_what_is_revoked(void)
{
	uint64_t turns = 1000;

	if (device_missing) {
		say("skipped: %s\n", device_missing);
		return;
	}
	prec_ledger_init(&ledger);
	not_lent();
	for (uint32_t i = 0; i < ROUNDS; i++) {
		turns = 1000 + (turns * 1103515245 + 12345) % 200000;
		revoked(turns);
	}
	taken_back();
	region_taken_back();
	broker();
}
