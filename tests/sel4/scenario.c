// SPDX-License-Identifier: MIT
#include "scenario.h"
#include "examples/sel4/system.h"

#include <stddef.h>

const struct scenario_part scenario_parts[] = {
	{ "copies are exact", copies_are_exact },
	{ "transactions end", transactions_end },
	{ "two threads meet one loss", two_threads_meet_one_loss },
	{ "lending is examined", lending_is_examined },
	{ "regions come and go", regions_come_and_go },
	{ "revoked in mid copy", revoked_in_mid_copy },
	{ "revoked between calls", revoked_between_calls },
	{ "foreign faults stop their thread",
	  foreign_faults_stop_their_thread },
	{ "block requests", block_requests },
	{ "device loses what is revoked", device_loses_what_is_revoked },
	/* The client has no originals afterwards. */
	{ "what is deleted stays", what_is_deleted_stays },
	{ NULL, NULL },
};

seL4_CPtr received;
uint8_t buffer[PAGES * 4096];

static struct system_thread client_thread;
static uint64_t passed, failed;
static uint64_t seen, seen_address; /* foreign faults: by the keeper */

/* ---- checks -------------------------------------------------------------- */

void scenario_check(bool holds, const char *what, uint64_t got)
{
	if (holds) {
		passed++;
		return;
	}
	failed++;
	say("not so: %s (0x%llx)\n", what, (unsigned long long)got);
}

uint64_t foreign_seen(void)
{
	return __atomic_load_n(&seen, __ATOMIC_ACQUIRE);
}

uint64_t foreign_address(void)
{
	return __atomic_load_n(&seen_address, __ATOMIC_ACQUIRE);
}

void wait_until(bool (*holds)(void))
{
	while (!holds())
		seL4_Yield();
}

struct prec_fault_counts counts_now(void)
{
	struct prec_fault_counts counts;

	prec_fault_read_counts(&counts);
	return counts;
}

/* ---- lending ------------------------------------------------------------- */

void receive_frames(uint32_t first, uint32_t count, bool write)
{
	for (uint32_t i = first; i < first + count; i++) {
		seL4_CNode_Delete(ROOT, received + i, DEPTH);
		seL4_CNode_Copy(ROOT, received + i, DEPTH, client_cnode,
				CLIENT_FRAMES + i, CLIENT_BITS,
				write ? seL4_ReadWrite : seL4_CanRead);
	}
}

enum prec_status lend(struct prec_region *region, uint32_t first,
		      uint32_t count, uint32_t rights, enum prec_refusal *why)
{
	struct prec_lending lending = { .frames = received + first,
					.rights = rights,
					.size = count * 4096ull,
					.address = GUEST + first * 4096ull };

	return prec_region_map(region, &lending, why);
}

void lend_all(struct prec_region *region)
{
	enum prec_refusal why = PREC_REFUSAL_RIGHTS;

	receive_frames(0, PAGES, true);
	EXPECT_EQ(lend(region, 0, PAGES, PREC_READ | PREC_WRITE, &why),
		  PREC_OK);
	EXPECT_EQ(why, PREC_REFUSAL_NONE);
}

uint64_t buffer_wrong(uint64_t from, uint64_t size, uint64_t seed)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < size; i++)
		wrong += buffer[i] != client_pattern(from + i, seed);
	return wrong;
}

/* ---- threads ------------------------------------------------------------- */

bool (*foreign_is_meant)(const struct prec_keeper_fault *fault);

static void foreign(const struct prec_keeper_fault *fault, void *context)
{
	(void)context;
	if (foreign_is_meant && foreign_is_meant(fault))
		return;
	if (fault->thread < FIRST_VICTIM || fault->thread > THIRD_VICTIM) {
		say("not so: thread %u is stopped: ip %llx, address %llx\n",
		    fault->thread, (unsigned long long)fault->ip,
		    (unsigned long long)fault->address);
		system_end(1);
	}
	__atomic_store_n(&seen_address, fault->address, __ATOMIC_RELEASE);
	__atomic_add_fetch(&seen, 1, __ATOMIC_ACQ_REL);
}

seL4_CPtr keeper_faults;

