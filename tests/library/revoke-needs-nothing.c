// SPDX-License-Identifier: MIT
/*
 * Our own descriptors are never 0, 1 or 2.  A region is revoked also when the
 * process has no descriptor left, or has closed what the library keeps; and
 * where the system refuses, nothing says that it was revoked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lender.h"

static struct lender lender;

static bool reaches_client(void)
{
	uint64_t value;

	return prec_load64(lender.region.span, 0, &value) == PREC_OK;
}

static void is_revoked(void)
{
	EXPECT(prec_region_revoke(&lender.region) == PREC_OK);
	EXPECT(prec_region_revoked(&lender.region));
	EXPECT(!reaches_client());
}

static void standard_descriptors_closed(void)
{
	int errors = dup(2), fd;

	for (fd = 0; fd <= 2; fd++)
		close(fd);
	(void)!prec_budget_prepare(); /* not everywhere */
	MUST(try_lend(&lender, PAGE, PREC_READ, 0, NULL) == PREC_OK);
	is_revoked();
	for (fd = 0; fd <= 2; fd++)
		EXPECT(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
	dup2(errors, 2);
}

static void no_descriptor_left(void)
{
	struct rlimit none = { 0, 0 };

	MUST(try_lend(&lender, PAGE, PREC_READ, 0, NULL) == PREC_OK);
	MUST(setrlimit(RLIMIT_NOFILE, &none) == 0);
	MUST(dup(2) < 0 && errno == EMFILE);
	is_revoked();
}

/* The numbers come to belong to a file that has bytes. */
static void descriptors_closed(void)
{
	int fd;

	MUST(try_lend(&lender, PAGE, PREC_READ, 0, NULL) == PREC_OK);
	for (fd = 3; fd < 100; fd++)
		if (fd != lender.fd)
			dup2(lender.fd, fd);
	is_revoked();
}

static void mapping_refused(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]),
				      filter };

	MUST(try_lend(&lender, PAGE, PREC_READ, 0, NULL) == PREC_OK);
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	EXPECT(prec_region_revoke(&lender.region) == PREC_SYSTEM);
	EXPECT(errno == ENOMEM);
	EXPECT(!prec_region_revoked(&lender.region));
	EXPECT(reaches_client());
}

static void with(const char *name, void (*trouble)(void))
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		points_failed = 0;
		lender.fd = new_file(PAGE, MFD_ALLOW_SEALING);
		trouble();
		_exit(points_failed ? 1 : 31);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	if (!EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 31))
		fprintf(stderr, "%s: %x\n", name, status);
}

int main(void)
{
	if (UNDER_SANITIZER)
		skip_all("sanitizers map memory and open files of their own");
	with("standard descriptors closed", standard_descriptors_closed);
	with("no descriptor left", no_descriptor_left);
	with("descriptors closed", descriptors_closed);
	with("mapping refused", mapping_refused);
	return expect_end();
}
