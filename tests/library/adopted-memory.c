// SPDX-License-Identifier: MIT
/*
 * Memory that something else has mapped: its loss is handled as that of any
 * region, and the mapping stays its owner's.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "lender.h"

#define PAGES 16u
#define SIZE  (PAGES * PAGE)
#define BOTH  (PREC_READ | PREC_WRITE)

static int fd;
static unsigned char *owner;

static void owner_maps(void)
{
	fd = new_file(SIZE, MFD_ALLOW_SEALING);
	write_pattern(fd, SIZE);
	owner = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(owner != MAP_FAILED);
}

static void owner_ends(void)
{
	MUST(munmap(owner, SIZE) == 0);
	close(fd);
}

static struct prec_adoption adoption_of(void *at, uint64_t size)
{
	struct prec_adoption adoption = { .at = at,
					  .size = size,
					  .rights = BOTH };

	return adoption;
}

static void lost(bool with_file)
{
	struct prec_adoption adoption = adoption_of(owner, SIZE - 100);
	struct prec_region region;
	uint32_t value = 5;
	uint64_t before;

	owner_maps();
	adoption.at = owner;
	adoption.options = PREC_TOLERATE;
	MUST((with_file ? prec_region_adopt_file(&region, &adoption, fd, 0)
			: prec_region_adopt(&region, &adoption)) == PREC_OK);
	EXPECT(region.span.size == SIZE - 100 &&
	       region.span.host == (uint64_t)(uintptr_t)owner);
	EXPECT(prec_region_at(region.span.host + SIZE - 1) == &region);
	EXPECT(prec_load32(region.span, 8, &value) == PREC_OK);
	MUST(ftruncate(fd, 4 * PAGE) == 0);
	before = prec_region_epoch(&region);
	EXPECT(prec_load32(region.span, 4 * PAGE, &value) == PREC_GONE);
	EXPECT(prec_region_epoch(&region) != before);
	/* from the end upwards, and downwards */
	EXPECT(owner[8 * PAGE] == 0 && owner[9 * PAGE] == 0);
	EXPECT(owner[SIZE - 1] == 0);
	EXPECT(owner[6 * PAGE] == 0 && owner[4 * PAGE] == 0);
	EXPECT(owner[3 * PAGE] == pattern(3 * PAGE));
	/* What is there again is found where the file is known. */
	MUST(ftruncate(fd, SIZE) == 0);
	write_pattern(fd, SIZE);
	EXPECT(prec_region_grow(&region, SIZE) ==
	       (with_file ? PREC_OK : PREC_INVALID));
	EXPECT(owner[9 * PAGE] == (with_file ? pattern(9 * PAGE) : 0));
	EXPECT(prec_region_unmap(&region) == PREC_OK);
	EXPECT(owner[0] == pattern(0)); /* still there */
	owner_ends();
}

static void revoked(void)
{
	struct prec_adoption adoption;
	struct prec_region region;
	uint8_t byte;

	owner_maps();
	adoption = adoption_of(owner, SIZE);
	MUST(prec_region_adopt(&region, &adoption) == PREC_OK);
	EXPECT(prec_region_revoke(&region) == PREC_OK);
	EXPECT(prec_load8(region.span, 0, &byte) == PREC_GONE);
	EXPECT(prec_region_grow(&region, SIZE) == PREC_GONE);
	EXPECT(prec_region_unmap(&region) == PREC_OK);
	owner_ends();
}

static void refused(void)
{
	struct prec_region one, other;
	struct prec_adoption a;
	int read_only, ends[2];
	char path[40];

	owner_maps();
	a = adoption_of(owner + PAGE, 2 * PAGE);
	MUST(prec_region_adopt(&one, &a) == PREC_OK);
	EXPECT(prec_region_adopt(&other, &a) == PREC_OVERLAP);
	a = adoption_of(owner, PAGE + 1);
	EXPECT(prec_region_adopt(&other, &a) == PREC_OVERLAP);
	a = adoption_of(owner + 2 * PAGE, 1);
	EXPECT(prec_region_adopt(&other, &a) == PREC_OVERLAP);
	a = adoption_of(owner, SIZE);
	EXPECT(prec_region_adopt(&other, &a) == PREC_OVERLAP);
	EXPECT(prec_region_unmap(&one) == PREC_OK);
	EXPECT(prec_region_unmap(&one) == PREC_INVALID);

#define WRONG(field, value)                                                    \
	do {                                                                   \
		a = adoption_of(owner, SIZE);                                  \
		a.field = (value);                                             \
		EXPECT(prec_region_adopt(&other, &a) == PREC_INVALID);         \
	} while (0)
	WRONG(at, NULL);
	WRONG(at, owner + 8);
	WRONG(at, (void *)(uintptr_t)PREC_ADDRESS_MAX);
	WRONG(size, 0);
	WRONG(size, ~0ull);
	WRONG(size, PREC_ADDRESS_MAX);
	WRONG(address, ~0ull);
	WRONG(rights, 0);
	WRONG(rights, 4);
	WRONG(options, PREC_ADMIT_SPARSE);
	WRONG(options, 1u << 31);
	WRONG(page_size, 3);
	WRONG(page_size, 1u << 31);
	WRONG(reserved, 1);
	WRONG(reserved_more[3], 1);

	a = adoption_of(owner, SIZE);
	EXPECT(prec_region_adopt_file(&other, &a, fd, 8) == PREC_INVALID);
	EXPECT(prec_region_adopt_file(&other, &a, fd, ~0ull - PAGE + 1) ==
	       PREC_INVALID);
	EXPECT(prec_region_adopt_file(&other, &a, -1, 0) == PREC_REFUSED);
	MUST(pipe(ends) == 0);
	EXPECT(prec_region_adopt_file(&other, &a, ends[0], 0) == PREC_REFUSED);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_only = open(path, O_RDONLY);
	MUST(read_only >= 0);
	EXPECT(prec_region_adopt_file(&other, &a, read_only, 0) ==
	       PREC_REFUSED);
	a.rights = PREC_READ;
	EXPECT(prec_region_adopt_file(&other, &a, read_only, 0) == PREC_OK);
	EXPECT(prec_region_unmap(&other) == PREC_OK);
	close(read_only);
	owner_ends();
}

/* The child has the mapping, which is not ours to keep from it, and no region
 * unless it was asked for. */
static void in_a_child(uint32_t options)
{
	struct prec_adoption adoption;
	struct prec_region region;
	int status;
	pid_t pid;

	owner_maps();
	adoption = adoption_of(owner, SIZE);
	adoption.options = options;
	MUST(prec_region_adopt(&region, &adoption) == PREC_OK);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0)
		_exit(owner[5] == pattern(5) &&
				      (prec_region_at(region.span.host) ==
				       &region) == (options != 0) &&
				      prec_region_unmap(&region) == PREC_OK &&
				      owner[5] == pattern(5)
			      ? 0
			      : 1);
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT(status == 0);
	EXPECT(prec_region_unmap(&region) == PREC_OK);
	owner_ends();
}

int main(void)
{
	lost(false);
	lost(true);
	revoked();
	refused();
	in_a_child(0);
	in_a_child(PREC_KEEP_ON_FORK);
	return expect_end();
}