void scenario_become_driver(void)
{
	seL4_CPtr fault = driver_fault[FIRST_DRIVER];

	keeper.tcb[FIRST_DRIVER] = seL4_CapInitThreadTCB;
#ifdef CONFIG_KERNEL_MCS
	system_must(seL4_TCB_SetSchedParams(seL4_CapInitThreadTCB,
					    seL4_CapInitThreadTCB, 100, 100, 0,
					    fault),
		    "the first thread");
#else
	system_must(seL4_TCB_Configure(seL4_CapInitThreadTCB, fault, ROOT, 0,
				       seL4_CapInitThreadVSpace, 0, 0, 0),
		    "the first thread");
#endif
	if (prec_keeper_enter(&keeper, FIRST_DRIVER, driver_call[FIRST_DRIVER]))
		system_end(1);
}

void start_driver(uint32_t which, void (*entry)(uint64_t), uint64_t argument)
{
	system_start(&driver_thread[which], entry, argument);
}

static void give_client(seL4_CPtr slot, seL4_CPtr what)
{
	system_must(seL4_CNode_Copy(client_cnode, slot, CLIENT_BITS, ROOT, what,
				    DEPTH, seL4_AllRights),
		    "what the client has");
}

/* It holds the originals of its frames, and nothing of ours. */
static void set_up_client(void)
{
	seL4_CPtr vspace = system_vspace();
	seL4_CPtr frames = system_frames(PAGES, &client_untyped);

	client_cnode = system_object(seL4_CapTableObject, CLIENT_BITS);
	client_endpoint = system_object(seL4_EndpointObject, 0);
	for (uint32_t i = 0; i < PAGES; i++) {
		system_map(vspace, frames + i, CLIENT_AT + i * 4096ull);
		system_must(seL4_CNode_Move(client_cnode, CLIENT_FRAMES + i,
					    CLIENT_BITS, ROOT, frames + i,
					    DEPTH),
			    "the client's frames");
	}
	give_client(CLIENT_SELF, client_cnode);
	give_client(CLIENT_EP, client_endpoint);
#ifdef CONFIG_KERNEL_MCS
	give_client(CLIENT_REPLY, system_object(seL4_ReplyObject, 0));
#endif
	system_thread(
		&client_thread, client_cnode,
		seL4_CNode_CapData_new(0, seL4_WordBits - CLIENT_BITS).words[0],
		vspace, THREADS_AT + 0x400000, 0, 100);
}

void scenario_set_up(void)
{
	received = system_slots(PAGES);
	keeper.pages = 1024;
	keeper.frame_count = 48;
	keeper.client_frames = 32;
	driver_set_up(DRIVERS, keeper_faults);
	set_up_client();
	driver_serve(foreign);
	system_start(&client_thread, client_main, CLIENT_AT);
}

/* ---- running ------------------------------------------------------------- */

static bool equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* Nothing is left of a part: no capability that is derived from the client's,
 * the window is empty, and all our frames are free. */
void check_nothing_left(void)
{
	const struct prec_window *book = &keeper.window_book;

	for (uint32_t i = 0; i < PAGES; i++) {
		seL4_CNode_Delete(ROOT, received + i, DEPTH);
		EXPECT_EQ(system_derived(client_cnode, CLIENT_FRAMES + i), 0);
	}
	for (uint32_t i = 0; i < keeper.pages; i++)
		if (book->state[i] || book->owner[i])
			EXPECT_EQ(i, UINT32_MAX);
	for (uint32_t i = 0; i < keeper.frame_count; i++)
		EXPECT_EQ(book->used_by[i], 0);
	for (uint32_t i = 0; i < PREC_KEEPER_REGIONS; i++)
		EXPECT_EQ(keeper.region_book.pages[i], 0);
}

static void driver_main(uint64_t argument)
{
	const char *only = (const char *)(uintptr_t)argument;
	const struct scenario_part *part;
	struct prec_fault_counts counts;

	if (prec_keeper_enter(&keeper, FIRST_DRIVER, driver_call[FIRST_DRIVER]))
		system_end(1);
	for (part = scenario_parts; part->name; part++) {
		if (only && !equal(only, part->name))
			continue;
		say("%s\n", part->name);
		part->run();
		check_nothing_left();
	}
	counts = counts_now();
	say("%llu fixed, %llu abandoned, %llu substituted, %llu retried, "
	    "%llu passed on\n",
	    (unsigned long long)counts.fixed,
	    (unsigned long long)counts.abandoned,
	    (unsigned long long)counts.substituted,
	    (unsigned long long)counts.retried,
	    (unsigned long long)counts.passed);
	say("%llu checks, %llu failed\n", (unsigned long long)passed,
	    (unsigned long long)failed);
	system_end(failed != 0 || passed == 0);
}

void scenario(const char *only)
{
	scenario_set_up();
	start_driver(FIRST_DRIVER, driver_main, (uint64_t)(uintptr_t)only);
}
