// SPDX-License-Identifier: MIT
/* What is not accepted as lent memory, once for each reason; and that a
 * refusal changes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "lender.h"

#define BOTH (PREC_READ | PREC_WRITE)

static int files_open(void)
{
	int fd, count = 0;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

static enum prec_refusal reason_of(struct prec_lending lending)
{
	struct prec_region region, before;
	enum prec_refusal refusal = PREC_REFUSAL_NONE;
	enum prec_status status;
	int files = files_open();

	memset(&region, 0x5a, sizeof(region));
	before = region;
	status = prec_region_map(&region, &lending, &refusal);
	if (status == PREC_OK) {
		MUST(prec_region_unmap(&region) == PREC_OK);
		EXPECT(refusal == PREC_REFUSAL_NONE);
		return PREC_REFUSAL_NONE;
	}
	EXPECT(status == PREC_REFUSED);
	EXPECT(memcmp(&region, &before, sizeof(region)) == 0);
	EXPECT(files_open() == files);
	EXPECT(prec_refusal_text(refusal)[0] != '\0');
	/* The reason may be left unasked. */
	EXPECT(prec_region_map(&region, &lending, NULL) == PREC_REFUSED);
	return refusal;
}

static enum prec_refusal of(int fd, uint32_t rights, uint64_t offset,
			    uint64_t size, uint32_t options)
{
	struct prec_lending lending = { .fd = fd,
					.rights = rights,
					.offset = offset,
					.size = size,
					.options = options };

	return reason_of(lending);
}

static void not_a_file(void)
{
	int ends[2], file = new_file(PAGE, 0);
	char path[64];

	EXPECT(of(-1, BOTH, 0, PAGE, 0) == PREC_REFUSAL_NOT_A_FILE);
	EXPECT(of(1000, BOTH, 0, PAGE, 0) == PREC_REFUSAL_NOT_A_FILE);
	MUST(pipe(ends) == 0);
	EXPECT(of(ends[0], PREC_READ, 0, PAGE, 0) == PREC_REFUSAL_NOT_A_FILE);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	EXPECT(of(ends[0], BOTH, 0, PAGE, 0) == PREC_REFUSAL_NOT_A_FILE);
	EXPECT(of(open("/dev/shm", O_RDONLY), PREC_READ, 0, PAGE, 0) ==
	       PREC_REFUSAL_NOT_A_FILE);
	EXPECT(of(open("/dev/zero", O_RDWR), BOTH, 0, PAGE, 0) ==
	       PREC_REFUSAL_NOT_A_FILE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	EXPECT(of(open(path, O_PATH), PREC_READ, 0, PAGE, 0) ==
	       PREC_REFUSAL_NOT_A_FILE);
}

static void file_system(void)
{
	char name[] = "/var/tmp/admission.XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);
	struct statfs fs;

	MUST(fd >= 0);
	unlink(name);
	MUST(ftruncate(fd, 2 * PAGE) == 0);
	MUST(fstatfs(fd, &fs) == 0);
	if (fs.f_type == 0x01021994) {
		skip_part("file system", "/var/tmp is tmpfs");
		return;
	}
	EXPECT(of(fd, BOTH, 0, PAGE, 0) == PREC_REFUSAL_FILE_SYSTEM);
	EXPECT(of(fd, BOTH, 0, PAGE, PREC_ADMIT_ANY_FILE) == PREC_REFUSAL_NONE);
	EXPECT(of(fd, BOTH, 0, 3 * PAGE, PREC_ADMIT_ANY_FILE) ==
	       PREC_REFUSAL_TOO_SHORT);
	EXPECT(of(fd, BOTH, 0, PAGE, PREC_ADMIT_ANY_FILE | PREC_ADMIT_STRICT) ==
	       PREC_REFUSAL_SEALS);
}

static void size_and_place(void)
{
	int fd = new_file(4 * PAGE, 0);

	EXPECT(of(fd, BOTH, 0, 4 * PAGE, 0) == PREC_REFUSAL_NONE);
	EXPECT(of(fd, BOTH, PAGE, 3 * PAGE, 0) == PREC_REFUSAL_NONE);
	EXPECT(of(fd, BOTH, 0, 5 * PAGE, 0) == PREC_REFUSAL_TOO_SHORT);
	EXPECT(of(fd, BOTH, PAGE, 4 * PAGE, 0) == PREC_REFUSAL_TOO_SHORT);
	EXPECT(of(fd, BOTH, 4 * PAGE, PAGE, 0) == PREC_REFUSAL_TOO_SHORT);
	EXPECT(of(fd, BOTH, 1ull << 55, PAGE, 0) == PREC_REFUSAL_TOO_SHORT);
	EXPECT(of(fd, BOTH, 0, 1ull << 55, 0) == PREC_REFUSAL_TOO_SHORT);
	EXPECT(of(fd, BOTH, 512, PAGE, 0) == PREC_REFUSAL_ALIGNMENT);
	EXPECT(of(fd, BOTH, 512, 100, 0) == PREC_REFUSAL_ALIGNMENT);
	EXPECT(of(fd, BOTH, 0, 4 * PAGE + 1, 0) == PREC_REFUSAL_TOO_SHORT);
}

static void senseless(void)
{
	const struct prec_lending wrong[] = {
		{ .rights = BOTH, .size = 0 },
		{ .rights = 0, .size = PAGE },
		{ .rights = 4, .size = PAGE },
		{ .rights = BOTH, .size = PREC_ADDRESS_MAX },
		{ .rights = BOTH, .size = ~0ull },
		{ .rights = BOTH, .size = PAGE, .offset = ~0ull },
		{ .rights = BOTH, .size = PAGE, .reserved = 1 },
		{ .rights = BOTH, .size = PAGE, .reserved_more = { [2] = 1 } },
		{ .rights = BOTH, .size = PAGE, .address = PREC_ADDRESS_MAX },
		{ .rights = BOTH,
		  .size = PAGE,
		  .address = PREC_ADDRESS_MAX - PAGE + 1 },
	};
	int fd = new_file(4 * PAGE, 0);
	struct prec_region region;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct prec_lending lending = wrong[i];

		lending.fd = fd;
		EXPECT(prec_region_map(&region, &lending, NULL) ==
		       PREC_INVALID);
	}
}

