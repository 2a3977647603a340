// SPDX-License-Identifier: MIT
#include "device/inflight_packed.h"

#include <stdlib.h>
#include <string.h>

#include <precarium/access.h>

/*
 * QueueRegionPacked and DescStatePacked, as offsets.  An entry holds one
 * descriptor.  Each is in the free list, which begins at `free`, or in the list
 * of one request, whose first entry says how long it is and that it is in
 * flight.  There are as many as the ring has slots.
 *
 * Of three fields there is an old one: the others are of an update that may be
 * under way, and is taken back unless the ring has published it.  What a kill
 * leaves, store by store:
 *
 *	taken		num .. desc[]	free entries still: the next server
 *			free		finds the request in the ring
 *			old free	in flight
 *	completing	next, free	still in flight, carried out again:
 *			used		the slot is not marked as used
 *	(packed_complete)id, length	likewise
 *			flags		the slot is used: no longer in flight,
 *					as its entries are free
 *	completed	in flight = 0	likewise
 *			old free	likewise, since `used` is still ahead
 *			old used	not in flight
 *
 * A used index and its wrap counter are stored as one, the old ones with them:
 * a kill between them would leave a place that never was.  For a request that
 * is as long as the ring the index is the old one, and the counter alone tells.
 *
 * The log does not have the next available slot.  It is the used one, and on by
 * the lengths of all requests in flight, since each slot that was taken is of
 * one of them or was skipped as used (VIRTIO 1.2, 2.8.6).
 */
enum {
	LOG_FEATURES = 0,
	LOG_VERSION = 8,
	LOG_ENTRIES = 10,
	LOG_FREE = 12,
	LOG_OLD_FREE = 14,
	LOG_USED = 16, /* used, old used, wrap, old wrap, and padding */
	LOG_STATES = 32,

	STATE_IN_FLIGHT = 0, /* in flight, padding, next, last, num */
	STATE_NEXT = 2,
	STATE_LAST = 4,
	STATE_NUM = 6,
	STATE_COUNTER = 8,
	STATE_ID = 16, /* id, flags, length */
	STATE_ADDRESS = 24,
	STATE_SIZE = 32,
};

#define LOG_VERSION_1 1u

struct inflight_entry {
	uint16_t next; /* after this entry */
	uint16_t tail; /* of a head entry: the last of its list */
	uint16_t num;  /* likewise: how long the list is */
	uint16_t head; /* of a buffer id, not an entry: its head entry */
	bool seen;     /* while the log is read: accounted for */
};

/* What we stored in the log, so as not to read it back. */
struct inflight_lists {
	uint32_t size;
	uint32_t seen; /* entries */
	uint16_t free; /* the first entry that is free */
	struct inflight_entry at[];
};

/* A place is a slot with its wrap counter above it, as vhost-user has it. */
#define HIGH 0x8000u

uint64_t inflight_packed_size(uint32_t entries)
{
	return LOG_STATES + (uint64_t)entries * STATE_SIZE;
}

static uint64_t state_at(uint32_t entry, uint32_t field)
{
	return LOG_STATES + (uint64_t)entry * STATE_SIZE + field;
}

/* `count` slots further, at most once round. */
static uint16_t advance(uint32_t size, uint16_t place, uint32_t count)
{
	uint32_t slot = place % HIGH + count;

	if (slot < size)
		return (uint16_t)(place - place % HIGH + slot);
	return (uint16_t)((place ^ HIGH) / HIGH * HIGH + slot - size);
}

static uint16_t used_place(const struct virtq *q)
{
	return (uint16_t)(q->next_used + (q->used_wrap ? HIGH : 0));
}

static enum prec_status store_used(struct prec_span span, uint16_t new,
				   uint16_t old)
{
	uint64_t word = new % HIGH | (uint64_t)(old % HIGH) << 16 |
			(uint64_t)(new / HIGH) << 32 |
			(uint64_t)(old / HIGH) << 40;

	return prec_store64(span, LOG_USED, word);
}

/* The version last: it makes the rest valid. */
static enum prec_status begin(struct inflight_queue *log, uint32_t size,
			      uint16_t used)
{
	for (uint32_t i = 0; i < size; i++) {
		log->lists->at[i].next = (uint16_t)(i + 1);
		if (prec_store64(log->span, state_at(i, STATE_IN_FLIGHT),
				 (uint64_t)log->lists->at[i].next << 16))
			return PREC_GONE;
	}
	log->lists->free = 0;
	if (prec_store64(log->span, LOG_FEATURES, 0) ||
	    prec_store16(log->span, LOG_ENTRIES, (uint16_t)size) ||
	    prec_store16(log->span, LOG_FREE, 0) ||
	    prec_store16(log->span, LOG_OLD_FREE, 0) ||
	    store_used(log->span, used, used) ||
	    prec_store16(log->span, LOG_VERSION, LOG_VERSION_1))
		return PREC_GONE;
	return PREC_OK;
}

