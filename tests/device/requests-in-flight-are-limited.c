// SPDX-License-Identifier: MIT
/*
 * G11: on a store that answers late, a client has as many requests there at one
 * time as its export says, 512 by default, whatever its number of queues; the
 * limit may change meanwhile.  A client that is idle takes nothing of that from
 * another.  Beside one that has requests it is a quarter, and that one gets its
 * own at once, of the same export or another.  A request of many segments
 * counts as several.
 */
#include "owner.h"

#include "virtio/virtq.h"

#define MANY	 20u /* queues, with more requests than any limit here */
#define SEGMENTS 64u
#define PIECE	 8u
#define TABLE	 (DATA + 8192u)

static struct owner late, other;
static struct greedy client, neighbour;
static struct rates rates;

static void turns(void)
{
	for (uint32_t i = 0; i < 60; i++) {
		greedy_refill(&client);
		if (neighbour.memory)
			greedy_refill(&neighbour);
		loop_take_events(&loop, 0);
		turn_serve(&loop);
	}
}

static void set_limit(uint64_t requests)
{
	const struct rates_limits limits = { .client_in_flight = requests };

	rates_set(&rates, &limits);
}

/* All that is in the store ends, and what is begun after that stays there. */
static void answer(struct owner *owner)
{
	owner->instant.holds = false;
	while (owner->instant.first)
		turn_serve(&loop);
	owner->instant.holds = true;
}

static void open_client(void)
{
	memset(&neighbour, 0, sizeof(neighbour));
	set_limit(0);
	greedy_open(&client, &late, MANY, VIRTIO_BLK_T_FLUSH);
	late.instant.holds = true;
}

static void close_client(void)
{
	late.instant.holds = false;
	greedy_close(&client);
	EXPECT(client.device.home.weight == 0);
}

static void alone(void)
{
	open_client();
	turns();
	printf("by default: %u\n", late.instant.held);
	EXPECT(late.instant.held == 512);
	EXPECT(client.client.counters.throttled > 0);
	/* More counts when the next request ends, less when so many have. */
	set_limit(1100);
	answer(&late);
	turns();
	EXPECT(late.instant.held == 1100);
	set_limit(300);
	turns();
	EXPECT(late.instant.held == 1100);
	answer(&late);
	turns();
	EXPECT(late.instant.held == 300);
	set_limit(1);
	answer(&late);
	turns();
	EXPECT(late.instant.held == 1);
	close_client();
}

static void beside_idle(void)
{
	open_client();
	greedy_open(&neighbour, &other, 1, VIRTIO_BLK_T_FLUSH);
	neighbour.queues = 0; /* it makes none available */
	turns();
	EXPECT(late.instant.held == 512);
	neighbour.queues = 1;
	close_client();
	greedy_close(&neighbour);
}

/* The limit is of the export. */
static void beside_busy(struct owner *owner)
{
	open_client();
	greedy_open(&neighbour, owner, 1, VIRTIO_BLK_T_FLUSH);
	owner->instant.holds = true;
	turns();
	printf("beside one of %s: %u, and it has %u\n", owner->policy.name,
	       client.device.home.in_flight, neighbour.device.home.in_flight);
	EXPECT(client.device.home.in_flight == 512 / 4);
	EXPECT(neighbour.device.home.in_flight == DEPTH);
	set_limit(16);
	answer(owner);
	answer(&late);
	turns();
	EXPECT(client.device.home.in_flight == 4);
	EXPECT(neighbour.device.home.in_flight == (owner == &late ? 4 : DEPTH));
	owner->instant.holds = false;
	close_client();
	greedy_close(&neighbour);
}

/* Each entry of the rings is an indirect table of so many segments. */
static void write_tables(void)
{
	const struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header = { VIRTIO_BLK_T_IN, 0, 0 };
	struct virtq_desc table[SEGMENTS + 2] = {
		{ HEADER, 16, VIRTQ_DESC_F_NEXT, 1 },
	};

	for (uint16_t i = 1; i <= SEGMENTS; i++)
		table[i] = (struct virtq_desc){ DATA + PIECE * i, PIECE,
						VIRTQ_DESC_F_WRITE |
							VIRTQ_DESC_F_NEXT,
						(uint16_t)(i + 1) };
	table[SEGMENTS + 1] =
		(struct virtq_desc){ STATUS, 1, VIRTQ_DESC_F_WRITE, 0 };
	memcpy(client.memory + HEADER, &header, sizeof(header));
	memcpy(client.memory + TABLE, table, sizeof(table));
	for (uint32_t queue = 0; queue < MANY; queue++) {
		for (uint16_t i = 0; i < DEPTH; i++) {
			const struct virtq_desc one = { TABLE, sizeof(table),
							VIRTQ_DESC_F_INDIRECT,
							0 };

			memcpy(client.memory + PART * queue +
				       VIRTQ_DESC_SIZE * 2u * i,
			       &one, sizeof(one));
		}
	}
}

static void of_many_segments(void)
{
	open_client();
	write_tables();
	set_limit(300);
	turns();
	printf("of %u segments: %u\n", SEGMENTS, late.instant.held);
	EXPECT(late.instant.held == 150);
	close_client();
}

int main(void)
{
	owners_begin();
	owner_init(&late, "late");
	owner_init(&other, "other");
	rates_init(&rates);
	late.policy.rates = &rates;
	late.policy.queues_max = MANY;
	alone();
	beside_idle();
	beside_busy(&other);
	beside_busy(&late);
	of_many_segments();
	rates_destroy(&rates);
	loop_close(&loop);
	return expect_end();
}
