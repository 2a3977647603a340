// SPDX-License-Identifier: MIT
/*
 * operation x kind of loss x position, for code outside transactions: loads,
 * stores, compare-and-swap of each width, and copies.  What is there is read
 * and written; what is not is PREC_GONE, moves the epoch, and leaves the
 * driver's own variables as they were.
 */
#include "loss-table.h"

#define UNTOUCHED 0x5a

static uint64_t model_at(const struct scene *scene, uint64_t at, uint32_t width)
{
	uint64_t value = 0;

	memcpy(&value, scene->model + at, width);
	return value;
}

static enum prec_status load(struct prec_span span, uint64_t at, uint32_t width,
			     uint64_t *value)
{
	enum prec_status status;
	uint16_t v16 = 0;
	uint32_t v32 = 0;
	uint8_t v8 = 0;

	switch (width) {
	case 1:
		status = prec_load8(span, at, &v8);
		*value = status ? *value : v8;
		return status;
	case 2:
		status = prec_load16(span, at, &v16);
		*value = status ? *value : v16;
		return status;
	case 4:
		status = prec_load32(span, at, &v32);
		*value = status ? *value : v32;
		return status;
	default:
		return prec_load64(span, at, value);
	}
}

static enum prec_status store(struct prec_span span, uint64_t at,
			      uint32_t width, uint64_t value)
{
	switch (width) {
	case 1:
		return prec_store8(span, at, (uint8_t)value);
	case 2:
		return prec_store16(span, at, (uint16_t)value);
	case 4:
		return prec_store32(span, at, (uint32_t)value);
	default:
		return prec_store64(span, at, value);
	}
}

static enum prec_status swap(struct prec_span span, uint64_t at, uint32_t width,
			     uint64_t *expected, uint64_t desired)
{
	uint32_t expected32 = (uint32_t)*expected;
	uint64_t wanted = *expected;
	enum prec_status status;
	bool swapped = false;

	if (width == 8) {
		status = prec_compare_exchange64(span, at, expected, desired,
						 &swapped);
	} else {
		status = prec_compare_exchange32(span, at, &expected32,
						 (uint32_t)desired, &swapped);
		wanted = (uint32_t)wanted;
		*expected = expected32;
	}
	EXPECT(swapped == (status == PREC_OK && *expected == wanted));
	return status;
}

static void try_load(struct scene *scene, uint64_t at, uint32_t width)
{
	bool there = at + width <= scene->edge;
	uint64_t value = UNTOUCHED;

	EXPECT(load(scene->lender.region.span, at, width, &value) ==
	       (there ? PREC_OK : PREC_GONE));
	EXPECT(value == (there ? model_at(scene, at, width) : UNTOUCHED));
}

static void try_store(struct scene *scene, uint64_t at, uint32_t width)
{
	uint64_t value = 0x8192a3b4c5d6e7f8ull + at;

	if (at + width > scene->edge) {
		EXPECT(store(scene->lender.region.span, at, width, value) ==
		       PREC_GONE);
		return;
	}
	EXPECT(store(scene->lender.region.span, at, width, value) == PREC_OK);
	memcpy(scene->model + at, &value, width);
	try_load(scene, at, width);
}

static void try_swap(struct scene *scene, uint64_t at, uint32_t width)
{
	struct prec_span span = scene->lender.region.span;
	uint64_t right, wrong, was;

	if (width < 4)
		return;
	wrong = UNTOUCHED;
	if (at + width > scene->edge) {
		EXPECT(swap(span, at, width, &wrong, 1) == PREC_GONE);
		EXPECT(wrong == UNTOUCHED);
		return;
	}
	was = model_at(scene, at, width);
	right = was;
	if (was != UNTOUCHED) {
		EXPECT(swap(span, at, width, &wrong, 1) == PREC_OK);
		EXPECT(wrong == was);
	}
	EXPECT(swap(span, at, width, &right, 0x77665544) == PREC_OK);
	EXPECT(right == was);
	was = 0x77665544;
	memcpy(scene->model + at, &was, width);
	try_load(scene, at, width);
}

static void try_copies(struct scene *scene, uint64_t at, uint64_t size)
{
	struct prec_span span = scene->lender.region.span;
	static unsigned char bytes[SPACE], mine[SPACE];
	uint64_t done = at >= scene->edge ? 0 : scene->edge - at;
	struct prec_result r;
	uint64_t i;

	if (size > SPACE - at)
		return;
	if (done > size)
		done = size;
	memset(bytes, UNTOUCHED, sizeof(bytes));
	r = prec_copy_in(bytes, span, at, size);
	EXPECT(r.done == done &&
	       r.status == (done < size ? PREC_GONE : PREC_OK));
	EXPECT(memcmp(bytes, scene->model + at, done) == 0);
	for (i = done; i < size; i++)
		if (bytes[i] != UNTOUCHED)
			break;
	EXPECT(i == size);
	for (i = 0; i < size; i++)
		mine[i] = (unsigned char)(at + i * 3);
	r = prec_copy_out(span, at, mine, size);
	EXPECT(r.done == done &&
	       r.status == (done < size ? PREC_GONE : PREC_OK));
	memcpy(scene->model + at, mine, done);
	r = prec_fill(span, at, 0xee, size / 2);
	EXPECT(r.done == (done < size / 2 ? done : size / 2));
	memset(scene->model + at, 0xee, r.done);
}

static void at_each_position(struct scene *scene)
{
	const uint64_t places[] = { 0,		PAGE,
				    2 * PAGE,	2 * PAGE + 96,
				    3 * PAGE,	SPACE / 2 + 1024,
				    SPACE - 96, SPACE };
	const uint64_t sizes[] = { 1, 8, 100, 255, 1024, 5000 };
	uint32_t width;
	size_t i, k;
	int step;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		for (step = -1; step <= 1; step++) {
			for (width = 1; width <= 8; width *= 2) {
				uint64_t at =
					places[i] + (uint64_t)step * width;

				if (at > SPACE - width)
					continue;
				try_load(scene, at, width);
				try_store(scene, at, width);
				try_swap(scene, at, width);
			}
			for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
				if (places[i] + (uint64_t)step < SPACE)
					try_copies(scene,
						   places[i] + (uint64_t)step,
						   sizes[k]);
		}
}

int main(void)
{
	struct scene scene;
	enum loss loss;

	for (loss = NOTHING; loss < LOSSES; loss++) {
		uint64_t epoch;

		scene_begin(&scene);
		epoch = prec_region_epoch(&scene.lender.region);
		scene_lose(&scene, loss);
		at_each_position(&scene);
		EXPECT((prec_region_epoch(&scene.lender.region) != epoch) ==
		       (scene.edge < SPACE));
		EXPECT(prec_region_check(&scene.lender.region) ==
		       (scene.edge < SPACE || loss == CUT_IN_LAST_PAGE
				? PREC_GONE
				: PREC_OK));
		EXPECT(prec_region_revoked(&scene.lender.region) ==
		       (loss == REVOKED));
		printf("%s: %lu points so far\n", loss_name[loss],
		       points_tried);
		scene_end(&scene);
	}
	return expect_end();
}
