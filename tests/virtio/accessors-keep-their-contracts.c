// SPDX-License-Identifier: MIT
/*
 * The accessors of lent_raw.h against the contracts of lent.h, over two pages
 * that come and go, with the edge between them at each offset of the access.
 * Of several stores, those before the first lost one are made, in their order,
 * and none after it; PREC_OK says that all were.  A load fetches its own bytes
 * and no other: one byte more would be lost.
 */
#include <sys/mman.h>

#include "virtio/lent.h"

#include "tests/library/lender.h"

#define INDEX 3u /* of what is accessed: descriptors, elements */
#define MOST  64u

static struct lender lender;
static unsigned char *pages; /* what the accessors get: they come and go */
static unsigned char *file;  /* the same pages, always there */
static unsigned char model[2 * PAGE];
static bool present[2];
static int nothing;
static const struct prec_space *const space;

static void show(unsigned int page, bool yes)
{
	present[page] = yes;
	MUST(mmap(pages + page * PAGE, PAGE, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_FIXED, yes ? lender.fd : nothing,
		  yes ? (off_t)(page * PAGE) : 0) == pages + page * PAGE);
}

/* Are all these bytes of the two pages there? */
static bool there(uint64_t at, uint64_t size)
{
	for (uint64_t i = at; i < at + size; i++)
		if (!present[i / PAGE])
			return false;
	return true;
}

static void fresh(void)
{
	for (unsigned int i = 0; i < sizeof(model); i++)
		model[i] = pattern(i);
	memcpy(file, model, sizeof(model));
}

/* A span so that entry INDEX of `unit` bytes each, after `first` others, lies
 * at `at` of the pages. */
static struct prec_span span_to(uint64_t at, uint64_t unit, uint64_t first)
{
	struct prec_span span = lender.region.span;

	span.host += at - INDEX * unit - first;
	return span;
}

static enum prec_status load16(struct prec_span span, unsigned char *out)
{
	uint16_t value = 0;
	enum prec_status status = lent_load16(space, span, INDEX, &value);

	memcpy(out, &value, sizeof(value));
	return status;
}

static enum prec_status load_desc(struct prec_span span, unsigned char *out)
{
	struct virtq_desc value = { 0 };
	enum prec_status status = lent_load_desc(space, span, INDEX, &value);

	memcpy(out, &value, sizeof(value));
	return status;
}

/* What begins with the span, cut where a region may end: after so many bytes,
 * and once more a byte later. */
static uint32_t cut;

static struct lent_pieces pieces_of(struct prec_span span)
{
	struct lent_pieces pieces = { 3, { span, span, span } };

	pieces.piece[0].size = cut;
	pieces.piece[1].host += cut;
	pieces.piece[1].size = 1;
	pieces.piece[2].host += cut + 1;
	return pieces;
}

static enum prec_status load_table(struct prec_span span, unsigned char *out)
{
	struct virtq_desc value[3] = { { 0 } };
	struct lent_pieces pieces = pieces_of(span);
	enum prec_status status = lent_load_table(space, &pieces, 3, value);

	memcpy(out, value, sizeof(value));
	return status;
}

static enum prec_status load_packed(struct prec_span span, unsigned char *out)
{
	struct pvirtq_desc value = { 0 };
	enum prec_status status = lent_load_packed(space, span, INDEX, &value);

	memcpy(out, &value, 14);
	return status;
}

static enum prec_status load_packed_table(struct prec_span span,
					  unsigned char *out)
{
	struct pvirtq_desc value[3] = { { 0 } };
	struct lent_pieces pieces = pieces_of(span);
	enum prec_status status =
		lent_load_packed_table(space, &pieces, 3, value);

	memcpy(out, value, sizeof(value));
	return status;
}

static enum prec_status load_header(struct prec_span span, unsigned char *out)
{
	struct virtio_blk_req_header value = { 0 };
	enum prec_status status = lent_load_header(space, span, &value);

	memcpy(out, &value, sizeof(value));
	return status;
}

static uint32_t byte_count;

/* To the end of the array; what lies before is kept. */
static enum prec_status load_bytes(struct prec_span span, unsigned char *out)
{
	struct {
		uint8_t bytes[LENT_BYTES_MAX];
		uint8_t after[8];
	} value;
	uint32_t at = LENT_BYTES_MAX - byte_count;
	enum prec_status status;

	memset(&value, 0, sizeof(value));
	status = lent_load_bytes(space, span, byte_count, value.bytes, at);
	for (uint32_t i = 0; i < at; i++)
		EXPECT(value.bytes[i] == 0);
	for (uint32_t i = 0; i < sizeof(value.after); i++)
		EXPECT(value.after[i] == 0);
	memcpy(out, value.bytes + at, byte_count);
	return status;
}

