/* SPDX-License-Identifier: MIT */
/*
 * G3, G10: as inflight-log, for packed rings: after each call a server that
 * takes over finds what is in flight, and where the ring goes on; and whatever
 * stands in the log, what is read from it fits into the ring, each descriptor
 * once, or is refused.
 */
#include "client/protocol.h"

#include "tests/library/lender.h"
#include "device/inflight_packed.h"
#include "device/inflight_split.h"

#define ENTRIES 5u
#define LOG                                                                    \
	(sizeof(struct vhost_user_packed_log) +                                \
	 ENTRIES * sizeof(struct vhost_user_packed_log_state))
#define RING	1024u /* in the page, after the log */
#define DRIVER	2048u
#define DEVICE	2052u
#define DATA	3072u
#define ADDRESS 0x10000u /* of the page */

static struct lender lender;
static uint8_t *page; /* the client's own view */
static struct vhost_user_packed_log *shared;
static struct pvirtq_desc *ring;
static uint32_t slot; /* where the client makes available next */
static bool wrap;
static struct prec_space space;
static struct virtq queue;
static struct inflight_queue ours;
static struct virtq_request request;

static struct prec_span part(void)
{
	struct prec_span span;

	MUST(prec_span_part(lender.region.span, 0,
			    inflight_offset(true, 1, ENTRIES),
			    &span) == PREC_OK);
	return span;
}

static void set_up(struct virtq *q)
{
	MUST(packed_setup(q, &space, ENTRIES, ADDRESS + RING, ADDRESS + DRIVER,
			  ADDRESS + DEVICE) == PREC_OK);
}

/* A list of `count` descriptors, by the name of its id. */
static void put(char id, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		ring[slot] = (struct pvirtq_desc){
			.addr = ADDRESS + DATA + i,
			.len = 1,
			.id = (uint16_t)(id - 'a'),
			.flags = (uint16_t)((i + 1 < count ? VIRTQ_DESC_F_NEXT
							   : 0) |
					    (wrap ? PVIRTQ_DESC_F_AVAIL
						  : PVIRTQ_DESC_F_USED)),
		};
		slot = (slot + 1) % ENTRIES;
		wrap ^= slot == 0;
	}
}

/* A server that takes over finds exactly these, in this order, and goes on
 * where this one would, whatever the client says of its base. */
static void expect_left(const char *ids)
{
	static struct inflight_queue next;
	static struct virtq taker;
	uint8_t before[LOG];
	uint32_t base = 0x80008000u, taken, count = 0;
	enum virtq_answer answer;
	bool recovered;

	memcpy(before, page, LOG);
	/* Twice: the first of them dies at once. */
	for (int i = 0; i < 2; i++) {
		set_up(&taker);
		inflight_use(&next, part());
		EXPECT(inflight_packed_read(&next, &taker, &base, &recovered,
					    &taken) == PREC_OK);
		EXPECT(recovered && taken == strlen(ids));
		EXPECT(base == packed_base(&queue));
	}
	EXPECT(packed_seek(&taker, base) == PREC_OK);
	while (inflight_packed_next(&next, &taker, &space, &request, &answer) &&
	       count < taken) {
		EXPECT(answer == VIRTQ_TAKEN);
		EXPECT(request.head == (uint16_t)(ids[count++] - 'a'));
		EXPECT(taker.held[request.head] == queue.held[request.head]);
		EXPECT(request.count == taker.held[request.head]);
		EXPECT(request.segment[request.count - 1].address ==
		       ADDRESS + DATA + request.count - 1);
	}
	EXPECT(count == taken && taker.state == VIRTQ_READY);
	for (uint32_t i = 0; i < ENTRIES; i++)
		count -= shared->states[i].in_flight;
	EXPECT(count == 0); /* and nothing else is marked */
	memcpy(page, before, LOG);
}

static void take(char id, uint32_t count, const char *left)
{
	put(id, count);
	EXPECT(packed_next(&queue, &space, &request) == VIRTQ_TAKEN &&
	       request.head == (uint16_t)(id - 'a'));
	inflight_packed_taken(&ours, &queue, (uint16_t)request.head);
	expect_left(left);
}

