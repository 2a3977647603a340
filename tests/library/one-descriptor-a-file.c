// SPDX-License-Identifier: MIT
/*
 * The library keeps one descriptor for each file that regions are mapped from,
 * closes it with the last of them, and never closes one that became somebody
 * else's.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

#include "lender.h"

#define REGIONS 100u

static struct prec_region regions[REGIONS];

static int descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	MUST(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static void map(struct prec_region *region, int fd, uint64_t page,
		uint32_t rights)
{
	struct prec_lending lending = {
		.fd = fd, .rights = rights, .offset = page * PAGE, .size = PAGE
	};

	MUST(prec_region_map(region, &lending, NULL) == PREC_OK);
}

static void one_for_all(void)
{
	int fd = new_file(REGIONS * PAGE, 0), before, i;

	write_pattern(fd, REGIONS * PAGE);
	map(&regions[0], fd, 0, PREC_READ);
	before = descriptors();
	for (i = 1; i < (int)REGIONS; i++)
		map(&regions[i], fd, (uint64_t)i, PREC_READ);
	EXPECT(descriptors() == before);
	close(fd);
	for (i = 0; i < (int)REGIONS; i++) {
		EXPECT(prec_region_check(&regions[i]) == PREC_OK);
		EXPECT(prec_region_unmap(&regions[i]) == PREC_OK);
	}
	EXPECT(descriptors() == before - 2);
}

/* What is open for reading cannot stand for what is open for writing: a region
 * that is healed is mapped from it. */
static void rights_apart(void)
{
	int fd = new_file(2 * PAGE, 0), read_only, before;
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_only = open(path, O_RDONLY);
	MUST(read_only >= 0);
	before = descriptors();
	map(&regions[0], read_only, 0, PREC_READ);
	map(&regions[1], fd, 1, PREC_READ | PREC_WRITE);
	EXPECT(descriptors() == before + 2);
	EXPECT(prec_region_unmap(&regions[0]) == PREC_OK);
	EXPECT(prec_region_unmap(&regions[1]) == PREC_OK);
	EXPECT(descriptors() == before);
	close(read_only);
	close(fd);
}

static void many_files(void)
{
	int before = descriptors(), fds[REGIONS], i;

	for (i = 0; i < (int)REGIONS; i++) {
		fds[i] = new_file(PAGE, 0);
		map(&regions[i], fds[i], 0, PREC_READ);
	}
	EXPECT(descriptors() == before + 2 * (int)REGIONS);
	for (i = (int)REGIONS; i-- > 0;) {
		set_size(&(struct lender){ .fd = fds[i] }, 0);
		EXPECT(prec_region_check(&regions[i]) == PREC_GONE);
		EXPECT(i == 0 || prec_region_check(&regions[i - 1]) == PREC_OK);
		EXPECT(prec_region_unmap(&regions[i]) == PREC_OK);
		close(fds[i]);
	}
	EXPECT(descriptors() == before);
}

/* The program closes all descriptors that it does not know, and opens others,
 * which get the same numbers. */
static void closed_by_the_program(void)
{
	int fd = new_file(2 * PAGE, 0), others[8], i;

	map(&regions[0], fd, 0, PREC_READ);
	for (i = 3; i < 256; i++)
		if (i != fd)
			close(i);
	for (i = 0; i < 8; i++)
		others[i] = new_file(PAGE, 0);
	EXPECT(prec_region_check(&regions[0]) == PREC_GONE); /* not known */
	map(&regions[1], fd, 1, PREC_READ);
	EXPECT(prec_region_check(&regions[1]) == PREC_OK);
	EXPECT(prec_region_unmap(&regions[0]) == PREC_OK);
	EXPECT(prec_region_unmap(&regions[1]) == PREC_OK);
	for (i = 0; i < 8; i++)
		EXPECT(close(others[i]) == 0);
	close(fd);
}

int main(void)
{
	one_for_all();
	rights_apart();
	many_files();
	closed_by_the_program();
	return expect_end();
}
