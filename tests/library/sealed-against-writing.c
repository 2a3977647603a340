// SPDX-License-Identifier: MIT
/*
 * A file that is sealed against writing is lent for reading, also by a kernel
 * that refuses to map it shared (before Linux 6.7; here a filter does), and its
 * loss is met as that of any other; to be written it is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lender.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define SIZE (4 * PAGE)

static struct lender lender;

static void make(int seals)
{
	lender.fd = new_file(SIZE, MFD_ALLOW_SEALING);
	write_pattern(lender.fd, SIZE);
	MUST(fcntl(lender.fd, F_ADD_SEALS, seals) == 0);
}

/* mmap of a file, shared and to be read: EPERM. */
static void as_before_6_7(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 7),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_READ, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[3])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAP_SHARED, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAP_SHARED | MAP_FIXED, 1,
			 0),
		BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]),
				      filter };

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	MUST(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, lender.fd, 0) ==
		     MAP_FAILED &&
	     errno == EPERM);
}

static void lent_for_reading(void)
{
	volatile unsigned char *bytes;
	uint64_t value;

	EXPECT(try_lend(&lender, SIZE, PREC_READ, PREC_TOLERATE, NULL) ==
	       PREC_OK);
	bytes = bytes_of(&lender.region);
	EXPECT(bytes[SIZE - 1] == pattern(SIZE - 1));
	set_size(&lender, PAGE);
	EXPECT(prec_load64(lender.region.span, PAGE, &value) == PREC_GONE);
	EXPECT(bytes[2 * PAGE] == 0 && bytes[0] == pattern(0));
	set_size(&lender, SIZE);
	EXPECT(prec_region_grow(&lender.region, SIZE) == PREC_OK);
	EXPECT(prec_region_check(&lender.region) == PREC_OK);
	end_lending(&lender);
}

static void refused_to_be_written(int seals)
{
	enum prec_refusal why;

	make(seals);
	EXPECT(try_lend(&lender, SIZE, PREC_READ | PREC_WRITE, 0, &why) ==
	       PREC_REFUSED);
	EXPECT(why == PREC_REFUSAL_RIGHTS);
	close(lender.fd);
}

int main(void)
{
	int status;
	pid_t pid;

	refused_to_be_written(F_SEAL_WRITE);
	refused_to_be_written(F_SEAL_FUTURE_WRITE);
	make(F_SEAL_WRITE);
	lent_for_reading();
	if (UNDER_SANITIZER)
		return expect_end(); /* maps files itself */
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		make(F_SEAL_WRITE);
		as_before_6_7();
		lent_for_reading();
		_exit(points_failed ? 1 : 31);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 31);
	return expect_end();
}
