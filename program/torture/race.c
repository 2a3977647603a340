// SPDX-License-Identifier: MIT
/* Rings that change while they are read: values alternate between good and bad,
 * as fast as a processor can, while requests are made available.  Part of the
 * group "rings". */
#include "program/torture/case.h"

#include <string.h>

#define GROUP	"rings"
#define RACE_NS 25000000ull

struct race {
	const char *name;
	uint64_t bad;
	enum {
		HEAD,
		INDEX,
		NEXT,
		LENGTH,
		ADDRESS,
		FLAGS,
		TYPE,
		SECTOR,
		TABLE_LENGTH,
		TABLE_ADDRESS
	} what;
	bool indirect;
};

static const struct race races[] = {
	{ "head", 0xffff, HEAD, false },
	{ "index", 0x8000, INDEX, false },
	{ "next", 0xffff, NEXT, false },
	{ "next-in-a-loop", 0, NEXT, false },
	{ "length", 0xffffffff, LENGTH, false },
	{ "length-0", 0, LENGTH, false },
	{ "address", 0x7000, ADDRESS, false },
	{ "address-wraps", UINT64_MAX - 255, ADDRESS, false },
	{ "flags", 0xffff, FLAGS, false },
	{ "flags-direction", VRING_DESC_F_NEXT, FLAGS, false },
	{ "type", VIRTIO_BLK_T_OUT, TYPE, false },
	{ "type-unknown", 0x4711, TYPE, false },
	{ "sector", 1ull << 62, SECTOR, false },
	{ "next-in-a-table", 0xffff, NEXT, true },
	{ "length-in-a-table", 0xffffffff, LENGTH, true },
	{ "address-in-a-table", 0x7000, ADDRESS, true },
	{ "table-length", 0xfffffff0, TABLE_LENGTH, true },
	{ "table-length-odd", 17, TABLE_LENGTH, true },
	{ "table-address", 0x7000, TABLE_ADDRESS, true },
};

static struct flip flip_of(struct attack *attack, const struct race *race,
			   struct vring_desc *table)
{
	struct client *client = &attack->client;
	struct vring *ring = &client->queues[0].ring;
	struct virtio_blk_outhdr *header =
		client_at(client, client->queues[0].slots[0].header);

	switch (race->what) {
	case HEAD:
		return (struct flip){ &ring->avail->ring[1], 2, 0, race->bad };
	case INDEX:
		return (struct flip){ &ring->avail->idx, 2, 0, race->bad };
	case NEXT:
		return (struct flip){ &table[1].next, 2, 2, race->bad };
	case LENGTH:
		return (struct flip){ &table[1].len, 4, CRAFT_SIZE, race->bad };
	case ADDRESS:
		return (struct flip){ &table[1].addr, 8, table[1].addr,
				      race->bad };
	case FLAGS:
		return (struct flip){ &table[1].flags, 2, table[1].flags,
				      race->bad };
	case TYPE:
		return (struct flip){ &header->type, 4, VIRTIO_BLK_T_IN,
				      race->bad };
	case SECTOR:
		return (struct flip){ &header->sector, 8, 0, race->bad };
	case TABLE_LENGTH:
		return (struct flip){ &ring->desc[0].len, 4, 48, race->bad };
	default:
		return (struct flip){ &ring->desc[0].addr, 8,
				      ring->desc[0].addr, race->bad };
	}
}

void flip_store(const struct flip *flip, uint64_t value)
{
	if (flip->size == 2)
		*(volatile uint16_t *)flip->at = (uint16_t)value;
	else if (flip->size == 4)
		*(volatile uint32_t *)flip->at = (uint32_t)value;
	else
		*(volatile uint64_t *)flip->at = value;
}

/* Requests go on while the value flips, each time by another number. */
static void flip_and_ask(struct attack *attack, const struct race *race,
			 struct flip *flip)
{
	struct client_queue *queue = &attack->client.queues[0];
	uint64_t end = client_now_ns() + RACE_NS;
	uint32_t round, turns;

	for (round = 0; client_now_ns() < end; round++) {
		uint16_t used = queue->ring.used->idx;

		craft_available(attack, 0);
		craft_kick(attack);
		for (turns = 0; turns < 4000 && queue->ring.used->idx == used;
		     turns++) {
			if (race->what == INDEX)
				flip->good = queue->avail_index;
			flip_store(flip, turns & 1 ? flip->good : flip->bad);
		}
		flip_store(flip, flip->good);
		if (round % 64 != 63)
			continue;
		attack_linger(attack, 0);
	}
}

/* A broken ring is gone with its connection: start again. */
static void run_race(struct attack *attack, const struct torture_case *self)
{
	const struct race *race = self->row;
	struct vring_desc list[3], *table;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		struct client *client = &attack->client;
		struct flip flip;

		if (attack_start(attack, (struct client_options){
						 .queue_size = 64,
						 .indirect = race->indirect }))
			return;
		if (race->indirect &&
		    attack_lacks(attack, VIRTIO_RING_F_INDIRECT_DESC,
				 "indirect descriptors"))
			return;
		craft(attack, VIRTIO_BLK_T_IN, 0, list);
		table = client->queues[0].ring.desc;
		if (race->indirect) {
			struct client_place place =
				client->queues[0].slots[1].data;

			*table = (struct vring_desc){
				client_address(client, place), 48,
				VRING_DESC_F_INDIRECT, 0
			};
			table = client_at(client, place);
		}
		memcpy(table, list, sizeof(list));
		flip = flip_of(attack, race, table);
		flip_and_ask(attack, race, &flip);
		client_close(client);
	}
}

void cases_add_race(struct case_list *list)
{
	uint32_t i;

	for (i = 0; i < sizeof(races) / sizeof(races[0]); i++)
		add_case(list, GROUP, run_race, "changing", races[i].name)
			->row = &races[i];
}
