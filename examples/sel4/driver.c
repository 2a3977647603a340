// SPDX-License-Identifier: MIT
#include "driver.h"
#include "edu.h"

#include <stddef.h>

struct prec_keeper keeper;
struct system_thread keeper_thread;
struct system_thread driver_thread[PREC_KEEPER_THREADS];
seL4_CPtr driver_call[PREC_KEEPER_THREADS];
seL4_CPtr driver_fault[PREC_KEEPER_THREADS];
struct prec_io the_device;
const char *device_missing;

static seL4_CPtr endpoint, replies;
static prec_keeper_foreign_fn *told; /* of faults that are nobody's */

/* A window, each page with a slot for its capability, and page tables of our
 * own; a frame of zeroes and some to write, for pages that are lost. */
static void set_up_window(void)
{
	seL4_CPtr untyped;

	keeper.cspace = ROOT;
	keeper.depth = DEPTH;
	keeper.vspace = seL4_CapInitThreadVSpace;
	keeper.window = WINDOW_AT;
	keeper.slots = system_slots(keeper.pages);
	keeper.zero = system_frames(1, &untyped);
	keeper.frames = system_frames(keeper.frame_count, &untyped);
	keeper.probe = system_object(seL4_TCBObject, 0);
	keeper.scratch = SCRATCH_AT;
	keeper.scratch_slot = system_slots(1);
	system_tables(keeper.vspace, WINDOW_AT, keeper.pages * 4096ull);
	system_tables(keeper.vspace, SCRATCH_AT, 4096);
}

/* One endpoint for all: a badge says whether it is a fault or a call, and of
 * which thread. */
static void set_up_threads(uint32_t threads, seL4_CPtr faults)
{
	uint64_t at = THREADS_AT;

	endpoint = system_object(seL4_EndpointObject, 0);
#ifdef CONFIG_KERNEL_MCS
	replies = system_object(seL4_ReplyObject, 0);
	for (uint32_t i = 0; i < PREC_KEEPER_THREADS; i++)
		system_object(seL4_ReplyObject, 0);
#endif
	for (uint32_t i = 0; i < threads; i++, at += 0x20000) {
		driver_fault[i] =
			system_badged(endpoint, PREC_KEEPER_BADGE_FAULT + i);
		driver_call[i] =
			system_badged(endpoint, PREC_KEEPER_BADGE_CALL + i);
		system_thread(&driver_thread[i], ROOT, 0,
			      seL4_CapInitThreadVSpace, at, driver_fault[i],
			      100);
		keeper.tcb[i] = driver_thread[i].tcb;
	}
	system_thread(&keeper_thread, ROOT, 0, seL4_CapInitThreadVSpace, at,
		      faults, 200);
}

/* It sees the window, by slots and page tables of its own; below 4 GiB, which
 * is all that it can name. */
static void set_up_device(void)
{
	device_missing = edu_open(&the_device.space);
	if (device_missing)
		return;
	the_device.slots = system_slots(keeper.pages);
	the_device.at = 0x40000000;
	system_io_tables(the_device.space, the_device.at,
			 keeper.pages * 4096ull);
	if (prec_keeper_add_device(&keeper, &the_device))
		system_must(seL4_InvalidArgument, "the device");
}

void driver_set_up(uint32_t threads, seL4_CPtr faults)
{
	set_up_window();
	set_up_threads(threads, faults);
	if (prec_keeper_init(&keeper))
		system_must(seL4_InvalidArgument, "the keeper");
	set_up_device();
}

static void keeper_main(uint64_t argument)
{
	(void)argument;
	prec_keeper_serve(&keeper, endpoint, replies, told, NULL);
}

void driver_serve(prec_keeper_foreign_fn *foreign)
{
	told = foreign;
	system_start(&keeper_thread, keeper_main, 0);
}
