// SPDX-License-Identifier: MIT
/* Packed rings (VIRTIO 1.2, 2.8) and lists that no good driver makes. */
#include "program/torture/case.h"

#include <stdio.h>
#include <string.h>

#define GROUP	  "packed"
#define RING_SIZE 64u
#define LONG_RING 1024u
#define LIST_MAX  LONG_RING
#define AVAIL	  (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED	  (1u << VRING_PACKED_DESC_F_USED)
#define NEXT	  VRING_DESC_F_NEXT
#define WRITE	  VRING_DESC_F_WRITE
#define INDIRECT  VRING_DESC_F_INDIRECT
#define RACE_NS	  25000000ull

/*
 * A list before it is spoilt.  AVAIL and USED in the flags are no values, but
 * lies: they are flipped against what would make the descriptor available.
 */
struct list {
	struct attack *attack;
	struct vring_packed_desc desc[LIST_MAX];
	uint32_t count;
};

static struct client_queue *queue_of(const struct list *list)
{
	return &list->attack->client.queues[0];
}

static uint64_t address_of(const struct list *list, struct client_place place)
{
	return client_address(&list->attack->client, place);
}

static int start(struct attack *attack, struct client_options options)
{
	options.packed = true;
	if (!options.queue_size)
		options.queue_size = RING_SIZE;
	if (attack_start(attack, options))
		return -1;
	return options.indirect &&
			       attack_lacks(attack, VIRTIO_RING_F_INDIRECT_DESC,
					    "indirect descriptors")
		       ? -1
		       : 0;
}

/* One request as it should be, by the buffer id 0. */
static void make(struct attack *attack, uint32_t type, struct list *list)
{
	struct vring_desc chain[3];
	uint32_t i;

	memset(list, 0, sizeof(*list));
	list->attack = attack;
	list->count = 3;
	craft(attack, type, 0, chain);
	for (i = 0; i < 3; i++)
		list->desc[i] = (struct vring_packed_desc){
			.addr = chain[i].addr,
			.len = chain[i].len,
			.flags = chain[i].flags,
		};
}

/* Into the ring; the flags of the first one publish it. */
static void put(const struct list *list)
{
	struct client_queue *queue = queue_of(list);
	struct vring_packed_desc *first =
		client_packed_desc(queue, queue->avail_index);
	uint16_t publish = list->desc[0].flags ^ client_packed_available(queue);
	uint32_t i;

	for (i = 0; i < list->count; i++) {
		struct vring_packed_desc desc = list->desc[i];
		struct vring_packed_desc *to =
			client_packed_desc(queue, queue->avail_index);

		desc.flags ^= client_packed_available(queue);
		if (i == 0)
			desc.flags = to->flags;
		*to = desc;
		client_packed_step(queue, &queue->avail_index,
				   &queue->avail_wrap, 1);
	}
	__atomic_store_n(&first->flags, publish, __ATOMIC_RELEASE);
}

/* Submits the list, kicks, and expects its id back. */
static bool serve(const struct list *list, int ms)
{
	struct client_queue *queue = queue_of(list);
	const struct vring_packed_desc *used =
		client_packed_desc(queue, queue->used_index);

	put(list);
	craft_kick(list->attack);
	if (!attack_served(list->attack, queue->used_index, ms))
		return false;
	if (used->id != list->desc[list->count - 1].id)
		attack_found(list->attack, VERDICT_CORRUPTED,
			     "id %u was given back for %u", used->id,
			     list->desc[list->count - 1].id);
	client_packed_step(queue, &queue->used_index, &queue->used_wrap,
			   list->count);
	return true;
}

struct spoil {
	const char *name;
	void (*run)(struct list *list, uint32_t which, uint32_t number);
	uint32_t which;
	uint32_t number;
	bool lie; /* success cannot be */
};

static void flags_flip(struct list *list, uint32_t which, uint32_t number)
{
	list->desc[which].flags ^= (uint16_t)number;
}

static void all_flip(struct list *list, uint32_t which, uint32_t number)
{
	for (; which < list->count; which++)
		flags_flip(list, which, number);
}

/* The id of the whole list is that of its last descriptor. */
static void id_of(struct list *list, uint32_t which, uint32_t number)
{
	list->desc[which].id = (uint16_t)number;
}

