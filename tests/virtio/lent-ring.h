/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_VIRTIO_LENT_RING_H
#define PRECARIUM_TESTS_VIRTIO_LENT_RING_H

/*
 * What tests of the rings have in common: memory that a client lent in every
 * way, a queue in it, and what became of a request.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/blk_complete.h"

#define BASE   0x100000ull
#define HALF   0x20000ull
#define HIGH   (BASE + HALF) /* a second region, touching the first */
#define LENT   0x400000ull   /* lent for reading only */
#define DROP   0x500000ull   /* lent for writing only */
#define SKEW   0x600008ull   /* aligned here, not there */
#define BENT   0x700000ull   /* aligned there, not here */
#define LONG   0x10000000ull /* room for what is longest */
#define LENGTH 0x100000ull
#define TINY   0x800000ull /* regions of a descriptor each, touching */
#define TINIES 24u
#define TABLE  (BASE + 0x3000)
#define HEADER (BASE + 0x4000)
#define DATA   (BASE + 0x5000)
#define STATUS (BASE + 0x4100)

static struct prec_space space;
static struct virtq queue;
static struct virtq_request chain;
static struct vblk_request block;
static struct vblk_ranges ranges;
static struct vblk_device device = { .capacity = 1000, .blk_size = 512 };
static unsigned char *low, *high, *lent, *room, *tiny;
static unsigned int failures;

#define CHECK(what, want)                                                      \
	check(__LINE__, #what, (unsigned long long)(what),                     \
	      (unsigned long long)(want))

static void check(int line, const char *what, unsigned long long is,
		  unsigned long long want)
{
	if (is == want)
		return;
	printf("line %d: %s is %llu, not %llu\n", line, what, is, want);
	failures++;
}

static void *at(uint64_t address)
{
	if (address >= LONG)
		return room + (address - LONG);
	if (address >= TINY)
		return tiny + (address - TINY);
	if (address >= HIGH)
		return high + (address - HIGH);
	return low + (address - BASE);
}

/* Also where two regions touch. */
static void put(uint64_t address, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		memcpy(at(address + i), (const char *)bytes + i, 1);
}

static void put16(uint64_t address, uint16_t value)
{
	memcpy(at(address), &value, sizeof(value));
}

static uint16_t get16(uint64_t address)
{
	uint16_t value;

	memcpy(&value, at(address), sizeof(value));
	return value;
}

static void header(uint32_t type, uint64_t sector)
{
	struct virtio_blk_req_header h = { type, 0, sector };

	memcpy(at(HEADER), &h, sizeof(h));
}

static enum virtq_answer decode(void)
{
	return vblk_decode(&device, &queue, &space, &chain, &block, &ranges);
}

/* The last byte of the chain is there, and says that it failed. */
#define FAILS_AT(place)                                                        \
	do {                                                                   \
		block.gone = true;                                             \
		CHECK(decode(), VIRTQ_TAKEN);                                  \
		CHECK(block.op, VBLK_ANSWER);                                  \
		CHECK(block.answer, VIRTIO_BLK_S_IOERR);                       \
		CHECK(block.gone, false);                                      \
		CHECK(block.status.address, place);                            \
		CHECK(block.status.host, (uintptr_t)at(place));                \
		CHECK(block.status.size, 1);                                   \
	} while (0)

static void lend(void)
{
	low = aligned_alloc(4096, HALF);
	high = aligned_alloc(4096, HALF);
	lent = aligned_alloc(4096, 4096);
	room = aligned_alloc(4096, LENGTH);
	tiny = aligned_alloc(4096, 4096);
	CHECK(prec_space_add(&space, BASE, HALF, (uintptr_t)low, 3, 0),
	      PREC_OK);
	CHECK(prec_space_add(&space, HIGH, HALF, (uintptr_t)high, 3, 1),
	      PREC_OK);
	CHECK(prec_space_add(&space, LENT, 4096, (uintptr_t)lent, PREC_READ, 2),
	      PREC_OK);
	CHECK(prec_space_add(&space, DROP, 256, (uintptr_t)lent, PREC_WRITE, 3),
	      PREC_OK);
	CHECK(prec_space_add(&space, SKEW, 256, (uintptr_t)lent, 3, 4),
	      PREC_OK);
	CHECK(prec_space_add(&space, BENT, 256, (uintptr_t)lent + 8, 3, 5),
	      PREC_OK);
	CHECK(prec_space_add(&space, LONG, LENGTH, (uintptr_t)room, 3, 6),
	      PREC_OK);
	for (uint32_t i = 0; i < TINIES; i++)
		CHECK(prec_space_add(&space, TINY + 16ull * i, 16,
				     (uintptr_t)tiny + 16ull * i, PREC_READ,
				     7 + i),
		      PREC_OK);
}

static int end(void)
{
	free(low);
	free(high);
	free(lent);
	free(room);
	free(tiny);
	if (failures)
		printf("%u wrong\n", failures);
	return failures != 0;
}

#endif
