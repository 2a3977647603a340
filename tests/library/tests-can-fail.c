// SPDX-License-Identifier: MIT
/* The tests are tested: this one must fail, and the runner must see it. */
#include "tests/expect.h"

int main(void)
{
	EXPECT(1 + 1 == 3);
	return expect_end();
}
