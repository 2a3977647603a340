/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_VIRTIO_QUEUE_HISTORY_H
#define PRECARIUM_TESTS_VIRTIO_QUEUE_HISTORY_H

/*
 * Histories of a queue of either layout, drawn at random: what a client lends
 * and says, honest, hostile, and cut off, and what holds of each call and of
 * the block requests that come of it.  The test that includes this has the
 * calls of its layout, and includes the unit of them first: units of src/virtio
 * are included whole, over the accessors of adversary.h.
 */
#include <stddef.h>

#include "blk-specification.h"

#include "virtio/blk.c"
#include "virtio/blk_complete.c"
#include "virtio/blk_fetch.c"
#include "virtio/blk_status.c"
#include "virtio/chain.c"
#include "virtio/setup.c"

#include "tests/sanitizer.h"

/* A sanitizer sees no more of the clauses, and takes five times as long. */
#define SEEDS (UNDER_SANITIZER ? 10000 : 50000)

#define HISTORY 40 /* calls a seed */

/* Of the layout. */
static void set_up(void);
static enum virtq_answer next(void);
static enum virtq_answer retake(void);
static void complete(uint32_t head);
static void hints(void);

static struct prec_space space;
static struct virtq queue, before;
static struct virtq_request chain, chain_before;
static struct vblk_request block;
static struct vblk_ranges ranges;
static struct vblk_device device;
static unsigned int wild; /* per cent of values that are nonsense */
static bool vast;	  /* gigabytes are lent, and stored */

/* This chain: is it a request as it should be; has what the device writes
 * begun; the type; where the header is cut in two, if it is; descriptors of
 * data to come, and of all so far. */
static bool tidy;
static bool writing;
static uint32_t type;
static uint32_t header_cut;
static uint32_t data_left;
static uint32_t said;

static unsigned long seen[VIRTQ_STOPPED + 1], operations[VBLK_ZEROES + 1];

/* What is in use of a queue, whose state has room for the largest ring. */
static void note_before(void)
{
	memcpy(&before, &queue, offsetof(struct virtq, stamp));
	memcpy(before.stamp, queue.stamp, queue.size * sizeof(queue.stamp[0]));
	memcpy(before.held, queue.held, queue.size * sizeof(queue.held[0]));
}

static bool is_as_before(void)
{
	return !memcmp(&before, &queue, offsetof(struct virtq, stamp)) &&
	       !memcmp(before.stamp, queue.stamp,
		       queue.size * sizeof(queue.stamp[0])) &&
	       !memcmp(before.held, queue.held,
		       queue.size * sizeof(queue.held[0]));
}

/* An address, mostly one that is lent with these rights and off the rings. */
static uint64_t say_address(uint32_t rights, uint32_t size)
{
	uint64_t ring[] = { queue.desc.address, queue.avail.address,
			    queue.used.address, 0,
			    PREC_ADDRESS_MAX,	~0ull };
	uint64_t at = 0;

	if (chance(wild))
		return chance(80) ? ring[below(6)] + below(40) - 20 : draw();
	for (int tries = 0; tries < 10 && space.count > 0; tries++) {
		uint32_t i = (uint32_t)below(space.count);
		uint64_t room = space.end[i] - space.start[i];
		struct prec_span p = { .size = size };

		if (room > size && !chance(10))
			room -= size;
		at = p.address = space.start[i] + below(room);
		if (rights_grant(space.rights[i], rights) &&
		    off_rings(&queue, p))
			break;
	}
	return at;
}

static uint32_t say_size(void)
{
	static const uint32_t sizes[] = { 0, 1, 15, 16, 17, 20, 512, 513 };

	if (chance(wild))
		return (uint32_t)draw();
	return chance(50) ? sizes[below(8)] : (uint32_t)below(1500);
}

static bool asks_ranges(void)
{
	return type == VIRTIO_BLK_T_DISCARD ||
	       type == VIRTIO_BLK_T_WRITE_ZEROES;
}