/* In flight before, and after. */
static void complete(char name, const char *before, const char *left)
{
	uint16_t id = (uint16_t)(name - 'a');

	inflight_packed_completing(&ours, &queue, id);
	expect_left(before);
	EXPECT(packed_complete(&queue, &space, id, 0) == PREC_OK);
	expect_left(left);
	inflight_packed_completed(&ours, &queue, id);
	expect_left(left);
}

static void begin(void)
{
	uint32_t base = 0x80008000u, taken;
	bool recovered;

	memset(page, 0, PAGE);
	shared->states[3].in_flight = 1; /* of no version: it does not count */
	slot = 0;
	wrap = true;
	set_up(&queue);
	inflight_use(&ours, part());
	EXPECT(inflight_packed_read(&ours, &queue, &base, &recovered, &taken) ==
	       PREC_OK);
	EXPECT(!recovered && taken == 0 && base == 0x80008000u);
	EXPECT(shared->version == 1 && shared->count == ENTRIES);
}

static void each_call(void)
{
	begin();
	expect_left("");
	for (int round = 0; round < 10; round++) {
		take('d', 2, "d");
		take('b', 1, "db");
		take('c', 2, "dbc");
		complete('b', "dbc", "dc");
		complete('c', "dc", "d");
		take('b', 3, "db");
		complete('d', "db", "b");
		complete('b', "b", "");
		/* As long as the ring: only the counter tells. */
		take('e', 5, "e");
		complete('e', "e", "");
	}
	EXPECT(!ours.lost);
}

/* A slot that is in flight is made available again: no place in the log, and
 * the ring goes on. */
static void too_much(void)
{
	begin();
	take('a', 3, "a");
	put('b', 3);
	EXPECT(packed_next(&queue, &space, &request) == VIRTQ_TAKEN);
	inflight_packed_taken(&ours, &queue, 1);
	EXPECT(ours.lost && ours.span.size == 0);
}

/* The client had its log read for split rings before it negotiated packed ones:
 * what is stored there is wrong, and its own affair. */
static void read_as_split(void)
{
	static struct inflight_queue log;
	uint32_t base = 0x80008000u, taken;
	bool recovered;

	begin();
	memset(page, 0, LOG);
	inflight_use(&log, part());
	EXPECT(inflight_split_read(&log, ENTRIES, 0, &recovered, &taken) ==
	       PREC_OK);
	EXPECT(inflight_packed_read(&log, &queue, &base, &recovered, &taken) ==
		       PREC_OK &&
	       !recovered && taken == 0 && base == 0x80008000u);
	put('a', 2);
	EXPECT(packed_next(&queue, &space, &request) == VIRTQ_TAKEN);
	inflight_packed_taken(&log, &queue, 0);
	inflight_packed_completing(&log, &queue, 0);
	EXPECT(packed_complete(&queue, &space, 0, 0) == PREC_OK);
	inflight_packed_completed(&log, &queue, 0);
	EXPECT(!log.lost);
	inflight_queue_close(&log);
	inflight_queue_close(&log);
}

static void take_over(uint32_t random)
{
	static struct inflight_queue next;
	static struct virtq taker;
	enum prec_status status;
	enum virtq_answer answer;
	uint32_t base = random, taken, slots = 0, count = 0;
	bool recovered;

	set_up(&taker);
	inflight_use(&next, part());
	status = inflight_packed_read(&next, &taker, &base, &recovered, &taken);
	MUST(status == PREC_OK || status == PREC_INVALID);
	if (status != PREC_OK || !recovered)
		return;
	MUST(packed_seek(&taker, base) == PREC_OK);
	while (inflight_packed_next(&next, &taker, &space, &request, &answer)) {
		if (answer == VIRTQ_STOPPED)
			return;
		slots += taker.held[request.head];
		count++;
	}
	MUST(count == taken && slots <= ENTRIES);
	MUST((taker.next_used + slots) % ENTRIES == taker.next_avail);
	for (uint16_t id = 0; id < ENTRIES; id++) {
		if (!taker.held[id])
			continue;
		inflight_packed_completing(&next, &taker, id);
		MUST(packed_complete(&taker, &space, id, 0) == PREC_OK);
		inflight_packed_completed(&next, &taker, id);
	}
	MUST(!next.lost && taker.next_used == taker.next_avail);
}

