// SPDX-License-Identifier: MIT
/* A client that deletes its original has taken nothing back; whoever owns the
 * Untyped memory can. */
#include "scenario.h"
#include "examples/sel4/system.h"

void what_is_deleted_stays(void)
{
	struct prec_region region;
	enum prec_refusal why;

	client_ask(CLIENT_FILL, 6, 0, 0);
	receive_frames(0, PAGES, true);
	EXPECT_EQ(lend(&region, 0, PAGES, PREC_READ, &why), PREC_OK);
	client_ask(CLIENT_DELETE, PAGES - 1, 0, 0);
	EXPECT_EQ(prec_copy_in(buffer, region.span, 0, region.span.size).status,
		  PREC_OK);
	EXPECT_EQ(buffer_wrong(0, region.span.size, 6), 0);
	EXPECT_EQ(seL4_CNode_Revoke(ROOT, client_untyped, DEPTH), 0);
	EXPECT_EQ(prec_copy_in(buffer, region.span, 0, region.span.size).done,
		  0);
	EXPECT_EQ(prec_region_check(&region), PREC_GONE);
	EXPECT_EQ(prec_region_unmap(&region), PREC_OK);
}