/* One of a request as it should be: header, data, status. */
static struct virtq_desc say_tidy(void)
{
	struct virtq_desc d = { .len = 1, .flags = VIRTQ_DESC_F_WRITE };

	if (said == 0 || (said == 1 && header_cut)) {
		d.len = said ? 16 - header_cut : header_cut ? header_cut : 16;
		d.flags = VIRTQ_DESC_F_NEXT;
		/* and what comes after it, in one */
		if (d.len == 16 && asks_ranges() && chance(30))
			d.len += 16 * (uint32_t)below(3);
	} else if (data_left > 0 && asks_ranges()) {
		/* however the ranges are cut */
		d.len = chance(80) ? 16 * (1 + (uint32_t)below(8)) : 8;
		d.flags = VIRTQ_DESC_F_NEXT;
		data_left--;
	} else if (data_left > 0) {
		d.len = type != VIRTIO_BLK_T_GET_ID ? 512
			: chance(50)		    ? 20
						    : (uint32_t)below(40);
		if (vast && d.len == 512 && chance(20))
			d.len = VBLK_BYTES_MAX - 512 + 512 * (uint32_t)below(3);
		d.flags = VIRTQ_DESC_F_NEXT;
		if (type != VIRTIO_BLK_T_OUT)
			d.flags |= VIRTQ_DESC_F_WRITE;
		data_left--;
	}
	said++;
	return d;
}

/* Anything. */
static struct virtq_desc say_any(bool in_table)
{
	struct virtq_desc d = { .len = say_size() };

	if (chance(30))
		writing = true;
	if (writing && !chance(wild))
		d.flags = VIRTQ_DESC_F_WRITE;
	if (chance(80))
		d.flags |= VIRTQ_DESC_F_NEXT;
	if (chance(in_table ? wild : 8)) {
		d.flags = VIRTQ_DESC_F_INDIRECT;
		d.len = (uint32_t)(VIRTQ_DESC_SIZE *
				   below(chance(5) ? LENT_TABLE_MAX + 50 : 8));
		writing = false;
	}
	if (chance(wild))
		d.flags = (uint16_t)draw();
	return d;
}

/* What the next chain is meant to be. */
static void plan(void)
{
	static const uint32_t types[] = {
		VIRTIO_BLK_T_IN,      VIRTIO_BLK_T_OUT,
		VIRTIO_BLK_T_FLUSH,   VIRTIO_BLK_T_GET_ID,
		VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES
	};

	log_begin();
	writing = false;
	said = 0;
	tidy = !chance(wild) && chance(70);
	header_cut = chance(20) ? 1 + (uint32_t)below(15) : 0;
	type = types[below(6)];
	data_left = type == VIRTIO_BLK_T_FLUSH	  ? 0
		    : type == VIRTIO_BLK_T_GET_ID ? 1
						  : 1 + (uint32_t)below(3);
	/* about as many as there is room for */
	if (queue.size > VIRTQ_SEGMENTS_MAX && chance(20))
		data_left = VIRTQ_SEGMENTS_MAX - 6 + (uint32_t)below(8);
}

static struct virtio_blk_req_header say_header(void)
{
	struct virtio_blk_req_header h = { type, (uint32_t)draw(), draw() };

	if (chance(wild))
		h.type = (uint32_t)draw();
	if (!chance(wild))
		h.sector = below(device.capacity + 1);
	else if (chance(50))
		h.sector = ~0ull - below(4);
	return h;
}

/* Ranges, mostly on the device. */
static void say_rest(uint8_t *bytes)
{
	for (uint32_t i = 0; i < LENT_BYTES_MAX; i += VIRTIO_BLK_RANGE_SIZE) {
		uint64_t sector = below(device.capacity + 1);
		uint64_t most = device.capacity - sector;
		uint32_t flags = type == VIRTIO_BLK_T_WRITE_ZEROES &&
				 device.may_unmap && chance(30);
		uint32_t sectors;

		if (most > VBLK_RANGE_SECTORS_MAX)
			most = VBLK_RANGE_SECTORS_MAX;
		sectors = (uint32_t)below(most + 1);
		if (chance(wild))
			sector = chance(50) ? draw() : ~0ull - below(9);
		if (chance(wild))
			sectors = (uint32_t)(chance(50) ? draw() : most + 1);
		if (chance(wild))
			flags = (uint32_t)draw();
		memcpy(bytes + i, &sector, 8);
		memcpy(bytes + i + 8, &sectors, 4);
		memcpy(bytes + i + 12, &flags, 4);
	}
}