/* The same list so many times, by the same id: the first is in flight when the
 * next is found. */
static void id_in_flight(struct list *list, uint32_t which, uint32_t number)
{
	for (; which < number; which++)
		put(list);
}

/* `number` descriptors of one sector in place of one. */
static void lengthen(struct list *list, uint32_t which, uint32_t number)
{
	struct vring_packed_desc last = list->desc[2];
	uint32_t i;

	list->desc[1].len = CLIENT_SECTOR;
	for (i = which; i <= number; i++)
		list->desc[i] = list->desc[1];
	list->desc[i] = last;
	list->count = i + 1;
}

/* As many as the ring has, and each says that there is one more. */
static void never_ends(struct list *list, uint32_t which, uint32_t number)
{
	lengthen(list, which, number);
	list->desc[list->count - 1].flags |= NEXT;
}

/* The head is out before the rest. */
static void ended_late(struct list *list, uint32_t which, uint32_t number)
{
	struct list begin = *list;

	begin.count = which;
	put(&begin);
	craft_kick(list->attack);
	attack_linger(list->attack, (int)number);
	memmove(list->desc, list->desc + which,
		(list->count - which) * sizeof(list->desc[0]));
	list->count -= which;
}

/* The ring wraps, and the wrap counter of the client does not change. */
static void round_unturned(struct list *list, uint32_t which, uint32_t number)
{
	struct client_queue *queue = queue_of(list);
	struct list good = *list;

	for (; which < number; which++)
		if (!serve(&good, 200))
			return;
	/* One slot is left: the head goes there, the others to the begin. */
	all_flip(list, RING_SIZE - queue->avail_index, AVAIL | USED);
}

enum part { RING, DRIVER_EVENT, DEVICE_EVENT, NEXT_FLAGS };

static uint64_t part_address(const struct list *list, uint32_t part)
{
	const struct client_queue *queue = queue_of(list);

	switch (part) {
	case DRIVER_EVENT:
		return address_of(list, queue->avail_place);
	case DEVICE_EVENT:
		return address_of(list, queue->used_place);
	case NEXT_FLAGS: /* the byte with USED, of the next list's head */
		return address_of(list, queue->desc_place) +
		       3 * sizeof(struct vring_packed_desc) + 15;
	default:
		return address_of(list, queue->desc_place);
	}
}

static void laid_over(struct list *list, uint32_t which, uint32_t number)
{
	list->desc[which].addr = part_address(list, number);
}

/* A status of 0 makes available what comes next. */
static void status_publishes(struct list *list, uint32_t which, uint32_t number)
{
	struct vring_packed_desc *next = client_packed_desc(
		queue_of(list), queue_of(list)->avail_index + 3u);

	*next = list->desc[1];
	next->id = 0xffff;
	next->flags = AVAIL | USED;
	laid_over(list, which, number);
}

/* What is read from the disk are descriptors, and they go over the ring. */
static void data_publishes(struct list *list, uint32_t which, uint32_t number)
{
	struct client *client = &list->attack->client;
	struct vring_packed_desc *desc =
		client_at(client, queue_of(list)->slots[0].data);
	struct list write;
	uint32_t i;

	make(list->attack, VIRTIO_BLK_T_OUT, &write);
	for (i = 0; i < CRAFT_SIZE / sizeof(*desc); i++)
		desc[i] = (struct vring_packed_desc){
			.addr = 0x7000,
			.len = UINT32_MAX,
			.id = (uint16_t)i,
			.flags = AVAIL | (i % 3 < 2 ? NEXT : WRITE),
		};
	if (!serve(&write, 200))
		return;
	laid_over(list, which, number);
	list->desc[which].len = RING_SIZE * (uint32_t)sizeof(*desc);
}

