/* SPDX-License-Identifier: MIT */
/*
 * G5, G10: a server is killed (kill -9) and started again, and the client,
 * which holds the log of requests in flight, submits nothing again: each
 * request ends exactly once, and what was acknowledged stays.
 *
 * First at any moment, again and again, under load past the page cache.  Then
 * at each moment between two stores of the procedure that vhost-user.rst
 * prescribes: rings and log are made as a server leaves them that is killed
 * there.
 */
#include "serve.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "client/protocol.h"

#define QUEUES 2u
#define DEPTH  16u
#define SIZE   4096u
#define DEATHS 6 /* of each kind */

#define LOOK_MS 20

/* Of each slot: its own block of the disk, written and read in turn. */
static struct {
	uint32_t generation;
	bool written; /* and acknowledged: it is read next */
} blocks[QUEUES][DEPTH];
static uint64_t completions;

static uint64_t sector_of(uint32_t queue, uint32_t slot)
{
	return (queue * (uint64_t)DEPTH + slot) * (SIZE / CLIENT_SECTOR);
}

static uint64_t seed_of(uint32_t queue, uint32_t slot)
{
	return (uint64_t)blocks[queue][slot].generation << 16 | queue << 8 |
	       slot;
}

static void submit(struct client *client, uint32_t queue, uint32_t slot)
{
	uint8_t *data = client_data(client, queue, slot);
	uint64_t sector = sector_of(queue, slot);
	bool reads = blocks[queue][slot].written;

	if (reads) {
		memset(data, 0, SIZE);
	} else {
		blocks[queue][slot].generation++;
		client_pattern(data, SIZE, seed_of(queue, slot), sector);
	}
	DO(client, client_submit(client, queue, slot,
				 reads ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT,
				 sector, SIZE));
}

static void complete(struct client *client, uint32_t queue,
		     const struct client_completion *completion)
{
	uint32_t slot = completion->slot;
	size_t good;

	completions++;
	CHECK(completion->status == VIRTIO_BLK_S_OK, "status %u",
	      completion->status);
	blocks[queue][slot].written = completion->type == VIRTIO_BLK_T_OUT;
	if (blocks[queue][slot].written)
		return;
	good = client_verify(client_data(client, queue, slot), SIZE,
			     seed_of(queue, slot), sector_of(queue, slot));
	CHECK(good == SIZE,
	      "queue %u, slot %u: byte %zu is not what was "
	      "acknowledged",
	      queue, slot, good);
}

static void fill(struct client *client)
{
	for (uint32_t queue = 0; queue < QUEUES; queue++) {
		for (uint32_t slot = 0; slot < DEPTH; slot++)
			if (!client->queues[queue].slots[slot].busy)
				submit(client, queue, slot);
		DO(client, client_kick(client, queue));
	}
}

static void take_one(struct client *client, uint32_t queue)
{
	struct client_completion completion;
	int found = client_wait(client, queue, &completion, 10000);

	CHECK(found == 1, "queue %u, %u in flight: %s", queue,
	      client->queues[queue].busy,
	      found ? client->error : "a request does not end");
	complete(client, queue, &completion);
}

static void live_on(struct client *client)
{
	backend_kill(&backend);
	serve_start();
	DO(client, client_reopen(client));
	DO(client, client_start(client));
}

/* Neither fewer than were submitted nor more; of a packed ring client_stop
 * compared what the server says. */
static void check_ended(struct client *client, const struct client_queue *queue,
			const char *when)
{
	uint32_t used = client->options.packed ? queue->used_index
					       : queue->ring.used->idx;

	CHECK(used == queue->avail_index &&
		      queue->used_wrap == queue->avail_wrap,
	      "%s: queue %td is at %u, its completions at %u", when,
	      queue - client->queues, queue->avail_index, used);
}

static void at_any_moment(bool packed, bool plain)
{
	struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.region_count = 3,
		.queue_count = QUEUES,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.inflight = true,
		.event_idx = !plain,
		.indirect = !plain,
		.packed = packed,
	};
	uint64_t random = 5 + plain;
	struct client client;

	serve_start();
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	CHECK(client.inflight_fd >= 0, "no log of requests in flight");
	for (int death = 0; death < DEATHS; death++) {
		for (uint64_t i = hostile_random(&random) % 200; i > 0; i--) {
			fill(&client);
			take_one(&client, (uint32_t)(i % QUEUES));
		}
		fill(&client);
		for (uint64_t i = hostile_random(&random) % 20000; i > 0; i--)
			__asm__ volatile("pause");
		live_on(&client);
	}
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		while (client.queues[queue].busy)
			take_one(&client, queue);
	DO(&client, client_stop(&client));
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		check_ended(&client, &client.queues[queue],
			    "after many deaths");
	client_close(&client);
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
}