/* Everything of the queue that a call does not assign is as before. */
#define KEEPS(call, field)                                                     \
	ENSURES(call, "assigns",                                               \
		!memcmp(&queue.field, &before.field, sizeof(queue.field)))

static void keeps_rings(const char *call)
{
	KEEPS(call, size);
	KEEPS(call, desc);
	KEEPS(call, avail);
	KEEPS(call, used);
	KEEPS(call, event_index);
}

static void request_ensured(const char *call, enum virtq_answer answer)
{
	ENSURES(call, "queue", virtq_ok(&space, &queue));
	ENSURES(call, "segments", request_ok(&space, &queue, &chain));
	ENSURES(call, "once", fetched_once());
	if (answer != VIRTQ_STOPPED)
		ENSURES(call, "known", fetched_known(&queue, &chain));
	ENSURES(call, "told", answer_told(&chain, answer));
	ENSURES(call, "assigns", store_count == 0);
	keeps_rings(call);
	KEEPS(call, next_used);
	KEEPS(call, notified);
	seen[answer]++;
}

/* As what happened has it, any numbers at all. */
static void outcome(void)
{
	const char *call = "vblk_outcome";
	bool data = block.op == VBLK_READ || block.op == VBLK_IDENTIFY;
	struct vblk_done done = {
		.status = chance(60) ? PREC_OK : PREC_GONE,
		.moved = chance(60) ? block.bytes : below(block.bytes + 3),
		.same_epoch = chance(80),
	};
	bool whole = done.moved == block.bytes && done.same_epoch;
	struct vblk_outcome out = vblk_outcome(&block, done);
	uint8_t status = VIRTIO_BLK_S_IOERR;
	enum vblk_end end;

	if (block.op == VBLK_ANSWER)
		status = block.answer;
	else if (done.status == PREC_OK && whole)
		status = VIRTIO_BLK_S_OK;
	ENSURES(call, "told", out.status == status);
	ENSURES(call, "used",
		out.used == (!data			? 1
			     : whole			? block.bytes + 1
			     : !done.same_epoch		? 0
			     : done.moved < block.bytes ? done.moved
							: 0));
	ENSURES(call, "granted", out.used <= block.bytes + 1);
	ENSURES(call, "happened", out.used <= done.moved + 1);
	if (block.op == VBLK_READ && !done.same_epoch)
		ENSURES(call, "believed", out.used == 0);
	if (!data)
		ENSURES(call, "only_status", out.used == 1);

	call = "vblk_complete";
	store_count = 0;
	end = vblk_complete(&queue, &space, &block, done, true);
	ENSURES(call, "hold", end == VBLK_HELD || end == VBLK_STATUS_GONE);
	ENSURES(call, "first",
		is_as_before() && store_count == (end == VBLK_HELD));
	if (end == VBLK_HELD)
		ENSURES(call, "stored",
			store_is(0, block.status.address, 1, status));
}

/* By the table of blk.h, of what was fetched. */
static void decided(const char *call, int fetched)
{
	const struct virtq_request *c = &chain_before;
	bool laid = laid_out(&queue, c, VIRTIO_BLK_HEADER_SIZE);
	bool all = laid_out(&queue, c, bytes_before(c, c->readable));
	bool table = !failed(&block) ||
		     (!block.gone && (laid && (all || !of_range_type(&block))));

	ENSURES(call, "there", block.gone == !fetched_there(fetched));
	if (table || (!block.gone && laid))
		ENSURES(call, "header",
			block.type == header_said.type &&
				block.sector == header_said.sector);
	if (table)
		ENSURES(call, "table",
			by_table(&device, &block, &ranges,
				 (uint64_t)bytes_in(c),
				 (uint64_t)bytes_out(c)));
	if (block.op == VBLK_WRITE)
		ENSURES(call, "in", data_in(c, &chain, &block));
	if (block.op == VBLK_READ || block.op == VBLK_IDENTIFY)
		ENSURES(call, "out", data_out(c, &chain, &block));
}

