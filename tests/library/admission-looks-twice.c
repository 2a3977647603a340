// SPDX-License-Identifier: MIT
/*
 * A client that changes the file between the look that admits it and the
 * mapping.  The test stands in for mmap, and so acts at exactly that point.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>

#include "lender.h"

static void (*meanwhile)(int fd);
static int mappings;

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
	__attribute__((visibility("default")));

static void *either(void *at, size_t size, int prot, int flags, int fd,
		    off_t offset)
{
	static __typeof__(&mmap) real;
	void *result;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "mmap");
	if (meanwhile && fd >= 0 && flags & MAP_SHARED)
		meanwhile(fd);
	result = real(at, size, prot, flags, fd, offset);
	if (result != MAP_FAILED && fd >= 0)
		mappings++;
	return result;
}

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	return either(at, size, prot, flags, fd, offset);
}

static void shrinks(int fd)
{
	meanwhile = NULL;
	MUST(ftruncate(fd, PAGE) == 0);
}

static void punches(int fd)
{
	meanwhile = NULL;
	MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		       4 << 20) == 0);
}

static void seals_against_sealing(int fd)
{
	meanwhile = NULL;
	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
}

static enum prec_refusal lend_while(void (*what)(int fd), uint32_t options)
{
	enum prec_refusal refusal = PREC_REFUSAL_NONE;
	struct prec_lending lending = { .rights = PREC_READ | PREC_WRITE,
					.size = 4 << 20,
					.sparse_max = 1 << 20,
					.options = options };
	struct prec_region region;
	enum prec_status status;

	lending.fd = new_file(4 << 20, MFD_ALLOW_SEALING);
	write_pattern(lending.fd, 4 << 20);
	meanwhile = what;
	status = prec_region_map(&region, &lending, &refusal);
	EXPECT(!meanwhile);
	EXPECT(status == (refusal ? PREC_REFUSED : PREC_OK));
	if (status == PREC_OK)
		MUST(prec_region_unmap(&region) == PREC_OK);
	close(lending.fd);
	return refusal;
}

int main(void)
{
	if (UNDER_SANITIZER)
		skip_all("the sanitizer stands in for mmap itself");
	EXPECT(lend_while(NULL, 0) == PREC_REFUSAL_NONE);
	EXPECT(lend_while(NULL, PREC_ADMIT_STRICT) == PREC_REFUSAL_NONE);
	EXPECT(lend_while(shrinks, 0) == PREC_REFUSAL_TOO_SHORT);
	EXPECT(lend_while(shrinks, PREC_ADMIT_STRICT) ==
	       PREC_REFUSAL_TOO_SHORT);
	EXPECT(lend_while(seals_against_sealing, PREC_ADMIT_STRICT) ==
	       PREC_REFUSAL_SEALS);
	/* Strict admission freezes the file: as admitted, not with holes. */
	EXPECT(lend_while(punches, PREC_ADMIT_STRICT) == PREC_REFUSAL_SPARSE);
	EXPECT(lend_while(punches, PREC_ADMIT_STRICT | PREC_ADMIT_SPARSE) ==
	       PREC_REFUSAL_NONE);
	EXPECT(mappings == 7);
	return expect_end();
}