/* Where a server dies that has one request in hand, and another in flight. */
enum split_moment {
	TAKEN,	    /* from the available ring, and told nobody */
	COUNTED,    /* its number is in the log */
	MARKED,	    /* in flight; carried out or not */
	LINKED,	    /* the head of the last batch */
	IN_ELEMENT, /* in the used ring, whose index does not say so */
	PUBLISHED,  /* the client may have seen it */
	UNMARKED,   /* not in flight any more */
	COMPLETED,  /* and the log agrees with the ring */
};

/* Likewise on a packed ring. */
enum packed_moment {
	PACKED_TAKEN,
	PACKED_EMPTIED, /* the first free entry: a list of no length */
	PACKED_COUNTED,
	PACKED_MARKED,	    /* in flight, if it were not free */
	PACKED_COPIED,	    /* the descriptors are in the log */
	PACKED_MEASURED,    /* and how many they are */
	PACKED_FREE_BEHIND, /* the new free list begins behind it */
	PACKED_IN_FLIGHT,   /* the old one, too; carried out or not */
	PACKED_LINKED,	    /* its last entry, before those that are free */
	PACKED_FREED,	    /* the new free list begins with it */
	PACKED_USED_INDEX,  /* other back-ends: without its counter */
	PACKED_USED_WRAP,
	PACKED_IN_SLOT,	  /* its id and length are in the ring */
	PACKED_PUBLISHED, /* and the flags: the client may have seen it */
	PACKED_UNMARKED,
	PACKED_OLD_FREED, /* the old free list, too */
	PACKED_COMPLETED, /* and the log agrees with the ring */
};

/* What the dead server did with the request in this slot of the client, whose
 * first descriptor is at this place of a packed ring. */
struct deed {
	uint32_t slot;
	uint16_t place;
	uint64_t counter;
};

static void *map_log(struct client *client)
{
	struct vhost_user_log *log =
		mmap(NULL, client->inflight_size, PROT_READ | PROT_WRITE,
		     MAP_SHARED, client->inflight_fd, 0);

	CHECK(log != MAP_FAILED, "the log cannot be mapped");
	CHECK(log->version == 1 && log->count == client->queues[0].ring.num,
	      "log of version %u, %u entries", log->version, log->count);
	return log;
}

static void carry_out(struct client *client, uint32_t slot)
{
	uint8_t *status =
		client_at(client, client->queues[0].slots[slot].status);

	*status = VIRTIO_BLK_S_OK;
}

/* The stores of a server, until it dies at `moment`. */
static void act_split(struct client *client, void *shared,
		      const struct deed *deed, int moment)
{
	struct vring_used *used = client->queues[0].ring.used;
	uint16_t head = client->queues[0].slots[deed->slot].first;
	struct vhost_user_log *log = shared;

	if (moment >= COUNTED)
		log->states[head].counter = deed->counter;
	if (moment >= MARKED)
		log->states[head].in_flight = 1;
	if (moment >= LINKED) {
		carry_out(client, deed->slot);
		log->states[head].next = log->last_batch_head;
		log->last_batch_head = head;
	}
	if (moment >= IN_ELEMENT)
		used->ring[used->idx % client->queues[0].ring.num] =
			(struct vring_used_elem){ head, 1 };
	if (moment >= PUBLISHED)
		used->idx++;
	if (moment >= UNMARKED)
		log->states[head].in_flight = 0;
	if (moment >= COMPLETED)
		log->used_index = used->idx;
}

static struct vring_packed_desc *packed_desc(struct client *client,
					     uint32_t index)
{
	return (struct vring_packed_desc *)(void *)client->queues[0].ring.desc +
	       index % client->queues[0].ring.num;
}

static void take_packed(struct client *client,
			struct vhost_user_packed_log *log,
			const struct deed *deed, int moment)
{
	uint16_t count = client->queues[0].slots[deed->slot].count;
	uint16_t head = log->old_free_head, entry = head, last = head;

	if (moment >= PACKED_EMPTIED)
		log->states[head].num = 0;
	if (moment >= PACKED_COUNTED)
		log->states[head].counter = deed->counter;
	if (moment >= PACKED_MARKED)
		log->states[head].in_flight = 1;
	for (uint16_t i = 0; moment >= PACKED_COPIED && i < count; i++) {
		struct vring_packed_desc *desc =
			packed_desc(client, deed->place + i);

		log->states[entry].addr = desc->addr;
		log->states[entry].len = desc->len;
		log->states[entry].flags = desc->flags;
		log->states[entry].id = desc->id;
		last = entry;
		entry = log->states[entry].next;
	}
	if (moment >= PACKED_MEASURED) {
		log->states[head].last = last;
		log->states[head].num = count;
	}
	if (moment >= PACKED_FREE_BEHIND)
		log->free_head = entry;
	if (moment >= PACKED_IN_FLIGHT)
		log->old_free_head = entry;
}

