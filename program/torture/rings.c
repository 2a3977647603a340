// SPDX-License-Identifier: MIT
/* Rings and chains that no good driver makes. */
#include "program/torture/case.h"

#include <string.h>

#define GROUP	  "rings"
#define CHAIN_MAX 256u

/* A correct chain, and what spoiling it may need. */
struct chain {
	struct attack *attack;
	struct vring_desc list[CHAIN_MAX];
	uint32_t count;
	uint32_t type;
	uint64_t odd; /* an address in no region */
};

struct spoil {
	const char *name;
	void (*run)(struct chain *chain, uint64_t number);
	uint64_t number;
	bool lie; /* success cannot be */
};

static uint64_t address_of(const struct chain *chain, struct client_place place)
{
	return client_address(&chain->attack->client, place);
}

static struct client_queue *queue_of(const struct chain *chain)
{
	return &chain->attack->client.queues[0];
}

/* `number` is 16 * which descriptor + to which it goes, for loops. */
static void next_of(struct chain *chain, uint64_t number)
{
	struct vring_desc *desc = &chain->list[number >> 32];

	desc->flags |= VRING_DESC_F_NEXT;
	desc->next = (uint16_t)number;
}

#define AT(which, value) ((uint64_t)(which) << 32 | (uint32_t)(value))

static void length_of(struct chain *chain, uint64_t number)
{
	chain->list[number >> 32].len = (uint32_t)number;
}

static void flags_of(struct chain *chain, uint64_t number)
{
	chain->list[number >> 32].flags = (uint16_t)number;
}

static void flip_write(struct chain *chain, uint64_t number)
{
	chain->list[number].flags ^= VRING_DESC_F_WRITE;
}

/* Data somewhere else; the two that wrap need their length, too. */
static void data_at(struct chain *chain, uint64_t number)
{
	chain->list[1].addr = number;
	if (number > UINT64_MAX / 2)
		chain->list[1].len = 0x10000;
}

static void header_at(struct chain *chain, uint64_t number)
{
	chain->list[0].addr = number;
}

static void status_at(struct chain *chain, uint64_t number)
{
	chain->list[2].addr = number;
}

/* The last bytes of the region, and as many beyond. */
static void over_the_edge(struct chain *chain, uint64_t number)
{
	const struct client_region *region =
		&chain->attack->client
			 .regions[queue_of(chain)->slots[0].data.region];

	chain->list[1].addr = region->address + region->size - number;
}

enum part { DESC, AVAIL, USED, HEADER, STATUS };

/* One of the three pieces laid over another part of the client's own. */
static void laid_over(struct chain *chain, uint64_t number)
{
	const struct client_queue *queue = queue_of(chain);
	const struct client_place places[] = {
		[DESC] = queue->desc_place,
		[AVAIL] = queue->avail_place,
		[USED] = queue->used_place,
		[HEADER] = queue->slots[0].header,
		[STATUS] = queue->slots[0].status,
	};

	chain->list[number >> 32].addr =
		address_of(chain, places[(uint32_t)number]);
}

/* The header in pieces of `number` bytes. */
static void split_header(struct chain *chain, uint64_t number)
{
	struct vring_desc rest[2] = { chain->list[1], chain->list[2] };
	uint32_t pieces = (uint32_t)(16 / number), i;
	uint64_t address = chain->list[0].addr;

	for (i = 0; i < pieces; i++)
		chain->list[i] = (struct vring_desc){ address + i * number,
						      (uint32_t)number,
						      VRING_DESC_F_NEXT,
						      (uint16_t)(i + 1) };
	for (i = 0; i < 2; i++) {
		chain->list[pieces + i] = rest[i];
		chain->list[pieces + i].next = (uint16_t)(pieces + i + 1);
	}
	chain->count = pieces + 2;
}

/* Header and data in one descriptor. */
static void one_piece(struct chain *chain, uint64_t number)
{
	(void)number;
	chain->list[0].len += CRAFT_SIZE;
	chain->list[0].next = 2;
}

/* Everything in a single descriptor. */
static void only(struct chain *chain, uint64_t number)
{
	chain->list[0] = chain->list[number];
	chain->list[0].flags &= (uint16_t)~VRING_DESC_F_NEXT;
	chain->count = 1;
}

