// SPDX-License-Identifier: MIT
/*
 * System calls that are handed lost memory answer EFAULT or a short count, and
 * the same result type says so.  No signal comes, nothing is delivered beyond
 * what the count says.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

#include "lender.h"

#define EDGE (2u * PAGE)

static struct lender lender;
static int file;

static struct prec_result said(ssize_t returned)
{
	return prec_result_of_call(returned, returned < 0 ? errno : 0);
}

/* Lent memory at `offset`, as the kernel is to be told of it. */
static void *lent_at(uint64_t offset)
{
	return (void *)(uintptr_t)(lender.region.span.host + offset);
}

/* GONE with nothing done, or as many bytes as lie before the edge or fewer. */
static bool answers(struct prec_result r, uint64_t offset, uint64_t size)
{
	uint64_t reach = offset < EDGE ? EDGE - offset : 0;

	if (r.status == PREC_GONE)
		return r.done == 0 && r.error == 0 && reach < size;
	return r.status == PREC_OK && r.done <= size && r.done <= reach &&
	       (r.done == size || reach < size);
}

static void by_pread(uint64_t offset, uint64_t size)
{
	struct prec_result r = said(pread(file, lent_at(offset), size, 0));

	EXPECT(answers(r, offset, size));
}

static void by_pwrite(uint64_t offset, uint64_t size)
{
	static unsigned char bytes[8 * PAGE];
	struct prec_result r =
		said(pwrite(file, lent_at(offset), size, 16 * PAGE));
	uint64_t i;

	EXPECT(answers(r, offset, size));
	MUST(pread(file, bytes, r.done, 16 * PAGE) == (ssize_t)r.done);
	for (i = 0; i < r.done; i++)
		if (bytes[i] != pattern(offset + i))
			break;
	EXPECT(i == r.done);
}

static void by_preadv(uint64_t offset, uint64_t size)
{
	struct iovec pieces[2] = { { lent_at(offset), size / 2 },
				   { lent_at(offset + size / 2),
				     size - size / 2 } };

	EXPECT(answers(said(preadv(file, pieces, 2, 0)), offset, size));
}

static void by_pipe(uint64_t offset, uint64_t size)
{
	static unsigned char bytes[8 * PAGE];
	struct prec_result r;
	int ends[2];

	MUST(pipe2(ends, O_NONBLOCK) == 0);
	r = said(write(ends[1], lent_at(offset), size));
	EXPECT(answers(r, offset, size));
	/* What arrived is what was said to have. */
	EXPECT(read(ends[0], bytes, sizeof(bytes)) ==
	       (r.done ? (ssize_t)r.done : -1));
	close(ends[0]);
	close(ends[1]);
}

static void by_direct_io(void)
{
	char name[] = "/var/tmp/direct.XXXXXX";
	int fd = mkostemp(name, O_DIRECT);

	if (fd < 0) {
		skip_part("O_DIRECT", "the file system does not offer it");
		return;
	}
	unlink(name);
	MUST(ftruncate(fd, 8 * PAGE) == 0);
	EXPECT(answers(said(pwrite(fd, lent_at(PAGE), 2 * PAGE, 0)), PAGE,
		       2 * PAGE));
	EXPECT(answers(said(pread(fd, lent_at(PAGE), 2 * PAGE, 0)), PAGE,
		       2 * PAGE));
	EXPECT(said(pwrite(fd, lent_at(EDGE), PAGE, 0)).status == PREC_GONE);
	EXPECT(said(pwrite(fd, lent_at(0), EDGE, 0)).done == EDGE);
	close(fd);
}

static void words(void)
{
	struct prec_result r = prec_result_of_call(-1, EFAULT);

	EXPECT(r.status == PREC_GONE && r.error == 0 && r.done == 0);
	r = prec_result_of_call(-1, EIO);
	EXPECT(r.status == PREC_SYSTEM && r.error == EIO && r.done == 0);
	r = prec_result_of_call(0, EFAULT); /* a stale errno means nothing */
	EXPECT(r.status == PREC_OK && r.error == 0 && r.done == 0);
	r = prec_result_of_call(4096, 0);
	EXPECT(r.status == PREC_OK && r.done == 4096);
	r = prec_result_of_call(1ll << 40, 0);
	EXPECT(r.status == PREC_OK && r.done == 1ull << 40);
}

static void each(void)
{
	const uint64_t offsets[] = {
		0, PAGE, EDGE - 1, EDGE, EDGE + 1, 3 * PAGE
	};
	const uint64_t sizes[] = { 1, 2, 512, PAGE, PAGE + 1, 4 * PAGE };
	size_t i, k;

	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			by_pwrite(offsets[i], sizes[k]);
			by_pipe(offsets[i], sizes[k]);
		}
	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			by_pread(offsets[i], sizes[k]);
			by_preadv(offsets[i], sizes[k]);
		}
}

int main(void)
{
	struct prec_fault_counts counts;

	words();
	file = new_file(32 * PAGE, 0);
	write_pattern(file, 32 * PAGE);
	lend_pattern(&lender, 8 * PAGE);
	set_size(&lender, EDGE);
	each();
	by_direct_io();
	/* Revoked, the kernel reaches nothing at all. */
	MUST(prec_region_revoke(&lender.region) == PREC_OK);
	EXPECT(said(pread(file, lent_at(0), PAGE, 0)).status == PREC_GONE);
	EXPECT(said(pwrite(file, lent_at(0), PAGE, 0)).status == PREC_GONE);
	prec_fault_read_counts(&counts);
	EXPECT(counts.fixed == 0 && counts.passed == 0);
	end_lending(&lender);
	return expect_end();
}
