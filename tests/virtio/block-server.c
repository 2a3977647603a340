// SPDX-License-Identifier: MIT
#include "block-server.h"

#include "tests/library/stepped-driver.h"
#include "tests/library/stepper.h"

#include <string.h>

#include "virtio/split.h"

struct served *served;

static struct prec_space space;
static struct virtq queue;
static struct virtq_request chain;
static struct vblk_ranges ranges;
static const struct vblk_device device = { .capacity = 16,
					   .blk_size = 512,
					   .queues = 1 };

uint8_t store_byte(uint32_t i)
{
	return (uint8_t)(0x80 | ((i * 7 + i / VIRTIO_BLK_SECTOR) & 0x7f));
}

static uint64_t epochs(void)
{
	return prec_region_epoch(&driver_regions[LOSER_A]) +
	       prec_region_epoch(&driver_regions[LOSER_B]);
}

static enum prec_status move_data(const struct vblk_request *r)
{
	uint32_t i;

	for (i = r->first; i < r->first + r->count; i++) {
		struct prec_span part = chain.segment[i];
		uint8_t *bytes = served->store + r->offset + served->moved;
		struct prec_result result =
			r->op == VBLK_READ
				? prec_copy_out(part, 0, bytes, part.size)
				: prec_copy_in(bytes, part, 0, part.size);

		served->moved += result.done;
		if (result.status != PREC_OK)
			return result.status;
	}
	return PREC_OK;
}

static void carry_out(uint64_t epochs_before)
{
	struct vblk_request *r = &served->request;
	struct vblk_done done = { PREC_OK, true, 0 };
	enum vblk_end end;

	if (r->op == VBLK_READ || r->op == VBLK_WRITE)
		done.status = move_data(r);
	served->disturbed = epochs() != epochs_before;
	done.same_epoch = !served->disturbed;
	done.moved = served->moved;
	served->outcome = vblk_outcome(r, done);
	end = vblk_complete(&queue, &space, r, done, false);
	served->stored = end != VBLK_STATUS_GONE;
	if (!served->stored)
		return;
	served->used = served->outcome.used;
	served->completed = end == VBLK_TOLD ? PREC_OK : PREC_GONE;
}

/* The window: one request, from the ring to the ring. */
static void serve(void *none)
{
	uint64_t before = epochs();
	bool notify;

	(void)none;
	served->answer = split_next(&queue, &space, &chain);
	served->decoded = served->answer;
	if (served->answer == VIRTQ_TAKEN || served->answer == VIRTQ_MALFORMED)
		served->decoded = vblk_decode(&device, &queue, &space, &chain,
					      &served->request, &ranges);
	if (served->decoded == VIRTQ_TAKEN)
		carry_out(before);
	if (!served->stored &&
	    (served->answer == VIRTQ_TAKEN || served->answer == VIRTQ_LOST ||
	     served->answer == VIRTQ_MALFORMED))
		served->completed = split_complete(&queue, &space, chain.head,
						   served->used);
	if (served->completed == PREC_OK &&
	    split_should_notify(&queue, &space, &notify) == PREC_OK && !notify)
		driver_wrong("the client is not notified");
}

static void lend_all(void)
{
	unsigned int who;

	memset(&space, 0, sizeof(space));
	for (who = 0; who < LOSERS; who++) {
		struct place start = { who, 0 };

		driver_lend(who, 0);
		if (prec_space_add(&space, place_address(start), LENT_SIZE,
				   driver_regions[who].span.host,
				   PREC_READ | PREC_WRITE, who) != PREC_OK)
			driver_wrong("the space is full");
	}
}

static void take_all_down(void)
{
	driver_take_down(LOSER_A);
	driver_take_down(LOSER_B);
}

static void set_up_queue(void)
{
	uint64_t rings = place_address(served->rings);

	if (split_setup(&queue, &space, QUEUE_SIZE, rings + DESC_AT,
			rings + AVAIL_AT, rings + USED_AT) != PREC_OK)
		driver_wrong("the queue cannot be set up");
}

/* The client lent the same again: what was revoked is mapped anew. */
static void lend_again(void)
{
	if (!prec_region_revoked(&driver_regions[LOSER_A]) &&
	    !prec_region_revoked(&driver_regions[LOSER_B]))
		return;
	take_all_down();
	lend_all();
	if (virtq_rebase(&queue, &space) != PREC_OK)
		driver_wrong("the rings are not found again");
}

static void begin(void)
{
	uint32_t i;

	if (served->again) {
		lend_again();
	} else {
		lend_all();
		set_up_queue();
	}
	for (i = 0; i < STORE_SIZE; i++)
		served->store[i] = store_byte(i);
	memset(&served->request, 0, sizeof(served->request));
	served->moved = 0;
	served->disturbed = false;
	served->stored = false;
	served->used = 0;
	served->completed = PREC_REFUSED;
}

static void report(void)
{
	served->state = queue.state;
	served->in_flight = queue.in_flight;
	served->held = memchr(queue.held, 1,
			      queue.size * sizeof(queue.held[0])) != NULL;
	if (queue.state == VIRTQ_BROKEN)
		set_up_queue();
	served->next_avail = queue.next_avail;
	served->next_used = queue.next_used;
}

static void revoke_one(unsigned int who)
{
	if (prec_region_revoke(&driver_regions[who]) != PREC_OK)
		driver_wrong("a region cannot be revoked");
}

void block_server_prepare(void)
{
	driver_prepare(served->wrong);
	lent_answer(revoke_one);
}

void block_server_run(void)
{
	struct stepper_state state;

	begin();
	memset(&state, 0, sizeof(state));
	state.mxcsr = 0x5f80;
	state.control = 0x0f7f;
	stepper_window(serve, NULL, &state);
	if (stepper_lost(&state))
		driver_wrong(stepper_lost(&state));
	driver_serve_good();
	report();
	if (!served->again)
		return;
	take_all_down();
	driver_check();
}
