// SPDX-License-Identifier: MIT
/*
 * As ring-properties, for packed rings: the unit that ships and the device of
 * the standard (packed-specification.h) are shown the same memory, which is
 * another at every access, and after each call of thousands of histories they
 * must have done the same.  Clauses have their names in packed.h.
 *
 * packed-properties [SEEDS [FIRST]]; a failure names its seed, which
 * `packed-properties 1 SEED` repeats.
 */
#include "packed-specification.h"

#include "virtio/packed.c"
#include "virtio/packed_used.c"

#include "queue-history.h"

/* Of the other layout, for vring_complete. */
enum prec_status split_complete(struct virtq *q, const struct prec_space *in,
				uint32_t head, uint32_t len)
{
	(void)in;
	(void)head;
	(void)len;
	REQUIRES("split_complete", "queue", !q->packed);
	return PREC_INVALID;
}

static struct packed_device model;
static struct packed_request wanted;

/* The descriptor of the ring whose flags were said. */
static struct virtq_desc saying;

static struct virtq_desc say_element(bool in_table)
{
	struct virtq_desc d = tidy ? say_tidy() : say_any(in_table);

	d.addr = say_address(
		d.flags & VIRTQ_DESC_F_WRITE ? PREC_WRITE : PREC_READ, d.len);
	return d;
}

/* All of a request as it should be, in a table. */
static struct virtq_desc say_tidy_table(void)
{
	uint32_t count = 2 + data_left + (header_cut > 0);

	return (struct virtq_desc){
		.addr = say_address(PREC_READ, 16 * count),
		.len = 16 * count,
		.flags = VIRTQ_DESC_F_INDIRECT,
	};
}

static uint16_t say_id(void)
{
	uint16_t id = (uint16_t)below(queue.size);

	if (chance(wild))
		return (uint16_t)(chance(50) ? queue.size : draw());
	while (!chance(5) && queue.held[id])
		id = (uint16_t)((id + 1) % queue.size);
	return id;
}

/* Mostly available in this round of the ring, as is all that follows in a
 * list. */
static uint16_t say_flags(uint32_t slot)
{
	bool first = slot == queue.next_avail;
	bool wrap = queue.avail_wrap == (slot >= queue.next_avail);
	uint16_t flags;

	saying = first && tidy && chance(40) ? say_tidy_table()
					     : say_element(false);
	flags = saying.flags & 7;
	flags |= wrap ? PVIRTQ_DESC_F_AVAIL : PVIRTQ_DESC_F_USED;
	if (chance(first ? 20 : wild / 8))
		flags ^= (uint16_t)(PVIRTQ_DESC_F_AVAIL * below(2) +
				    PVIRTQ_DESC_F_USED * below(2));
	return chance(wild / 8) ? (uint16_t)draw() : flags;
}

/* Of the structure of events: near the slot that is used next. */
static uint16_t say_event(void)
{
	uint32_t slot = queue.next_used + 2 * queue.size - (uint32_t)below(4);

	return (uint16_t)(slot % queue.size +
			  (chance(50) ? PVIRTQ_EVENT_WRAP : 0));
}

static uint16_t say16(uint64_t address)
{
	if (address == queue.avail.address + PVIRTQ_EVENT_FLAGS)
		return (uint16_t)(chance(wild) ? draw()
				  : chance(60) ? PVIRTQ_EVENT_F_DESC
					       : below(2));
	if (address == queue.avail.address)
		return chance(wild) ? (uint16_t)draw() : say_event();
	return say_flags((uint32_t)(address - queue.desc.address) / 16);
}

/* What the ring says of the flags when it is asked for the rest is noise, and
 * so is, of a table, all but WRITE. */
static struct virtq_desc say_desc(uint32_t index, uint32_t table)
{
	struct virtq_desc d = saying;

	(void)index;
	if (table > 0)
		d = say_element(true);
	d.next = say_id();
	if (table == 0)
		d.flags = (uint16_t)draw();
	else if (chance(20))
		d.flags ^= draw() & ~VIRTQ_DESC_F_WRITE;
	return d;
}

