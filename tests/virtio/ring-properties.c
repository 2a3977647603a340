// SPDX-License-Identifier: MIT
/*
 * The contracts of the ring and of block requests at run time.  The source that
 * ships is compiled over accessors that yield anything (adversary.h), and each
 * clause is checked by the name that it has in split.h and blk.h, after each of
 * thousands of histories of a queue: honest, hostile, and cut off.
 *
 * ring-properties [SEEDS [FIRST]]; a failure names its seed, which
 * `ring-properties 1 SEED` repeats.
 */
#include "split-specification.h"

#include "virtio/split.c"

#include "queue-history.h"

/* Of the other layout, for vring_complete. */
enum prec_status packed_complete(struct virtq *q, const struct prec_space *in,
				 uint32_t id, uint32_t len)
{
	(void)in;
	(void)id;
	(void)len;
	REQUIRES("packed_complete", "queue", q->packed);
	return PREC_INVALID;
}

static uint16_t say16(uint64_t address)
{
	if (chance(wild))
		return (uint16_t)draw();
	if (address == queue.avail.address + VIRTQ_AVAIL_IDX)
		return (uint16_t)(queue.next_avail +
				  below(queue.size < 4 ? 2 : 4));
	for (int tries = 0; tries < 4; tries++) {
		uint16_t head = (uint16_t)below(queue.size);

		if (!queue.held[head] || chance(wild))
			return head;
	}
	return (uint16_t)below(queue.size);
}

static struct virtq_desc say_desc(uint32_t index, uint32_t table)
{
	uint32_t entries = table ? table : queue.size;
	struct virtq_desc d;

	if (said == 0 && table == 0 && tidy && chance(20))
		d = (struct virtq_desc){ .len = 16 * 7,
					 .flags = VIRTQ_DESC_F_INDIRECT };
	else
		d = tidy ? say_tidy() : say_any(table > 0);
	d.addr = say_address(
		d.flags & VIRTQ_DESC_F_WRITE ? PREC_WRITE : PREC_READ, d.len);
	d.next = (uint16_t)((index + 1) % entries);
	if (!tidy && chance(50))
		d.next = (uint16_t)below(entries);
	if (chance(wild))
		d.next = (uint16_t)(chance(50) ? entries : draw());
	return d;
}

static bool others_held(uint32_t head)
{
	for (uint32_t i = 0; i < queue.size; i++)
		if (i != head && queue.held[i] != before.held[i])
			return false;
	return true;
}

static void chain_ensured(const char *call, enum virtq_answer answer)
{
	elements_read();
	request_ensured(call, answer);
	ENSURES(call, "losses", losses_told(answer));
	if (answer == VIRTQ_TAKEN ||
	    (answer == VIRTQ_MALFORMED && chain.count == 1)) {
		ENSURES(call, "ended", chain_ended());
		ENSURES(call, "still", chain_still(&queue, &chain));
	}
	if (answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED)
		ENSURES(call, "malformed",
			(answer == VIRTQ_MALFORMED) ==
				chain_malformed(&space, &queue));
}

/* What was fetched of the avail ring, and what was made of it. */
static void entry_ensured(const char *call, enum virtq_answer answer)
{
	int entry = before.waiting ? 0 : 1;

	if (before.state == VIRTQ_READY && !before.waiting)
		ENSURES(call, "looked", index_fetched(&queue, 0));
	if (answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED ||
	    answer == VIRTQ_LOST) {
		ENSURES(call, "first", chain.head == fetch_value(entry));
		ENSURES(call, "waiting",
			queue.waiting == seen_available(&before) - 1);
	}
	if (answer == VIRTQ_TAKEN)
		ENSURES(call, "entry", head_still(&queue, &before, chain.head));
	if (answer == VIRTQ_EMPTY)
		ENSURES(call, "empty",
			!before.waiting && fetch_count == 1 &&
				fetch_value(0) == before.next_avail);
	if (answer == VIRTQ_STOPPED && before.state == VIRTQ_READY)
		ENSURES(call, "broken",
			seen_available(&before) > queue.size ||
				(fetch_count == entry + 1 &&
				 entry_fetched(&queue, entry,
					       before.next_avail) &&
				 (fetch_value(entry) >= queue.size ||
				  before.held[fetch_value(entry)])));
}