static const struct spoil spoils[] = {
	{ "wrap-behind", all_flip, 0, AVAIL | USED, true },
	{ "wrap-behind-after-the-head", all_flip, 1, AVAIL | USED, false },
	{ "wrap-behind-in-the-last", flags_flip, 2, AVAIL | USED, false },
	{ "wrap-not-turned", round_unturned, 0, 21, false },
	{ "said-to-be-used", all_flip, 0, USED, true },
	{ "said-to-be-neither", all_flip, 0, AVAIL, true },
	{ "head-said-to-be-used", flags_flip, 0, USED, true },
	{ "id-just-outside", id_of, 2, RING_SIZE, false },
	{ "id-0x8000", id_of, 2, 0x8000, false },
	{ "id-largest", id_of, 2, 0xffff, false },
	{ "id-wild-but-in-the-last", id_of, 0, 0xffff, false },
	{ "id-in-flight", id_in_flight, 0, 1, false },
	{ "id-in-flight-all-round", id_in_flight, 0, 20, false },
	{ "as-long-as-the-ring", lengthen, 1, RING_SIZE - 2, false },
	{ "longer-than-the-ring-by-1", lengthen, 1, RING_SIZE - 1, false },
	{ "longer-than-the-ring-by-half", lengthen, 1, 3 * RING_SIZE / 2,
	  false },
	{ "never-ends", never_ends, 1, RING_SIZE - 2, true },
	{ "not-ended", flags_flip, 2, NEXT, true },
	{ "ended-after-the-kick", ended_late, 1, 5, false },
	{ "flags-all-of-the-head", flags_flip, 0, 0x7f7e, false },
	{ "flags-all-of-the-data", flags_flip, 1, 0x7f7c, false },
	{ "flags-unknown", flags_flip, 0, 0x7f78, false },
	{ "data-in-the-ring", laid_over, 1, RING, false },
	{ "data-in-the-ring-makes-available", data_publishes, 1, RING, false },
	{ "data-in-the-driver-event", laid_over, 1, DRIVER_EVENT, false },
	{ "data-in-the-device-event", laid_over, 1, DEVICE_EVENT, false },
	{ "status-in-the-ring", laid_over, 2, RING, false },
	{ "status-makes-available", status_publishes, 2, NEXT_FLAGS, false },
	{ "status-in-the-driver-event", laid_over, 2, DRIVER_EVENT, false },
	{ "status-in-the-device-event", laid_over, 2, DEVICE_EVENT, false },
};

/* Each in a read and in a write, on a fresh connection. */
static void run_spoil(struct attack *attack, const struct torture_case *self)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT };
	const struct spoil *spoil = self->row;
	struct list list;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		if (start(attack, (struct client_options){ .depth = 0 }))
			return;
		make(attack, types[i], &list);
		spoil->run(&list, spoil->which, spoil->number);
		put(&list);
		craft_kick(attack);
		if (spoil->lie)
			craft_expect_failure(attack, spoil->name);
		else
			attack_served(attack,
				      attack->client.queues[0].used_index, 20);
		attack_still_serves(attack);
	}
}

/* A table of descriptors, as the head names it. */
struct table {
	const char *name;
	uint32_t length;
	uint16_t flags; /* of the head, beside INDIRECT */
	uint16_t inner; /* of the descriptors in the table */
	enum { IN_DATA, ON_THE_RING, IN_ITS_EVENT, NOWHERE, WRAPS } where;
	uint32_t before; /* direct descriptors that come first */
	bool unasked;	 /* the feature is not negotiated */
};

static const struct table tables[] = {
	{ "length-0", 0, 0, 0, IN_DATA, 0, false },
	{ "length-8", 8, 0, 0, IN_DATA, 0, false },
	{ "length-17", 17, 0, 0, IN_DATA, 0, false },
	{ "length-49", 49, 0, 0, IN_DATA, 0, false },
	{ "length-one-short", 32, 0, 0, IN_DATA, 0, false },
	{ "length-65536-entries", 65536 * 16, 0, 0, IN_DATA, 0, false },
	{ "length-2^32-16", 0xfffffff0, 0, 0, IN_DATA, 0, false },
	{ "length-2^32-1", 0xffffffff, 0, 0, IN_DATA, 0, false },
	{ "on-the-ring", 48, 0, 0, ON_THE_RING, 0, false },
	{ "is-the-whole-ring", RING_SIZE * 16, 0, 0, ON_THE_RING, 0, false },
	{ "in-the-device-event", 48, 0, 0, IN_ITS_EVENT, 0, false },
	{ "nowhere", 48, 0, 0, NOWHERE, 0, false },
	{ "wraps", 48, 0, 0, WRAPS, 0, false },
	{ "with-next", 48, NEXT, 0, IN_DATA, 0, false },
	{ "with-write", 48, WRITE, 0, IN_DATA, 0, false },
	{ "behind-another", 48, 0, 0, IN_DATA, 1, false },
	{ "in-a-table", 48, 0, INDIRECT, IN_DATA, 0, false },
	{ "of-nexts", 48, 0, NEXT, IN_DATA, 0, false },
	{ "of-all-flags", 48, 0, 0xffff, IN_DATA, 0, false },
	{ "not-negotiated", 48, 0, 0, IN_DATA, 0, true },
};

