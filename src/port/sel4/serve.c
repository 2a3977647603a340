// SPDX-License-Identifier: MIT
#include "lend.h"

/* ---- messages ------------------------------------------------------------ */

struct prec_keeper_fault prec_keeper_read_fault(uint64_t label, uint32_t thread)
{
	struct prec_keeper_fault fault = { .thread = thread, .other = true };

	if (label != seL4_Fault_VMFault)
		return fault;
	fault.other = false;
	fault.ip = seL4_GetMR(seL4_VMFault_IP);
	fault.address = seL4_GetMR(seL4_VMFault_Addr);
	fault.fetch = seL4_GetMR(seL4_VMFault_PrefetchFault) != 0;
	fault.status = seL4_GetMR(seL4_VMFault_FSR);
	return fault;
}

static void *pointer(int word)
{
	return (void *)(uintptr_t)seL4_GetMR(word);
}

/* The second word of the reply says why a lending was refused, or which region
 * holds an address. */
static enum prec_status serve(struct prec_keeper *keeper, uint64_t *more)
{
	enum prec_refusal refusal = PREC_REFUSAL_NONE;
	struct prec_region *region = pointer(1);
	enum prec_status status;

	switch (seL4_GetMR(0)) {
	case KEEPER_MAP:
		status = lend_map(keeper, region, pointer(2), &refusal);
		*more = refusal;
		return status;
	case KEEPER_REVOKE:
		return lend_revoke(keeper, region);
	case KEEPER_UNMAP:
		return lend_unmap(keeper, region);
	case KEEPER_CHECK:
		return lend_check(keeper, region, seL4_GetMR(2), seL4_GetMR(3));
	case KEEPER_AT:
		*more = (uint64_t)(uintptr_t)lend_at(keeper, seL4_GetMR(1));
		return PREC_OK;
	case KEEPER_LEND_IO:
		return lend_to_device(keeper, region, pointer(2),
				      seL4_GetMR(3));
	case KEEPER_TAKE_IO:
		return lend_take_from_device(keeper, region, pointer(2),
					     seL4_GetMR(3));
	default:
		return PREC_INVALID;
	}
}

void prec_keeper_call(struct prec_keeper *keeper)
{
	uint64_t more = 0;
	enum prec_status status = serve(keeper, &more);

	seL4_SetMR(0, status);
	seL4_SetMR(1, more);
}

/* ---- the loop ------------------------------------------------------------ */

/*
 * With MCS the right to reply is in an object, which is used up by the next
 * message unless another is given for that.  So a thread that stays stopped
 * keeps its object, until it faults or calls again: then it was restarted by
 * its owner, and no longer waits for that reply.
 */
#ifdef CONFIG_KERNEL_MCS
static bool is_held(const struct prec_keeper *keeper, uint32_t reply)
{
	for (uint32_t i = 0; i < PREC_KEEPER_THREADS; i++)
		if (keeper->holds[i] == reply + 1)
			return true;
	return false;
}

/* There is one more than threads. */
static uint32_t free_reply(const struct prec_keeper *keeper)
{
	uint32_t reply = 0;

	while (is_held(keeper, reply))
		reply++;
	return reply;
}

static seL4_MessageInfo_t receive(uint64_t endpoint, seL4_Word *badge,
				  uint64_t reply)
{
	return seL4_Recv(endpoint, badge, reply);
}

static void give(uint64_t reply, uint32_t words)
{
	seL4_Send(reply, seL4_MessageInfo_new(0, 0, 0, words));
}
#else
static uint32_t free_reply(const struct prec_keeper *keeper)
{
	(void)keeper;
	return 0;
}

static seL4_MessageInfo_t receive(uint64_t endpoint, seL4_Word *badge,
				  uint64_t reply)
{
	(void)reply;
	return seL4_Recv(endpoint, badge);
}

static void give(uint64_t reply, uint32_t words)
{
	(void)reply;
	seL4_Reply(seL4_MessageInfo_new(0, 0, 0, words));
}
#endif

/* Does it stay stopped? */
static bool serve_fault(struct prec_keeper *keeper,
			const struct prec_keeper_fault *fault, uint64_t reply)
{
	switch (prec_keeper_fault(keeper, fault)) {
	case PREC_KEEPER_REPLY:
		give(reply, 0);
		return false;
	case PREC_KEEPER_RESUMED:
		return false;
	default:
		return true;
	}
}

void prec_keeper_serve(struct prec_keeper *keeper, uint64_t endpoint,
		       uint64_t replies, prec_keeper_foreign_fn *foreign,
		       void *context)
{
	for (;;) {
		uint32_t free = free_reply(keeper);
		seL4_Word badge = 0;
		seL4_MessageInfo_t info =
			receive(endpoint, &badge, replies + free);
		uint32_t thread = (uint32_t)badge & 0xff;
		struct prec_keeper_fault fault;

		if (thread < PREC_KEEPER_THREADS)
			keeper->holds[thread] = 0;
		if (badge >= PREC_KEEPER_BADGE_CALL) {
			prec_keeper_call(keeper);
			give(replies + free, 2);
			continue;
		}
		fault = prec_keeper_read_fault(seL4_MessageInfo_get_label(info),
					       thread);
		if (!serve_fault(keeper, &fault, replies + free))
			continue;
		if (thread < PREC_KEEPER_THREADS)
			keeper->holds[thread] = free + 1;
		foreign(&fault, context);
	}
}