/* What stands in the log before its entries. */
struct head {
	uint16_t free;
	uint16_t old_free;
	uint16_t used; /* with its wrap counter */
	uint16_t old_used;
};

static enum prec_status load_head(struct prec_span span, struct head *head)
{
	uint64_t word;

	if (prec_load16(span, LOG_FREE, &head->free) ||
	    prec_load16(span, LOG_OLD_FREE, &head->old_free) ||
	    prec_load64(span, LOG_USED, &word))
		return PREC_GONE;
	head->used = (uint16_t)(word % HIGH + (word >> 32 & 1) * HIGH);
	head->old_used =
		(uint16_t)((word >> 16) % HIGH + (word >> 40 & 1) * HIGH);
	return PREC_OK;
}

/* True if the slot is still as the client made it available (2.8.1). */
static bool is_available(uint16_t flags, uint16_t place)
{
	uint16_t wanted =
		place / HIGH ? PVIRTQ_DESC_F_AVAIL : PVIRTQ_DESC_F_USED;

	return (flags & (PVIRTQ_DESC_F_AVAIL | PVIRTQ_DESC_F_USED)) == wanted;
}

/* Finish the update that was under way, or undo it. */
static enum prec_status end_update(const struct inflight_queue *log,
				   struct head *head, bool published)
{
	if (published) {
		head->old_free = head->free;
		head->old_used = head->used;
	} else {
		head->free = head->old_free;
		head->used = head->old_used;
	}
	if (prec_store16(log->span, LOG_OLD_FREE, head->old_free) ||
	    prec_store16(log->span, LOG_FREE, head->free))
		return PREC_GONE;
	return store_used(log->span, head->used, head->old_used);
}

/* Each entry is in one list: so no list is followed further than there are
 * entries, and all of them together fit the ring. */
static bool see(struct inflight_lists *lists, uint32_t size, uint16_t entry)
{
	if (entry >= size || lists->at[entry].seen)
		return false;
	lists->at[entry].seen = true;
	lists->seen++;
	return true;
}

/* What is free is not in flight, whatever it says.  The list ends where it
 * leads out of the entries. */
static enum prec_status free_entries(const struct inflight_queue *log,
				     uint32_t size)
{
	uint16_t entry = log->lists->free;

	while (entry < size) {
		if (!see(log->lists, size, entry))
			return PREC_INVALID;
		if (prec_load16(log->span, state_at(entry, STATE_NEXT),
				&log->lists->at[entry].next) ||
		    prec_store8(log->span, state_at(entry, STATE_IN_FLIGHT), 0))
			return PREC_GONE;
		entry = log->lists->at[entry].next;
	}
	return PREC_OK;
}

static enum prec_status read_list(const struct inflight_queue *log,
				  uint32_t size, uint16_t head)
{
	uint16_t entry = head, last = head;
	uint16_t num;

	if (prec_load16(log->span, state_at(head, STATE_NUM), &num))
		return PREC_GONE;
	if (num == 0)
		return PREC_INVALID;
	for (uint32_t i = 0; i < num; i++) {
		if (!see(log->lists, size, entry))
			return PREC_INVALID;
		if (prec_load16(log->span, state_at(entry, STATE_NEXT),
				&log->lists->at[entry].next))
			return PREC_GONE;
		last = entry;
		entry = log->lists->at[entry].next;
	}
	log->lists->at[head].num = num;
	log->lists->at[head].tail = last;
	return PREC_OK;
}

static enum prec_status find_left(const struct inflight_queue *log,
				  uint32_t size, struct inflight_left *left,
				  uint32_t *count)
{
	enum prec_status status;
	uint8_t flag;

	*count = 0;
	for (uint32_t i = 0; i < size; i++) {
		if (log->lists->at[i].seen)
			continue;
		if (prec_load8(log->span, state_at(i, STATE_IN_FLIGHT),
			       &flag) ||
		    prec_load64(log->span, state_at(i, STATE_COUNTER),
				&left[*count].counter))
			return PREC_GONE;
		if (flag != 1)
			continue;
		status = read_list(log, size, (uint16_t)i);
		if (status)
			return status;
		left[(*count)++].head = (uint16_t)i;
	}
	return log->lists->seen == size ? PREC_OK : PREC_INVALID;
}

/* Of *in_flight slots of the ring. */
static enum prec_status read_entries(struct inflight_queue *log, uint32_t size,
				     uint32_t *in_flight)
{
	enum prec_status status;

	for (uint32_t i = 0; i < size; i++)
		log->lists->at[i].seen = false;
	log->lists->seen = 0;
	status = free_entries(log, size);
	*in_flight = size - log->lists->seen;
	return status == PREC_OK ? inflight_collect(log, size, find_left)
				 : status;
}

