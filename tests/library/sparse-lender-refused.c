// SPDX-License-Identifier: MIT
/*
 * Reading a hole of lent memory through the mapping allocates a page that the
 * reader pays for.  In a memory cgroup of 32 MiB: a sparse file is refused as
 * it is, and one that was accepted on purpose kills, which is what the option
 * is documented to risk.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lender.h"

#define LIMIT "33554432"

static char group[] = "/sys/fs/cgroup/memory/precarium-test-XXXXXX";

static bool put(const char *name, const char *text)
{
	char path[128];
	bool good;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return false;
	good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

static void join(void)
{
	char self[16];

	snprintf(self, sizeof(self), "%d", getpid());
	MUST(put("cgroup.procs", self));
}

/* Read all that can be had of a sparse file of 300 MiB. */
static int serve(uint32_t options)
{
	static unsigned char bytes[1 << 20];
	uint64_t size = 300ull << 20, at;
	enum prec_refusal refusal;
	struct lender lender;

	join();
	lender.fd = new_file(size, 0);
	if (try_lend(&lender, size, PREC_READ, options, &refusal) != PREC_OK)
		return refusal == PREC_REFUSAL_SPARSE ? 51 : 52;
	for (at = 0; at < size; at += sizeof(bytes))
		if (prec_copy_in(bytes, lender.region.span, at, sizeof(bytes))
			    .status != PREC_OK)
			return 53;
	return 54;
}

static int end_of(uint32_t options)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		_exit(serve(options));
	MUST(waitpid(pid, &status, 0) == pid);
	return status;
}

int main(void)
{
	int status;

	if (UNDER_SANITIZER)
		skip_all("sanitizers need more than the group may have");
	if (!mkdtemp(group))
		skip_all("needs a memory cgroup (v1) and root to make one");
	if (!put("memory.limit_in_bytes", LIMIT)) {
		rmdir(group);
		skip_all("the memory cgroup takes no limit");
	}
	status = end_of(0);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 51);
	status = end_of(PREC_ADMIT_SPARSE);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT(rmdir(group) == 0);
	return expect_end();
}
