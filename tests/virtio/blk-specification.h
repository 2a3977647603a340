/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_VIRTIO_BLK_SPECIFICATION_H
#define PRECARIUM_TESTS_VIRTIO_BLK_SPECIFICATION_H

/*
 * What a block request asks for and how it is answered: the table of blk.h in
 * C, by the same names, over what the adversary said.
 */
#include "ring-specification.h"

static inline uint64_t bytes_before(const struct virtq_request *c, uint32_t i)
{
	return span_total(c, 0, i);
}

static inline int64_t bytes_in(const struct virtq_request *c)
{
	return (int64_t)bytes_before(c, c->readable) - VIRTIO_BLK_HEADER_SIZE;
}

static inline int64_t bytes_out(const struct virtq_request *c)
{
	return (int64_t)span_total(c, c->readable, c->count) - 1;
}

static inline bool piece_apart(const struct virtq *q,
			       const struct virtq_request *c, uint32_t i,
			       uint64_t size)
{
	uint64_t at = c->segment[i].address;

	for (uint32_t j = 0; j < i; j++)
		if (!apart(at, size, c->segment[j].address, c->segment[j].size))
			return false;
	return apart(at, size, q->desc.address, q->desc.size) &&
	       apart(at, size, q->avail.address, q->avail.size) &&
	       apart(at, size, q->used.address, q->used.size) &&
	       apart(at, size, c->table_address, c->table_size);
}

static inline bool laid_out(const struct virtq *q,
			    const struct virtq_request *c, uint64_t n)
{
	uint64_t before = 0;

	for (uint32_t i = 0; i < c->readable && before < n; i++) {
		uint64_t size = c->segment[i].size;

		if (!piece_apart(q, c, i,
				 size < n - before ? size : n - before))
			return false;
		before += size;
	}
	return n <= before;
}

static inline bool sectors_inside(const struct vblk_device *d, uint64_t sector,
				  uint64_t bytes)
{
	return bytes % VIRTIO_BLK_SECTOR == 0 && sector <= d->capacity &&
	       bytes / VIRTIO_BLK_SECTOR <= d->capacity - sector;
}

static inline bool of_range_type(const struct vblk_request *r)
{
	return r->type == VIRTIO_BLK_T_DISCARD ||
	       r->type == VIRTIO_BLK_T_WRITE_ZEROES;
}

