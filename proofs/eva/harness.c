// SPDX-License-Identifier: MIT
/*
 * What Eva is given in the place of a client and of the rest of the server: any
 * queue of a size, any table of lent memory, and loads that bring any value or
 * fail.  Where a load fails its output stays as it was, which is uninitialised:
 * whoever looks at it is found, and so is who looks at a decision or a request
 * that was not made.
 */
#include "__fc_builtin.h"

#include "virtio/blk_complete.h"
#include "virtio/blk_next.h"

static volatile int any;
static volatile uint16_t any16;
static volatile uint32_t any32;
static volatile uint64_t any64;
/* Whole, so that Eva sees all of it written. */
static volatile struct descs {
	struct virtq_desc entry[LENT_TABLE_MAX];
} any_descs;
static volatile struct packed_descs {
	struct pvirtq_desc entry[LENT_TABLE_MAX];
} any_packed;
static volatile struct bytes {
	uint8_t byte[LENT_BYTES_MAX];
} any_bytes;
static volatile struct virtq any_queue;
static volatile struct prec_space any_space;

enum prec_status lent_load16(const struct prec_space *space,
			     struct prec_span span, uint64_t offset,
			     uint16_t *out)
{
	if (any)
		return PREC_GONE;
	*out = any16;
	return PREC_OK;
}

static struct virtq_desc any_desc(void)
{
	return (struct virtq_desc){ any64, any32, any16, any16 };
}

enum prec_status lent_load_desc(const struct prec_space *space,
				struct prec_span span, uint32_t index,
				struct virtq_desc *out)
{
	if (any)
		return PREC_GONE;
	*out = any_desc();
	return PREC_OK;
}

enum prec_status lent_load_table(const struct prec_space *space,
				 const struct lent_pieces *pieces,
				 uint32_t count, struct virtq_desc *out)
{
	if (any)
		return PREC_GONE;
	*(struct descs *)out = any_descs;
	return PREC_OK;
}

enum prec_status lent_load_packed(const struct prec_space *space,
				  struct prec_span span, uint32_t index,
				  struct pvirtq_desc *out)
{
	if (any)
		return PREC_GONE;
	out->addr = any64;
	out->len = any32;
	out->id = any16;
	return PREC_OK;
}

enum prec_status lent_load_packed_table(const struct prec_space *space,
					const struct lent_pieces *pieces,
					uint32_t count, struct pvirtq_desc *out)
{
	if (any)
		return PREC_GONE;
	*(struct packed_descs *)out = any_packed;
	return PREC_OK;
}

enum prec_status lent_load_header(const struct prec_space *space,
				  struct prec_span span,
				  struct virtio_blk_req_header *out)
{
	if (any)
		return PREC_GONE;
	out->type = any32;
	out->reserved = any32;
	out->sector = any64;
	return PREC_OK;
}

/* As if all of the place had been filled: Eva does not see that the pieces of
 * one piece of data meet. */
enum prec_status lent_load_bytes(const struct prec_space *space,
				 struct prec_span span, uint32_t count,
				 uint8_t *bytes, uint32_t at)
{
	if (any)
		return PREC_GONE;
	*(struct bytes *)bytes = any_bytes;
	return PREC_OK;
}

enum prec_status lent_store8(const struct prec_space *space,
			     struct prec_span span, uint64_t offset,
			     uint8_t value)
{
	return any ? PREC_GONE : PREC_OK;
}

enum prec_status lent_store16(const struct prec_space *space,
			      struct prec_span span, uint64_t offset,
			      uint16_t value)
{
	return any ? PREC_GONE : PREC_OK;
}

enum prec_status lent_store_used(const struct prec_space *space,
				 struct prec_span span, uint32_t slot,
				 struct virtq_used_elem elem)
{
	return any ? PREC_GONE : PREC_OK;
}

enum prec_status lent_store_packed(const struct prec_space *space,
				   struct prec_span span, uint32_t index,
				   uint32_t len, uint16_t id)
{
	return any ? PREC_GONE : PREC_OK;
}

void lent_fence(void)
{
}

/* The table of lent memory as space.h promises it. */
static struct prec_span any_span(uint64_t address, uint64_t size,
				 uint32_t rights)
{
	return (struct prec_span){ any64, size, address, any32, rights };
}

enum prec_status prec_space_resolve(const struct prec_space *space,
				    uint64_t address, uint64_t size,
				    uint32_t rights, struct prec_span *span)
{
	if (any)
		return any ? PREC_RANGE : PREC_RIGHTS;
	*span = any_span(address, size, rights);
	return PREC_OK;
}

enum prec_status prec_space_piece(const struct prec_space *space,
				  uint64_t address, uint64_t size,
				  uint32_t rights, struct prec_span *span)
{
	uint64_t part = any64;

	if (any || part == 0 || part > size)
		return any ? PREC_RANGE : PREC_RIGHTS;
	*span = any_span(address, part, rights);
	return PREC_OK;
}

static struct virtq queue;
static struct prec_space space;
static struct virtq_request chain;

static void begin(uint32_t size, bool packed)
{
	queue = any_queue;
	space = any_space;
	queue.state = Frama_C_interval(VIRTQ_UNSET, VIRTQ_BROKEN);
	queue.size = size;
	queue.packed = packed;
	queue.event_index = any != 0;
	queue.avail_wrap = any != 0;
	queue.used_wrap = any != 0;
	queue.waiting = Frama_C_interval(0, size);
	if (!packed)
		return;
	queue.next_avail = Frama_C_interval(0, size - 1);
	queue.next_used = Frama_C_interval(0, size - 1);
	queue.notified = Frama_C_interval(0, 2 * size - 1);
}

static void serve(uint32_t size, bool packed)
{
	const struct vblk_device device = {
		.capacity = Frama_C_unsigned_long_long_interval(
			0, VBLK_CAPACITY_MAX),
		.read_only = any != 0,
		.discard = any != 0,
		.write_zeroes = any != 0,
	};
	struct vblk_request block;
	struct vblk_ranges ranges;
	struct vblk_done done;
	bool yes;

	begin(size, packed);
	if (vblk_next(&device, &queue, &space, &chain, &block, &ranges) ==
	    VIRTQ_TAKEN) {
		done.status = any ? PREC_OK : PREC_GONE;
		done.same_epoch = any != 0;
		done.moved = any64;
		if (vblk_complete(&queue, &space, &block, done, any != 0) ==
		    VBLK_HELD)
			(void)vring_complete(&queue, &space, block.head,
					     vblk_outcome(&block, done).used);
	}
	begin(size, packed);
	if (vring_should_notify(&queue, &space, &yes) == PREC_OK && yes)
		(void)vring_ask_for_kick(&queue, &space);
	(void)vring_base(&queue);
}

int main(void)
{
	serve(256, false);
	serve(100, true);
	return 0;
}