static uint64_t table_address(const struct list *list,
			      const struct table *table)
{
	switch (table->where) {
	case ON_THE_RING:
		return part_address(list, RING);
	case IN_ITS_EVENT:
		return part_address(list, DEVICE_EVENT);
	case NOWHERE:
		return 0x7000;
	case WRAPS:
		return UINT64_MAX - 31;
	default:
		return address_of(list, queue_of(list)->slots[1].data);
	}
}

static void run_table(struct attack *attack, const struct torture_case *self)
{
	const struct table *table = self->row;
	struct list list;
	uint32_t i;

	if (start(attack,
		  (struct client_options){ .indirect = !table->unasked }))
		return;
	make(attack, VIRTIO_BLK_T_IN, &list);
	for (i = 0; i < 3; i++) {
		list.desc[i].flags &= WRITE;
		list.desc[i].flags |= table->inner;
	}
	memcpy(client_at(&attack->client, queue_of(&list)->slots[1].data),
	       list.desc, 3 * sizeof(list.desc[0]));
	list.desc[0].flags = NEXT;
	list.desc[table->before] = (struct vring_packed_desc){
		.addr = table_address(&list, table),
		.len = table->length,
		.flags = INDIRECT | table->flags,
	};
	list.count = table->before + 1;
	put(&list);
	craft_kick(attack);
	attack_served(attack, 0, 30);
	attack_still_serves(attack);
}

/* The descriptors so far become a table, which one descriptor names. */
static void put_in_table(struct list *list)
{
	struct client_place place = queue_of(list)->slots[1].data;
	uint32_t size = list->count * (uint32_t)sizeof(list->desc[0]), i;

	for (i = 0; i < list->count; i++)
		list->desc[i].flags &= WRITE;
	memcpy(client_at(&list->attack->client, place), list->desc, size);
	list->desc[0] = (struct vring_packed_desc){
		.addr = address_of(list, place),
		.len = size,
		.flags = INDIRECT,
	};
	list->count = 1;
}

/* More pieces than a server may have room for.  It may refuse; what it says it
 * has read it must have read. */
static void run_long(struct attack *attack, const struct torture_case *self)
{
	uint32_t i, size = self->kind * CLIENT_SECTOR + 1;
	struct list list;

	for (i = 0; i < 2; i++) {
		const struct vring_packed_desc *used;

		if (start(attack,
			  (struct client_options){ .queue_size = LONG_RING,
						   .buffer_size = 65536,
						   .indirect = i == 1 }))
			return;
		make(attack, VIRTIO_BLK_T_IN, &list);
		lengthen(&list, 1, self->kind);
		if (i == 1)
			put_in_table(&list);
		used = client_packed_desc(queue_of(&list), 0);
		if (serve(&list, 200) &&
		    craft_status(attack) == VIRTIO_BLK_S_OK &&
		    used->len != size)
			attack_found(attack, VERDICT_CORRUPTED,
				     "told a success of %u bytes; expected %u",
				     used->len, size);
		attack_still_serves(attack);
	}
}

