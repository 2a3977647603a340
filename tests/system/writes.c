/* SPDX-License-Identifier: MIT */
/*
 * In the guest: blocks that are read, found right, and written anew.
 *
 *     writes DEVICE
 *
 * PLACES blocks of 4096 bytes, from block 1 on, which are zeroes at first.
 * Each write has a number; the block then has it in all its words, with its
 * place and the word's.  DEPTH slots, each with places of its own, take one
 * place after the other, at random: a block is read, must hold the last write
 * to it that was acknowledged, and is written.  So a write that got lost is
 * found out, and one that is carried out again when a newer one has been.
 *
 * What begins and what has ended is told on standard output, for the host to
 * compare with the disk: `begin PLACE NUMBER`, `ended PLACE NUMBER`.
 *
 * It goes on until the host puts something into the first word of block 0; then
 * all blocks are read once more, and `written COUNT` is the last word.
 *
 * Exit status: 0 after that; 1 when a block held something else, or a request
 * failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/aio_abi.h>

#define BLOCK	4096u
#define WORDS	(BLOCK / sizeof(uint64_t))
#define PLACES	512u
#define DEPTH	16u
#define OWN	(PLACES / DEPTH) /* places of a slot */
#define CONTROL DEPTH		 /* the slot that looks for the end */
#define SELDOM	64u		 /* it looks once in so many writes */

struct slot {
	struct iocb request;
	uint64_t *words; /* a page of its own */
	uint32_t place;
	uint64_t number; /* of the write that is in flight */
};

static struct slot slots[DEPTH + 1];
static uint64_t last[PLACES]; /* acknowledged; 0: none yet */
static uint64_t numbers, acknowledged;
static aio_context_t context;
static int disk;

static uint64_t word_of(uint32_t place, uint64_t number, uint32_t word)
{
	return number ? (number * PLACES + place) * WORDS + word : 0;
}

__attribute__((noreturn)) static void fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static void submit(struct slot *slot, uint16_t opcode, uint64_t block)
{
	struct iocb *request = &slot->request;

	*request = (struct iocb){
		.aio_data = (uint64_t)(slot - slots),
		.aio_lio_opcode = opcode,
		.aio_fildes = (uint32_t)disk,
		.aio_buf = (uintptr_t)slot->words,
		.aio_nbytes = BLOCK,
		.aio_offset = (int64_t)(block * BLOCK),
	};
	if (syscall(SYS_io_submit, context, 1L, &request) != 1)
		fail("io_submit");
}

static void begin_read(struct slot *slot, uint32_t place)
{
	slot->place = place;
	submit(slot, IOCB_CMD_PREAD, 1 + place);
}

static void begin_random(struct slot *slot)
{
	static uint64_t state = 1;

	state = state * UINT64_C(6364136223846793005) + 1;
	begin_read(slot, (uint32_t)(slot - slots) +
				 DEPTH * (uint32_t)((state >> 33) % OWN));
}

static void begin_write(struct slot *slot)
{
	uint32_t i;

	slot->number = ++numbers;
	for (i = 0; i < WORDS; i++)
		slot->words[i] = word_of(slot->place, slot->number, i);
	printf("begin %u %llu\n", slot->place,
	       (unsigned long long)slot->number);
	submit(slot, IOCB_CMD_PWRITE, 1 + slot->place);
}

static void end_write(struct slot *slot)
{
	last[slot->place] = slot->number;
	acknowledged++;
	printf("ended %u %llu\n", slot->place,
	       (unsigned long long)slot->number);
}

static void check(const struct slot *slot)
{
	uint64_t want;
	uint32_t i;

	for (i = 0; i < WORDS; i++) {
		want = word_of(slot->place, last[slot->place], i);
		if (slot->words[i] == want)
			continue;
		printf("place %u has %#llx for %#llx at word %u\n", slot->place,
		       (unsigned long long)slot->words[i],
		       (unsigned long long)want, i);
		exit(1);
	}
}

/* The next whose request has ended. */
static struct slot *await(void)
{
	struct io_event event;
	struct slot *slot;

	if (syscall(SYS_io_getevents, context, 1L, 1L, &event, NULL) != 1)
		fail("io_getevents");
	slot = &slots[event.data];
	if (event.res != BLOCK) {
		errno = event.res < 0 ? (int)-event.res : 0;
		printf("request for place %u: %lld\n", slot->place,
		       (long long)event.res);
		fail("request");
	}
	return slot;
}

/* At the end each that was read is written once more. */
static void work(void)
{
	uint32_t in_flight = DEPTH + 1, i;
	uint64_t looked = 0;
	bool looks = true, last_ones = false;

	for (i = 0; i < DEPTH; i++)
		begin_random(&slots[i]);
	submit(&slots[CONTROL], IOCB_CMD_PREAD, 0);
	while (in_flight > 0) {
		struct slot *slot = await();

		in_flight--;
		if (slot == &slots[CONTROL]) {
			last_ones = slot->words[0] != 0;
			looks = false;
		} else if (slot->request.aio_lio_opcode == IOCB_CMD_PWRITE) {
			end_write(slot);
			if (!last_ones) {
				begin_random(slot);
				in_flight++;
			}
		} else {
			check(slot);
			begin_write(slot);
			in_flight++;
		}
		if (looks || last_ones || acknowledged < looked + SELDOM)
			continue;
		looked = acknowledged;
		looks = true;
		submit(&slots[CONTROL], IOCB_CMD_PREAD, 0);
		in_flight++;
	}
}

int main(int argc, char **argv)
{
	char *memory = mmap(NULL, (DEPTH + 1) * BLOCK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	uint32_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2) {
		printf("usage: writes DEVICE\n");
		return 1;
	}
	disk = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (disk < 0 || memory == MAP_FAILED)
		fail(argv[1]);
	if (syscall(SYS_io_setup, DEPTH + 1, &context) < 0)
		fail("io_setup");
	for (i = 0; i <= DEPTH; i++)
		slots[i].words = (uint64_t *)(memory + i * BLOCK);
	work();
	for (i = 0; i < PLACES; i++) {
		begin_read(&slots[0], i);
		check(await());
	}
	printf("written %llu\n", (unsigned long long)acknowledged);
	return 0;
}
