/* SPDX-License-Identifier: MIT */
/*
 * G1: how much is read ahead of a client that reads in sequence is bounded by
 * what it has read, whatever the disk is set to, and is read by other threads
 * than the worker's.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "store/file/ahead.h"
#include "store/stores.h"
#include "tests/expect.h"

#define PAGE  4096u
#define SIZE  (64u << 20)
#define READS 64u

static struct ahead ahead;

/* Read `count` pieces in sequence.  Returns how far ahead was asked for. */
static uint64_t in_sequence(uint64_t offset, uint64_t piece, uint32_t count)
{
	uint64_t until = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct ahead_part part =
			ahead_of(&ahead, offset + i * piece, piece);

		if (!part.size)
			continue;
		EXPECT(part.offset == until || !until);
		EXPECT(part.offset >= offset + (i + 1) * piece);
		until = part.offset + part.size;
		EXPECT(until - (offset + (i + 1) * piece) <= (i + 1) * piece);
		EXPECT(until - (offset + (i + 1) * piece) <= AHEAD_MOST);
	}
	return until;
}

static void sequences(void)
{
	const uint64_t pieces[] = { 512, PAGE, 65536, 262144, 1000000 };

	for (uint32_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		memset(&ahead, 0, sizeof(ahead));
		EXPECT(in_sequence(1 << 30, pieces[i], 10000) >=
		       (1 << 30) + 10000 * pieces[i]);
	}
}

static void no_sequence(void)
{
	memset(&ahead, 0, sizeof(ahead));
	for (uint64_t i = 0; i < 1000; i++)
		EXPECT(ahead_of(&ahead, i * 7919 % 1000 * AHEAD_MOST, PAGE)
			       .size == 0);
}

/* As many as there are places, in turn; and requests out of their order. */
static void at_a_time(void)
{
	uint64_t asked = 0;

	memset(&ahead, 0, sizeof(ahead));
	for (uint64_t i = 0; i < 100; i++)
		for (uint64_t j = 0; j < AHEAD_STREAMS; j++)
			asked += ahead_of(&ahead, (j << 32) + i * PAGE, PAGE)
					 .size > 0;
	EXPECT(asked > AHEAD_STREAMS);
	memset(&ahead, 0, sizeof(ahead));
	asked = 0;
	for (uint64_t i = 0; i < 100; i++)
		asked += ahead_of(&ahead, (i ^ 1) * PAGE, PAGE).size > 0;
	EXPECT(asked > 1);
}

static void read_one(struct store_lane *lane, uint64_t offset, uint8_t *bytes)
{
	const struct store_ops *ops = lane->store->ops;
	struct prec_span span = {
		.host = (uint64_t)(uintptr_t)bytes,
		.size = PAGE,
	};
	struct store_io io = {
		.kind = STORE_READ,
		.offset = offset,
		.size = PAGE,
		.spans = &span,
		.span_count = 1,
	};
	struct pollfd answer = { .fd = lane->fd, .events = POLLIN };

	MUST(ops->add(lane, &io));
	ops->start(lane);
	while (!ops->reap(lane))
		MUST(poll(&answer, 1, 10000) == 1);
	EXPECT(io.result.status == PREC_OK && io.result.done == PAGE);
}

/* The end of what is in the page cache from the start on. */
static uint64_t cached(const uint8_t *mapped)
{
	static unsigned char pages[SIZE / PAGE];
	uint64_t count = 0;

	MUST(mincore((void *)(uintptr_t)mapped, SIZE, pages) == 0);
	while (count < SIZE / PAGE && pages[count] & 1)
		count++;
	return count * PAGE;
}

static void with_a_file(struct store *store, int fd)
{
	static uint8_t bytes[PAGE];
	struct store_error error;
	struct store_lane *lane = store->ops->lane_open(store, &error);
	const uint8_t *mapped = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

	MUST(lane && mapped != MAP_FAILED);
	for (uint64_t i = 0; i < READS; i++)
		read_one(lane, i * PAGE, bytes);
	/* Some of it is, and no more than was read. */
	for (int i = 0; cached(mapped) <= READS * PAGE && i < 1000; i++)
		poll(NULL, 0, 10);
	EXPECT(cached(mapped) > READS * PAGE);
	EXPECT(cached(mapped) <= 2 * READS * PAGE);
	store->ops->lane_close(lane);
}

static bool reads_ahead(int fd)
{
	struct statfs about;

	return fstatfs(fd, &about) == 0 &&
	       ((uint32_t)about.f_type == EXT4_SUPER_MAGIC ||
		(uint32_t)about.f_type == XFS_SUPER_MAGIC);
}

int main(void)
{
	char path[] = "read-ahead-XXXXXX";
	struct store_setting image = { .key = "file", .text = path };
	struct store_options options = { .read_only = true };
	struct store_error error;
	struct store *store = NULL;
	int fd = mkstemp(path);

	sequences();
	no_sequence();
	at_a_time();
	MUST(fd >= 0 && ftruncate(fd, SIZE) == 0);
	store_options_set(&options, &image);
	if (reads_ahead(fd))
		store = store_open(&options, &error);
	unlink(path);
	if (store)
		with_a_file(store, fd);
	else
		skip_part("a file", "none of ext4 or XFS here");
	if (store)
		store_close(store);
	return expect_end();
}
