/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_EXAMPLES_SEL4_SYSTEM_H
#define PRECARIUM_EXAMPLES_SEL4_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

#include <sel4/sel4.h>

/*
 * What a first thread on seL4 needs: slots, objects, page tables, threads.  A
 * failure of any of it ends the scenario.
 */

#define ROOT  seL4_CapInitThreadCNode
#define DEPTH seL4_WordBits

/* By whoever starts it: the model, or a root task. */
struct system {
	const seL4_BootInfo *boot;
	uint64_t base;	/* of addresses that are free for the scenario */
	seL4_CPtr next; /* slot */
};
extern struct system the_system;

/* Where things are, from `base`: each has a gibibyte. */
#define WINDOW_AT  (the_system.base)
#define CLIENT_AT  (the_system.base + (1ull << 30))
#define THREADS_AT (the_system.base + (2ull << 30))
#define SCRATCH_AT (the_system.base + (3ull << 30))
#define DEVICES_AT (the_system.base + (4ull << 30))

/* Of consecutive slots, which are empty, the first. */
seL4_CPtr system_slots(uint32_t count);
/* One object, in a slot of its own. */
seL4_CPtr system_object(seL4_Word type, seL4_Word bits);
/* `count` objects of 2^each bytes from an Untyped of their own. */
seL4_CPtr system_objects(seL4_Word type, seL4_Word bits, seL4_Word each,
			 uint32_t count, seL4_CPtr *untyped);
seL4_CPtr system_frames(uint32_t count, seL4_CPtr *untyped);
seL4_CPtr system_large_frame(void);
/* A frame of the device's memory. */
seL4_CPtr system_device_frame(void);
/* The page of a device's registers at a physical address; NULL: none is there.
 */
volatile void *system_registers(uint64_t physical);
/* The page tables for all of [at, at + size). */
void system_tables(seL4_CPtr vspace, uint64_t at, uint64_t size);
void system_map(seL4_CPtr vspace, seL4_CPtr frame, uint64_t at);
/* A copy of it, to read and to execute only. */
void system_map_copy(seL4_CPtr vspace, seL4_CPtr frame, uint64_t at);
void system_unmap(seL4_CPtr frame);
/* The same for a device.  Its page tables stay for good: a device that may move
 * bytes may be using them. */
void system_io_tables(seL4_CPtr space, uint64_t at, uint64_t size);
seL4_Error system_map_io(seL4_CPtr space, seL4_CPtr frame, uint64_t at);
seL4_CPtr system_vspace(void);
/* A copy of an endpoint with a badge. */
seL4_CPtr system_badged(seL4_CPtr endpoint, seL4_Word badge);
void system_must(seL4_Error error, const char *what);

struct system_thread {
	seL4_CPtr tcb;
	uint64_t stack;	 /* its top */
	uint64_t buffer; /* of IPC */
};
/* Places a thread's stack and IPC buffer at `at`, in 64 KiB. */
void system_thread(struct system_thread *thread, seL4_CPtr cspace,
		   seL4_Word guard, seL4_CPtr vspace, uint64_t at,
		   seL4_CPtr fault_endpoint, uint32_t priority);
void system_start(struct system_thread *thread, void (*entry)(uint64_t),
		  uint64_t argument);

/* Receives the next message, or fault, of an endpoint; with MCS there is a
 * reply object for its answer. */
static inline void system_receive(seL4_CPtr endpoint, seL4_CPtr reply)
{
	seL4_Word badge;

#ifdef CONFIG_KERNEL_MCS
	seL4_Recv(endpoint, &badge, reply);
#else
	(void)reply;
	seL4_Recv(endpoint, &badge);
#endif
}

/* Answers it by as many message registers. */
static inline void system_answer(seL4_CPtr reply, seL4_Word words)
{
	seL4_MessageInfo_t info = seL4_MessageInfo_new(0, 0, 0, words);

#ifdef CONFIG_KERNEL_MCS
	seL4_Send(reply, info);
#else
	(void)reply;
	seL4_Reply(info);
#endif
}

/*
 * Of the model or the root task, from here on.
 */

/* The program's text and constants become readable in another address space. */
void system_share_image(seL4_CPtr vspace);
/* With which a thread begins that is to call entry(argument). */
seL4_UserContext system_first_registers(const struct system_thread *thread,
					void (*entry)(uint64_t),
					uint64_t argument);
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
__attribute__((noreturn)) void system_end(int failed);

#endif
