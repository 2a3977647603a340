// SPDX-License-Identifier: MIT
/* A bare root task: thread-local storage, the image, and the end. */
#include "root.h"
#include "processor.h"
#include "system.h"

#include <stddef.h>

/* Of libsel4, of which this task has the headers only. */
LIBSEL4_THREAD_LOCAL seL4_IPCBuffer *__sel4_ipc_buffer;
#ifdef CONFIG_KERNEL_INVOCATION_REPORT_ERROR_IPC
LIBSEL4_THREAD_LOCAL char __sel4_print_error;
#endif

extern const char image_start[], image_read_only_end[];

/* ---- threads ------------------------------------------------------------- */

/*
 * A thread's own variables: all begin as zeroes (root.ld).  On x86 they end at
 * the thread pointer, which points to itself; on aarch64 they begin after it.
 */
struct thread_block {
	uint64_t before[32], after[40];
} __attribute__((aligned(64)));

static inline void set_thread_pointer(struct thread_block *block)
{
	uint64_t at = (uint64_t)(uintptr_t)block->after;

	block->after[0] = at;
#if defined(__aarch64__)
	__asm__ volatile("msr tpidr_el0, %0" ::"r"(at) : "memory");
#elif defined(CONFIG_SET_TLS_BASE_SELF)
	seL4_SetTLSBase(at);
#else
	__asm__ volatile("wrfsbase %0" ::"r"(at) : "memory");
#endif
}

/* Not before the thread pointer is set, so not inline. */
__attribute__((noinline)) static void
thread_go(void (*entry)(uint64_t), uint64_t argument, seL4_IPCBuffer *buffer)
{
	seL4_SetIPCBuffer(buffer);
	entry(argument);
	for (;;)
		seL4_Yield();
}

/* How each thread but the first begins, in whichever address space: the block
 * is on its stack, so nobody has to map it. */
static void thread_start(void (*entry)(uint64_t), uint64_t argument,
			 seL4_IPCBuffer *buffer)
{
	struct thread_block block;

	for (uint32_t i = 0; i < 32; i++)
		block.before[i] = 0;
	for (uint32_t i = 0; i < 40; i++)
		block.after[i] = 0;
	set_thread_pointer(&block);
	thread_go(entry, argument, buffer);
}

seL4_UserContext system_first_registers(const struct system_thread *thread,
					void (*entry)(uint64_t),
					uint64_t argument)
{
	return processor_begin((uint64_t)(uintptr_t)thread_start, thread->stack,
			       (uint64_t)(uintptr_t)entry, argument,
			       thread->buffer);
}

/* ---- the image ----------------------------------------------------------- */

void system_share_image(seL4_CPtr vspace)
{
	seL4_CPtr frame = the_system.boot->userImageFrames.start;

	for (const char *at = image_start; at < image_read_only_end;
	     at += 4096, frame++)
		system_map_copy(vspace, frame, (uint64_t)(uintptr_t)at);
}

/* ---- the beginning and the end ------------------------------------------- */

void root_start(const seL4_BootInfo *boot);

__attribute__((noinline)) static void go(uint64_t argument)
{
	const seL4_BootInfo *boot = (const seL4_BootInfo *)(uintptr_t)argument;

	seL4_SetIPCBuffer(boot->ipcBuffer);
	the_system.boot = boot;
	/* Above the image, and below 2^40: a hypervisor gives no more. */
	the_system.base = 0x2000000000;
	the_system.next = boot->empty.start;
	console_open();
	say("BEGIN\n");
	root_task();
	seL4_TCB_Suspend(seL4_CapInitThreadTCB);
}

void root_start(const seL4_BootInfo *boot)
{
	static struct thread_block block;

	set_thread_pointer(&block);
	go((uint64_t)(uintptr_t)boot);
}

/* boot.py reads this line and the one above, and ends the machine. */
void system_end(int failed)
{
	say("END %s\n", failed ? "failed" : "ok");
	for (;;)
		seL4_Yield();
}
