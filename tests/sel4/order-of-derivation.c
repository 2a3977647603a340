// SPDX-License-Identifier: MIT
/*
 * A revocation deletes one copy of a capability after the other.  Between each
 * two of them the device may say that it is done, and the driver ask whether
 * the page is there.  Where the device's copy is made from the processor's, as
 * the port makes it, the answer is true: what the device was stopped in is not
 * believed.  The other orders are tried too, and are seen to fail.  On the
 * model, which can be stopped there.
 */
#include "scenario.h"

#include "examples/sel4/system.h"
#include "tests/sel4/model/model.h"

static struct prec_region region;
static struct prec_ledger ledger;
static struct prec_io_loan loan;
static seL4_CPtr copy; /* the device's, where the port does not make it */
static uint64_t seen_at, behind; /* the device's addresses */
static uint32_t failed;

static void check(bool holds, const char *order, const char *what)
{
	if (holds)
		return;
	failed++;
	say("not so: %s: %s\n", order, what);
}

/* ---- orders -------------------------------------------------------------- */

static void copy_for_device(seL4_CPtr from)
{
	system_must(seL4_CNode_Copy(ROOT, copy, DEPTH, ROOT, from, DEPTH,
				    seL4_ReadWrite),
		    "a copy for the device");
	system_must(system_map_io(the_device.space, copy, behind),
		    "a page for the device");
	seen_at = behind;
}

static void lend_frame(seL4_CPtr frame)
{
	struct prec_lending lending = { .frames = frame,
					.rights = PREC_READ | PREC_WRITE,
					.size = 4096 };
	enum prec_refusal why;

	if (prec_region_map(&region, &lending, &why))
		system_must(seL4_InvalidCapability, prec_refusal_text(why));
}

static void from_the_processors(void)
{
	lend_frame(received);
	loan = (struct prec_io_loan){ .io = &the_device,
				      .region = &region,
				      .rights = PREC_READ | PREC_WRITE };
	if (prec_io_lend(&ledger, &loan))
		system_must(seL4_IllegalOperation, "a loan");
	seen_at = prec_io_address(&loan, 0);
}

/* Whichever copy of the client's is made last comes first. */
static void after_the_processors(void)
{
	lend_frame(received);
	copy_for_device(received);
}

static void before_the_processors(void)
{
	copy_for_device(received);
	lend_frame(copy);
}

static const struct order {
	const char *name;
	void (*lend)(void);
	bool sound;
} orders[] = {
	{ "from the processor's copy", from_the_processors, true },
	{ "from the client's, after the processor's", after_the_processors,
	  false },
	{ "and the processor's from it", before_the_processors, false },
};

/* ---- one revocation ------------------------------------------------------ */

static uint32_t gaps, reached, untrue;

static bool device_reaches(void)
{
	bool may;

	pthread_mutex_lock(&model_lock);
	may = model_device_finds(seen_at, true) >= 0;
	pthread_mutex_unlock(&model_lock);
	return may;
}

/* Between two deletions the device moves what it may, and says "done". */
static void look(void)
{
	bool may = device_reaches();

	gaps++;
	reached += may;
	untrue += !may && prec_region_check(&region) == PREC_OK;
}

static void try_order(const struct order *order)
{
	gaps = reached = untrue = 0;
	receive_frames(0, 1, true);
	order->lend();
	check(device_reaches(), order->name, "the device reaches the page");
	__atomic_store_n(&model_between_children, look, __ATOMIC_RELEASE);
	seL4_CNode_Revoke(client_cnode, CLIENT_FRAMES, CLIENT_BITS);
	__atomic_store_n(&model_between_children, NULL, __ATOMIC_RELEASE);
	say("%s: %u moments, reached in %u, believed and not so in %u\n",
	    order->name, gaps, reached, untrue);
	check(gaps == 3, order->name, "three copies are deleted");
	check(!untrue == order->sound, order->name,
	      order->sound ? "what is believed is so" : "it is seen to fail");
	check(!device_reaches(), order->name, "nothing is reached afterwards");
	check(prec_region_check(&region) == PREC_GONE, order->name,
	      "the page is gone");
	check(!order->sound || prec_io_take_back(&ledger, &loan) == PREC_OK,
	      order->name, "it is taken from the device");
	check(prec_region_unmap(&region) == PREC_OK, order->name,
	      "and unmapped");
}

int main(void)
{
	model_start();
	scenario_set_up();
	scenario_become_driver();
	behind = the_device.at + keeper.pages * 4096ull;
	copy = system_slots(1);
	system_io_tables(the_device.space, behind, 4096);
	prec_ledger_init(&ledger);
	if (prec_ledger_quota(&ledger, 0, 4096))
		return 1;
	for (uint32_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		try_order(&orders[i]);
	system_end(failed != 0);
}
