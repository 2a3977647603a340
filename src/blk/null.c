// SPDX-License-Identifier: MIT
#include "blk/backend.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <precarium/access.h>

/*
 * A store of nothing.  Reads are answered at once, by filling the client's
 * pages with zeroes; a page that is lost is told as such, so that the null
 * store meets revocation as a real one does.  Writes touch no byte of the
 * client: what is dropped need not be fetched.
 */
struct null_lane {
	struct store_lane lane;
	struct store_io *first;
	struct store_io **last;
};

static struct null_lane *null_lane(struct store_lane *lane)
{
	return (struct null_lane *)lane;
}

static struct store_lane *null_lane_open(const struct store *store,
					 struct store_error *error)
{
	struct null_lane *lane = calloc(1, sizeof(*lane));

	if (!lane) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return NULL;
	}
	lane->lane.store = store;
	lane->lane.fd = -1;
	lane->last = &lane->first;
	return &lane->lane;
}

static void null_lane_close(struct store_lane *lane)
{
	free(lane);
}

static struct prec_result null_read(const struct store_io *io)
{
	struct prec_result result = { PREC_OK, 0, 0 };

	for (uint32_t i = 0; i < io->span_count; i++) {
		struct prec_result one =
			prec_fill(io->spans[i], 0, 0, io->spans[i].size);

		result.done += one.done;
		if (one.status != PREC_OK) {
			result.status = one.status;
			result.error = one.error;
			break;
		}
	}
	return result;
}

static bool null_add(struct store_lane *lane, struct store_io *io)
{
	struct null_lane *null = null_lane(lane);

	if (io->kind == STORE_READ)
		io->result = null_read(io);
	else
		io->result = (struct prec_result){ PREC_OK, 0, io->size };
	io->next = NULL;
	*null->last = io;
	null->last = &io->next;
	return true;
}

static bool null_start(struct store_lane *lane)
{
	(void)lane;
	return true;
}

static struct store_io *null_reap(struct store_lane *lane)
{
	struct null_lane *null = null_lane(lane);
	struct store_io *io = null->first;

	if (!io)
		return NULL;
	null->first = io->next;
	if (!null->first)
		null->last = &null->first;
	return io;
}

static void null_cancel(struct store_lane *lane, struct store_io *io)
{
	(void)lane;
	(void)io;
}

static void null_close(struct store *store)
{
	free(store);
}

static const struct store_ops null_ops = {
	.lane_open = null_lane_open,
	.lane_close = null_lane_close,
	.add = null_add,
	.start = null_start,
	.reap = null_reap,
	.cancel = null_cancel,
	.close = null_close,
};

struct store *blk_null_open(uint64_t size, struct store_error *error)
{
	struct store *store;

	if (size == 0 || size % STORE_SECTOR != 0 || size > INT64_MAX) {
		snprintf(error->text, sizeof(error->text),
			 "null store of %" PRIu64 " bytes: expected a positive "
			 "multiple of %u", size, STORE_SECTOR);
		return NULL;
	}
	store = calloc(1, sizeof(*store));
	if (!store) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return NULL;
	}
	store->ops = &null_ops;
	store->capacity = size;
	store->block_size = STORE_SECTOR;
	return store;
}

void blk_close(struct store *store)
{
	if (store)
		store->ops->close(store);
}
