/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PLATFORM_H
#define PRECARIUM_PLATFORM_H

/* What is Linux's: lending, signals, system calls, what a client may cost. */
#include <precarium/budget.h>
#include <precarium/io_linux.h>
#include <precarium/lending_linux.h>
#include <precarium/signals_linux.h>

#endif