static void decode(enum virtq_answer taken)
{
	const char *call = "vblk_decode";
	int fetched = fetch_count;
	enum virtq_answer answer;

	note_before();
	chain_before = chain;
	answer = vblk_decode(&device, &queue, &space, &chain, &block, &ranges);
	ENSURES(call, "said",
		answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED);
	ENSURES(call, "answered",
		(answer == VIRTQ_TAKEN) ==
			(chain_before.readable < chain_before.count));
	ENSURES(call, "chain", request_ok(&space, &queue, &chain));
	ENSURES(call, "anew",
		fetched_once() && fetched <= fetch_count &&
			fetch_count <= fetched + 272);
	ENSURES(call, "assigns", is_as_before() && store_count == 0);
	if (answer != VIRTQ_TAKEN)
		return;
	ENSURES(call, "last", block.status.address == last_byte(&chain_before));
	ENSURES(call, "decision",
		decision_ok(&device, &space, &chain, &block, &ranges));
	if (of_ranges(&block)) {
		ENSURES("vblk_take_rest", "all",
			fetched_all(&chain_before, fetched));
		ENSURES(call, "the ranges that were fetched",
			ranges_said(&ranges));
	}
	if (chain_before.readable == 0 || block.gone || taken != VIRTQ_TAKEN)
		ENSURES(call, "failed",
			block.op == VBLK_ANSWER &&
				block.answer == VIRTIO_BLK_S_IOERR);
	decided(call, fetched);
	operations[block.op]++;
	outcome();
}

/* Many that touch, each smaller than a table. */
static void lend_crumbs(uint64_t at)
{
	for (uint32_t i = 0; i < LENT_PIECES_MAX + 8; i++) {
		uint64_t size = 16 * (1 + below(3));

		REQUIRES("lend", "a sound claim",
			 prec_space_add(&space, at, size, 0x10000 + at,
					chance(98) ? 3 : PREC_WRITE,
					8 + i) == PREC_OK);
		at += size;
	}
}

/* What is lent: some regions, some that touch, with any rights. */
static void lend(void)
{
	uint64_t at = 0x1000 * below(4);

	memset(&space, 0, sizeof(space));
	for (uint32_t i = 0, n = 1 + (uint32_t)below(5); i < n; i++) {
		uint64_t size = 0x200 + 16 * below(chance(10) ? 0x4000 : 0x400);
		uint32_t rights = chance(60) ? 3 : 1 + (uint32_t)below(2);
		uint64_t host;

		if (vast && i == 0) {
			size = 1ull << 34;
			rights = 3;
		}
		host = 0x7f0000000000 + 0x10000000000ull * i + at;

		REQUIRES("lend", "a sound claim",
			 prec_space_add(&space, at, size, host, rights, i) ==
				 PREC_OK);
		at += size + (chance(50) ? 0 : 16 * below(0x100));
	}
	if (chance(5))
		lend_crumbs(at);
}

/* The rings are where they were asked for, and nothing is in flight; or nothing
 * has changed. */
static void set_up_ensured(const char *call, enum prec_status status,
			   uint32_t size, uint64_t desc, uint64_t avail,
			   uint64_t used)
{
	if (status != PREC_OK) {
		ENSURES(call, "untouched", is_as_before());
		return;
	}
	ENSURES(call, "ready",
		queue.state == VIRTQ_READY && virtq_ok(&space, &queue) &&
			queue.size == size);
	ENSURES(call, "there",
		queue.desc.address == desc && queue.avail.address == avail &&
			queue.used.address == used);
	ENSURES(call, "none_held",
		queue.in_flight == 0 &&
			held_below(queue.held, queue.size) == 0);
}