static void complete_packed(struct client *client,
			    struct vhost_user_packed_log *log, uint16_t head,
			    const struct deed *deed, int moment)
{
	struct vring_packed_desc *desc =
		packed_desc(client, log->old_used_index);
	uint16_t flags = VRING_DESC_F_WRITE;
	bool round = log->used_index + log->states[head].num >= log->count;

	if (log->used_wrap)
		flags |= 1u << VRING_PACKED_DESC_F_AVAIL |
			 1u << VRING_PACKED_DESC_F_USED;
	carry_out(client, deed->slot);
	log->states[log->states[head].last].next = log->free_head;
	if (moment >= PACKED_FREED)
		log->free_head = head;
	if (moment >= PACKED_USED_INDEX)
		log->used_index =
			(uint16_t)((log->used_index + log->states[head].num) %
				   log->count);
	if (moment >= PACKED_USED_WRAP)
		log->used_wrap ^= round;
	if (moment >= PACKED_IN_SLOT) {
		desc->id = (uint16_t)deed->slot;
		desc->len = 1;
	}
	if (moment >= PACKED_PUBLISHED)
		desc->flags = flags;
	if (moment >= PACKED_UNMARKED)
		log->states[head].in_flight = 0;
	if (moment >= PACKED_OLD_FREED)
		log->old_free_head = log->free_head;
	if (moment >= PACKED_COMPLETED) {
		log->old_used_index = log->used_index;
		log->old_used_wrap = log->used_wrap;
	}
}

static void act_packed(struct client *client, void *shared,
		       const struct deed *deed, int moment)
{
	struct vhost_user_packed_log *log = shared;
	uint16_t head = log->old_free_head;

	take_packed(client, log, deed, moment);
	if (moment >= PACKED_LINKED)
		complete_packed(client, log, head, deed, moment);
}

static void check_split(struct client *client, const void *shared, int moment)
{
	const struct vhost_user_log *log = shared;

	for (uint32_t i = 0; i < log->count; i++)
		CHECK(!log->states[i].in_flight,
		      "killed at moment %d: entry %u stays in flight", moment,
		      i);
	CHECK(log->used_index == client->queues[0].ring.used->idx,
	      "killed at moment %d: the log is behind", moment);
}

/* Every entry is free again, and the place is the ring's. */
static void check_packed(struct client *client, const void *shared, int moment)
{
	const struct vhost_user_packed_log *log = shared;
	const struct client_queue *queue = &client->queues[0];
	uint32_t entry = log->free_head, count = 0;

	for (; entry < log->count && count < log->count; count++) {
		CHECK(!log->states[entry].in_flight,
		      "killed at moment %d: entry %u stays in flight", moment,
		      entry);
		entry = log->states[entry].next;
	}
	CHECK(count == log->count && entry >= log->count,
	      "killed at moment %d: %u entries of %u are free", moment, count,
	      log->count);
	CHECK(log->used_index == queue->used_index &&
		      log->used_wrap == queue->used_wrap &&
		      log->old_used_index == log->used_index &&
		      log->old_used_wrap == log->used_wrap &&
		      log->old_free_head == log->free_head,
	      "killed at moment %d: the log is behind", moment);
}

static const struct layout {
	bool packed;
	int in_flight; /* the moment at which a request is carried out */
	int completed; /* and the last one */
	uint32_t entries;
	int places[2]; /* where in the ring it dies; -1: anywhere */
	void (*act)(struct client *client, void *log, const struct deed *deed,
		    int moment);
	void (*check)(struct client *client, const void *log, int moment);
} layouts[] = {
	{ false, MARKED, COMPLETED, 0, { -1, -1 }, act_split, check_split },
	/* Three requests of three descriptors.  At 10 what is completed lies
	 * where the one in flight did, at the ring's end; at 8 it is cut there
	 * itself. */
	{ true,
	  PACKED_IN_FLIGHT,
	  PACKED_COMPLETED,
	  13,
	  { 8, 10 },
	  act_packed,
	  check_packed },
};