static void rights(void)
{
	int fd = new_file(PAGE, MFD_ALLOW_SEALING);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT(of(open(path, O_RDONLY), BOTH, 0, PAGE, 0) ==
	       PREC_REFUSAL_RIGHTS);
	EXPECT(of(open(path, O_RDONLY), PREC_READ, 0, PAGE, 0) ==
	       PREC_REFUSAL_NONE);
	EXPECT(of(open(path, O_WRONLY), PREC_WRITE, 0, PAGE, 0) ==
	       PREC_REFUSAL_RIGHTS);
}

static void holes(void)
{
	uint64_t size = 300ull << 20;
	int fd = new_file(size, MFD_ALLOW_SEALING);
	struct prec_lending lending = { .fd = fd,
					.rights = BOTH,
					.size = size };

	EXPECT(reason_of(lending) == PREC_REFUSAL_SPARSE);
	lending.size = 200ull << 20;
	EXPECT(reason_of(lending) == PREC_REFUSAL_NONE);
	lending.sparse_max = 1 << 20;
	EXPECT(reason_of(lending) == PREC_REFUSAL_SPARSE);
	lending.size = 1 << 20;
	EXPECT(reason_of(lending) == PREC_REFUSAL_NONE);
	lending.size = size;
	lending.options = PREC_ADMIT_SPARSE;
	EXPECT(reason_of(lending) == PREC_REFUSAL_NONE);
}

static void seals(void)
{
	int unsealable = new_file(PAGE, 0);
	int fd = new_file(PAGE, MFD_ALLOW_SEALING);

	EXPECT(of(unsealable, BOTH, 0, PAGE, PREC_ADMIT_STRICT) ==
	       PREC_REFUSAL_SEALS);
	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) == 0);
	/* Shrinking is barred, but punching is not, nor can it be. */
	EXPECT(of(fd, BOTH, 0, PAGE, PREC_ADMIT_STRICT) == PREC_REFUSAL_SEALS);
	EXPECT(of(fd, BOTH, 0, PAGE, 0) == PREC_REFUSAL_NONE);
	fd = new_file(PAGE, MFD_ALLOW_SEALING);
	EXPECT(of(fd, BOTH, 0, PAGE, PREC_ADMIT_STRICT) == PREC_REFUSAL_NONE);
}

static void secret(void)
{
#ifdef SYS_memfd_secret
	int fd = (int)syscall(SYS_memfd_secret, 0);

	if (fd >= 0) {
		MUST(ftruncate(fd, PAGE) == 0);
		EXPECT(of(fd, BOTH, 0, PAGE, 0) == PREC_REFUSAL_FILE_SYSTEM);
		EXPECT(of(fd, BOTH, 0, PAGE, PREC_ADMIT_ANY_FILE) ==
		       PREC_REFUSAL_SECRET);
		close(fd);
		return;
	}
#endif
	skip_part("secret memory", "the kernel does not offer it");
}

static void huge(void)
{
	int fd = memfd_create("huge", MFD_HUGETLB | 21u << 26);

	if (fd < 0 || ftruncate(fd, 2 << 20) != 0) {
		skip_part("huge pages", "the kernel does not offer them");
		return;
	}
	EXPECT(of(fd, BOTH, 0, PAGE, 0) == PREC_REFUSAL_PAGE_SIZE);
	EXPECT(of(fd, BOTH, PAGE, 2 << 20, 0) == PREC_REFUSAL_ALIGNMENT);
	EXPECT(of(fd, BOTH, 0, (2 << 20) + PAGE, 0) == PREC_REFUSAL_TOO_SHORT);
}

int main(void)
{
	not_a_file();
	file_system();
	size_and_place();
	senseless();
	rights();
	holes();
	seals();
	secret();
	huge();
	EXPECT(prec_refusal_text((enum prec_refusal)1000)[0] != '\0');
	return expect_end();
}