/* Set up in a way that the ring cannot be. */
static const struct set_up set_ups[] = {
	{ "size-0", SET_UP_SIZE, 0 },
	{ "size-1", SET_UP_SIZE, 1 },
	{ "size-63", SET_UP_SIZE, 63 },
	{ "size-32768", SET_UP_SIZE, 32768 },
	{ "size-32769", SET_UP_SIZE, 32769 },
	{ "size-65536", SET_UP_SIZE, 65536 },
	{ "size-2^32-1", SET_UP_SIZE, 0xffffffff },
	{ "ring-misaligned", SET_UP_MISALIGNED, 0 },
	{ "driver-event-misaligned", SET_UP_MISALIGNED, 1 },
	{ "device-event-misaligned", SET_UP_MISALIGNED, 2 },
	{ "driver-event-on-the-ring", SET_UP_SAME, 2 },
	{ "device-event-on-the-ring", SET_UP_SAME, 4 },
	{ "both-events-on-the-ring", SET_UP_SAME, 6 },
	{ "ring-over-the-edge", SET_UP_EDGE, 0 },
	{ "driver-event-over-the-edge", SET_UP_EDGE, 1 },
	{ "device-event-over-the-edge", SET_UP_EDGE, 2 },
	{ "ring-not-lent", SET_UP_UNLENT, 0 },
	{ "driver-event-not-lent", SET_UP_UNLENT, 1 },
	{ "device-event-not-lent", SET_UP_UNLENT, 2 },
	{ "base-just-outside", SET_UP_BASE, 0x80408040 },
	{ "base-0x7fff", SET_UP_BASE, 0xffffffff },
	{ "base-of-the-other-round", SET_UP_BASE, 0 },
	{ "base-available-a-round-ahead", SET_UP_BASE, 0x80000000 },
	{ "base-used-a-round-ahead", SET_UP_BASE, 0x00008000 },
	{ "base-used-before-available", SET_UP_BASE, 0x80208010 },
	{ "base-used-outside", SET_UP_BASE, 0x80408000 },
};

static void run_setup(struct attack *attack, const struct torture_case *self)
{
	struct vhost_user_vring_state size = { 0, RING_SIZE };
	struct vhost_user_vring_state base = { 0, 0x80008000 };
	struct vhost_user_vring_state on = { 0, 1 };
	const struct set_up *set_up = self->row;
	struct list list;
	uint64_t number = 0;
	uint32_t i;

	if (start(attack, (struct client_options){ .event_idx = true }) ||
	    client_stop(&attack->client))
		return;
	if (set_up->how == SET_UP_SIZE)
		size.number = set_up->number;
	if (set_up->how == SET_UP_BASE)
		base.number = set_up->number;
	attack_tell(attack, VHOST_USER_SET_VRING_NUM, &size, sizeof(size), -1);
	attack_tell(attack, VHOST_USER_SET_VRING_BASE, &base, sizeof(base), -1);
	attack_place_rings(attack, set_up, 2);
	/* Every descriptor is available. */
	make(attack, VIRTIO_BLK_T_IN, &list);
	for (i = 0; i < RING_SIZE / 3; i++) {
		list.desc[2].id = (uint16_t)i;
		put(&list);
	}
	attack_tell(attack, VHOST_USER_SET_VRING_KICK, &number, sizeof(number),
		    attack->client.queues[0].kick_fd);
	attack_tell(attack, VHOST_USER_SET_VRING_ENABLE, &on, sizeof(on), -1);
	craft_kick(attack);
	attack_linger(attack, 20);
	attack_still_serves(attack);
}

/* The event suppression areas (2.8.10). */
struct event {
	const char *name;
	bool device; /* the server's own, which we write */
	uint16_t flags, off_wrap;
};

static const struct event events[] = {
	{ "reserved", false, 3, 0 },
	{ "flags-all", false, 0xffff, 0xffff },
	{ "just-outside", false, VRING_PACKED_EVENT_FLAG_DESC, RING_SIZE },
	{ "outside", false, VRING_PACKED_EVENT_FLAG_DESC, 0x7fff },
	{ "outside-of-the-other-round", false, VRING_PACKED_EVENT_FLAG_DESC,
	  0xffff },
	{ "of-the-other-round", false, VRING_PACKED_EVENT_FLAG_DESC, 0 },
	{ "of-the-server-reserved", true, 0xffff, 0xffff },
	{ "of-the-server-outside", true, VRING_PACKED_EVENT_FLAG_DESC, 0xffff },
};

