/* SPDX-License-Identifier: MIT */
/*
 * In the guest: memory into which only the device writes.
 *
 *     reads DEVICE START MIB [added]
 *
 * From START, in bytes, to its end each 8 bytes of the device hold their own
 * offset.  Blocks of it, taken at random, are read over and over, past the page
 * cache, into each slot of MIB of memory; before a slot is read anew it must
 * still hold the block that it was given last.  So a write of the device that
 * got lost later, on the way to another host or with pages that moved, is found
 * out.  Nothing here ever writes into a slot.
 *
 * A line is printed after each round over all slots.  With `added` the slots
 * must lie in memory above 4 GiB, where this guest has none at first.
 *
 * Exit status: 0 after SIGTERM; 1 when a slot held something else; 3 when the
 * device could not be read, as happens when it goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOT_BYTES 65536u
#define SLOT_WORDS (SLOT_BYTES / sizeof(uint64_t))
#define PAGE	   4096u
#define BLOCK	   4096u
#define HIGH	   (UINT64_C(4) << 30)

struct slot {
	const uint64_t *words;
	uint64_t offset; /* of the block in it; 0: none yet */
};

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static uint64_t random_word(void)
{
	static uint64_t state;

	if (state == 0)
		state = (uint64_t)getpid();
	state = state * UINT64_C(6364136223846793005) + 1;
	return state >> 32;
}

/* How many of the pages there are above 4 GiB (Linux, pagemap.rst). */
static size_t pages_added(const void *start, size_t pages)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t added = 0, i;
	uint64_t entry;

	for (i = 0; fd >= 0 && i < pages; i++) {
		off_t at = (off_t)(((uintptr_t)start / PAGE + i) * 8);

		if (pread(fd, &entry, sizeof(entry), at) == sizeof(entry) &&
		    (entry & ((UINT64_C(1) << 55) - 1)) * PAGE >= HIGH)
			added++;
	}
	if (fd >= 0)
		close(fd);
	return added;
}

/* The first word that is wrong, or SLOT_WORDS. */
static size_t find_wrong(const struct slot *slot)
{
	size_t i = 0;

	while (i < SLOT_WORDS && slot->words[i] == slot->offset + 8 * i)
		i++;
	return i;
}

static void check(const struct slot *slot, size_t number)
{
	size_t i = slot->offset ? find_wrong(slot) : SLOT_WORDS;

	if (i == SLOT_WORDS)
		return;
	printf("slot %zu has %#llx for %#llx at word %zu\n", number,
	       (unsigned long long)slot->words[i],
	       (unsigned long long)(slot->offset + 8 * i), i);
	exit(1);
}

static void fill(struct slot *slot, int fd, uint64_t start, uint64_t size)
{
	uint64_t blocks = (size - SLOT_BYTES) / BLOCK + 1;
	uint64_t offset = start + random_word() % blocks * BLOCK;
	ssize_t got = pread(fd, (void *)(uintptr_t)slot->words, SLOT_BYTES,
			    (off_t)offset);

	if (got != SLOT_BYTES) {
		printf("read of %#llx: %s\n", (unsigned long long)offset,
		       got < 0 ? strerror(errno) : "cut short");
		exit(3);
	}
	slot->offset = offset;
}

static struct slot *make_slots(size_t count)
{
	struct slot *slots = calloc(count, sizeof(*slots));
	char *memory = mmap(NULL, count * SLOT_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	size_t i;

	if (!slots || memory == MAP_FAILED)
		return NULL;
	for (i = 0; i < count; i++)
		slots[i].words = (uint64_t *)(memory + i * SLOT_BYTES);
	return slots;
}

int main(int argc, char **argv)
{
	uint64_t start, size, rounds = 0;
	struct slot *slots;
	size_t count, i;
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGTERM, end);
	if (argc != 4 && !(argc == 5 && strcmp(argv[4], "added") == 0)) {
		printf("usage: reads DEVICE START MIB [added]\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_DIRECT | O_CLOEXEC);
	start = strtoull(argv[2], NULL, 0);
	count = strtoull(argv[3], NULL, 0) * ((1u << 20) / SLOT_BYTES);
	slots = make_slots(count);
	if (fd < 0 || !slots) {
		printf("%s: %s\n", argv[1], strerror(errno));
		return 2;
	}
	size = (uint64_t)lseek(fd, 0, SEEK_END) - start;
	if (argc == 5) {
		size_t pages = count * SLOT_BYTES / PAGE;
		size_t added = pages_added(slots[0].words, pages);

		printf("%zu of %zu pages are of added memory\n", added, pages);
		if (added < pages / 2)
			return 1;
	}
	for (;;) {
		bool last = ended;

		for (i = 0; i < count; i++) {
			check(&slots[i], i);
			if (!last)
				fill(&slots[i], fd, start, size);
		}
		if (last)
			return 0;
		printf("round %llu\n", (unsigned long long)++rounds);
	}
}
