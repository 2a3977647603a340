// SPDX-License-Identifier: MIT
/*
 * The inline functions of the headers are symbols of the library, too, for
 * languages that read no headers.  They are looked up by name here, as a
 * foreign function interface does, and report losses as the inline ones do.
 */
#include <dlfcn.h>

#include "lender.h"

#define SIZE (2 * PAGE)

static struct lender lender;
static void *library;

static void *symbol(const char *name)
{
	void *at = dlsym(library, name);

	if (!EXPECT(at != NULL))
		fprintf(stderr, "no symbol %s\n", name);
	return at;
}

#define TRY(bits)                                                              \
	do {                                                                   \
		enum prec_status (*load)(struct prec_span, uint64_t,           \
					 uint##bits##_t *);                    \
		enum prec_status (*store)(struct prec_span, uint64_t,          \
					  uint##bits##_t);                     \
		uint##bits##_t value = 0;                                      \
                                                                               \
		*(void **)&load = symbol("prec_load" #bits);                   \
		*(void **)&store = symbol("prec_store" #bits);                 \
		EXPECT(store(span, 8, 77) == PREC_OK);                         \
		EXPECT(load(span, 8, &value) == PREC_OK && value == 77);       \
		EXPECT(load(span, PAGE, &value) == PREC_GONE);                 \
		EXPECT(store(span, PAGE, 1) == PREC_GONE && value == 77);      \
		EXPECT(load(span, SIZE, &value) == PREC_RANGE);                \
	} while (0)

static void accessors(struct prec_span span)
{
	enum prec_status (*swap)(struct prec_span, uint64_t, uint64_t *,
				 uint64_t, bool *);
	enum prec_status (*or8)(struct prec_span, uint64_t, uint8_t);
	uint64_t expected = 77;
	bool swapped = false;

	TRY(8);
	TRY(16);
	TRY(32);
	TRY(64);
	*(void **)&swap = symbol("prec_compare_exchange64");
	*(void **)&or8 = symbol("prec_or8");
	EXPECT(swap(span, 8, &expected, 5, &swapped) == PREC_OK && swapped);
	EXPECT(swap(span, 8, &expected, 6, &swapped) == PREC_OK && !swapped &&
	       expected == 5);
	EXPECT(swap(span, PAGE, &expected, 6, &swapped) == PREC_GONE);
	EXPECT(or8(span, 8, 2) == PREC_OK && or8(span, PAGE, 2) == PREC_GONE);
}

static void others(void)
{
	void *(*lent)(const struct prec_region *);
	uint32_t (*version)(void);

	*(void **)&lent = symbol("prec_lent");
	*(void **)&version = symbol("prec_version");
	EXPECT(lent(&lender.region) ==
	       (void *)(uintptr_t)lender.region.span.host);
	EXPECT(version() == PREC_VERSION);
	symbol("prec_span_lent");
	symbol("prec_plain");
	symbol("prec_raw_fence");
	symbol("prec_raw_load_fence");
	symbol("prec_raw_pause");
}

int main(int argc, char **argv)
{
	MUST(argc == 2);
	library = dlopen(argv[1], RTLD_NOW);
	MUST(library);
	lend(&lender, SIZE, PREC_READ | PREC_WRITE);
	set_size(&lender, PAGE);
	accessors(lender.region.span);
	others();
	end_lending(&lender);
	return expect_end();
}
