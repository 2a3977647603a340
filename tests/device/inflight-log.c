/* SPDX-License-Identifier: MIT */
/*
 * G3, G10: the log of requests in flight says after each store what the
 * specification of vhost-user wants it to say, and whatever stands in it, what
 * is read from it is a list of heads of the ring, each once.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/library/lender.h"
#include "device/inflight_split.h"

#define ENTRIES 16u

/* As on the wire, written down a second time. */
struct state {
	uint8_t in_flight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct log {
	uint64_t features;
	uint16_t version;
	uint16_t entries;
	uint16_t last_batch_head;
	uint16_t used_index;
	struct state states[ENTRIES];
};

static struct lender lender;
static struct log *shared; /* the client's own view */

static struct prec_span part(void)
{
	struct prec_span span;

	MUST(prec_span_part(lender.region.span, 0,
			    inflight_offset(false, 1, ENTRIES),
			    &span) == PREC_OK);
	return span;
}

/* A server that takes over finds exactly these, in this order. */
static void expect_left(uint16_t used, const char *heads)
{
	static struct inflight_queue next;
	struct log before = *shared;
	uint32_t taken, count = 0;
	bool recovered;
	uint16_t head;

	inflight_use(&next, part());
	EXPECT(inflight_split_read(&next, ENTRIES, used, &recovered, &taken) ==
	       PREC_OK);
	EXPECT(recovered && taken == strlen(heads));
	while (inflight_split_next(&next, &head) && count < taken)
		EXPECT(head == (uint16_t)(heads[count++] - 'a'));
	EXPECT(count == taken);
	EXPECT(shared->used_index == used);
	/* And so does the one after it, if that one dies at once. */
	inflight_use(&next, part());
	EXPECT(inflight_split_read(&next, ENTRIES, used, &recovered, &taken) ==
		       PREC_OK &&
	       taken == strlen(heads));
	*shared = before;
}

static void each_store(uint16_t used)
{
	static struct inflight_queue log;
	uint32_t taken;
	bool recovered;

	memset(shared, 0, sizeof(*shared));
	shared->states[3].in_flight = 1; /* of no version: it does not count */
	inflight_use(&log, part());
	EXPECT(inflight_split_read(&log, ENTRIES, used, &recovered, &taken) ==
	       PREC_OK);
	EXPECT(!recovered && taken == 0 && shared->version == 1 &&
	       shared->entries == ENTRIES);
	expect_left(used, "");
	inflight_split_taken(&log, 'd' - 'a');
	expect_left(used, "d");
	inflight_split_taken(&log, 'b' - 'a');
	inflight_split_taken(&log, 'p' - 'a');
	expect_left(used, "dbp");
	inflight_split_completing(&log, 'b' - 'a');
	expect_left(used, "dbp");
	expect_left((uint16_t)(used + 1), "dp"); /* published, and killed */
	inflight_split_completed(&log, 'b' - 'a', (uint16_t)(used + 1));
	expect_left((uint16_t)(used + 1), "dp");
	inflight_split_completing(&log, 'p' - 'a');
	expect_left((uint16_t)(used + 2), "d");
	inflight_split_completed(&log, 'p' - 'a', (uint16_t)(used + 2));
	inflight_split_taken(&log, 'b' - 'a');
	expect_left((uint16_t)(used + 2), "db");
	EXPECT(shared->states[1].counter > shared->states[3].counter);
	EXPECT(!log.lost);
}

/* Other back-ends publish several at once. */
static void a_batch(void)
{
	memset(shared, 0, sizeof(*shared));
	shared->version = 1;
	shared->used_index = 65534;
	for (uint16_t i = 0; i < 5; i++)
		shared->states[i] = (struct state){ .in_flight = 1,
						    .next = (uint16_t)(i - 1),
						    .counter = 100u - i };
	shared->last_batch_head = 2;
	expect_left(1, "ed");
	expect_left(65535, "edba");
}

/* What is read of any bytes at all: heads, each once. */
static void any_bytes(void)
{
	static struct inflight_queue log;
	uint64_t random = 88172645463325252ull;

	for (int round = 0; round < 20000; round++) {
		bool seen[ENTRIES] = { false };
		uint32_t taken, count = 0;
		bool recovered;
		uint16_t head;

		for (size_t i = 0; i < sizeof(*shared); i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			((uint8_t *)shared)[i] =
				round % 2 ? (uint8_t)random : random & 1;
		}
		inflight_use(&log, part());
		MUST(inflight_split_read(&log, ENTRIES, (uint16_t)(random >> 9),
					 &recovered, &taken) == PREC_OK);
		while (inflight_split_next(&log, &head)) {
			MUST(head < ENTRIES && !seen[head]);
			seen[head] = true;
			count++;
		}
		MUST(count == taken && (recovered || count == 0));
		inflight_split_taken(&log, 7);
		inflight_split_completing(&log, 7);
		inflight_split_completed(&log, 7, 1);
	}
	EXPECT(!log.lost);
}

/* Taken away: said once, and not touched again. */
static void gone(void)
{
	static struct inflight_queue log;
	bool recovered;
	uint32_t taken;

	memset(shared, 0, sizeof(*shared));
	inflight_use(&log, part());
	EXPECT(inflight_split_read(&log, 2 * ENTRIES, 0, &recovered, &taken) ==
	       PREC_RANGE);
	EXPECT(inflight_split_read(&log, ENTRIES, 0, &recovered, &taken) ==
	       PREC_OK);
	inflight_split_taken(&log, 1);
	munmap(shared, PAGE);
	set_size(&lender, 0);
	inflight_split_completing(&log, 1);
	EXPECT(log.lost && log.span.size == 0);
	set_size(&lender, PAGE);
	inflight_split_completed(&log, 1, 1);
	inflight_split_taken(&log, 2);
	set_size(&lender, 0);
	inflight_use(&log, part());
	EXPECT(inflight_split_read(&log, ENTRIES, 0, &recovered, &taken) ==
		       PREC_GONE &&
	       log.lost && taken == 0 && !recovered);
}

/* What we give: empty, of a size that stays, and one for each client. */
static void made(void)
{
	const uint64_t size = inflight_size(false, 2, 1024);
	struct inflight log = { .fd = -1 };
	struct stat first, second;
	char byte = 0;
	int fd = inflight_make(&log, size);

	MUST(fd >= 0 && fstat(fd, &first) == 0);
	EXPECT((uint64_t)first.st_size == size && first.st_blocks == 0);
	EXPECT(ftruncate(fd, 0) != 0 && ftruncate(fd, 1 << 20) != 0);
	MUST(pwrite(fd, "x", 1, 99) == 1);
	fd = inflight_make(&log, inflight_size(false, 1, 4));
	MUST(fd >= 0 && fstat(fd, &second) == 0);
	EXPECT(second.st_ino == first.st_ino && second.st_blocks == 0);
	EXPECT(pread(fd, &byte, 1, 99) == 1 && byte == 0);
	inflight_close(&log);
	EXPECT(log.fd == -1);
}

int main(void)
{
	lend(&lender, PAGE, PREC_READ | PREC_WRITE);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, lender.fd,
		      0);
	MUST(shared != MAP_FAILED);
	each_store(0);
	each_store(65534);
	a_batch();
	any_bytes();
	gone();
	made();
	end_lending(&lender);
	return expect_end();
}