/* `number` descriptors of one sector, each the same bytes. */
static void many(struct chain *chain, uint64_t number)
{
	struct vring_desc data = chain->list[1], status = chain->list[2];
	uint32_t i;

	data.len = CLIENT_SECTOR;
	for (i = 1; i <= number; i++) {
		chain->list[i] = data;
		chain->list[i].next = (uint16_t)(i + 1);
	}
	chain->list[i] = status;
	chain->count = i + 1;
}

/* Four lengths whose sum passes 2^32. */
static void huge_sum(struct chain *chain, uint64_t number)
{
	uint32_t i;

	many(chain, 4);
	for (i = 1; i <= 4; i++)
		chain->list[i].len = (uint32_t)number;
}

/* As many descriptors as there are, and the last goes back to the first. */
static void long_loop(struct chain *chain, uint64_t number)
{
	many(chain, number);
	chain->list[number + 1].flags |= VRING_DESC_F_NEXT;
	chain->list[number + 1].next = 0;
}

/* Many descriptors without a byte. */
static void many_empty(struct chain *chain, uint64_t number)
{
	uint32_t i;

	many(chain, number);
	for (i = 1; i <= number; i++)
		chain->list[i].len = 0;
}

#define NEXT  VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE

static const struct spoil spoils[] = {
	{ "loop-of-one", next_of, AT(1, 1), true },
	{ "loop-of-the-head", next_of, AT(0, 0), true },
	{ "loop-of-two", next_of, AT(2, 1), true },
	{ "loop-of-three", next_of, AT(2, 0), true },
	{ "loop-of-60", long_loop, 58, true },
	{ "next-just-outside", next_of, AT(1, 64), true },
	{ "next-outside", next_of, AT(1, 0x8000), true },
	{ "next-largest", next_of, AT(1, 0xffff), true },
	{ "data-length-0", length_of, AT(1, 0), false },
	{ "data-length-1", length_of, AT(1, 1), false },
	{ "data-length-4095", length_of, AT(1, 4095), false },
	{ "data-length-2^31", length_of, AT(1, 0x80000000), true },
	{ "data-length-2^32-1", length_of, AT(1, 0xffffffff), true },
	{ "data-length-2^32-512", length_of, AT(1, 0xfffffe00), true },
	{ "data-lengths-pass-2^32", huge_sum, 0x40000200, true },
	{ "data-lengths-wrap-to-small", huge_sum, 0x40000000, true },
	{ "header-length-0", length_of, AT(0, 0), false },
	{ "header-length-1", length_of, AT(0, 1), false },
	{ "header-length-15", length_of, AT(0, 15), false },
	{ "header-length-17", length_of, AT(0, 17), false },
	{ "header-length-2^32-1", length_of, AT(0, 0xffffffff), false },
	{ "status-length-0", length_of, AT(2, 0), false },
	{ "status-length-2", length_of, AT(2, 2), false },
	{ "status-length-2^32-1", length_of, AT(2, 0xffffffff), false },
	{ "header-writable", flip_write, 0, false },
	{ "data-of-the-wrong-way", flip_write, 1, false },
	{ "status-readable", flip_write, 2, false },
	{ "flags-all-of-the-data", flags_of, AT(1, 0xffff), false },
	{ "flags-all-of-the-header", flags_of, AT(0, 0xffff), false },
	{ "flags-unknown", flags_of, AT(1, 0xfff8 | NEXT | WRITE), false },
	{ "status-missing", flags_of, AT(1, WRITE), false },
	{ "header-only", only, 0, false },
	{ "data-only", only, 1, false },
	{ "status-only", only, 2, false },
	{ "header-and-data-in-one", one_piece, 0, false },
	{ "header-in-1-byte-pieces", split_header, 1, false },
	{ "header-in-4-byte-pieces", split_header, 4, false },
	{ "header-in-8-byte-pieces", split_header, 8, false },
	{ "descriptors-60", many, 58, false },
	{ "descriptors-60-empty", many_empty, 58, false },
	{ "data-at-0", data_at, 0, true },
	{ "data-nowhere", data_at, 0x7000, true },
	{ "data-between-regions", data_at, 0x1f0000000, true },
	{ "data-beyond-48-bits", data_at, 1ull << 48, true },
	{ "data-not-canonical", data_at, 1ull << 63, true },
	{ "data-wraps", data_at, UINT64_MAX - 0xfff, true },
	{ "data-at-the-last-byte", data_at, UINT64_MAX, true },
	{ "data-over-the-edge", over_the_edge, 512, true },
	{ "data-over-the-edge-by-1", over_the_edge, 4095, true },
	{ "data-behind-the-edge", over_the_edge, 0, true },
	{ "header-nowhere", header_at, 0x7000, true },
	{ "header-wraps", header_at, UINT64_MAX - 7, true },
	{ "status-nowhere", status_at, 0x7000, true },
	{ "status-at-the-last-byte", status_at, UINT64_MAX, true },
	{ "data-in-the-descriptors", laid_over, AT(1, DESC), false },
	{ "data-in-the-available-ring", laid_over, AT(1, AVAIL), false },
	{ "data-in-the-used-ring", laid_over, AT(1, USED), false },
	{ "data-in-the-header", laid_over, AT(1, HEADER), false },
	{ "data-in-the-status", laid_over, AT(1, STATUS), false },
	{ "status-in-the-descriptors", laid_over, AT(2, DESC), false },
	{ "status-in-the-available-ring", laid_over, AT(2, AVAIL), false },
	{ "status-in-the-used-ring", laid_over, AT(2, USED), false },
	{ "status-in-the-header", laid_over, AT(2, HEADER), false },
	{ "header-in-the-descriptors", laid_over, AT(0, DESC), false },
	{ "header-in-the-available-ring", laid_over, AT(0, AVAIL), false },
	{ "header-in-the-used-ring", laid_over, AT(0, USED), false },
};

