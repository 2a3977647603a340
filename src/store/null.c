// SPDX-License-Identifier: MIT
#include "store/null.h"

#include <inttypes.h>
#include <stdlib.h>

#include <precarium/access.h>

/*
 * The null store reads as zeroes and drops what is written.  A read fills the
 * client's pages with zeroes and reports pages that are lost, so revocation
 * meets this store as it meets a real one.  A write touches no byte of the
 * client.
 *
 * The worker itself fills the pages, so it does so in slices: a client that
 * reads gigabytes takes turns with the others.
 */
#define SLICE	      (256ull << 10)
#define SLICES_A_TURN 16u

struct null_lane {
	struct store_lane lane;
	struct store_io *first;
	struct store_io **last;
	uint32_t slices; /* left in this turn */
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
		store_fail(error, "out of memory");
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

/* Fill the next slice.  True: the transfer has ended. */
static bool fill_slice(struct store_io *io)
{
	uint64_t before = 0;

	for (uint32_t i = 0; i < io->span_count; i++) {
		const struct prec_span *span = &io->spans[i];
		uint64_t offset = io->result.done - before;
		struct prec_result one;
		uint64_t size;

		before += span->size;
		if (io->result.done >= before)
			continue;
		size = span->size - offset < SLICE ? span->size - offset
						   : SLICE;
		one = prec_fill(*span, offset, 0, size);
		io->result.status = one.status;
		io->result.error = one.error;
		io->result.done += one.done;
		return one.status != PREC_OK || io->result.done == io->size;
	}
	return true;
}

static void append(struct null_lane *null, struct store_io *io)
{
	io->next = NULL;
	*null->last = io;
	null->last = &io->next;
}

static bool null_add(struct store_lane *lane, struct store_io *io)
{
	bool read = io->kind == STORE_READ;

	io->result = (struct prec_result){ PREC_OK, 0, read ? 0 : io->size };
	append(null_lane(lane), io);
	return true;
}

static enum store_left null_start(struct store_lane *lane)
{
	null_lane(lane)->slices = SLICES_A_TURN;
	return null_lane(lane)->first ? STORE_MORE : STORE_NOTHING;
}

static struct store_io *null_reap(struct store_lane *lane)
{
	struct null_lane *null = null_lane(lane);
	struct store_io *io;

	while ((io = null->first)) {
		bool ended = io->result.done == io->size;

		if (!ended && null->slices-- == 0)
			break;
		null->first = io->next;
		if (!null->first)
			null->last = &null->first;
		if (ended || fill_slice(io))
			return io;
		append(null, io);
	}
	null->slices = 0;
	return NULL;
}

static void null_cancel(struct store_lane *lane, struct store_io *io)
{
	(void)lane;
	(void)io;
}

static bool check_size(uint64_t size, uint32_t block, struct store_error *error)
{
	if (size > 0 && size % block == 0 && size <= INT64_MAX)
		return true;
	return store_fail(error,
			  "null store of %" PRIu64 " bytes; expected a "
			  "positive multiple of %u",
			  size, block);
}

static bool null_resize(struct store *store, uint64_t capacity,
			struct store_error *error)
{
	if (!check_size(capacity, store->block_size, error))
		return false;
	store_set_capacity(store, capacity);
	return true;
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
	.resize = null_resize,
	.close = null_close,
};

static struct store *null_open(const struct store_options *options,
			       struct store_error *error)
{
	uint64_t size = store_options_get(options, "null")->size;
	struct store *store;

	if (!check_size(size, STORE_SECTOR, error))
		return NULL;
	store = calloc(1, sizeof(*store));
	if (!store) {
		store_fail(error, "out of memory");
		return NULL;
	}
	store->ops = &null_ops;
	store->capacity = size;
	store->block_size = STORE_SECTOR;
	store->discard_align = STORE_SECTOR;
	store->read_only = options->read_only;
	return store;
}

static const struct store_key null_keys[] = {
	{ "null", STORE_KEY_SIZE, "SIZE", "zeroes to read; writes are dropped",
	  NULL },
	{ NULL, STORE_KEY_FLAG, NULL, NULL, NULL },
};

const struct store_kind null_kind = { null_keys, null_open };
