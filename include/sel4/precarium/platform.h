/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PLATFORM_H
#define PRECARIUM_PLATFORM_H

/* What is seL4's: lending, and the keeper that serves faults. */
#include <precarium/keeper.h>
#include <precarium/lending_sel4.h>

#endif