static void spoil_one(struct attack *attack, const struct spoil *spoil,
		      uint32_t type, bool indirect)
{
	struct chain chain = { .attack = attack, .count = 3, .type = type };

	craft(attack, type, 0, chain.list);
	spoil->run(&chain, spoil->number);
	if (craft_submit(attack, chain.list, chain.count, indirect))
		return;
	if (spoil->lie)
		craft_expect_failure(attack, spoil->name);
	else
		attack_served(attack, attack->client.queues[0].used_index, 20);
}

/* Each in a read and in a write, on a fresh connection. */
static void run_spoil(struct attack *attack, const struct torture_case *self)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT };
	bool indirect = self->kind;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		if (attack_start(attack, (struct client_options){
						 .queue_size = 64,
						 .indirect = indirect }))
			return;
		if (indirect &&
		    attack_lacks(attack, VIRTIO_RING_F_INDIRECT_DESC,
				 "indirect descriptors"))
			return;
		spoil_one(attack, self->row, types[i], indirect);
		client_close(&attack->client);
	}
}

/* A table of descriptors, as the head names it. */
struct table {
	const char *name;
	uint32_t length;
	uint16_t flags;
	uint64_t address; /* 0: where the table is */
	enum { PLAIN, NESTED, LOOP, OUTSIDE } inner;
	bool unasked; /* the feature is not negotiated */
};

#define INDIRECT VRING_DESC_F_INDIRECT

static const struct table tables[] = {
	{ "length-0", 0, INDIRECT, 0, PLAIN, false },
	{ "length-8", 8, INDIRECT, 0, PLAIN, false },
	{ "length-17", 17, INDIRECT, 0, PLAIN, false },
	{ "length-49", 49, INDIRECT, 0, PLAIN, false },
	{ "length-one-short", 32, INDIRECT, 0, PLAIN, false },
	{ "length-65536-entries", 65536 * 16, INDIRECT, 0, PLAIN, false },
	{ "length-2^32-16", 0xfffffff0, INDIRECT, 0, PLAIN, false },
	{ "length-2^32-1", 0xffffffff, INDIRECT, 0, PLAIN, false },
	{ "nowhere", 48, INDIRECT, 0x7000, PLAIN, false },
	{ "wraps", 48, INDIRECT, UINT64_MAX - 31, PLAIN, false },
	{ "not-canonical", 48, INDIRECT, 1ull << 63, PLAIN, false },
	{ "with-next", 48, INDIRECT | NEXT, 0, PLAIN, false },
	{ "with-write", 48, INDIRECT | WRITE, 0, PLAIN, false },
	{ "with-all-flags", 48, 0xffff, 0, PLAIN, false },
	{ "in-a-table", 48, INDIRECT, 0, NESTED, false },
	{ "loops", 48, INDIRECT, 0, LOOP, false },
	{ "next-outside", 48, INDIRECT, 0, OUTSIDE, false },
	{ "not-negotiated", 48, INDIRECT, 0, PLAIN, true },
};

