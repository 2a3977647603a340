// SPDX-License-Identifier: MIT
#include "device/inflight_split.h"

#include <stdlib.h>

#include <precarium/access.h>

/*
 * QueueRegionSplit and DescStateSplit, as offsets: there is no pointer into
 * the log.  Both are aligned by their largest field, so each field is stored
 * by one instruction, and a kill leaves it old or new.
 *
 * In flight is a request whose flag is 1, or was when the index of the used
 * ring last agreed with the one here.  What a kill leaves, store by store:
 *
 *	taken		counter		flag still 0: the next server finds
 *					the request in the available ring
 *			flag = 1	in flight
 *	completing	next, last	still in flight, carried out again:
 *					the used ring does not have it yet
 *	(split_complete)element		likewise
 *			used index	flag still 1, but the indices differ:
 *					the last batch is no longer in flight
 *	completed	flag = 0	the indices differ: cleared once more
 *			used index here	not in flight
 *
 * A batch is one request: what is published at once is what can be told apart.
 * The next available entry is the used index plus the requests in flight,
 * since each one taken is either.
 */
enum {
	LOG_FEATURES = 0,
	LOG_VERSION = 8,
	LOG_ENTRIES = 10,
	LOG_LAST = 12,
	LOG_USED = 14,
	LOG_STATES = 16,

	STATE_IN_FLIGHT = 0,
	STATE_NEXT = 6,
	STATE_COUNTER = 8,
	STATE_SIZE = 16,
};

#define LOG_VERSION_1 1u

uint64_t inflight_split_size(uint32_t entries)
{
	return LOG_STATES + (uint64_t)entries * STATE_SIZE;
}

static uint64_t state_at(uint16_t head, uint32_t field)
{
	return LOG_STATES + (uint64_t)head * STATE_SIZE + field;
}

/* The version last: it makes the rest valid. */
static enum prec_status begin(const struct inflight_queue *log, uint32_t size,
			      uint16_t used)
{
	for (uint32_t i = 0; i < size; i++) {
		if (prec_store8(log->span,
				state_at((uint16_t)i, STATE_IN_FLIGHT), 0))
			return PREC_GONE;
	}
	if (prec_store64(log->span, LOG_FEATURES, 0) ||
	    prec_store16(log->span, LOG_ENTRIES, (uint16_t)size) ||
	    prec_store16(log->span, LOG_LAST, 0) ||
	    prec_store16(log->span, LOG_USED, used) ||
	    prec_store16(log->span, LOG_VERSION, LOG_VERSION_1))
		return PREC_GONE;
	return PREC_OK;
}

/* The used ring may be ahead: then the last batch was published but not marked
 * as completed.  Other back-ends publish several requests at a time; no list is
 * followed further than there are entries. */
static enum prec_status end_batch(struct inflight_queue *log, uint32_t size,
				  uint16_t used)
{
	uint16_t logged, head;
	uint32_t count;

	if (prec_load16(log->span, LOG_USED, &logged) ||
	    prec_load16(log->span, LOG_LAST, &head))
		return PREC_GONE;
	log->last = head;
	count = (uint16_t)(used - logged);
	for (uint32_t i = 0; i < count && i < size && head < size; i++) {
		uint16_t next;

		if (prec_load16(log->span, state_at(head, STATE_NEXT), &next) ||
		    prec_store8(log->span, state_at(head, STATE_IN_FLIGHT), 0))
			return PREC_GONE;
		head = next;
	}
	return prec_store16(log->span, LOG_USED, used);
}

static enum prec_status find_left(const struct inflight_queue *log,
				  uint32_t size, struct inflight_left *left,
				  uint32_t *count)
{
	uint8_t flag;

	*count = 0;
	for (uint32_t i = 0; i < size; i++) {
		uint16_t head = (uint16_t)i;

		if (prec_load8(log->span, state_at(head, STATE_IN_FLIGHT),
			       &flag))
			return PREC_GONE;
		if (flag != 1)
			continue;
		if (prec_load64(log->span, state_at(head, STATE_COUNTER),
				&left[*count].counter))
			return PREC_GONE;
		left[(*count)++].head = head;
	}
	return PREC_OK;
}

static enum prec_status read_log(struct inflight_queue *log, uint32_t size,
				 uint16_t used, bool *recovered)
{
	enum prec_status status;
	uint16_t version;

	status = prec_load16(log->span, LOG_VERSION, &version);
	if (status)
		return status;
	if (version == 0)
		return begin(log, size, used);
	*recovered = true;
	status = end_batch(log, size, used);
	return status ? status : inflight_collect(log, size, find_left);
}

enum prec_status inflight_split_read(struct inflight_queue *log, uint32_t size,
				     uint16_t used, bool *recovered,
				     uint32_t *taken)
{
	enum prec_status status;

	*recovered = false;
	*taken = 0;
	if (!log->unread)
		return PREC_OK;
	if (LOG_STATES + (uint64_t)size * STATE_SIZE > log->span.size)
		return PREC_RANGE;
	status = read_log(log, size, used, recovered);
	if (status == PREC_SYSTEM)
		return status;
	if (status) {
		inflight_lose(log);
		*recovered = false;
		return PREC_GONE;
	}
	log->unread = false;
	*taken = log->left_end;
	return PREC_OK;
}

bool inflight_split_next(struct inflight_queue *log, uint16_t *head)
{
	if (!inflight_is_left(log))
		return false;
	*head = inflight_take(log);
	return true;
}

void inflight_split_taken(struct inflight_queue *log, uint16_t head)
{
	if (!log->span.size)
		return;
	if (prec_store64(log->span, state_at(head, STATE_COUNTER),
			 log->counter++) ||
	    prec_store8(log->span, state_at(head, STATE_IN_FLIGHT), 1))
		inflight_lose(log);
}

void inflight_split_completing(struct inflight_queue *log, uint16_t head)
{
	if (!log->span.size)
		return;
	if (prec_store16(log->span, state_at(head, STATE_NEXT), log->last) ||
	    prec_store16(log->span, LOG_LAST, head))
		inflight_lose(log);
	log->last = head;
}

void inflight_split_completed(struct inflight_queue *log, uint16_t head,
			      uint16_t used)
{
	if (!log->span.size)
		return;
	if (prec_store8(log->span, state_at(head, STATE_IN_FLIGHT), 0) ||
	    prec_store16(log->span, LOG_USED, used))
		inflight_lose(log);
}