static enum virtq_answer next(void)
{
	const char *call = "split_next";
	enum virtq_answer answer;

	plan();
	note_before();
	answer = split_next(&queue, &space, &chain);
	ENSURES(call, "said", answer <= VIRTQ_STOPPED);
	chain_ensured(call, answer);
	entry_ensured(call, answer);
	ENSURES(call, "bounded", fetch_count <= (int)queue.size + 3);
	ENSURES(call, "state",
		(answer == VIRTQ_STOPPED) == (queue.state != VIRTQ_READY));
	ENSURES(call, "only_breaks",
		queue.state == before.state || (before.state == VIRTQ_READY &&
						queue.state == VIRTQ_BROKEN));
	ENSURES(call, "others", others_held(chain.head));
	if (answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED ||
	    answer == VIRTQ_LOST) {
		ENSURES(call, "held",
			chain.head < queue.size && !before.held[chain.head] &&
				queue.held[chain.head] == 1);
		ENSURES(call, "held", queue.in_flight == before.in_flight + 1);
		ENSURES(call, "held",
			queue.next_avail == (uint16_t)(before.next_avail + 1));
		ENSURES(call, "slot",
			entry_fetched(&queue, !before.waiting,
				      before.next_avail));
	}
	if (answer == VIRTQ_EMPTY || answer == VIRTQ_GONE) {
		ENSURES(call, "none",
			queue.next_avail == before.next_avail &&
				queue.in_flight == before.in_flight &&
				others_held(VIRTQ_SIZE_MAX));
	}
	return answer;
}

static enum virtq_answer retake(void)
{
	const char *call = "split_retake";
	uint32_t head =
		(uint32_t)(chance(wild) ? draw() : below(queue.size + 1));
	enum virtq_answer answer;

	plan();
	note_before();
	answer = split_retake(&queue, &space, head, &chain);
	ENSURES(call, "said",
		answer == VIRTQ_TAKEN || answer == VIRTQ_LOST ||
			answer == VIRTQ_MALFORMED || answer == VIRTQ_STOPPED);
	chain_ensured(call, answer);
	ENSURES(call, "bounded", fetch_count <= (int)queue.size + 1);
	KEEPS(call, state);
	KEEPS(call, waiting);
	KEEPS(call, next_avail);
	if (answer == VIRTQ_STOPPED) {
		ENSURES(call, "refused", queue.in_flight == before.in_flight);
		ENSURES(call, "others", others_held(VIRTQ_SIZE_MAX));
	} else {
		ENSURES(call, "held",
			chain.head == head && head < queue.size &&
				!before.held[head] && queue.held[head] == 1);
		ENSURES(call, "held", queue.in_flight == before.in_flight + 1);
		ENSURES(call, "others", others_held(head));
	}
	return answer;
}

