/* SPDX-License-Identifier: MIT */
/*
 * G11: a request may be as large as gigabytes, and all of it in the page cache,
 * from which the kernel copies while it takes the request.  A store goes
 * through it in small pieces, and others have their turn between them: one that
 * comes later and is small ends first, and the thread that works for all of
 * them is back in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/stores.h"
#include "tests/expect.h"

#define SMALL  4096u
#define PIECE  (4ull << 20) /* of memory, named again and again */
#define PIECES 16u
#define HUGE   (PIECES * PIECE)
/* A turn is to be a small part of it. */
#define TURNS_MIN 32u

static char path[200];

static struct store *open_image(void)
{
	const struct store_setting setting = { .key = "file", .text = path };
	struct store_options options = { .read_only = false };
	const char *folder = getenv("TMPDIR");
	static uint8_t bytes[1 << 20];
	struct store_error error;
	struct store *store;
	int fd;

	snprintf(path, sizeof(path), "%s/pieces.XXXXXX",
		 folder ? folder : "/tmp");
	fd = mkstemp(path);
	MUST(fd >= 0);
	/* Written, so that it is in the page cache. */
	for (uint64_t done = 0; done < HUGE + SMALL; done += sizeof(bytes)) {
		memset(bytes, (int)(done / sizeof(bytes)) + 1, sizeof(bytes));
		MUST(write(fd, bytes, sizeof(bytes)) == sizeof(bytes));
	}
	close(fd);
	store_options_set(&options, &setting);
	store = store_open(&options, &error);
	if (!store)
		printf("%s\n", error.text);
	MUST(store);
	return store;
}

static struct prec_span span_of(void *memory, uint64_t size)
{
	return (struct prec_span){
		.host = (uint64_t)(uintptr_t)memory,
		.size = size,
		.rights = PREC_READ | PREC_WRITE,
	};
}

static void wait_for(const struct store_lane *lane, enum store_left left)
{
	struct pollfd poller = { .fd = lane->fd, .events = POLLIN };

	if (left == STORE_NOTHING)
		poll(&poller, 1, 10000);
}

/* One huge transfer, then a small one: which ends first, after how many turns
 * in all? */
static void try(struct store_lane *lane, enum store_io_kind kind,
		uint8_t *memory)
{
	const struct store_ops *ops = lane->store->ops;
	struct prec_span spans[PIECES], one = span_of(memory + PIECE, SMALL);
	struct store_io huge = {
		.kind = kind, .size = HUGE, .spans = spans, .span_count = PIECES
	};
	struct store_io small = { .kind = kind,
				  .offset = HUGE,
				  .size = SMALL,
				  .spans = &one,
				  .span_count = 1 };
	struct store_io *first = NULL, *io;
	uint32_t turns = 0, ended = 0;

	for (uint32_t i = 0; i < PIECES; i++)
		spans[i] = span_of(memory, PIECE);
	MUST(ops->add(lane, &huge) && ops->add(lane, &small));
	while (ended < 2) {
		ops->start(lane);
		turns++;
		while ((io = ops->reap(lane))) {
			first = first ? first : io;
			EXPECT(io->result.status == PREC_OK);
			EXPECT(io->result.done == io->size);
			ended++;
		}
		/* Reaping may have left the rest of one to begin. */
		if (ended < 2)
			wait_for(lane, ops->start(lane));
	}
	printf("%s: %u turns, the %s one ended first\n",
	       kind == STORE_READ ? "read" : "write", turns,
	       first == &small ? "small" : "huge");
	EXPECT(first == &small);
	EXPECT(turns >= TURNS_MIN);
}

int main(void)
{
	struct store *store = open_image();
	uint8_t *memory = mmap(NULL, PIECE + SMALL, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct store_error error;
	struct store_lane *lane = store->ops->lane_open(store, &error);

	unlink(path);
	MUST(memory != MAP_FAILED);
	if (!lane) {
		printf("skipped: %s\n", error.text);
		return 77;
	}
	try(lane, STORE_READ, memory);
	/* The last pieces that were read. */
	EXPECT(memory[PIECE - 1] == (uint8_t)(HUGE >> 20));
	EXPECT(memory[PIECE] == (uint8_t)((HUGE >> 20) + 1));
	try(lane, STORE_WRITE, memory);
	store->ops->lane_close(lane);
	store_close(store);
	return expect_end();
}