/* PREC_GONE is of the log; *ring_gone says that it is the ring instead. */
static enum prec_status recover(struct inflight_queue *log,
				const struct virtq *q, uint32_t *base,
				bool *ring_gone)
{
	enum prec_status status;
	bool published = false;
	struct head head;
	uint32_t count;
	uint16_t flags;

	if (load_head(log->span, &head))
		return PREC_GONE;
	if (head.used % HIGH >= q->size || head.old_used % HIGH >= q->size)
		return PREC_INVALID;
	if (head.used != head.old_used) {
		*ring_gone =
			prec_load16(q->desc,
				    VIRTQ_DESC_SIZE * (uint64_t)(head.old_used %
								 HIGH) +
					    PVIRTQ_DESC_FLAGS,
				    &flags) != PREC_OK;
		if (*ring_gone)
			return PREC_GONE;
		published = !is_available(flags, head.old_used);
	}
	if (end_update(log, &head, published))
		return PREC_GONE;
	log->lists->free = head.free;
	status = read_entries(log, q->size, &count);
	if (status == PREC_OK)
		*base = advance(q->size, head.used, count) | (uint32_t)head.used
								     << 16;
	return status;
}

static enum prec_status read_log(struct inflight_queue *log,
				 const struct virtq *q, uint32_t *base,
				 bool *recovered, bool *ring_gone)
{
	enum prec_status status;
	uint16_t version;

	if (prec_load16(log->span, LOG_VERSION, &version))
		return PREC_GONE;
	if (version == 0)
		return begin(log, q->size, (uint16_t)(*base >> 16));
	status = recover(log, q, base, ring_gone);
	*recovered = status == PREC_OK;
	return status;
}

/* The entries that a smaller ring had stay as they are. */
static bool make_lists(struct inflight_queue *log, uint32_t size)
{
	struct inflight_lists *lists = log->lists;
	uint32_t before = lists ? lists->size : 0;

	if (log->span.size == 0 || before >= size)
		return true;
	lists = realloc(lists, sizeof(*lists) + size * sizeof(lists->at[0]));
	if (!lists)
		return false;
	if (before == 0)
		lists->free = 0;
	memset(&lists->at[before], 0, (size - before) * sizeof(lists->at[0]));
	lists->size = size;
	log->lists = lists;
	return true;
}

enum prec_status inflight_packed_read(struct inflight_queue *log,
				      const struct virtq *q, uint32_t *base,
				      bool *recovered, uint32_t *taken)
{
	bool ring_gone = false;
	enum prec_status status;

	*recovered = false;
	*taken = 0;
	if (!make_lists(log, q->size)) {
		inflight_lose(log);
		return PREC_OK;
	}
	if (!log->unread)
		return PREC_OK;
	if (inflight_packed_size(q->size) > log->span.size)
		return PREC_RANGE;
	status = read_log(log, q, base, recovered, &ring_gone);
	if (status == PREC_INVALID || status == PREC_SYSTEM || ring_gone)
		return status;
	if (status != PREC_OK) {
		inflight_lose(log);
		return PREC_OK;
	}
	log->unread = false;
	*taken = log->left_end;
	return PREC_OK;
}

/* The entries of a list, which the client may have changed since. */
static enum prec_status load_list(const struct inflight_queue *log,
				  uint16_t head, struct pvirtq_desc *list)
{
	uint16_t entry = head;
	uint64_t word;

	for (uint32_t i = 0; i < log->lists->at[head].num; i++) {
		if (prec_load64(log->span, state_at(entry, STATE_ADDRESS),
				&list[i].addr) ||
		    prec_load64(log->span, state_at(entry, STATE_ID), &word))
			return PREC_GONE;
		list[i].id = (uint16_t)word;
		list[i].flags = (uint16_t)(word >> 16);
		list[i].len = (uint32_t)(word >> 32);
		entry = log->lists->at[entry].next;
	}
	return PREC_OK;
}

struct pvirtq_desc *inflight_packed_peek(struct inflight_queue *log,
					 uint16_t *num)
{
	struct pvirtq_desc *list;
	uint16_t head;

	if (!inflight_is_left(log) || !log->span.size || !log->lists)
		return NULL;
	head = log->left[log->left_first].head;
	*num = log->lists->at[head].num;
	list = malloc(*num * sizeof(*list));
	if (list && load_list(log, head, list) == PREC_OK)
		return list;
	free(list);
	return NULL;
}

bool inflight_packed_next(struct inflight_queue *log, struct virtq *q,
			  const struct prec_space *space,
			  struct virtq_request *r, enum virtq_answer *answer)
{
	struct pvirtq_desc *list;
	uint16_t head, num;

