// SPDX-License-Identifier: MIT
#include "scenario.h"
#include "examples/sel4/system.h"

#include "virtio/blk_wire.h"

seL4_CPtr client_endpoint, client_cnode, client_untyped;

uint8_t client_pattern(uint64_t offset, uint64_t seed)
{
	return (uint8_t)(offset * 7 + seed + (offset >> 12) * 13);
}

uint64_t client_ask(enum client_command command, uint64_t a, uint64_t b,
		    uint64_t c)
{
	seL4_SetMR(0, command);
	seL4_SetMR(1, a);
	seL4_SetMR(2, b);
	seL4_SetMR(3, c);
	seL4_Call(client_endpoint, seL4_MessageInfo_new(0, 0, 0, 4));
	return seL4_GetMR(0);
}

/* ---- its side ------------------------------------------------------------ */

#define DESC_AT	  0x000 /* the ring, in page 0 */
#define AVAIL_AT  0x100
#define USED_AT	  0x200
#define HEADER_AT 0x1000 /* page 1: header and status of the one request */
#define STATUS_AT 0x1040
#define DATA_AT	  0x2000
#define RING_SIZE 8

/* Where its memory begins.  It has no other variables: on a kernel its address
 * space has those of its thread only. */
static LIBSEL4_THREAD_LOCAL uint64_t begin;

static volatile void *at(uint64_t offset)
{
	return (volatile void *)(uintptr_t)(begin + offset);
}

/* Header, data and status, one descriptor each: address, length | flags | next.
 */
static void make_request(uint64_t type, uint64_t sector, uint64_t pages)
{
	volatile uint64_t *desc = at(DESC_AT);
	volatile uint16_t *avail = at(AVAIL_AT);
	uint64_t flags = type == VIRTIO_BLK_T_IN ? 3 : 1;

	*(volatile uint32_t *)at(HEADER_AT) = (uint32_t)type;
	*(volatile uint32_t *)at(HEADER_AT + 4) = 0;
	*(volatile uint64_t *)at(HEADER_AT + 8) = sector;
	*(volatile uint8_t *)at(STATUS_AT) = 0xee;
	desc[0] = GUEST + HEADER_AT;
	desc[1] = 16 | 1ull << 32 | 1ull << 48;
	desc[2] = GUEST + DATA_AT;
	desc[3] = (pages * 4096) | flags << 32 | 2ull << 48;
	desc[4] = GUEST + STATUS_AT;
	desc[5] = 1 | 2ull << 32;
	avail[2 + avail[1] % RING_SIZE] = 0;
	prec_raw_fence();
	avail[1] = (uint16_t)(avail[1] + 1);
}

static uint64_t look_at_result(void)
{
	volatile uint16_t *used = at(USED_AT);
	volatile uint32_t *entry = at(USED_AT + 4);
	uint16_t last = used[1];

	seL4_SetMR(1, *(volatile uint8_t *)at(STATUS_AT));
	seL4_SetMR(2, last ? entry[2 * ((last - 1) % RING_SIZE) + 1] : 0);
	return last;
}

static uint64_t serve(uint64_t command, uint64_t a, uint64_t b, uint64_t c)
{
	volatile uint8_t *memory = at(0);
	uint64_t wrong = 0, i;

	switch (command) {
	case CLIENT_FILL:
		for (i = 0; i < (b ? b : PAGES) * 4096; i++)
			memory[i] = client_pattern(i, a);
		return 0;
	case CLIENT_COUNT_WRONG:
		for (i = a; i < a + b; i++)
			wrong += memory[i] != client_pattern(i, c);
		return wrong;
	case CLIENT_COUNT_OTHER:
		for (i = a; i < a + b; i++)
			wrong += memory[i] != c;
		return wrong;
	case CLIENT_PUT_BACK:
		for (i = a; i < a + b; i++)
			memory[i] = client_pattern(i, c);
		return 0;
	case CLIENT_POKE:
		memory[a] = (uint8_t)b;
		return 0;
	case CLIENT_PEEK:
		return memory[a];
	case CLIENT_REVOKE:
		return seL4_CNode_Revoke(CLIENT_SELF, CLIENT_FRAMES + a,
					 CLIENT_BITS);
	case CLIENT_DELETE:
		return seL4_CNode_Delete(CLIENT_SELF, CLIENT_FRAMES + a,
					 CLIENT_BITS);
	case CLIENT_RING:
		for (i = 0; i < 4096; i++)
			memory[i] = 0;
		return 0;
	case CLIENT_REQUEST:
		make_request(a, b, c);
		return 0;
	case CLIENT_RESULT:
		return look_at_result();
	default:
		return UINT64_MAX;
	}
}

static void reply(uint64_t result)
{
	seL4_SetMR(0, result);
	system_answer(CLIENT_REPLY, 3);
}

void client_main(uint64_t argument)
{
	begin = argument;
	for (;;) {
		uint64_t command, a, b, c;

		system_receive(CLIENT_EP, CLIENT_REPLY);
		command = seL4_GetMR(0);
		a = seL4_GetMR(1);
		b = seL4_GetMR(2);
		c = seL4_GetMR(3);
		if (command != CLIENT_REVOKE_LATER) {
			reply(serve(command, a, b, c));
			continue;
		}
		reply(0);
		for (volatile uint64_t i = 0; i < b; i = i + 1)
			continue;
		serve(CLIENT_REVOKE, a, 0, 0);
	}
}
