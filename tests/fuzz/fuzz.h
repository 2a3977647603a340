/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_FUZZ_FUZZ_H
#define PRECARIUM_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/*
 * A fuzz target is these two functions.  With -Dfuzz=true they are driven by
 * libFuzzer; in every other build by a program that plays the files it is
 * given, so that what was found once is a test for good.
 */
void fuzz_prepare(void);
/* Aborts, or trips a sanitizer, if something is wrong. */
void fuzz_one(const uint8_t *data, size_t size);

/* What is left of an input; beyond its end there are zeroes. */
struct fuzz_bytes {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t fuzz_byte(struct fuzz_bytes *bytes)
{
	if (bytes->left == 0)
		return 0;
	bytes->left--;
	return *bytes->at++;
}

static inline uint64_t fuzz_bits(struct fuzz_bytes *bytes, unsigned int bits)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < bits; i += 8)
		value |= (uint64_t)fuzz_byte(bytes) << i;
	return value;
}

#endif