	if (!inflight_is_left(log) || !log->span.size || !log->lists)
		return false;
	head = inflight_take(log);
	num = log->lists->at[head].num;
	list = malloc(num * sizeof(*list));
	if (!list || load_list(log, head, list)) {
		free(list);
		inflight_lose(log);
		return false;
	}
	*answer = packed_retake(q, space, list, num, r);
	free(list);
	if (*answer != VIRTQ_STOPPED)
		log->lists->at[r->head].head = head;
	return true;
}

/*
 * The slots are read a second time.  What a lying client puts there meanwhile
 * only comes into the log, where it can write what it likes anyway.
 */
static enum prec_status copy_desc(const struct inflight_queue *log,
				  const struct virtq *q, uint32_t slot,
				  uint16_t entry)
{
	uint64_t at = VIRTQ_DESC_SIZE * (uint64_t)slot;
	uint64_t address, rest;

	if (prec_load64(q->desc, at, &address) ||
	    prec_load64(q->desc, at + sizeof(address), &rest))
		return PREC_GONE;
	/* In the ring: length, id, flags.  Here: id, flags, length. */
	rest = rest >> 32 | rest << 32;
	if (prec_store64(log->span, state_at(entry, STATE_ADDRESS), address) ||
	    prec_store64(log->span, state_at(entry, STATE_ID), rest))
		return PREC_GONE;
	return PREC_OK;
}

/* Into the entries that are free; of those there are enough, unless the client
 * made slots available a second time that are in flight. */
static enum prec_status log_list(const struct inflight_queue *log,
				 const struct virtq *q, uint32_t num,
				 uint16_t *last)
{
	uint32_t slot = (q->next_avail + q->size - num) % q->size;
	uint16_t entry = log->lists->free;

	for (uint32_t i = 0; i < num; i++) {
		if (entry >= q->size ||
		    copy_desc(log, q, slot, entry) != PREC_OK)
			return PREC_GONE;
		slot = (slot + 1) % q->size;
		*last = entry;
		entry = log->lists->at[entry].next;
	}
	return PREC_OK;
}

static enum prec_status log_taken(struct inflight_queue *log,
				  const struct virtq *q, uint16_t id)
{
	struct inflight_lists *lists = log->lists;
	uint16_t num = q->held[id];
	uint16_t head = lists->free;
	uint16_t last = head;

	if (head >= q->size ||
	    prec_store16(log->span, state_at(head, STATE_NUM), 0) ||
	    prec_store64(log->span, state_at(head, STATE_COUNTER),
			 log->counter++) ||
	    prec_store8(log->span, state_at(head, STATE_IN_FLIGHT), 1) ||
	    log_list(log, q, num, &last) ||
	    prec_store16(log->span, state_at(head, STATE_LAST), last) ||
	    prec_store16(log->span, state_at(head, STATE_NUM), num))
		return PREC_GONE;
	lists->at[id].head = head;
	lists->at[head].tail = last;
	lists->at[head].num = num;
	lists->free = lists->at[last].next;
	if (prec_store16(log->span, LOG_FREE, lists->free) ||
	    prec_store16(log->span, LOG_OLD_FREE, lists->free))
		return PREC_GONE;
	return PREC_OK;
}

/* There are no lists if the log was set after the ring was attached, which only
 * a client that breaks the protocol does. */
static bool is_logged(const struct inflight_queue *log)
{
	return log->span.size && log->lists;
}

void inflight_packed_taken(struct inflight_queue *log, const struct virtq *q,
			   uint16_t id)
{
	if (is_logged(log) && log_taken(log, q, id) != PREC_OK)
		inflight_lose(log);
}

void inflight_packed_completing(struct inflight_queue *log,
				const struct virtq *q, uint16_t id)
{
	const struct inflight_lists *lists = log->lists;
	uint16_t old = used_place(q);
	uint16_t head;

	if (!is_logged(log))
		return;
	head = lists->at[id].head;
	if (prec_store16(log->span, state_at(lists->at[head].tail, STATE_NEXT),
			 lists->free) ||
	    prec_store16(log->span, LOG_FREE, head) ||
	    store_used(log->span, advance(q->size, old, lists->at[head].num),
		       old))
		inflight_lose(log);
}

void inflight_packed_completed(struct inflight_queue *log,
			       const struct virtq *q, uint16_t id)
{
	struct inflight_lists *lists = log->lists;
	uint16_t used = used_place(q);
	uint16_t head;

	if (!is_logged(log))
		return;
	head = lists->at[id].head;
	if (prec_store8(log->span, state_at(head, STATE_IN_FLIGHT), 0) ||
	    prec_store16(log->span, LOG_OLD_FREE, head) ||
	    store_used(log->span, used, used))
		inflight_lose(log);
	lists->at[lists->at[head].tail].next = lists->free;
	lists->free = head;
}
