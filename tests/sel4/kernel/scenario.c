// SPDX-License-Identifier: MIT
/* The scenario as the root task of a kernel: all parts. */
#include "points.h"

#include "examples/sel4/root.h"
#include "tests/sel4/scenario.h"

#include <stddef.h>

void root_task(void)
{
	points_set_up();
	scenario(NULL);
}
