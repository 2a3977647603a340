// SPDX-License-Identifier: MIT
#include "virtio/blk.h"

/* The last byte that the driver writes is the status, and no data. */
static bool place_status(struct virtq_request *c, struct prec_span *status)
{
	struct prec_span place;
	uint32_t last;

	if (c->count == c->readable)
		return false;
	last = c->count - 1;
	place = c->segment[last];
	place.host += place.size - 1;
	place.address += place.size - 1;
	place.size = 1;
	*status = place;
	if (c->segment[last].size == 1)
		c->count = last;
	else
		c->segment[last].size--;
	return true;
}

/* May these bytes be fetched, having been fetched by nobody before? */
static bool fetchable(const struct virtq *q, const struct virtq_request *c,
		      struct prec_span p)
{
	if (virtq_meets_rings(q, p))
		return false;
	return p.address + p.size <= c->table_address ||
	       c->table_address + c->table_size <= p.address;
}

/* Take `size` bytes off the front of segment i; true if nothing remains, and
 * then the segment is left as it was. */
static bool trim(struct virtq_request *c, uint32_t i, uint64_t size)
{
	if (c->segment[i].size == size)
		return true;
	c->segment[i].host += size;
	c->segment[i].address += size;
	c->segment[i].size -= size;
	return false;
}

/* As it comes from every client we know: the header in one segment. */
static enum virtq_answer whole_header(const struct virtq *q,
				      const struct prec_space *space,
				      struct virtq_request *c, uint32_t *first,
				      struct virtio_blk_req_header *header)
{
	struct prec_span p = c->segment[0];

	p.size = VIRTIO_BLK_HEADER_SIZE;
	if (!fetchable(q, c, p))
		return VIRTQ_MALFORMED;
	if (client_load_header(space, p, header))
		return VIRTQ_LOST;
	*first = trim(c, 0, VIRTIO_BLK_HEADER_SIZE) ? 1 : 0;
	return VIRTQ_TAKEN;
}

/* Does the span meet one of the first `count` segments? */
static bool meets_earlier(const struct virtq_request *c, uint32_t count,
			  struct prec_span p)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (p.address + p.size > c->segment[i].address &&
		    c->segment[i].address + c->segment[i].size > p.address)
			return true;
	return false;
}

static uint32_t number32(const uint8_t *bytes, uint32_t at)
{
	return bytes[at] | (uint32_t)bytes[at + 1] << 8 |
	       (uint32_t)bytes[at + 2] << 16 | (uint32_t)bytes[at + 3] << 24;
}

/* Cut into pieces, by the client or at a region's end.  Pieces that overlap
 * would be fetched twice, so that is no header. */
static enum virtq_answer split_header(const struct virtq *q,
				      const struct prec_space *space,
				      struct virtq_request *c, uint32_t *first,
				      struct virtio_blk_req_header *header)
{
	uint8_t bytes[VIRTIO_BLK_HEADER_SIZE];
	uint32_t have = 0;
	uint32_t i = 0;

	while (have < VIRTIO_BLK_HEADER_SIZE) {
		struct prec_span p;

		if (i >= c->readable)
			return VIRTQ_MALFORMED;
		p = c->segment[i];
		if (p.size > VIRTIO_BLK_HEADER_SIZE - have)
			p.size = VIRTIO_BLK_HEADER_SIZE - have;
		if (!fetchable(q, c, p) || meets_earlier(c, i, p))
			return VIRTQ_MALFORMED;
		if (client_load_bytes(space, p, (uint32_t)p.size, bytes, have))
			return VIRTQ_LOST;
		have += (uint32_t)p.size;
		if (have == VIRTIO_BLK_HEADER_SIZE && !trim(c, i, p.size))
			break;
		i++;
	}
	*first = i;
	header->type = number32(bytes, 0);
	header->reserved = number32(bytes, 4);
	header->sector = number32(bytes, 8) | (uint64_t)number32(bytes, 12)
						  << 32;
	return VIRTQ_TAKEN;
}

static uint64_t total(const struct virtq_request *c, uint32_t first,
		      uint32_t last)
{
	uint64_t bytes = 0;
	uint32_t i;

	for (i = first; i < last; i++)
		bytes += c->segment[i].size;
	return bytes;
}

static void answer_with(struct vblk_request *r, uint8_t status)
{
	r->op = VBLK_ANSWER;
	r->answer = status;
	r->first = 0;
	r->count = 0;
	r->offset = 0;
	r->bytes = 0;
}