/* Three times round the ring. */
static void run_event(struct attack *attack, const struct torture_case *self)
{
	const struct event *event = self->row;
	struct vring_packed_desc_event *at;
	struct client_queue *queue = &attack->client.queues[0];
	struct list list;
	uint32_t i;

	if (start(attack, (struct client_options){ .event_idx = true }))
		return;
	at = (void *)(event->device ? (void *)queue->ring.used
				    : (void *)queue->ring.avail);
	make(attack, VIRTIO_BLK_T_IN, &list);
	for (i = 0; i < RING_SIZE; i++) {
		at->off_wrap = event->off_wrap;
		__atomic_store_n(&at->flags, event->flags, __ATOMIC_RELEASE);
		if (!serve(&list, 100))
			break;
	}
	attack_still_serves(attack);
}

/* Flips while requests go on. */
struct race {
	const char *name;
	enum {
		HEAD_FLAGS,
		DATA_FLAGS,
		LAST_ID,
		LENGTH,
		ADDRESS,
		TABLE_LENGTH,
		EVENT
	} what;
	uint64_t bad;
};

static const struct race races[] = {
	{ "wrap", HEAD_FLAGS, USED | NEXT },
	{ "used", HEAD_FLAGS, AVAIL | USED | NEXT },
	{ "flags", DATA_FLAGS, 0xffff },
	{ "end", DATA_FLAGS, AVAIL | WRITE },
	{ "direction", DATA_FLAGS, AVAIL | NEXT },
	{ "id", LAST_ID, 0xffff },
	{ "id-to-another", LAST_ID, 1 },
	{ "length", LENGTH, 0xffffffff },
	{ "address", ADDRESS, 0x7000 },
	{ "table-length", TABLE_LENGTH, 0xfffffff0 },
	{ "table-length-odd", TABLE_LENGTH, 17 },
	{ "event", EVENT, 0xffffffff },
};

static struct flip flip_of(const struct list *list, const struct race *race)
{
	struct client_queue *queue = queue_of(list);
	struct vring_packed_desc *desc[3];
	uint16_t good = client_packed_available(queue);
	uint32_t i;

	for (i = 0; i < 3; i++)
		desc[i] = client_packed_desc(queue, queue->avail_index + i);
	switch (race->what) {
	case HEAD_FLAGS:
		return (struct flip){ &desc[0]->flags, 2, good | NEXT,
				      race->bad };
	case DATA_FLAGS:
		return (struct flip){ &desc[1]->flags, 2, good | NEXT | WRITE,
				      race->bad };
	case LAST_ID:
		return (struct flip){ &desc[2]->id, 2, 0, race->bad };
	case LENGTH:
		return (struct flip){ &desc[1]->len, 4, CRAFT_SIZE, race->bad };
	case ADDRESS:
		return (struct flip){ &desc[1]->addr, 8, list->desc[1].addr,
				      race->bad };
	case TABLE_LENGTH:
		return (struct flip){ &desc[0]->len, 4, 48, race->bad };
	default:
		return (struct flip){ queue->ring.avail, 4, 0, race->bad };
	}
}

static void flip_and_ask(const struct list *list, const struct race *race)
{
	struct client_queue *queue = queue_of(list);
	uint64_t end = client_now_ns() + RACE_NS;
	uint32_t turns;

	while (client_now_ns() < end) {
		struct flip flip = flip_of(list, race);

		put(list);
		craft_kick(list->attack);
		for (turns = 0; turns < 4000 &&
				!attack_moved(list->attack, queue->used_index);
		     turns++)
			flip_store(&flip, turns & 1 ? flip.good : flip.bad);
		if (!attack_served(list->attack, queue->used_index, 5))
			break;
		client_packed_step(queue, &queue->used_index, &queue->used_wrap,
				   list->count);
	}
}

/* A broken ring is gone with its connection: start again. */
static void run_race(struct attack *attack, const struct torture_case *self)
{
	const struct race *race = self->row;
	struct list list;
	uint32_t i;

	for (i = 0; i < 3; i++) {
		if (start(attack,
			  (struct client_options){
				  .event_idx = race->what == EVENT,
				  .indirect = race->what == TABLE_LENGTH }))
			return;
		make(attack, VIRTIO_BLK_T_IN, &list);
		if (race->what == TABLE_LENGTH)
			put_in_table(&list);
		flip_and_ask(&list, race);
		attack_still_serves(attack);
	}
}