static void flush(struct client *client)
{
	CHECK(client_io(client, 0, VIRTIO_BLK_T_FLUSH, 0, 0) == 0, "%s",
	      client->error);
}

static void submit_and_act(struct client *client, const struct layout *layout,
			   void *log, uint32_t slot, uint32_t type, int moment)
{
	const struct deed deed = { slot, client->queues[0].avail_index,
				   80 - slot };

	DO(client, client_submit(client, 0, slot, type, 0, SIZE));
	layout->act(client, log, &deed, moment);
}

/* The client was started, and is in the end. */
static void at(struct client *client, const struct layout *layout, void *log,
	       int moment, int place)
{
	struct client_completion completion;

	/* The ring's size is odd: so they come everywhere. */
	do
		flush(client);
	while (place >= 0 && client->queues[0].avail_index != place);
	backend_kill(&backend);
	/* Slot 3 was taken before slot 1, which comes first in the table. */
	submit_and_act(client, layout, log, 3, VIRTIO_BLK_T_IN,
		       layout->in_flight);
	submit_and_act(client, layout, log, 1, VIRTIO_BLK_T_OUT, moment);
	/* And one that the dead server never saw. */
	DO(client, client_submit(client, 0, 2, VIRTIO_BLK_T_IN, 0, SIZE));
	live_on(client);
	for (int i = 0; i < 3; i++) {
		CHECK(client_wait(client, 0, &completion, 10000) == 1,
		      "killed at moment %d: %u in flight: %s", moment,
		      client->queues[0].busy, client->error);
		CHECK(completion.status == VIRTIO_BLK_S_OK,
		      "killed at moment %d: status %u", moment,
		      completion.status);
	}
	/* Any that comes twice has come when the rings are quiet. */
	CHECK(client_stop(client) == 0, "killed at moment %d: %s", moment,
	      client->error);
	check_ended(client, &client->queues[0], "killed at a moment");
	layout->check(client, log, moment);
	DO(client, client_start(client));
}

/* It died between the used ring and the call. */
static void told_again(struct client *client, const struct layout *layout,
		       void *log)
{
	struct pollfd call = { .fd = client->queues[0].call_fd,
			       .events = POLLIN };
	struct client_completion completion;
	eventfd_t calls;

	flush(client);
	backend_kill(&backend);
	eventfd_read(call.fd, &calls);
	submit_and_act(client, layout, log, 1, VIRTIO_BLK_T_OUT,
		       layout->completed);
	live_on(client);
	CHECK(poll(&call, 1, 10000) == 1, "a completion is not told");
	CHECK(client_wait(client, 0, &completion, 0) == 1, "%s", client->error);
}

/* The client knows of no completion, and stops its ring before the server has
 * looked at it: the place is that of the log, which client_stop compares. */
static void stopped_at_once(struct client *client, const struct layout *layout,
			    void *log)
{
	struct client_completion completion;

	flush(client);
	backend_kill(&backend);
	submit_and_act(client, layout, log, 1, VIRTIO_BLK_T_OUT,
		       layout->completed);
	client->options.asleep = true;
	live_on(client);
	client->options.asleep = false;
	CHECK(client_wait(client, 0, &completion, 0) == 1, "%s", client->error);
	DO(client, client_stop(client));
	DO(client, client_start(client));
	flush(client);
}

static int die_everywhere(const struct layout *layout)
{
	struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.depth = 4,
		.buffer_size = SIZE,
		.queue_size = layout->entries,
		.packed = layout->packed,
		.inflight = true,
	};
	struct client client;
	void *log;

	serve_start();
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	flush(&client);
	log = map_log(&client);
	for (int moment = 0; moment <= layout->completed; moment++)
		for (int i = 0; i < 2; i++)
			at(&client, layout, log, moment, layout->places[i]);
	told_again(&client, layout, log);
	stopped_at_once(&client, layout, log);
	munmap(log, client.inflight_size);
	client_close(&client);
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	return 2 * (layout->completed + 1) + 2;
}

int main(void)
{
	int deaths = 4 * DEATHS;

	serve_init(110);
	backend_add(&backend,
		    make_image("disk", (uint64_t)QUEUES * DEPTH * SIZE), 0);
	backend.exports[0].direct = true;
	for (int packed = 0; packed < 2; packed++) {
		memset(blocks, 0, sizeof(blocks));
		at_any_moment(packed, true);
		memset(blocks, 0, sizeof(blocks));
		at_any_moment(packed, false);
		deaths += die_everywhere(&layouts[packed]);
	}
	printf("%llu completions, %d deaths of the server\n",
	       (unsigned long long)completions, deaths);
	backend_free(&backend);
	return 0;
}
