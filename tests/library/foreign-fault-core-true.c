// SPDX-License-Identifier: MIT
/*
 * A process that dies of a fault of its own dies at the instruction that
 * faulted: seen by a tracer at the deadly signal, and in the core file.
 */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "foreign.h"
#include "lender.h"

static void child(const struct foreign *how, bool traced)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct lender lender;

	setrlimit(RLIMIT_CORE, &all);
	lend(&lender, 4 * PAGE, PREC_READ | PREC_WRITE);
	if (traced)
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	how->happen();
	_exit(1);
}

static bool at_the_instruction(const struct user_regs_struct *r,
			       const struct foreign *how)
{
	if (how->sent || how->happen == misaligned)
		return true;
	return r->rip == (uint64_t)(uintptr_t)foreign_fault && r->r11 == KNOWN;
}

/* The last stop before death is the one that kills. */
static void by_tracer(const struct foreign *how)
{
	struct user_regs_struct registers;
	siginfo_t info, first, last;
	uint32_t stops = 0;
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		child(how, true);
	memset(&registers, 0, sizeof(registers));
	memset(&first, 0, sizeof(first));
	memset(&last, 0, sizeof(last));
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		MUST(ptrace(PTRACE_GETSIGINFO, pid, NULL, &info) == 0);
		if (WSTOPSIG(status) == how->sig) {
			ptrace(PTRACE_GETREGS, pid, NULL, &registers);
			last = info;
			if (stops++ == 0)
				first = info;
		}
		ptrace(PTRACE_CONT, pid, NULL, WSTOPSIG(status));
	}
	EXPECT(stops == 2);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == how->sig);
	EXPECT(at_the_instruction(&registers, how));
	EXPECT(memcmp(&first, &last, sizeof(first)) == 0);
}

/* The access that faulted would not do so again: the tracer mends the file
 * while the signal is on its way.  It is deadly all the same. */
static void mended_meanwhile(void)
{
	int file = memfd_create("foreign", 0), status;
	struct user_regs_struct registers;
	siginfo_t info;
	pid_t pid;

	MUST(file >= 0);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		struct lender lender;
		char *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
				file, 0);

		lend(&lender, PAGE, PREC_READ | PREC_WRITE);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		foreign_access(at + 24, KNOWN);
		_exit(1);
	}
	memset(&registers, 0, sizeof(registers));
	memset(&info, 0, sizeof(info));
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		ptrace(PTRACE_GETREGS, pid, NULL, &registers);
		ptrace(PTRACE_GETSIGINFO, pid, NULL, &info);
		MUST(ftruncate(file, PAGE) == 0);
		ptrace(PTRACE_CONT, pid, NULL, WSTOPSIG(status));
	}
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	EXPECT(registers.rip == (uint64_t)(uintptr_t)foreign_fault);
	EXPECT(registers.r11 == KNOWN);
	EXPECT(info.si_code == BUS_ADRERR &&
	       (uintptr_t)info.si_addr % PAGE == 24);
	close(file);
}

/* The first note of a kind in a core file. */
static const void *note(const unsigned char *core, uint32_t kind)
{
	const Elf64_Ehdr *head = (const void *)core;
	const Elf64_Phdr *part = (const void *)(core + head->e_phoff);
	uint32_t i;

	for (i = 0; i < head->e_phnum; i++) {
		uint64_t at = part[i].p_offset;
		uint64_t end = at + part[i].p_filesz;

		while (part[i].p_type == PT_NOTE && at < end) {
			const Elf64_Nhdr *n = (const void *)(core + at);
			uint64_t body =
				at + sizeof(*n) + (n->n_namesz + 3u) / 4 * 4;

			if (n->n_type == kind)
				return core + body;
			at = body + (n->n_descsz + 3u) / 4 * 4;
		}
	}
	return NULL;
}

static void by_core_file(const struct foreign *how)
{
	char folder[] = "/tmp/core-true.XXXXXX";
	const struct elf_prstatus *state;
	const siginfo_t *info;
	unsigned char *core;
	char path[64];
	int status, fd;
	off_t size;
	pid_t pid;

	MUST(mkdtemp(folder) != NULL);
	MUST(chdir(folder) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0)
		child(how, false);
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == how->sig);
	EXPECT(WCOREDUMP(status));
	snprintf(path, sizeof(path), "core");
	fd = open(path, O_RDONLY);
	if (fd < 0) {
		snprintf(path, sizeof(path), "core.%d", pid);
		fd = open(path, O_RDONLY);
	}
	MUST(fd >= 0);
	size = lseek(fd, 0, SEEK_END);
	core = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	MUST(core != MAP_FAILED);
	state = note(core, NT_PRSTATUS);
	info = note(core, NT_SIGINFO);
	MUST(state && info);
	EXPECT(at_the_instruction((const void *)state->pr_reg, how));
	EXPECT(info->si_signo == how->sig);
	EXPECT((info->si_code <= 0) ==
	       (how->sent && info->si_code != BUS_MCEERR_AO));
	if (how->happen == at_truncated)
		EXPECT((uintptr_t)info->si_addr % PAGE == 24);
	munmap(core, (size_t)size);
	close(fd);
	unlink(path);
	MUST(chdir("/") == 0);
	rmdir(folder);
}

static bool cores_are_files(void)
{
	char pattern_text[64] = "|";
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);

	if (fd < 0 || read(fd, pattern_text, sizeof(pattern_text) - 1) < 0)
		return false;
	close(fd);
	return strcmp(pattern_text, "core\n") == 0;
}

int main(void)
{
	bool cores = cores_are_files();
	size_t i;

	if (UNDER_SANITIZER)
		skip_all("the sanitizers replace the default action");
	for (i = 0; i < FOREIGNS; i++) {
		by_tracer(&foreign[i]);
		if (cores)
			by_core_file(&foreign[i]);
	}
	mended_meanwhile();
	if (!cores)
		skip_part("core files", "core_pattern does not say \"core\"");
	return expect_end();
}