/* The queue is where the device of the standard is. */
static void model_ensured(const char *call)
{
	ENSURES(call, "queue", virtq_ok(&space, &queue));
	keeps_rings(call);
	ENSURES(call, "state", (queue.state == VIRTQ_BROKEN) == model.broken);
	ENSURES(call, "slots", packed_base(&queue) == packed_places(&model));
	ENSURES(call, "held, free, others",
		!memcmp(queue.held, model.in_flight,
			queue.size * sizeof(queue.held[0])) &&
			queue.in_flight ==
				held_below(model.in_flight, queue.size));
}

static void log_anew(void)
{
	note_before();
	memset(shown, 0, sizeof(shown));
	memset(&wanted, 0, sizeof(wanted));
}

static bool wanted_is(void)
{
	if (chain.head != wanted.id || chain.readable != wanted.readable ||
	    chain.count != wanted.count)
		return false;
	for (uint32_t i = 0; i < wanted.count; i++) {
		struct prec_span a = chain.segment[i], b = wanted.segment[i];

		if (a.address != b.address || a.size != b.size ||
		    a.host != b.host || a.rights != b.rights ||
		    a.index != b.index)
			return false;
	}
	return true;
}

static void take_ensured(const char *call, enum virtq_answer answer,
			 enum virtq_answer want)
{
	ENSURES(call, "said", answer == want);
	if (answer == VIRTQ_TAKEN || answer == VIRTQ_MALFORMED ||
	    answer == VIRTQ_LOST)
		ENSURES(call, "the request of the standard", wanted_is());
	if (answer != VIRTQ_STOPPED)
		ENSURES(call, "nothing in vain", packed_all_shown());
	model_ensured(call);
	request_ensured(call, answer);
}

static enum virtq_answer next(void)
{
	const char *call = "packed_next";
	enum virtq_answer answer, want = VIRTQ_STOPPED;

	plan();
	log_anew();
	answer = packed_next(&queue, &space, &chain);
	if (before.state == VIRTQ_READY)
		want = packed_take(&model, &space, &wanted);
	take_ensured(call, answer, want);
	ENSURES(call, "bounded", fetch_count <= 2 * (int)queue.size + 1);
	ENSURES(call, "first",
		before.state != VIRTQ_READY ||
			fetch_at[0] == queue.desc.address +
					       16ull * before.next_avail + 14);
	return answer;
}

/* What somebody says was in flight: a list, mostly. */
static enum virtq_answer retake(void)
{
	static struct pvirtq_desc list[VIRTQ_SIZE_MAX];
	const char *call = "packed_retake";
	enum virtq_answer answer, want = VIRTQ_STOPPED;
	uint32_t count = 0;

	if (queue.size == 0)
		return VIRTQ_EMPTY;
	plan();
	log_anew();
	do {
		struct virtq_desc d = tidy && count == 0 && chance(40)
					      ? say_tidy_table()
					      : say_element(false);

		list[count++] = (struct pvirtq_desc){ d.addr, d.len, say_id(),
						      d.flags };
	} while (list[count - 1].flags & VIRTQ_DESC_F_NEXT &&
		 count < VIRTQ_SIZE_MAX);
	if (chance(wild))
		count = (uint32_t)below(count + 2);
	answer = packed_retake(&queue, &space, list, count, &chain);
	if (before.state == VIRTQ_READY)
		want = packed_take_again(&model, &space, list, count, &wanted);
	take_ensured(call, answer, want);
	ENSURES(call, "once", fetch_count <= 1);
	return answer;
}

static void should_notify(void)
{
	const char *call = "packed_should_notify";
	bool yes = chance(50), was = yes;
	enum prec_status status;

	log_begin();
	log_anew();
	status = packed_should_notify(&queue, &space, &yes);
	ENSURES(call, "assigns", store_count == 0);
	if (status == PREC_OK) {
		ENSURES(call, "ready", before.state == VIRTQ_READY);
		ENSURES(call, "fenced", fetch_fenced[0]);
		ENSURES(call, "weighed", yes == packed_notifies(&model));
		packed_weighed(&model);
		model_ensured(call);
	} else {
		ENSURES(call, "untouched", yes == was && is_as_before());
	}
}

/* Notifying is weighed before the ring has been used twice: else the place
 * where it was is a place that has been passed. */
