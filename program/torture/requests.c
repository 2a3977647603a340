// SPDX-License-Identifier: MIT
/* Well-formed chains that ask for something impossible. */
#include "program/torture/case.h"

#include <string.h>

#define GROUP "requests"

static void run_type(struct attack *attack, const struct torture_case *self)
{
	struct vring_desc list[3];
	uint32_t way;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	for (way = 0; way < 2; way++) {
		uint16_t used = attack->client.queues[0].ring.used->idx;

		craft(attack, self->kind, 0, list);
		if (way)
			list[1].flags ^= VRING_DESC_F_WRITE;
		if (craft_submit(attack, list, 3, false) ||
		    !attack_served(attack, used, 30))
			return;
		if (craft_status(attack) == VIRTIO_BLK_S_OK)
			attack_found(attack, VERDICT_CORRUPTED,
				     "an unknown request was told success");
	}
}

/* Where a request begins, from the end of the disk or of numbers. */
struct place {
	const char *name;
	bool from_end; /* of the disk */
	uint64_t sector;
};

static const struct place places[] = {
	{ "at-the-end", true, 0 },
	{ "over-the-end", true, (uint64_t)-1 },
	{ "one-beyond", true, 1 },
	{ "far-beyond", true, 1ull << 40 },
	{ "wraps-to-0", false, 1ull << 55 },
	{ "wraps-to-8", false, (1ull << 55) + 8 },
	{ "2^63", false, 1ull << 63 },
	{ "2^64-8", false, UINT64_MAX - 7 },
	{ "2^64-1", false, UINT64_MAX },
};

static void run_place(struct attack *attack, const struct torture_case *self)
{
	const struct place *place = self->row;
	struct vring_desc list[3];

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	craft(attack, self->kind,
	      place->sector + (place->from_end ? attack->client.capacity : 0),
	      list);
	if (craft_submit(attack, list, 3, false) == 0)
		craft_expect_failure(attack, "beyond the end of the disk");
}

static void run_length(struct attack *attack, const struct torture_case *self)
{
	struct vring_desc list[3];
	uint32_t type;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	for (type = 0; type < 2; type++) {
		uint16_t used = attack->client.queues[0].ring.used->idx;

		craft(attack, type, 0, list);
		list[1].len = self->kind;
		if (craft_submit(attack, list, 3, false) ||
		    !attack_served(attack, used, 30))
			return;
	}
}

/* Data in `count` pieces of `size` bytes each. */
struct scatter {
	const char *name;
	uint32_t count, size;
};

static const struct scatter scatters[] = {
	{ "254-of-512", 254, 512 },	{ "512-of-1", 512, 1 },
	{ "254-of-2", 254, 2 },		{ "1000-of-512", 1000, 512 },
	{ "1022-of-4096", 1022, 4096 }, { "1022-of-1", 1022, 1 },
	{ "1022-of-0", 1022, 0 },	{ "2046-of-512", 2046, 512 },
	{ "8190-of-512", 8190, 512 },
};

static void run_scatter(struct attack *attack, const struct torture_case *self)
{
	const struct scatter *scatter = self->row;
	struct vring_desc list[3], *table;
	uint32_t type, i;

	if (attack_start(attack,
			 (struct client_options){ .queue_size = 64,
						  .indirect = true,
						  .buffer_size = 1 << 18 }))
		return;
	if (attack_lacks(attack, VIRTIO_RING_F_INDIRECT_DESC,
			 "indirect descriptors"))
		return;
	table = client_at(&attack->client,
			  attack->client.queues[0].slots[1].data);
	for (type = 0; type < 2; type++) {
		uint16_t used = attack->client.queues[0].ring.used->idx;

		craft(attack, type, 0, list);
		table[0] = list[0];
		for (i = 1; i <= scatter->count; i++) {
			table[i] = list[1];
			table[i].len = scatter->size;
			table[i].next = (uint16_t)(i + 1);
		}
		table[i] = list[2];
		attack->client.queues[0].ring.desc[0] = (struct vring_desc){
			client_address(&attack->client,
				       attack->client.queues[0].slots[1].data),
			(i + 1) * 16, VRING_DESC_F_INDIRECT, 0
		};
		craft_available(attack, 0);
		craft_kick(attack);
		if (!attack_served(attack, used, 60))
			return;
	}
}

/* A request whose data is not what its type says. */
static void run_odd(struct attack *attack, const struct torture_case *self)
{
	const uint32_t *row = self->row;
	struct vring_desc list[3];

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	craft(attack, row[0], row[1], list);
	list[1].len = row[2];
	if (row[3])
		list[1].flags ^= VRING_DESC_F_WRITE;
	if (craft_submit(attack, list, 3, false) == 0)
		attack_served(attack, 0, 30);
}

