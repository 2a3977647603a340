/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_LIBRARY_STEPPED_DRIVER_H
#define PRECARIUM_TESTS_LIBRARY_STEPPED_DRIVER_H

#include "losses.h"

#include <precarium/precarium.h>

/*
 * The stepped child: a driver with a region for each client, that looks at
 * itself after each operation.
 */
extern struct prec_region driver_regions[CLIENTS];

/* Lend the good client's region, and remember what the process is like.
 * `wrong`: room for 96 bytes, where the first complaint goes. */
void driver_prepare(char *wrong);
void driver_wrong(const char *what);

void driver_lend(unsigned int who, uint32_t options);
/* Unmap: nobody may be inside. */
void driver_take_down(unsigned int who);
/* The next transaction, on the memory of a client who kept his word. */
void driver_serve_good(void);
/* Descriptors, signal mask, health, faults passed on: as remembered. */
void driver_check(void);

#endif
