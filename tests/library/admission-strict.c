// SPDX-License-Identifier: MIT
/*
 * Strict admission: from then on the client can neither shrink the file, nor
 * punch holes into it, nor take the seals off; both sides still read and write.
 */
#include <errno.h>
#include <fcntl.h>

#include "lender.h"

int main(void)
{
	struct lender lender;
	uint64_t value = 0;
	void *theirs;

	lender.fd = new_file(4 * PAGE, MFD_ALLOW_SEALING);
	write_pattern(lender.fd, 4 * PAGE);
	theirs = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      lender.fd, 0);
	MUST(theirs != MAP_FAILED);
	MUST(try_lend(&lender, 4 * PAGE, PREC_READ | PREC_WRITE,
		      PREC_ADMIT_STRICT, NULL) == PREC_OK);
	EXPECT(ftruncate(lender.fd, 0) != 0 && errno == EPERM);
	EXPECT(ftruncate(lender.fd, 4 * PAGE - 1) != 0 && errno == EPERM);
	EXPECT(fallocate(lender.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 PAGE, PAGE) != 0 &&
	       errno == EPERM);
	EXPECT(madvise(theirs, PAGE, MADV_REMOVE) != 0);
	EXPECT(fcntl(lender.fd, F_ADD_SEALS, F_SEAL_WRITE) != 0);
	EXPECT(prec_store64(lender.region.span, PAGE, 4711) == PREC_OK);
	EXPECT(*(volatile uint64_t *)((char *)theirs + PAGE) == 4711);
	*(volatile uint64_t *)((char *)theirs + 2 * PAGE) = 815;
	EXPECT(prec_load64(lender.region.span, 2 * PAGE, &value) == PREC_OK);
	EXPECT(value == 815);
	/* The query needs no system call to know: the file keeps its size. */
	EXPECT(prec_region_check(&lender.region) == PREC_OK);
	EXPECT(prec_region_epoch(&lender.region) == 0);
	end_lending(&lender);

	/* Without it each of these goes through. */
	lender.fd = new_file(4 * PAGE, MFD_ALLOW_SEALING);
	MUST(try_lend(&lender, 4 * PAGE, PREC_READ, 0, NULL) == PREC_OK);
	EXPECT(fallocate(lender.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 PAGE, PAGE) == 0);
	EXPECT(ftruncate(lender.fd, 0) == 0);
	EXPECT(prec_region_check(&lender.region) == PREC_GONE);
	end_lending(&lender);
	return expect_end();
}