static void complete(uint32_t head)
{
	const char *call = "split_complete";
	uint32_t len = (uint32_t)draw();
	bool held = head < queue.size && queue.held[head];
	enum prec_status status;

	log_begin();
	note_before();
	status = split_complete(&queue, &space, head, len);
	ENSURES(call, "queue", virtq_ok(&space, &queue));
	keeps_rings(call);
	KEEPS(call, state);
	KEEPS(call, waiting);
	KEEPS(call, next_avail);
	KEEPS(call, notified);
	KEEPS(call, serial);
	ENSURES(call, "assigns",
		!memcmp(queue.stamp, before.stamp,
			queue.size * sizeof(queue.stamp[0])));
	ENSURES(call, "assigns", fetch_count == 0);
	if (!held) {
		ENSURES(call, "unheld said", status == PREC_INVALID);
		ENSURES(call, "unheld assigns",
			store_count == 0 && is_as_before());
		return;
	}
	ENSURES(call, "held said", status == PREC_OK || status == PREC_GONE);
	ENSURES(call, "free",
		!queue.held[head] && queue.in_flight == before.in_flight - 1);
	ENSURES(call, "assigns", others_held(head));
	ENSURES(call, "all",
		status == PREC_OK ? store_count == 3 : store_count <= 2);
	ENSURES(call, "stored",
		used_stored(&queue, before.next_used, head, len, store_count));
	ENSURES(call, "nowhere_else", stored_used(&queue));
	ENSURES(call, "told, untold",
		queue.next_used ==
			(uint16_t)(before.next_used + (status == PREC_OK)));
}

static void hints(void)
{
	bool yes = chance(50), was = yes;
	uint16_t index;
	enum prec_status status;

	log_begin();
	note_before();
	status = split_should_notify(&queue, &space, &yes);
	ENSURES("split_should_notify", "queue", virtq_ok(&space, &queue));
	ENSURES("split_should_notify", "untouched",
		status == PREC_OK ||
			(yes == was && queue.notified == before.notified));
	ENSURES("split_should_notify", "stopped",
		queue.state == VIRTQ_READY || fetch_count == 0);
	ENSURES("split_should_notify", "weighed",
		status != PREC_OK || queue.notified == queue.next_used);
	ENSURES("split_should_notify", "once",
		status != PREC_OK ||
			(fetch_count == 1 && fetch_size[0] == 2 &&
			 fetch_at[0] == queue.avail.address +
						(queue.event_index
							 ? 4 + 2ull * queue.size
							 : 0)));
	ENSURES("split_should_notify", "assigns",
		fetch_count <= 1 && store_count == 0);
	if (status == PREC_OK) {
		ENSURES("split_should_notify", "fenced", fetch_fenced[0]);
		ENSURES("split_should_notify", "wanted",
			yes == split_wanted(&queue, before.notified));
	}
	log_begin();
	if (queue.event_index) {
		status = split_ask_for_kick(&queue, &space);
		ENSURES("split_ask_for_kick", "all",
			store_count == (status == PREC_OK));
		ENSURES("split_ask_for_kick", "nowhere_else",
			stored_used(&queue));
		if (status == PREC_OK) {
			ENSURES("split_ask_for_kick", "fenced", fenced);
			ENSURES("split_ask_for_kick", "avail_event",
				store_is(0,
					 queue.used.address + 4 +
						 8ull * queue.size,
					 2, queue.next_avail));
		}
	}
	log_begin();
	if (split_used_index(&queue, &space, &index) == PREC_OK)
		ENSURES("split_used_index", "once",
			fetch_count == 1 && fetch_size[0] == 2 &&
				fetch_at[0] == queue.used.address + 2);
}

static void set_up(void)
{
	const char *call = "split_setup";
	uint32_t size = 1u << below(chance(5) ? 16 : 6);
	uint64_t desc = say_address(PREC_READ, 16 * size) & ~15ull;
	uint64_t avail = say_address(PREC_READ, 2 * size + 6) & ~1ull;
	uint64_t used = say_address(3, 8 * size + 6) & ~3ull;
	enum prec_status status;

	if (chance(wild))
		size = chance(50) ? 1u << below(18)
				  : (uint32_t)below(2 * VIRTQ_SIZE_MAX);
	note_before();
	status = split_setup(&queue, &space, size, desc, avail, used);
	set_up_ensured(call, status, size, desc, avail, used);
	if (status != PREC_OK)
		return;
	queue.event_index = chance(50);
	split_seek(&queue, (uint16_t)draw(), (uint16_t)draw());
	/* the stamps come round once in 2^32 requests: come near */
	if (chance(10))
		queue.serial = ~0u - (uint32_t)below(20);
}
