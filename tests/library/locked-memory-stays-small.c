// SPDX-License-Identifier: MIT
/*
 * Under mlockall(MCL_FUTURE) the kernel makes all pages of a new mapping at
 * once.  What takes the place of lost memory is made page by page all the same,
 * so that the client does not decide how long our handler takes.
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lender.h"

#define SIZE  (64u << 20)
#define PAGES (SIZE / PAGE)
#define FEW   512u /* pages; one lost byte is no reason for more */

static struct lender lender;

static uint64_t resident(void)
{
	static unsigned char there[PAGES];
	uint64_t i, count = 0;

	MUST(mincore((void *)(uintptr_t)lender.region.span.host, SIZE, there) ==
	     0);
	for (i = 0; i < PAGES; i++)
		count += there[i] & 1;
	return count;
}

static void store_in_the_middle(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	bytes_of(&lender.region)[SIZE / 2] = 7;
}

static void each_page_still_comes(void)
{
	volatile unsigned char *bytes = bytes_of(&lender.region);
	uint64_t at;

	for (at = 0; at < SIZE; at += SIZE / 64)
		EXPECT(bytes[at] == (at == SIZE / 2 ? 7 : 0));
	bytes[SIZE - 1] = 1;
	EXPECT(bytes[SIZE - 1] == 1);
}

static int child(uint32_t options)
{
	struct prec_transaction t;

	lender.fd = new_file(SIZE, 0);
	MUST(try_lend(&lender, SIZE, PREC_READ | PREC_WRITE, options, NULL) ==
	     PREC_OK);
	set_size(&lender, 0);
	if (syscall(SYS_mlockall, MCL_FUTURE) != 0)
		return 77;
	if (options & PREC_TOLERATE)
		store_in_the_middle(NULL, NULL);
	else
		EXPECT(run_on(&lender.region, PREC_SUBSTITUTE,
			      store_in_the_middle, NULL, &t) == PREC_DISTURBED);
	if (!EXPECT(resident() <= FEW))
		fprintf(stderr, "%lu pages\n", resident());
	if (options & PREC_TOLERATE)
		each_page_still_comes();
	return points_failed ? 1 : 31;
}

static void with(uint32_t options)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		_exit(child(options));
	MUST(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip_all("this user may not lock memory");
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 31);
}

int main(void)
{
	if (UNDER_SANITIZER)
		skip_all("sanitizers need memory of their own");
	with(0);
	with(PREC_TOLERATE);
	return expect_end();
}