static void run_table(struct attack *attack, const struct torture_case *self)
{
	const struct table *table = self->row;
	struct vring_desc list[3], *head;
	struct client_place place;

	if (attack_start(attack, (struct client_options){
					 .queue_size = 64,
					 .indirect = !table->unasked }))
		return;
	if (!table->unasked && attack_lacks(attack, VIRTIO_RING_F_INDIRECT_DESC,
					    "indirect descriptors"))
		return;
	place = attack->client.queues[0].slots[1].data;
	craft(attack, VIRTIO_BLK_T_IN, 0, list);
	if (table->inner == NESTED)
		list[1] = (struct vring_desc){
			client_address(&attack->client, place), 48, INDIRECT, 0
		};
	else if (table->inner != PLAIN)
		list[1].next = table->inner == LOOP ? 0 : 3;
	memcpy(client_at(&attack->client, place), list, sizeof(list));
	head = &attack->client.queues[0].ring.desc[0];
	*head = (struct vring_desc){
		table->address ? table->address
			       : client_address(&attack->client, place),
		table->length, table->flags, 1
	};
	craft_available(attack, 0);
	craft_kick(attack);
	attack_served(attack, 0, 30);
}

/* The available ring. */
static void run_head(struct attack *attack, const struct torture_case *self)
{
	struct vring_desc list[3];
	uint32_t i;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	craft(attack, VIRTIO_BLK_T_IN, 0, list);
	memcpy(attack->client.queues[0].ring.desc, list, sizeof(list));
	for (i = 0; i < 4; i++)
		craft_available(attack, (uint16_t)self->kind);
	craft_kick(attack);
	attack_served(attack, 0, 20);
	attack_linger(attack, 5);
}

static void run_index(struct attack *attack, const struct torture_case *self)
{
	struct client_queue *queue = &attack->client.queues[0];
	struct vring_desc list[3];
	uint16_t was;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	craft(attack, VIRTIO_BLK_T_IN, 0, list);
	memcpy(queue->ring.desc, list, sizeof(list));
	was = queue->ring.avail->idx;
	__atomic_store_n(&queue->ring.avail->idx, (uint16_t)(was + self->kind),
			 __ATOMIC_RELEASE);
	craft_kick(attack);
	attack_linger(attack, 20);
	/* And back. */
	__atomic_store_n(&queue->ring.avail->idx, was, __ATOMIC_RELEASE);
	craft_kick(attack);
	attack_linger(attack, 5);
}

/* Set up in a way that the ring cannot be. */
static const struct set_up set_ups[] = {
	{ "size-0", SET_UP_SIZE, 0 },
	{ "size-3", SET_UP_SIZE, 3 },
	{ "size-1", SET_UP_SIZE, 1 },
	{ "size-32768", SET_UP_SIZE, 32768 },
	{ "size-65536", SET_UP_SIZE, 65536 },
	{ "size-2^31", SET_UP_SIZE, 0x80000000 },
	{ "size-2^32-1", SET_UP_SIZE, 0xffffffff },
	{ "descriptors-misaligned", SET_UP_MISALIGNED, 0 },
	{ "available-misaligned", SET_UP_MISALIGNED, 1 },
	{ "used-misaligned", SET_UP_MISALIGNED, 2 },
	{ "all-three-the-same", SET_UP_SAME, 7 },
	{ "used-over-available", SET_UP_SAME, 6 },
	{ "used-over-descriptors", SET_UP_SAME, 5 },
	{ "descriptors-over-the-edge", SET_UP_EDGE, 0 },
	{ "available-over-the-edge", SET_UP_EDGE, 1 },
	{ "used-over-the-edge", SET_UP_EDGE, 2 },
	{ "descriptors-not-lent", SET_UP_UNLENT, 0 },
	{ "available-not-lent", SET_UP_UNLENT, 1 },
	{ "used-not-lent", SET_UP_UNLENT, 2 },
	{ "base-beyond-size", SET_UP_BASE, 4097 },
	{ "base-65535", SET_UP_BASE, 65535 },
	{ "base-behind", SET_UP_BASE, 65530 },
};

