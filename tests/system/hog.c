/* SPDX-License-Identifier: MIT */
/*
 * A process that wants all memory: what others give back is its own soon, and
 * nobody may write there.
 *
 *     hog LEAVE
 *
 * It takes what is available but LEAVE MiB, fills every page, and looks at one
 * MiB after the other, and at all when it gets a SIGTERM.  Where others need
 * more it gives some back, and takes it again when they do not.  It says `full`
 * when it has taken all for the first time, and `more` when it takes some
 * later.  The exit status is 1 if a byte was not its own.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE  (1u << 20)
#define PIECES 4096u

/* It lets go when so much less than LEAVE is available. */
#define SLACK 4u

static uint64_t *pieces[PIECES];
static uint32_t count;
static unsigned long taken;
static volatile sig_atomic_t asked_to_end;

static void on_signal(int number)
{
	(void)number;
	asked_to_end = 1;
}

static unsigned long available_mib(void)
{
	unsigned long kib = 0;
	char line[100];
	FILE *in = fopen("/proc/meminfo", "r");

	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
			break;
	if (in)
		fclose(in);
	return kib / 1024;
}

/* What a word of a piece holds. */
static uint64_t own(uint32_t piece, uint32_t word)
{
	return (piece + 1ull) * 0x9e3779b97f4a7c15ull ^ word;
}

static void take(unsigned long leave)
{
	while (count < PIECES && !asked_to_end && available_mib() > leave) {
		uint64_t *piece = mmap(NULL, PIECE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (piece == MAP_FAILED)
			return;
		for (uint32_t i = 0; i < PIECE / 8; i++)
			piece[i] = own(count, i);
		pieces[count++] = piece;
		taken++;
	}
}

static void let_go(unsigned long leave)
{
	while (count > 0 && available_mib() + SLACK < leave)
		munmap(pieces[--count], PIECE);
}

static int look_at(uint32_t k)
{
	for (uint32_t i = 0; i < PIECE / 8; i++) {
		if (pieces[k][i] == own(k, i))
			continue;
		printf("byte %u of piece %u was written\n", 8 * i, k);
		return 1;
	}
	return 0;
}

static int look_at_all(void)
{
	for (uint32_t k = 0; k < count; k++) {
		if (look_at(k))
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	unsigned long leave, first, looks = 0;
	bool more = false;

	if (argc != 2) {
		fprintf(stderr, "usage: hog LEAVE\n");
		return 2;
	}
	leave = strtoul(argv[1], NULL, 0);
	sigaction(SIGTERM, &action, NULL);
	take(leave);
	first = taken;
	puts("full");
	fflush(stdout);
	while (!asked_to_end) {
		let_go(leave);
		take(leave);
		if (!more && taken > first) {
			more = true;
			puts("more");
			fflush(stdout);
		}
		if (count > 0 && look_at((uint32_t)(looks++ % count)))
			return 1;
		usleep(5000);
	}
	if (look_at_all())
		return 1;
	printf("intact: %u MiB, %lu MiB taken later, looked at %lu times\n",
	       count, taken - first, looks);
	return 0;
}
