// SPDX-License-Identifier: MIT
/*
 * A program under a sanitizer that does not see into the library.  Usage:
 * sanitized-copies CASE; sanitizers-see-copies.sh knows what each comes to.
 */
#include "lender.h"

static struct lender lender;
static volatile int seen;

static void gives(size_t i, const char *what)
{
	if (what[i] == (char)pattern(i))
		seen++;
}

static void copies_in(size_t room, size_t size)
{
	char *bytes = malloc(room);
	size_t i;

	MUST(bytes &&
	     prec_copy_in(bytes, lender.region.span, 0, size).done == size);
	for (i = 0; i < size && i < room; i++)
		gives(i, bytes);
	free(bytes);
}

static void gathers(size_t room, size_t size)
{
	struct prec_span spans[2] = { lender.region.span, lender.region.span };
	char *bytes = malloc(room);
	size_t i;

	spans[0].size = size / 2;
	MUST(prec_span_part(lender.region.span, size / 2, size - size / 2,
			    &spans[1]) == PREC_OK);
	MUST(bytes && prec_gather(bytes, size, spans, 2).done == size);
	for (i = 0; i < size && i < room; i++)
		gives(i, bytes);
	free(bytes);
}

static void copies_out(size_t room, size_t size, size_t written)
{
	char *bytes = malloc(room);

	MUST(bytes);
	memset(bytes, 1, written);
	MUST(prec_copy_out(lender.region.span, 0, bytes, size).done == size);
	MUST(prec_scatter(&lender.region.span, 1, bytes, size).done == size);
	free(bytes);
}

static void scatters(size_t room, size_t size)
{
	char *bytes = calloc(1, room);

	MUST(bytes &&
	     prec_scatter(&lender.region.span, 1, bytes, size).done == size);
	free(bytes);
}

/* As far as the memory goes, and no further. */
static void half(void)
{
	char bytes[64];
	struct prec_result r;
	size_t i;

	set_size(&lender, PAGE);
	r = prec_copy_in(bytes, lender.region.span, PAGE - 20, 64);
	MUST(r.status == PREC_GONE && r.done == 20);
	for (i = 0; i < 20; i++)
		gives(i, bytes);
}

static void past_half(void)
{
	char bytes[64];

	set_size(&lender, PAGE);
	(void)!prec_copy_in(bytes, lender.region.span, PAGE - 20, 64).done;
	gives(20, bytes);
	if (seen)
		puts("seen");
}

static void loads(void)
{
	uint32_t value, expected = 0;
	bool swapped;

	MUST(prec_load32(lender.region.span, 0, &value) == PREC_OK);
	MUST(prec_compare_exchange32(lender.region.span, 64, &expected, 1,
				     &swapped) == PREC_OK);
	if (value == 1 || expected == 1 || swapped)
		puts("loaded");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	size_t size = 1000;

	lend_pattern(&lender, 2 * PAGE);
	if (strcmp(what, "fits") == 0) {
		copies_in(size, size);
		gathers(size, size);
		copies_out(size, size, size);
		scatters(size, size);
		loads();
		half();
	} else if (strcmp(what, "in") == 0) {
		copies_in(size - 1, size);
	} else if (strcmp(what, "gather") == 0) {
		gathers(size - 1, size);
	} else if (strcmp(what, "out") == 0) {
		copies_out(size - 1, size, size - 1);
	} else if (strcmp(what, "scatter") == 0) {
		scatters(size - 1, size);
	} else if (strcmp(what, "leak") == 0) {
		copies_out(size, size, size - 1);
	} else if (strcmp(what, "past") == 0) {
		past_half();
	}
	end_lending(&lender);
	return 0;
}