static void run_setup(struct attack *attack, const struct torture_case *self)
{
	struct vhost_user_vring_state state = { 0, 64 }, base = { 0, 0 };
	const struct set_up *how = self->row;
	struct vring_desc list[3];
	uint64_t number = 0;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }) ||
	    client_stop(&attack->client))
		return;
	if (how->how == SET_UP_SIZE)
		state.number = how->number;
	if (how->how == SET_UP_BASE)
		base.number = how->number;
	attack_tell(attack, VHOST_USER_SET_VRING_NUM, &state, sizeof(state),
		    -1);
	attack_tell(attack, VHOST_USER_SET_VRING_BASE, &base, sizeof(base), -1);
	attack_place_rings(attack, how, sizeof(struct vring_desc));
	craft(attack, VIRTIO_BLK_T_IN, 0, list);
	memcpy(attack->client.queues[0].ring.desc, list, sizeof(list));
	craft_available(attack, 0);
	attack_tell(attack, VHOST_USER_SET_VRING_KICK, &number, sizeof(number),
		    attack->client.queues[0].kick_fd);
	state.number = 1;
	attack_tell(attack, VHOST_USER_SET_VRING_ENABLE, &state, sizeof(state),
		    -1);
	craft_kick(attack);
	attack_linger(attack, 20);
}

/* The server writes the used ring and its index, and so do we. */
static void used_forged(struct attack *attack, const struct torture_case *self)
{
	struct client_queue *queue = &attack->client.queues[0];
	uint32_t i, j;

	(void)self;
	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	for (i = 0; i < 200; i++) {
		craft_available(attack, 0);
		for (j = 0; j < 64; j++)
			queue->ring.used->ring[j].id = 0xffffffff;
		queue->ring.used->idx = (uint16_t)(i * 77);
		craft_kick(attack);
	}
	attack_linger(attack, 20);
}

/* All heads at once, round and round, without waiting for any. */
static void never_waits(struct attack *attack, const struct torture_case *self)
{
	struct vring_desc list[3];
	uint32_t i;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	craft(attack, VIRTIO_BLK_T_IN, 0, list);
	memcpy(attack->client.queues[0].ring.desc, list, sizeof(list));
	for (i = 0; i < self->kind; i++) {
		craft_available(attack, 0);
		if (i % 16 == 0)
			craft_kick(attack);
	}
	attack_linger(attack, 20);
}

/* Many chains of all descriptors of the largest ring, which move nothing: each
 * head begins one, and all of them have to be walked. */
static void walks_all(struct attack *attack, const struct torture_case *self)
{
	struct vring_desc *desc, list[3];
	uint32_t size = 32768, i;

	if (attack_start(attack, (struct client_options){ .queue_size = size }))
		return;
	craft(attack, VIRTIO_BLK_T_IN, 0, list);
	desc = attack->client.queues[0].ring.desc;
	for (i = 0; i < size; i++)
		desc[i] = (struct vring_desc){
			.addr = list[1].addr,
			.flags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
			.next = (uint16_t)(i + 1),
		};
	desc[size - 1] = list[2];
	for (i = 0; i < self->kind; i++)
		craft_available(attack, (uint16_t)i);
	craft_kick(attack);
	attack_served(attack, attack->client.queues[0].used_index, 200);
}

void cases_add_rings(struct case_list *list)
{
	static const struct {
		const char *name;
		uint16_t number;
	} heads[] = { { "just-outside", 64 },
		      { "0x8000", 0x8000 },
		      { "0xffff", 0xffff },
		      { "four-times-the-same", 0 },
		      { "of-nothing", 40 } },
	  jumps[] = { { "by-1", 1 },
		      { "by-size", 64 },
		      { "by-more-than-size", 65 },
		      { "by-0x7fff", 0x7fff },
		      { "by-0x8000", 0x8000 },
		      { "back", 0xffff } };
	uint32_t i;

	for (i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		struct torture_case *new;

		new = add_case(list, GROUP, run_spoil, spoils[i].name, "");
		new->row = &spoils[i];
		new = add_case(list, GROUP, run_spoil, spoils[i].name,
			       "in-a-table");
		new->row = &spoils[i];
		new->kind = true;
	}
	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		add_case(list, GROUP, run_table, "table", tables[i].name)->row =
			&tables[i];
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		add_case(list, GROUP, run_head, "head", heads[i].name)->kind =
			heads[i].number;
	for (i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++)
		add_case(list, GROUP, run_index, "index-jumps", jumps[i].name)
			->kind = jumps[i].number;
	for (i = 0; i < sizeof(set_ups) / sizeof(set_ups[0]); i++)
		add_case(list, GROUP, run_setup, "set-up", set_ups[i].name)
			->row = &set_ups[i];
	add_case(list, GROUP, used_forged, "used-ring-forged", "");
	add_case(list, GROUP, walks_all, "chains-of-all", "")->kind = 200;
	add_case(list, GROUP, never_waits, "never-waits", "")->kind = 2000;
}
