/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_RANGE_H
#define PRECARIUM_STORE_RANGE_H

#include <stdbool.h>
#include <stdint.h>

/* Part of a store, to be discarded or to be made zeroes. */
struct store_range {
	uint64_t offset; /* bytes into the store */
	uint64_t size;	 /* bytes */
	bool unmap;	 /* zeroes: it need not be kept allocated */
};

#endif
