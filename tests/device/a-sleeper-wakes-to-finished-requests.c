// SPDX-License-Identifier: MIT
/*
 * A client that sleeps is notified once in a turn before its end: on the first
 * completion after which the turn has no more than 64 requests left, which take
 * about as long as to wake up.  If it asks again after that, it is notified at
 * the end of the turn.  So it waits for nobody but the rest of the turn.
 */
#include "owner.h"

#define EVENT_IDX 29 /* VIRTIO_F_EVENT_IDX */
#define LEFT	  64u
#define MOST	  (2 * DEPTH)

static struct owner owner;
static struct greedy client;
static uint16_t published[2];
static uint32_t ended;	   /* in this turn, before the reap in hand */
static uint32_t called_at; /* when so many had */
static eventfd_t calls;
static bool asks_again;

static uint8_t *avail_of(uint32_t queue)
{
	return client.memory + (size_t)PART * queue + AVAIL;
}

/* It has looked at all that there is, and sleeps. */
static void ask(uint32_t queue)
{
	uint16_t event = greedy_used(&client, queue);

	memcpy(avail_of(queue) + VIRTQ_AVAIL_RING +
		       (size_t)VIRTQ_AVAIL_ENTRY * SIZE,
	       &event, sizeof(event));
}

static void look_for_calls(void)
{
	for (uint32_t i = 0; i < 2; i++) {
		eventfd_t some;

		if (eventfd_read(device_queue(&client.device, i)->call_fd,
				 &some) < 0)
			continue;
		calls += some;
		if (called_at == 0)
			called_at = ended;
		if (asks_again)
			ask(i);
	}
}

static struct store_io *reap_and_look(struct store_lane *lane)
{
	struct store_io *io = instant_reap(lane);

	look_for_calls();
	ended += io != NULL;
	return io;
}

static void publish(uint32_t queue, uint32_t count)
{
	published[queue] = (uint16_t)(published[queue] + count);
	memcpy(avail_of(queue) + VIRTQ_AVAIL_IDX, &published[queue],
	       sizeof(published[queue]));
	ask(queue);
}

static void turn(void)
{
	ended = 0;
	called_at = 0;
	calls = 0;
	loop_take_events(&loop, 0);
	turn_serve(&loop);
	look_for_calls();
}

/* A turn of so many requests, from one ring if that has as many, or two. */
static void one_turn(uint32_t count)
{
	uint32_t first = count < DEPTH ? count : DEPTH;

	publish(0, first);
	publish(1, count - first);
	turn();
	EXPECT(ended == count);
	EXPECT(called_at == (count > LEFT ? count - LEFT : 1));
}

static void of_any_length(void)
{
	for (uint32_t count = 1; count <= MOST; count++)
		one_turn(count);
}

/* With two rings, one is notified early and the other at the end; with one ring
 * it is so only if the client asks again. */
static void once_or_again(void)
{
	one_turn(DEPTH);
	EXPECT(calls == 1);
	one_turn(MOST);
	EXPECT(calls == 2);
	asks_again = true;
	one_turn(DEPTH);
	EXPECT(calls == 2);
	one_turn(MOST);
	EXPECT(calls == 2);
	asks_again = false;
}

/* What an earlier turn began is not left in this one. */
static void that_were_begun_before(void)
{
	owner.instant.holds = true;
	publish(0, DEPTH);
	publish(1, DEPTH);
	turn();
	EXPECT(owner.instant.held == MOST && calls == 0);
	owner.instant.holds = false;
	turn();
	EXPECT(ended == MOST && called_at == 1);
}

int main(void)
{
	static struct store_ops ops;

	owners_begin();
	owner_init(&owner, "owner");
	ops = instant_ops;
	ops.reap = reap_and_look;
	owner.instant.store.ops = &ops;
	greedy_open(&client, &owner, 2, VIRTIO_BLK_T_FLUSH);
	device_set_features(&client.device,
			    1ull << VIRTIO_BLK_F_FLUSH | 1ull << EVENT_IDX);
	for (uint32_t i = 0; i < 2; i++)
		queue_set_call(device_queue(&client.device, i),
			       eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	turn();
	of_any_length();
	once_or_again();
	that_were_begun_before();
	greedy_close(&client);
	loop_close(&loop);
	return expect_end();
}
