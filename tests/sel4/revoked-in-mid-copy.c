// SPDX-License-Identifier: MIT
/* The client's thread revokes while the driver's copies. */
#include "scenario.h"

#define ROUNDS 100u
#define COPIES 100u

/*
 * The client comes to run when the driver's time is used up, as a rule in
 * mid-copy.  A kernel whose timer never fires leaves the driver the processor
 * for good: one with MCS measures its timer at the start, by polling, and where
 * the machine stands still meanwhile it takes it for another kind of timer.
 */
static void let_the_client_run(void)
{
	static uint32_t copies;

	if (++copies % COPIES == 0)
		seL4_Yield();
}

static void round_of(uint64_t page, uint64_t turns)
{
	struct prec_region region;
	struct prec_result got;
	uint64_t beyond = 0;

	lend_all(&region);
	client_ask(CLIENT_REVOKE_LATER, page, turns, 0);
	do {
		for (uint64_t i = 0; i < sizeof(buffer); i++)
			buffer[i] = 0xaa;
		got = prec_copy_in(buffer, region.span, 0, region.span.size);
		let_the_client_run();
	} while (got.status == PREC_OK);
	EXPECT_EQ(got.status, PREC_GONE);
	/* To the page, or into it; when it was beyond, the next copy ends
	 * there. */
	EXPECT(page * 4096 <= got.done && got.done < page * 4096 + 4096);
	EXPECT_EQ(buffer_wrong(0, got.done, 5), 0);
	for (uint64_t i = got.done; i < sizeof(buffer); i++)
		beyond += buffer[i] != 0xaa;
	EXPECT_EQ(beyond, 0);
	/* A revocation that has not come to its end takes what is lent next. */
	client_ask(CLIENT_PEEK, 0, 0, 0);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
}

void revoked_in_mid_copy(void)
{
	uint64_t turns = 1000;

	client_ask(CLIENT_FILL, 5, 0, 0);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		turns = 1000 + (turns * 1103515245 + 12345) % 200000;
		round_of(round * 7 % PAGES, turns);
	}
}