static void complete(uint32_t id)
{
	const char *call = "packed_complete";
	uint32_t len = chance(20) ? 0 : (uint32_t)draw();
	uint32_t held = id < queue.size ? model.in_flight[id] : 0;
	struct packed_used used;
	enum prec_status status;

	while (model.used_since >= queue.size && queue.state == VIRTQ_READY)
		should_notify();
	log_begin();
	log_anew();
	status = packed_complete(&queue, &space, id, len);
	used = packed_stores(&model);
	ENSURES(call, "assigns", fetch_count == 0);
	KEEPS(call, notified);
	if (held)
		model.in_flight[id] = 0;
	if (status == PREC_OK) {
		ENSURES(call, "stored",
			held && before.state == VIRTQ_READY &&
				packed_is_used(&model, &used, id, len));
		packed_skip(&model, held);
	} else {
		ENSURES(call, "said",
			status == (held ? PREC_GONE : PREC_INVALID));
		ENSURES(call, "unpublished",
			!used.elsewhere && !used.stored[14] &&
				!used.stored[15]);
		ENSURES(call, "unheld, stopped",
			store_count == 0 ||
				(held && before.state == VIRTQ_READY));
	}
	model_ensured(call);
}

/* 2.8.10: what the device wants to be told; the slot before it is said that it
 * counts. */
static void ask_for_kick(void)
{
	const char *call = "packed_ask_for_kick";
	enum prec_status status;

	if (!queue.event_index)
		return;
	log_begin();
	log_anew();
	status = packed_ask_for_kick(&queue, &space);
	ENSURES(call, "assigns", fetch_count == 0 && is_as_before());
	ENSURES(call, "all",
		status == PREC_OK ? store_count == 2 : store_count <= 1);
	if (store_count > 0)
		ENSURES(call, "event",
			store_is(0, model.device_event, 2,
				 packed_places(&model) & 0xffff));
	if (status == PREC_OK) {
		ENSURES(call, "fenced", fenced);
		ENSURES(call, "flags",
			store_is(1, model.device_event + 2, 2,
				 PVIRTQ_EVENT_F_DESC));
	}
}

static void hints(void)
{
	should_notify();
	ask_for_kick();
}

/* Go on anywhere, as a front-end says. */
static void seek(void)
{
	uint32_t slots = queue.size + (chance(20) ? 2 : 0);
	uint32_t avail = (uint32_t)below(slots);
	uint32_t used = (uint32_t)below(slots);
	uint32_t wraps = (uint32_t)draw() & 0x80008000;
	enum prec_status status;

	note_before();
	status = packed_seek(&queue, avail + (used << 16) + wraps);
	ENSURES("packed_seek", "refused",
		(status == PREC_OK) ==
			(avail < queue.size && used < queue.size));
	if (status != PREC_OK) {
		ENSURES("packed_seek", "untouched", is_as_before());
		return;
	}
	model.avail_slot = avail;
	model.used_slot = used;
	model.avail_wrap = wraps & 0x8000;
	model.used_wrap = wraps & 0x80000000;
	packed_weighed(&model);
}

static void set_up(void)
{
	const char *call = "packed_setup";
	uint32_t size = 1 + (uint32_t)below(chance(5) ? VIRTQ_SIZE_MAX : 32);
	uint64_t desc = say_address(3, 16 * size) & ~15ull;
	uint64_t wishes = say_address(PREC_READ, 4) & ~3ull;
	uint64_t ours = say_address(3, 4) & ~3ull;
	enum prec_status status;

	if (chance(wild))
		size = (uint32_t)below(2 * VIRTQ_SIZE_MAX);
	if (queue.state == VIRTQ_UNSET)
		memset(&model, 0, sizeof(model));
	note_before();
	status = packed_setup(&queue, &space, size, desc, wishes, ours);
	set_up_ensured(call, status, size, desc, wishes, ours);
	if (status != PREC_OK)
		return;
	packed_reset(&model, &queue);
	ENSURES(call, "start", packed_base(&queue) == packed_places(&model));
	if (chance(50))
		seek();
	model.event_index = queue.event_index = chance(50);
	note_before();
	model_ensured(call);
}
