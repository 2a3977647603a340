// SPDX-License-Identifier: MIT
/*
 * When no empty page can be put in the place of a lost one, substitute becomes
 * abandon: a seccomp filter forbids mmap, address space or mappings have run
 * out, or all of memory is locked and the limit is reached.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lender.h"

#define PAGES 16u

static struct lender lender;

UNWATCHED
static void scan(struct prec_transaction *t, void *argument)
{
	const struct prec_region *region = argument;
	uint64_t i;

	for (i = 0; i < region->span.size; i += 512) {
		t->cursor = i;
		(void)bytes_of(region)[i];
	}
	t->cursor = PAGES * PAGE;
}

static enum prec_status scan_all(struct prec_transaction *t)
{
	return run_on(&lender.region, PREC_SUBSTITUTE, scan, &lender.region, t);
}

/* After a first fault, so that nothing is bound or set up for the first time
 * under the filter. */
static void use_once(void)
{
	struct lender first;
	struct prec_transaction t;

	lend(&first, PAGE, PREC_READ);
	set_size(&first, 0);
	MUST(run_on(&first.region, PREC_ABANDON, scan, &first.region, &t) ==
	     PREC_GONE);
	end_lending(&first);
}

static void filtered(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigaction, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sigaltstack, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fstat, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]),
				      filter };

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	MUST(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		     MAP_FAILED &&
	     errno == EPERM);
}

/* As many mappings as the process may have: neighbours that cannot merge. */
static void mappings_used_up(void)
{
	uint64_t count = 0;
	int prot = PROT_READ;

	while (mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED) {
		prot ^= PROT_READ | PROT_WRITE;
		MUST(++count < 10000000);
	}
}

static void memory_locked(void)
{
	struct rlimit little = { 0, 0 };

	MUST(mlockall(MCL_FUTURE) == 0);
	MUST(setrlimit(RLIMIT_MEMLOCK, &little) == 0);
	MUST(setuid(65534) == 0); /* root has no such limit */
}

static int child(void (*trouble)(void), uint64_t kept)
{
	struct prec_transaction t;
	uint64_t value = 0;
	int i;

	use_once();
	lend_pattern(&lender, PAGES * PAGE);
	set_size(&lender, kept);
	trouble();
	EXPECT(scan_all(&t) == PREC_GONE);
	EXPECT(t.cursor == kept);
	EXPECT(t.note.abandoned && !t.note.substituted);
	EXPECT(t.note.faults >= 1);
	for (i = 0; i < 100; i++)
		EXPECT(scan_all(&t) == PREC_GONE && t.cursor == kept);
	EXPECT(prec_load64(lender.region.span, kept, &value) == PREC_GONE);
	EXPECT(prec_load64(lender.region.span, kept - 8, &value) == PREC_OK);
	EXPECT(prec_copy_out(lender.region.span, kept - 20,
			     "0123456789012345"
			     "0123456789012345",
			     32)
		       .done == 20);
	return points_failed ? 1 : 31;
}

static void with(const char *name, void (*trouble)(void))
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		_exit(child(trouble, 3 * PAGE));
	MUST(waitpid(pid, &status, 0) == pid);
	if (!EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 31))
		fprintf(stderr, "%s: %x\n", name, status);
}

int main(void)
{
	if (UNDER_SANITIZER)
		skip_all("sanitizers need memory of their own");
	with("a filter", filtered);
	with("mappings", mappings_used_up);
	if (geteuid() == 0)
		with("locked memory", memory_locked);
	else
		skip_part("locked memory", "needs root to set up");
	return expect_end();
}