/* A region goes, or comes. */
static void change(void)
{
	enum virtq_state was = queue.state;
	enum prec_status status;

	if (chance(50) && space.count > 0)
		prec_space_remove(&space, (uint32_t)below(space.count));
	else if (prec_space_add(&space, 0x100000 + below(64) * 0x1000, 0x1000,
				0x7e0000000000, 3, 0) != PREC_OK)
		return;
	status = virtq_rebase(&queue, &space);
	ENSURES("virtq_rebase", "queue", virtq_ok(&space, &queue));
	ENSURES("virtq_rebase", "found",
		(status == PREC_OK) == (queue.state == VIRTQ_READY));
	ENSURES("virtq_rebase", "broken, unset",
		(was != VIRTQ_BROKEN && was != VIRTQ_UNSET) ||
			queue.state == was);
}

/* Mostly one that is in flight. */
static uint32_t say_head(void)
{
	uint32_t head = (uint32_t)below(queue.size + 1);

	while (!chance(5) && head < queue.size && !queue.held[head])
		head = (head + 1) % queue.size;
	return head;
}

static void history(void)
{
	lend();
	memset(&queue, 0, offsetof(struct virtq, stamp));
	for (int tries = 0; tries < 20 && queue.state != VIRTQ_READY; tries++)
		set_up();
	for (int i = 0; i < HISTORY; i++) {
		uint64_t what = below(100);
		enum virtq_answer answer = VIRTQ_EMPTY;

		if (queue.state != VIRTQ_READY && chance(50))
			set_up();
		else if (what < 60)
			answer = next();
		else if (what < 65)
			answer = retake();
		else if (what < 90)
			complete(say_head());
		else if (what < 96)
			hints();
		else if (what < 98)
			change();
		else
			set_up();
		if (answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED)
			decode(answer);
	}
}

/* A client, a device, and a history of their queue. */
static void play(void)
{
	static const unsigned int percent[] = { 0, 1, 10, 50 };

	wild = percent[below(4)];
	failing = percent[below(3)];
	device.capacity = 1 + below(chance(50) ? 10 : 100000);
	device.read_only = chance(20);
	device.discard = chance(80);
	device.write_zeroes = chance(80);
	device.may_unmap = chance(50);
	vast = chance(10);
	if (vast)
		device.capacity = VBLK_CAPACITY_MAX;
	history();
}

#ifndef CLAUSES_DRAW
int main(int count, char **arguments)
{
	uint64_t seeds = count > 1 ? strtoull(arguments[1], NULL, 0) : SEEDS;
	uint64_t first = count > 2 ? strtoull(arguments[2], NULL, 0) : 1;
	bool poor = false;

	for (seed = first; seed < first + seeds; seed++) {
		drawn = seed * 0x9e3779b97f4a7c15ull + 1;
		for (int i = 0; i < 8; i++)
			(void)draw();
		play();
	}
	/* A test that never comes to the point passes too. */
	for (int i = 0; i <= VIRTQ_STOPPED; i++)
		poor |= seen[i] < seeds / 20;
	for (int i = 0; i <= VBLK_ZEROES; i++)
		poor |= operations[i] < seeds / 100;
	printf("%llu seeds, %lu clauses held; taken %lu, empty %lu, malformed "
	       "%lu, lost %lu, gone %lu, stopped %lu; answers %lu, reads %lu, "
	       "writes %lu, flushes %lu, identities %lu, discards %lu, "
	       "zeroes %lu\n",
	       (unsigned long long)seeds, clauses, seen[0], seen[1], seen[2],
	       seen[3], seen[4], seen[5], operations[0], operations[1],
	       operations[2], operations[3], operations[4], operations[5],
	       operations[6]);
	if (seeds >= 1000 && poor)
		printf("some outcomes were hardly seen\n");
	return seeds == 0 || (seeds >= 1000 && poor);
}
#endif

#endif