static const struct {
	const char *name;
	uint32_t row[4]; /* type, sector, length of the data, other way */
} odds[] = {
	{ "get-id-0-bytes", { VIRTIO_BLK_T_GET_ID, 0, 0, 0 } },
	{ "get-id-1-byte", { VIRTIO_BLK_T_GET_ID, 0, 1, 0 } },
	{ "get-id-19-bytes", { VIRTIO_BLK_T_GET_ID, 0, 19, 0 } },
	{ "get-id-4096-bytes", { VIRTIO_BLK_T_GET_ID, 0, 4096, 0 } },
	{ "get-id-readable", { VIRTIO_BLK_T_GET_ID, 0, 20, 1 } },
	{ "flush-with-data", { VIRTIO_BLK_T_FLUSH, 0, 4096, 0 } },
	{ "flush-with-data-to-write", { VIRTIO_BLK_T_FLUSH, 0, 4096, 1 } },
	{ "flush-with-sector", { VIRTIO_BLK_T_FLUSH, 77, 4096, 0 } },
	/* An obsolete flag, which some servers ignore: success may be right. */
	{ "barrier", { 1u << 31, 0, 4096, 0 } },
	{ "read-into-readable", { VIRTIO_BLK_T_IN, 0, 4096, 1 } },
	{ "write-from-writable", { VIRTIO_BLK_T_OUT, 0, 4096, 1 } },
};

/* Ranges of discard and write zeroes. */
struct range {
	const char *name;
	struct virtio_blk_discard_write_zeroes range;
	uint32_t length; /* of the data */
};

static const struct range ranges[] = {
	{ "without-a-range", { 0, 8, 0 }, 0 },
	{ "half-a-range", { 0, 8, 0 }, 8 },
	{ "one-and-a-half", { 0, 8, 0 }, 24 },
	{ "no-sectors", { 0, 0, 0 }, 16 },
	{ "2^32-1-sectors", { 0, 0xffffffff, 0 }, 16 },
	{ "beyond-the-end", { 1ull << 50, 8, 0 }, 16 },
	{ "wraps", { UINT64_MAX - 3, 8, 0 }, 16 },
	{ "flags-all", { 0, 8, 0xffffffff }, 16 },
	{ "256-ranges", { 0, 8, 0 }, 4096 },
};

static void run_range(struct attack *attack, const struct torture_case *self)
{
	const struct range *range = self->row;
	struct virtio_blk_discard_write_zeroes *to;
	struct vring_desc list[3];
	uint32_t i;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	craft(attack, self->kind, 0, list);
	to = client_at(&attack->client, attack->client.queues[0].slots[0].data);
	for (i = 0; i < CRAFT_SIZE / sizeof(*to); i++)
		to[i] = range->range;
	list[1].len = range->length;
	list[1].flags &= (uint16_t)~VRING_DESC_F_WRITE;
	if (craft_submit(attack, list, 3, false))
		return;
	if (range->range.sector)
		craft_expect_failure(attack, "beyond the end of the disk");
	else
		attack_served(attack, 0, 50);
}

void cases_add_requests(struct case_list *list)
{
	static const struct {
		const char *name;
		uint32_t type;
	} types[] = { { "2", 2 },	    { "3", 3 },
		      { "5", 5 },	    { "9", 9 },
		      { "10", 10 },	    { "12", 12 },
		      { "14", 14 },	    { "16", 16 },
		      { "0x4711", 0x4711 }, { "2^32-1", 0xffffffff } },
	  lengths[] = { { "0", 0 },	{ "1", 1 },	  { "511", 511 },
			{ "513", 513 }, { "4095", 4095 }, { "1536", 1536 } };
	struct torture_case *new;
	uint32_t i, j;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		add_case(list, GROUP, run_type, "type", types[i].name)->kind =
			types[i].type;
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		for (j = 0; j < 2; j++) {
			new = add_case(list, GROUP, run_place,
				       j ? "write" : "read", places[i].name);
			new->row = &places[i];
			new->kind = j;
		}
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		add_case(list, GROUP, run_length, "length", lengths[i].name)
			->kind = lengths[i].type;
	for (i = 0; i < sizeof(scatters) / sizeof(scatters[0]); i++)
		add_case(list, GROUP, run_scatter, "scattered",
			 scatters[i].name)
			->row = &scatters[i];
	for (i = 0; i < sizeof(odds) / sizeof(odds[0]); i++)
		add_case(list, GROUP, run_odd, odds[i].name, "")->row =
			odds[i].row;
	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		for (j = 0; j < 2; j++) {
			new = add_case(list, GROUP, run_range,
				       j ? "write-zeroes" : "discard",
				       ranges[i].name);
			new->row = &ranges[i];
			new->kind = j ? VIRTIO_BLK_T_WRITE_ZEROES
				      : VIRTIO_BLK_T_DISCARD;
		}
}
