// SPDX-License-Identifier: MIT
#include "client.h"
#include "system.h"

#include <stddef.h>

#define CLIENT_SELF  1 /* slots */
#define CLIENT_EP    2
#define CLIENT_REPLY 3

seL4_CPtr client_cnode, client_endpoint, client_memory;

uint8_t client_pattern(uint64_t at)
{
	return (uint8_t)(at * 7 + (at >> 12));
}

uint64_t client_ask(enum client_command command, uint64_t n)
{
	seL4_SetMR(0, command);
	seL4_SetMR(1, n);
	seL4_Call(client_endpoint, seL4_MessageInfo_new(0, 0, 0, 2));
	return seL4_GetMR(0);
}

static void answer(uint64_t value)
{
	seL4_SetMR(0, value);
	system_answer(CLIENT_REPLY, 1);
}

static uint64_t obey(uint64_t command, volatile uint8_t *memory, uint64_t n)
{
	switch (command) {
	case FILL:
		for (uint64_t at = 0; at < PAGES * 4096ull; at++)
			memory[at] = client_pattern(at);
		return 0;
	case REVOKE:
		return seL4_CNode_Revoke(CLIENT_SELF, CLIENT_FRAMES + n,
					 CLIENT_BITS);
	case DELETE:
		return seL4_CNode_Delete(CLIENT_SELF, CLIENT_FRAMES + n,
					 CLIENT_BITS);
	default:
		return memory[n];
	}
}

/* It runs in its own address space: none of our variables is there. */
static void client_main(uint64_t memory)
{
	for (;;) {
		uint64_t command, n;

		system_receive(CLIENT_EP, CLIENT_REPLY);
		command = seL4_GetMR(0);
		n = seL4_GetMR(1);
		if (command != REVOKE_LATER) {
			answer(obey(command, (uint8_t *)(uintptr_t)memory, n));
			continue;
		}
		answer(0);
		for (volatile uint32_t i = 0; i < 5000000; i = i + 1)
			continue;
		obey(REVOKE, NULL, n);
	}
}

static void give_client(seL4_CPtr slot, seL4_CPtr what)
{
	system_must(seL4_CNode_Copy(client_cnode, slot, CLIENT_BITS, ROOT, what,
				    DEPTH, seL4_AllRights),
		    "what the client has");
}

void client_set_up(void)
{
	static struct system_thread thread;
	seL4_CPtr vspace = system_vspace();
	seL4_CPtr frames = system_frames(PAGES, &client_memory);

	client_cnode = system_object(seL4_CapTableObject, CLIENT_BITS);
	client_endpoint = system_object(seL4_EndpointObject, 0);
	give_client(CLIENT_SELF, client_cnode);
	give_client(CLIENT_EP, client_endpoint);
#ifdef CONFIG_KERNEL_MCS
	give_client(CLIENT_REPLY, system_object(seL4_ReplyObject, 0));
#endif
	for (uint32_t i = 0; i < PAGES; i++) {
		system_map(vspace, frames + i, CLIENT_AT + i * 4096ull);
		/* The originals are moved: we keep none. */
		system_must(seL4_CNode_Move(client_cnode, CLIENT_FRAMES + i,
					    CLIENT_BITS, ROOT, frames + i,
					    DEPTH),
			    "the client's frames");
	}
	system_thread(
		&thread, client_cnode,
		seL4_CNode_CapData_new(0, seL4_WordBits - CLIENT_BITS).words[0],
		vspace, THREADS_AT + 0x400000, 0, 100);
	system_start(&thread, client_main, CLIENT_AT);
}
