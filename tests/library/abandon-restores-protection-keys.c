// SPDX-License-Identifier: MIT
/*
 * Code that changes the rights of a protection key and is abandoned leaves them
 * as they were when its transaction began.
 */
#include "lender.h"

static struct lender lender;
static int key;

UNWATCHED
static void changes(struct prec_transaction *t, void *argument)
{
	const unsigned int *rights = argument;

	MUST(pkey_set(key, *rights) == 0);
	t->cursor = 1;
	(void)*bytes_of(&lender.region);
	t->cursor = 2;
}

UNWATCHED
static void changes_inside(struct prec_transaction *t, void *argument)
{
	struct prec_transaction inner;
	unsigned int none = PKEY_DISABLE_ACCESS;

	MUST(pkey_set(key, PKEY_DISABLE_WRITE) == 0);
	EXPECT(run_on(&lender.region, PREC_ABANDON, changes, &none, &inner) ==
	       PREC_GONE);
	EXPECT(pkey_get(key) == PKEY_DISABLE_WRITE);
	(void)argument;
	t->cursor = 3;
	(void)*bytes_of(&lender.region);
}

int main(void)
{
	const unsigned int rights[] = { 0, PKEY_DISABLE_ACCESS,
					PKEY_DISABLE_WRITE };
	struct prec_transaction t;
	unsigned int before, after;

	key = pkey_alloc(0, 0);
	if (key < 0)
		skip_all("this processor or system has no protection keys");
	lend(&lender, PAGE, PREC_READ);
	set_size(&lender, 0);
	for (before = 0; before < 3; before++)
		for (after = 0; after < 3; after++) {
			unsigned int to = rights[after];

			MUST(pkey_set(key, rights[before]) == 0);
			EXPECT(run_on(&lender.region, PREC_ABANDON, changes,
				      &to, &t) == PREC_GONE &&
			       t.cursor == 1);
			EXPECT(pkey_get(key) == (int)rights[before]);
		}
	MUST(pkey_set(key, 0) == 0);
	EXPECT(run_on(&lender.region, PREC_ABANDON, changes_inside, NULL, &t) ==
	       PREC_GONE);
	EXPECT(pkey_get(key) == 0 && t.cursor == 3);
	/* Where nothing is lost they are the code's own. */
	set_size(&lender, PAGE);
	before = PKEY_DISABLE_WRITE;
	EXPECT(run_on(&lender.region, PREC_ABANDON, changes, &before, &t) ==
	       PREC_OK);
	EXPECT(pkey_get(key) == PKEY_DISABLE_WRITE);
	end_lending(&lender);
	return expect_end();
}
