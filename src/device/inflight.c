// SPDX-License-Identifier: MIT
#include "device/inflight.h"

#include <stdlib.h>

void inflight_use(struct inflight_queue *log, struct prec_span span)
{
	log->span = span;
	log->unread = span.size > 0;
	log->lost = false;
	log->last = 0;
	log->counter = 0;
	log->left_first = 0;
	log->left_end = 0;
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

void inflight_line_up(struct inflight_queue *log, struct inflight_left *left,
		      uint32_t count)
{
	qsort(left, count, sizeof(left[0]), by_counter);
	for (uint32_t i = 0; i < count; i++)
		log->left[i] = left[i].head;
	log->left_first = 0;
	log->left_end = count;
	log->counter = count ? left[count - 1].counter + 1 : 0;
}

void inflight_queue_close(struct inflight_queue *log)
{
	free(log->lists);
	log->lists = NULL;
}
