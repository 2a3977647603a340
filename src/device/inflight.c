// SPDX-License-Identifier: MIT
#include "device/inflight.h"

#include <stdlib.h>

static void forget_left(struct inflight_queue *log)
{
	free(log->left);
	log->left = NULL;
	log->left_first = 0;
	log->left_end = 0;
}

void inflight_use(struct inflight_queue *log, struct prec_span span)
{
	log->span = span;
	log->unread = span.size > 0;
	log->lost = false;
	log->last = 0;
	log->counter = 0;
	forget_left(log);
}

void inflight_lose(struct inflight_queue *log)
{
	log->span.size = 0;
	log->unread = false;
	log->lost = true;
}

static int by_counter(const void *left, const void *right)
{
	const struct inflight_left *a = left, *b = right;

	if (a->counter != b->counter)
		return a->counter < b->counter ? -1 : 1;
	return (int)a->head - (int)b->head;
}

/* Takes over `left`. */
static void line_up(struct inflight_queue *log, struct inflight_left *left,
		    uint32_t count)
{
	qsort(left, count, sizeof(left[0]), by_counter);
	forget_left(log);
	log->left = left;
	log->left_end = count;
	log->counter = count ? left[count - 1].counter + 1 : 0;
}

enum prec_status inflight_collect(struct inflight_queue *log, uint32_t size,
				  inflight_find *find)
{
	struct inflight_left *left = malloc(size * sizeof(*left));
	enum prec_status status;
	uint32_t count;

	if (!left)
		return PREC_SYSTEM;
	status = find(log, size, left, &count);
	if (status == PREC_OK)
		line_up(log, left, count);
	else
		free(left);
	return status;
}

uint16_t inflight_take(struct inflight_queue *log)
{
	uint16_t head = log->left[log->left_first++].head;

	if (!inflight_is_left(log)) {
		free(log->left);
		log->left = NULL;
	}
	return head;
}

void inflight_queue_close(struct inflight_queue *log)
{
	forget_left(log);
	free(log->lists);
	log->lists = NULL;
}