/* Requests in flight, and the ring under them goes. */
enum loss { CUT_OFF, PUNCHED, CUT_AND_GROWN, TAKEN_BACK, ONES, STOPPED };

static void lose(struct client *client, enum loss loss)
{
	struct client_queue *queue = &client->queues[0];
	struct vhost_user_vring_state state = { 0, 0 };

	switch (loss) {
	case CUT_OFF:
		hostile_truncate(client, 0, 0);
		break;
	case PUNCHED:
		hostile_punch(client, 0, 0, client->regions[0].size);
		break;
	case CUT_AND_GROWN:
		hostile_shrink_and_grow(client, 0);
		break;
	case TAKEN_BACK:
		client_take_back(client, 0);
		break;
	case ONES: /* every slot is said to be used, by an id of none */
		memset(queue->ring.desc, 0xff,
		       RING_SIZE * sizeof(*queue->ring.desc));
		break;
	default:
		client_send(client, VHOST_USER_GET_VRING_BASE, 0, &state,
			    sizeof(state), NULL, 0);
		break;
	}
}

static void run_loss(struct attack *attack, const struct torture_case *self)
{
	uint32_t i;

	for (i = 0; i < 8; i++) {
		if (start(attack,
			  (struct client_options){ .event_idx = i & 1,
						   .buffer_size = 65536 }) ||
		    hostile_load(&attack->client, attack->random + i))
			return;
		lose(&attack->client, (enum loss)self->kind);
		craft_kick(attack);
		attack_linger(attack, 3);
		attack_still_serves(attack);
	}
}

/* Slots that the server is about to use are written over, without waiting. */
static void never_waits(struct attack *attack, const struct torture_case *self)
{
	struct list list;
	uint32_t i;

	if (start(attack, (struct client_options){ .depth = 0 }))
		return;
	make(attack, VIRTIO_BLK_T_IN, &list);
	for (i = 0; i < self->kind; i++) {
		list.desc[2].id = (uint16_t)(i % RING_SIZE);
		put(&list);
		if (i % 16 == 0)
			craft_kick(attack);
	}
	attack_linger(attack, 20);
	attack_still_serves(attack);
}

/* A case for each row of a table, whose first member is the name. */
static void
add_rows(struct case_list *list,
	 void (*run)(struct attack *attack, const struct torture_case *self),
	 const char *prefix, const void *rows, size_t size, size_t each)
{
	const char *row = rows;
	size_t at;

	for (at = 0; at < size; at += each) {
		const char *name;

		memcpy(&name, row + at, sizeof(name));
		add_case(list, GROUP, run, prefix[0] ? prefix : name,
			 prefix[0] ? name : "")
			->row = row + at;
	}
}

void cases_add_packed(struct case_list *list)
{
	static const char *const losses[] = {
		[CUT_OFF] = "cut-off",
		[PUNCHED] = "punched",
		[CUT_AND_GROWN] = "cut-off-and-grown",
		[TAKEN_BACK] = "taken-back",
		[ONES] = "written-over",
		[STOPPED] = "stopped",
	};
	static const uint32_t lengths[] = { 126, 127, 128, 129, 254,  255,
					    256, 257, 512, 513, 1021, 1022 };
	char number[12];
	uint32_t i;

	add_rows(list, run_spoil, "", spoils, sizeof(spoils),
		 sizeof(spoils[0]));
	add_rows(list, run_table, "table", tables, sizeof(tables),
		 sizeof(tables[0]));
	add_rows(list, run_setup, "set-up", set_ups, sizeof(set_ups),
		 sizeof(set_ups[0]));
	add_rows(list, run_event, "event", events, sizeof(events),
		 sizeof(events[0]));
	add_rows(list, run_race, "changing", races, sizeof(races),
		 sizeof(races[0]));
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		snprintf(number, sizeof(number), "%u", lengths[i]);
		add_case(list, GROUP, run_long, "pieces", number)->kind =
			lengths[i];
	}
	for (i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
		add_case(list, GROUP, run_loss, "in-flight", losses[i])->kind =
			i;
	add_case(list, GROUP, never_waits, "never-waits", "")->kind = 2000;
}