static uint64_t draw(void)
{
	static uint64_t random = 88172645463325252ull;

	random ^= random << 13;
	random ^= random >> 7;
	random ^= random << 17;
	return random;
}

/* A log with two in flight, of which a few bytes are changed; or all. */
static void any_bytes(void)
{
	uint8_t honest[PAGE];

	begin();
	take('d', 2, "d");
	take('b', 2, "db");
	memcpy(honest, page, sizeof(honest));
	for (int round = 0; round < 50000; round++) {
		size_t changes = round % 8 ? draw() % 4 : LOG;

		memcpy(page, honest, sizeof(honest));
		for (size_t i = 0; i < changes; i++)
			page[changes < 4 ? draw() % LOG : i] =
				(uint8_t)(draw() & (round % 2 ? 7 : 255));
		shared->version = 1;
		take_over((uint32_t)draw());
	}
}

/* What no server leaves. */
static void impossible(void)
{
	static const struct {
		uint32_t entry, next, num;
	} cases[] = {
		{ 0, 0, 2 }, /* a list that meets itself */
		{ 0, 4, 2 }, /* or what is free */
		{ 0, 5, 2 }, /* or ends too early */
		{ 0, 1, 0 }, /* or has nothing */
		{ 0, 1, 6 }, /* or more than there is */
		{ 2, 3, 1 }, /* an entry in no list */
		{ 4, 4, 0 }, /* free for ever */
		{ 4, 0, 0 }, /* free and in flight */
	};
	uint8_t before[LOG];
	uint32_t base, taken;
	bool recovered;

	begin();
	take('d', 2, "d");
	take('b', 2, "db");
	memcpy(before, page, LOG);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vhost_user_packed_log_state *state =
			&shared->states[cases[i].entry];

		memcpy(page, before, LOG);
		state->next = (uint16_t)cases[i].next;
		state->num = (uint16_t)cases[i].num;
		inflight_use(&ours, part());
		EXPECT(inflight_packed_read(&ours, &queue, &base, &recovered,
					    &taken) == PREC_INVALID);
	}
	memcpy(page, before, LOG);
	shared->used_index = shared->old_used_index = ENTRIES;
	inflight_use(&ours, part());
	EXPECT(inflight_packed_read(&ours, &queue, &base, &recovered, &taken) ==
	       PREC_INVALID);
}

/* Taken away: said once, and not touched again. */
static void gone(void)
{
	uint32_t base = 0, taken;
	bool recovered;

	begin();
	take('d', 2, "d");
	ours.span.size = PAGE; /* too small for twice as many */
	munmap(page, PAGE);
	set_size(&lender, 0);
	inflight_packed_completing(&ours, &queue, 'd' - 'a');
	EXPECT(ours.lost && ours.span.size == 0);
	inflight_packed_completed(&ours, &queue, 'd' - 'a');
	inflight_packed_taken(&ours, &queue, 'd' - 'a');
	inflight_use(&ours, part());
	queue.size = VIRTQ_SIZE_MAX;
	EXPECT(inflight_packed_read(&ours, &queue, &base, &recovered, &taken) ==
	       PREC_RANGE);
	queue.size = ENTRIES;
	EXPECT(inflight_packed_read(&ours, &queue, &base, &recovered, &taken) ==
		       PREC_OK &&
	       ours.lost && taken == 0 && !recovered && base == 0);
}

int main(void)
{
	lend(&lender, PAGE, PREC_READ | PREC_WRITE);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, lender.fd,
		    0);
	MUST(page != MAP_FAILED);
	shared = (struct vhost_user_packed_log *)(void *)page;
	ring = (struct pvirtq_desc *)(void *)(page + RING);
	MUST(prec_space_add(&space, ADDRESS, PAGE, lender.region.span.host,
			    PREC_READ | PREC_WRITE, 0) == PREC_OK);
	each_call();
	too_much();
	read_as_split();
	any_bytes();
	impossible();
	gone();
	end_lending(&lender);
	return expect_end();
}
