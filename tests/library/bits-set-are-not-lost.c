/* SPDX-License-Identifier: MIT */
/*
 * prec_or8 is one step: of two threads that set and clear bits of one byte,
 * neither undoes what the other did.  It checks range and rights, and says
 * when the memory is gone.
 */
#include <pthread.h>

#include "lender.h"

/* Until they have met so often, or do not meet: on a busy machine they may take
 * turns. */
#define MEETINGS 20000
#define ROUNDS	 (UNDER_SANITIZER ? 1000000 : 20000000)

static struct lender lender;
static pthread_barrier_t both;

static void *flip(void *argument)
{
	uint8_t bit = *(const uint8_t *)argument;
	volatile unsigned char *byte = bytes_of(&lender.region);
	uint32_t met = 0;
	uint8_t found;

	pthread_barrier_wait(&both);
	for (int i = 0; i < ROUNDS && met < MEETINGS; i++) {
		MUST(prec_or8(lender.region.span, 0, bit) == PREC_OK);
		MUST(prec_load8(lender.region.span, 0, &found) == PREC_OK);
		if (!(found & bit)) {
			EXPECT(!"a bit that was set is not there");
			break;
		}
		met += found != bit;
		__atomic_and_fetch(byte, (unsigned char)~bit, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

int main(void)
{
	static const uint8_t bits[2] = { 1, 128 };
	pthread_t threads[2];
	struct prec_span span;
	uint8_t found = 0;

	pthread_barrier_init(&both, NULL, 2);
	lend(&lender, PAGE, PREC_READ | PREC_WRITE);
	for (int i = 0; i < 2; i++)
		MUST(pthread_create(&threads[i], NULL, flip,
				    (void *)(uintptr_t)&bits[i]) == 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	span = lender.region.span;
	EXPECT(prec_or8(span, PAGE - 1, 6) == PREC_OK);
	EXPECT(prec_or8(span, PAGE - 1, 1) == PREC_OK);
	EXPECT(prec_load8(span, PAGE - 1, &found) == PREC_OK && found == 7);
	EXPECT(prec_or8(span, PAGE, 1) == PREC_RANGE);
	span.rights = PREC_READ;
	EXPECT(prec_or8(span, 0, 1) == PREC_RIGHTS);
	span.rights = PREC_WRITE;
	EXPECT(prec_or8(span, 0, 1) == PREC_RIGHTS);
	set_size(&lender, 0);
	EXPECT(prec_or8(lender.region.span, 0, 1) == PREC_GONE);
	end_lending(&lender);
	return expect_end();
}
