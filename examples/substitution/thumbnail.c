// SPDX-License-Identifier: MIT
/*
 * A function that knows nothing about lent memory runs on lent memory.
 *
 * `shrink` stands for a codec from a library: it takes plain pointers and
 * cannot stop half way.  In a transaction with the policy *substitute* it
 * always runs to its end.  If the client takes pages back, it reads zeroes
 * there, and the note says so afterwards.  The caller decides whether to
 * discard the result or, as here, to show it with a warning.
 *
 *   make && ./thumbnail
 */
#include <precarium/precarium.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WIDTH  4096u
#define HEIGHT 1024u
#define FACTOR 256u

struct picture {
	const struct prec_region *region;
	unsigned char small[HEIGHT / FACTOR][WIDTH / FACTOR];
};

/* Third-party code: it takes plain pointers and knows nothing about faults. */
static void shrink(unsigned char *to, const unsigned char *from)
{
	uint32_t x, y, i;

	for (y = 0; y < HEIGHT / FACTOR; y++)
		for (x = 0; x < WIDTH / FACTOR; x++) {
			uint32_t sum = 0;

			for (i = 0; i < FACTOR * FACTOR; i++)
				sum += from[(y * FACTOR + i / FACTOR) * WIDTH +
					    x * FACTOR + i % FACTOR];
			*to++ = (unsigned char)(sum / (FACTOR * FACTOR));
		}
}

static void make_thumbnail(struct prec_transaction *transaction, void *argument)
{
	struct picture *picture = argument;

	(void)transaction;
	shrink(&picture->small[0][0], prec_plain(prec_lent(picture->region)));
}

static enum prec_status thumbnail(struct prec_region *region)
{
	struct prec_region *regions[] = { region };
	struct prec_transaction transaction = {
		.regions = regions,
		.region_count = 1,
		.policy = PREC_SUBSTITUTE,
	};
	struct picture picture = { .region = region };
	enum prec_status status =
		prec_transaction_run(&transaction, make_thumbnail, &picture);
	uint32_t y;

	printf("%s", prec_status_name(status));
	if (transaction.note.substituted)
		printf(": %" PRIu64 " bytes lost from byte %" PRIu64,
		       transaction.note.lost_size,
		       transaction.note.lost_host - region->span.host);
	printf("; left column:");
	for (y = 0; y < HEIGHT / FACTOR; y++)
		printf(" %u", picture.small[y][0]);
	printf("\n");
	return status;
}

int main(void)
{
	struct prec_lending lending = { .rights = PREC_READ,
					.size = WIDTH * HEIGHT };
	struct prec_region region;
	enum prec_status before, after;
	void *mine;

	/* The client's part: a picture of a single grey. */
	lending.fd = memfd_create("picture", MFD_ALLOW_SEALING);
	if (lending.fd < 0 || ftruncate(lending.fd, (off_t)lending.size) != 0)
		return 1;
	mine = mmap(NULL, lending.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    lending.fd, 0);
	if (mine == MAP_FAILED)
		return 1;
	memset(mine, 200, lending.size);

	/* The server's part. */
	if (prec_region_map(&region, &lending, NULL) != PREC_OK)
		return 1;
	before = thumbnail(&region);
	if (ftruncate(lending.fd, (off_t)lending.size / 2) != 0)
		return 1;
	after = thumbnail(&region);
	if (prec_region_unmap(&region) != PREC_OK)
		abort();
	return before == PREC_OK && after == PREC_DISTURBED ? 0 : 1;
}