static const struct load {
	const char *name;
	uint32_t size;
	uint32_t unit; /* of the index; 0: from the start of the span */
	enum prec_status (*run)(struct prec_span span, unsigned char *out);
} loads[] = {
	{ "lent_load16", 2, 1, load16 },
	{ "lent_load_desc", 16, 16, load_desc },
	{ "lent_load_table", 48, 0, load_table },
	{ "lent_load_packed", 14, 16, load_packed },
	{ "lent_load_packed_table", 48, 0, load_packed_table },
	{ "lent_load_header", 16, 0, load_header },
	{ "lent_load_bytes", 1, 0, load_bytes },
	{ "lent_load_bytes", 7, 0, load_bytes },
	{ "lent_load_bytes", 16, 0, load_bytes },
};

static void try_load(const struct load *load, uint64_t at)
{
	unsigned char out[MOST];
	enum prec_status status;

	byte_count = load->size;
	status = load->run(span_to(at, load->unit, 0), out);
	if (!EXPECT(status == (there(at, load->size) ? PREC_OK : PREC_GONE)) ||
	    (status == PREC_OK &&
	     !EXPECT(memcmp(out, model + at, load->size) == 0)))
		fprintf(stderr, "%s, %d bytes before the edge, %d%d\n",
			load->name, (int)(PAGE - at), present[0], present[1]);
	EXPECT(memcmp(file, model, sizeof(model)) == 0);
}

#define ID  0xa1b2c3d4u
#define LEN 0x51627384u

static enum prec_status store8(struct prec_span span)
{
	return lent_store8(space, span, INDEX, (uint8_t)ID);
}

static enum prec_status store16(struct prec_span span)
{
	return lent_store16(space, span, INDEX, (uint16_t)ID);
}

static enum prec_status store_used(struct prec_span span)
{
	struct virtq_used_elem elem = { ID, LEN };

	return lent_store_used(space, span, INDEX, elem);
}

static enum prec_status store_packed(struct prec_span span)
{
	return lent_store_packed(space, span, INDEX, LEN, (uint16_t)ID);
}

/* The stores in their order, by where they are in what is accessed. */
static const struct store {
	const char *name;
	uint32_t size;
	uint32_t unit;
	uint32_t first;
	enum prec_status (*run)(struct prec_span span);
	struct {
		uint32_t at, size, value;
	} made[2];
} stores[] = {
	{ "lent_store8", 1, 1, 0, store8, { { 0, 1, ID } } },
	{ "lent_store16", 2, 1, 0, store16, { { 0, 2, ID } } },
	{ "lent_store_used",
	  8,
	  8,
	  4,
	  store_used,
	  { { 0, 4, ID }, { 4, 4, LEN } } },
	{ "lent_store_packed",
	  16,
	  16,
	  0,
	  store_packed,
	  { { 8, 4, LEN }, { 12, 2, ID } } },
};

static void try_store(const struct store *store, uint64_t at)
{
	enum prec_status wanted = PREC_OK;
	enum prec_status status;

	for (unsigned int i = 0; i < 2 && store->made[i].size; i++) {
		uint64_t to = at + store->made[i].at;

		if (!there(to, store->made[i].size)) {
			wanted = PREC_GONE;
			break;
		}
		memcpy(model + to, &store->made[i].value, store->made[i].size);
	}
	status = store->run(span_to(at, store->unit, store->first));
	if (!EXPECT(status == wanted) ||
	    !EXPECT(memcmp(file, model, sizeof(model)) == 0))
		fprintf(stderr, "%s, %d bytes before the edge, %d%d\n",
			store->name, (int)(PAGE - at), present[0], present[1]);
	fresh();
}

static void at_each_offset(void)
{
	for (unsigned int i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
		for (uint32_t k = 0; k <= loads[i].size; k++)
			for (cut = 1; cut <= 48; cut++)
				try_load(loads + i, PAGE - k);
	for (unsigned int i = 0; i < sizeof(stores) / sizeof(stores[0]); i++)
		for (uint32_t k = 0; k <= stores[i].size; k++)
			try_store(stores + i, PAGE - k);
}

int main(void)
{
	lend(&lender, 2 * PAGE, PREC_READ | PREC_WRITE);
	pages = (unsigned char *)(uintptr_t)lender.region.span.host;
	file = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    lender.fd, 0);
	MUST(file != MAP_FAILED);
	nothing = new_file(0, 0);
	fresh();
	for (unsigned int shown = 0; shown < 4; shown++) {
		show(0, shown & 1);
		show(1, shown & 2);
		at_each_offset();
	}
	show(0, true);
	show(1, true);
	close(nothing);
	munmap(file, 2 * PAGE);
	end_lending(&lender);
	return expect_end();
}