static inline uint8_t ok_if(bool good)
{
	return good ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

static inline uint8_t refusal(const struct vblk_device *d, uint32_t type,
			      uint64_t sector, uint64_t in, uint64_t out)
{
	switch (type) {
	case VIRTIO_BLK_T_IN:
		return ok_if(in == 0 && out <= VBLK_BYTES_MAX &&
			     sectors_inside(d, sector, out));
	case VIRTIO_BLK_T_OUT:
		return ok_if(out == 0 && in <= VBLK_BYTES_MAX &&
			     sectors_inside(d, sector, in) && !d->read_only);
	case VIRTIO_BLK_T_FLUSH:
		return ok_if(in == 0 && out == 0);
	case VIRTIO_BLK_T_GET_ID:
		return ok_if(in == 0 && out <= VBLK_ID_MAX);
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		if (out != 0 || in == 0 || in % VIRTIO_BLK_RANGE_SIZE != 0 ||
		    in > VBLK_RANGES_MAX * VIRTIO_BLK_RANGE_SIZE ||
		    d->read_only)
			return VIRTIO_BLK_S_IOERR;
		if (type == VIRTIO_BLK_T_DISCARD ? d->discard : d->write_zeroes)
			return VIRTIO_BLK_S_OK;
		return VIRTIO_BLK_S_UNSUPP;
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

static inline enum vblk_op op_of_type(uint32_t type)
{
	switch (type) {
	case VIRTIO_BLK_T_IN:
		return VBLK_READ;
	case VIRTIO_BLK_T_OUT:
		return VBLK_WRITE;
	case VIRTIO_BLK_T_FLUSH:
		return VBLK_FLUSH;
	case VIRTIO_BLK_T_GET_ID:
		return VBLK_IDENTIFY;
	case VIRTIO_BLK_T_DISCARD:
		return VBLK_DISCARD;
	default:
		return VBLK_ZEROES;
	}
}

static inline bool answered(const struct vblk_request *r, uint8_t status)
{
	return r->op == VBLK_ANSWER && r->answer == status;
}

static inline bool failed(const struct vblk_request *r)
{
	return answered(r, VIRTIO_BLK_S_IOERR);
}

/* The answer to the ranges that were said; *bytes: how much they name. */
static inline uint8_t range_answer(const struct vblk_device *d,
				   const struct vblk_request *r, uint64_t n,
				   uint64_t *bytes)
{
	uint32_t known = r->type == VIRTIO_BLK_T_WRITE_ZEROES;
	uint8_t answer = VIRTIO_BLK_S_OK;

	*bytes = 0;
	for (uint64_t i = 0; i < n; i++) {
		const uint8_t *at = rest_said + VIRTIO_BLK_RANGE_SIZE * i;
		uint32_t sectors, flags;
		uint64_t sector;

		memcpy(&sector, at, 8);
		memcpy(&sectors, at + 8, 4);
		memcpy(&flags, at + 12, 4);
		if (flags > known)
			return VIRTIO_BLK_S_UNSUPP;
		*bytes += sectors * (uint64_t)VIRTIO_BLK_SECTOR;
		if (sectors > VBLK_RANGE_SECTORS_MAX ||
		    !sectors_inside(d, sector,
				    sectors * (uint64_t)VIRTIO_BLK_SECTOR))
			answer = VIRTIO_BLK_S_IOERR;
	}
	return answer;
}

static inline bool by_ranges(const struct vblk_device *d,
			     const struct vblk_request *r,
			     const struct vblk_ranges *w, uint64_t n)
{
	uint64_t bytes;
	uint8_t answer = range_answer(d, r, n, &bytes);

	if (answer != VIRTIO_BLK_S_OK)
		return answered(r, answer);
	if (w->count != n || !ranges_said(w) || r->bytes != bytes)
		return false;
	return bytes > 0 ? r->op == op_of_type(r->type)
			 : answered(r, VIRTIO_BLK_S_OK);
}

/* The decision is the one of the table. */
static inline bool by_table(const struct vblk_device *d,
			    const struct vblk_request *r,
			    const struct vblk_ranges *w, uint64_t in,
			    uint64_t out)
{
	uint8_t refused = refusal(d, r->type, r->sector, in, out);

	if (refused != VIRTIO_BLK_S_OK)
		return answered(r, refused);
	if (of_range_type(r))
		return by_ranges(d, r, w, in / VIRTIO_BLK_RANGE_SIZE);
	if (in + out == 0 && r->type != VIRTIO_BLK_T_FLUSH)
		return answered(r, VIRTIO_BLK_S_OK);
	return r->op == op_of_type(r->type);
}

static inline bool span_cut(const struct prec_span *old,
			    const struct prec_span *p, uint64_t front,
			    uint64_t back)
{
	return p->host == old->host + front &&
	       p->address == old->address + front &&
	       p->size == old->size - front - back && p->index == old->index &&
	       p->rights == old->rights;
}

/* The data are what the device reads after the header ... */
static inline bool data_in(const struct virtq_request *old,
			   const struct virtq_request *c,
			   const struct vblk_request *r)
{
	uint64_t cut = VIRTIO_BLK_HEADER_SIZE - bytes_before(old, r->first);

	if (r->first + r->count != old->readable ||
	    (r->count > 0 && cut >= old->segment[r->first].size))
		return false;
	for (uint32_t i = r->first; i < old->readable; i++)
		if (!span_cut(&old->segment[i], &c->segment[i],
			      i == r->first ? cut : 0, 0))
			return false;
	return true;
}

/* ... or what it writes before the status. */
static inline bool data_out(const struct virtq_request *old,
			    const struct virtq_request *c,
			    const struct vblk_request *r)
{
	uint32_t last = old->count - 1;

	if (r->first != old->readable ||
	    r->first + r->count !=
		    old->count - (old->segment[last].size == 1 ? 1 : 0))
		return false;
	for (uint32_t i = r->first; i < r->first + r->count; i++)
		if (!span_cut(&old->segment[i], &c->segment[i], 0,
			      i == last ? 1 : 0))
			return false;
	return true;
}

/* Whatever was fetched from `from` on was there. */
static inline bool fetched_there(int from)
{
	for (int m = from; m < fetch_count; m++)
		if (fetch_gone[m])
			return false;
	return true;
}

#endif
