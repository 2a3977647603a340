/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_MODULE_H
#define PRECARIUM_MODULE_H

/*
 * A program on seL4 is one static image, so there is one table of instructions
 * that may fault, and the keeper finds it by its symbols: nothing needs to be
 * registered, and no constructor needs to run.
 */
#include <precarium/fixup.h>

#endif