/* 5.2.6.1: whole sectors, inside the device. */
static bool inside(const struct vblk_device *d, uint64_t sector, uint64_t bytes)
{
	return bytes % VIRTIO_BLK_SECTOR == 0 && sector <= d->capacity &&
	       bytes / VIRTIO_BLK_SECTOR <= d->capacity - sector;
}

static void decide_transfer(const struct vblk_device *d, struct vblk_request *r,
			    enum vblk_op op)
{
	if (r->bytes > VBLK_BYTES_MAX || !inside(d, r->sector, r->bytes)) {
		answer_with(r, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (r->bytes == 0) {
		answer_with(r, VIRTIO_BLK_S_OK);
		return;
	}
	r->op = op;
	r->offset = r->sector * VIRTIO_BLK_SECTOR;
}

/* r->first, r->count and r->bytes are the data on the side that the type uses;
 * `other` is how many segments of data lie on the side that it does not. */
static void decide(const struct vblk_device *d, struct vblk_request *r,
		   uint32_t other)
{
	switch (r->type) {
	case VIRTIO_BLK_T_IN:
		if (other != 0)
			break;
		decide_transfer(d, r, VBLK_READ);
		return;
	case VIRTIO_BLK_T_OUT:
		/* 5.2.6.2: a read-only device fails writes. */
		if (other != 0 || d->read_only)
			break;
		decide_transfer(d, r, VBLK_WRITE);
		return;
	case VIRTIO_BLK_T_FLUSH:
		if (other != 0 || r->count != 0)
			break;
		r->op = VBLK_FLUSH;
		return;
	case VIRTIO_BLK_T_GET_ID:
		if (other != 0 || r->bytes != VIRTIO_BLK_ID_BYTES)
			break;
		r->op = VBLK_IDENTIFY;
		return;
	default:
		answer_with(r, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	answer_with(r, VIRTIO_BLK_S_IOERR);
}

enum virtq_answer vblk_decode(const struct vblk_device *d,
			      const struct virtq *q,
			      const struct prec_space *space,
			      struct virtq_request *c, struct vblk_request *r)
{
	struct virtio_blk_req_header header;
	enum virtq_answer answer;
	uint32_t first;
	uint32_t other;

	if (c->readable == 0 || !place_status(c, &r->status))
		return VIRTQ_MALFORMED;
	if (c->segment[0].size >= VIRTIO_BLK_HEADER_SIZE)
		answer = whole_header(q, space, c, &first, &header);
	else
		answer = split_header(q, space, c, &first, &header);
	if (answer != VIRTQ_TAKEN)
		return answer;
	r->head = c->head;
	r->type = header.type;
	r->sector = header.sector;
	r->answer = VIRTIO_BLK_S_OK;
	r->offset = 0;
	if (header.type == VIRTIO_BLK_T_OUT) {
		r->first = first;
		r->count = c->readable - first;
		other = c->count - c->readable;
	} else {
		r->first = c->readable;
		r->count = c->count - c->readable;
		other = c->readable - first;
	}
	r->bytes = total(c, r->first, r->first + r->count);
	decide(d, r, other);
	return VIRTQ_TAKEN;
}

struct vblk_outcome vblk_outcome(const struct vblk_request *r,
				 enum prec_status did, uint64_t moved,
				 bool same_epoch)
{
	struct vblk_outcome out = { VIRTIO_BLK_S_IOERR, 1 };
	bool whole = moved == r->bytes && same_epoch;

	if (r->op == VBLK_ANSWER) {
		out.status = r->answer;
		return out;
	}
	if (did == PREC_OK && whole)
		out.status = VIRTIO_BLK_S_OK;
	if (r->op == VBLK_READ || r->op == VBLK_IDENTIFY) {
		if (whole)
			out.used = (uint32_t)r->bytes + 1;
		else if (same_epoch && moved < r->bytes)
			out.used = (uint32_t)moved;
		else
			out.used = 0;
	}
	return out;
}

enum prec_status vblk_store_status(const struct vblk_request *r,
				   const struct prec_space *space,
				   uint8_t status)
{
	return client_store8(space, r->status, 0, status);
}

void vblk_config(const struct vblk_device *d, struct virtio_blk_config *config)
{
	struct virtio_blk_config fill = { 0 };

	fill.capacity = d->capacity;
	fill.seg_max = VBLK_SEG_MAX;
	fill.blk_size = d->blk_size;
	fill.writeback = d->writeback;
	fill.num_queues = d->queues;
	*config = fill;
}
