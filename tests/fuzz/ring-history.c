// SPDX-License-Identifier: MIT
/*
 * The contracts of the ring at run time, as in ring-properties.c or, for packed
 * ones, packed-properties.c, where each choice of the client is a byte of the
 * input: coverage finds the way to rare chains that drawing lots does not.
 */
#define CLAUSES_DRAW
#ifndef PROPERTIES
#define PROPERTIES "tests/virtio/ring-properties.c"
#endif
#include PROPERTIES

#include "fuzz.h"

static struct fuzz_bytes bytes;
static uint64_t draws;

/* A byte chooses one of 256 numbers that look drawn; others at each draw. */
static uint64_t draw(void)
{
	uint64_t x = ++draws << 8 | fuzz_byte(&bytes);

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

void fuzz_prepare(void)
{
}

void fuzz_one(const uint8_t *data, size_t size)
{
	bytes = (struct fuzz_bytes){ data, size };
	draws = 0;
	play();
}
