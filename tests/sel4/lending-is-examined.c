// SPDX-License-Identifier: MIT
/* What a client sends may be anything.  It is refused with a reason, and
 * nothing has changed; and so is what makes no sense at set-up. */
#include "scenario.h"
#include "examples/sel4/system.h"

static void refused(uint32_t rights, enum prec_refusal want)
{
	struct prec_region region;
	enum prec_refusal why = PREC_REFUSAL_NONE;

	EXPECT_EQ(lend(&region, 0, 4, rights, &why), PREC_REFUSED);
	EXPECT_EQ(why, want);
	EXPECT(prec_refusal_text(why)[0]);
}

/* Another capability in the place of the client's frame 2. */
static void replaced_by(seL4_CPtr what, enum prec_refusal want)
{
	receive_frames(0, 4, true);
	seL4_CNode_Delete(ROOT, received + 2, DEPTH);
	if (what)
		system_must(seL4_CNode_Copy(ROOT, received + 2, DEPTH, ROOT,
					    what, DEPTH, seL4_AllRights),
			    "another capability");
	refused(PREC_READ, want);
}

static void rights_are_found_out(void)
{
	struct prec_region region;
	enum prec_refusal why;

	receive_frames(0, 4, false);
	refused(PREC_READ | PREC_WRITE, PREC_REFUSAL_RIGHTS);
	EXPECT_EQ(lend(&region, 0, 4, PREC_READ, &why), PREC_OK);
	EXPECT_EQ(prec_copy_out(region.span, 0, buffer, 4).status, PREC_RIGHTS);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
}

static void objects_are_examined(void)
{
	replaced_by(0, PREC_REFUSAL_NOT_MEMORY);
	replaced_by(system_object(seL4_EndpointObject, 0),
		    PREC_REFUSAL_NOT_MEMORY);
	replaced_by(system_object(seL4_TCBObject, 0), PREC_REFUSAL_NOT_MEMORY);
	replaced_by(system_object(seL4_CapTableObject, 4),
		    PREC_REFUSAL_NOT_MEMORY);
	replaced_by(seL4_CapInitThreadVSpace, PREC_REFUSAL_NOT_MEMORY);
	replaced_by(system_device_frame(), PREC_REFUSAL_NOT_MEMORY);
	replaced_by(system_large_frame(), PREC_REFUSAL_PAGE_SIZE);
	receive_frames(0, 4, true);
	client_ask(CLIENT_REVOKE, 1, 0, 0);
	refused(PREC_READ, PREC_REFUSAL_NOT_MEMORY);
}

static void invalid(struct prec_lending lending)
{
	struct prec_region region;
	enum prec_refusal why = PREC_REFUSAL_RIGHTS;

	EXPECT_EQ(prec_region_map(&region, &lending, &why), PREC_INVALID);
	EXPECT_EQ(why, PREC_REFUSAL_NONE);
}

static void numbers_are_examined(void)
{
	const struct prec_lending good = { .frames = received,
					   .rights = PREC_READ,
					   .size = 4096 };
	struct prec_lending bad = good;

	receive_frames(0, 4, true);
	bad.size = 0;
	invalid(bad);
	bad.size = 100;
	invalid(bad);
	bad.size = 1ull << 40;
	invalid(bad);
	bad = good;
	bad.rights = PREC_WRITE;
	invalid(bad);
	bad.rights = PREC_READ | 4;
	invalid(bad);
	bad = good;
	bad.options = 1u << 9;
	invalid(bad);
	bad = good;
	bad.reserved = 1;
	invalid(bad);
	bad = good;
	bad.client = PREC_KEEPER_CLIENTS;
	invalid(bad);
	bad = good;
	bad.address = PREC_ADDRESS_MAX;
	invalid(bad);
	bad = good;
	bad.frames = keeper.slots + 5; /* the keeper's own */
	invalid(bad);
	bad.frames = UINT64_MAX;
	invalid(bad);
}

/* A window of so many pages: more do not fit, whatever is lent. */
static void a_window_has_an_end(void)
{
	struct prec_lending lending = { .frames = keeper.slots + keeper.pages,
					.rights = PREC_READ,
					.size = (keeper.pages + 1) * 4096ull };
	struct prec_region region;

	EXPECT_EQ(prec_region_map(&region, &lending, NULL), PREC_FULL);
}

static void no_keeper(uint64_t want, struct prec_keeper *bad)
{
	EXPECT_EQ(prec_keeper_init(bad), want);
}

/* Slots of the first keeper are in use as long as something is lent; a second
 * one finds that, and other mistakes, and leaves all as it was. */
static void set_up_is_examined(void)
{
	static struct prec_keeper other;
	struct prec_region region;
	enum prec_refusal why;

	other = keeper;
	other.pages = 0;
	no_keeper(PREC_INVALID, &other);
	other.pages = PREC_KEEPER_PAGES + 1;
	no_keeper(PREC_INVALID, &other);
	other = keeper;
	other.window += 1;
	no_keeper(PREC_INVALID, &other);
	other = keeper;
	other.frames = other.slots + 3;
	no_keeper(PREC_INVALID, &other);
	other = keeper;
	other.zero = system_object(seL4_EndpointObject, 0);
	no_keeper(PREC_INVALID, &other);
	other = keeper;
	other.window += 1ull << 29; /* there is no page table */
	no_keeper(PREC_SYSTEM, &other);
	receive_frames(0, 4, true);
	EXPECT_EQ(lend(&region, 0, 4, PREC_READ, &why), PREC_OK);
	other = keeper;
	no_keeper(PREC_BUSY, &other);
	EXPECT_EQ(prec_copy_in(buffer, region.span, 0, 16384).status, PREC_OK);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
	no_keeper(PREC_OK, &other);
	EXPECT_EQ(prec_keeper_enter(&keeper, PREC_KEEPER_THREADS, 0),
		  PREC_INVALID);
	EXPECT_EQ(prec_keeper_enter(&keeper, PREC_KEEPER_THREADS - 1, 0),
		  PREC_INVALID);
}

void lending_is_examined(void)
{
	rights_are_found_out();
	objects_are_examined();
	numbers_are_examined();
	a_window_has_an_end();
	set_up_is_examined();
}
