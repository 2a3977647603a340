// SPDX-License-Identifier: MIT
/*
 * Lent memory excuses nothing by itself.  Each of these is the driver's own
 * mistake and must reach the host's handler, or end the process, although a
 * region, an accessor or a transaction is near.
 */
#include <signal.h>
#include <sys/wait.h>

#include "lender.h"

static struct lender one, two;
static volatile sig_atomic_t got;

static void host(int sig, siginfo_t *info, void *context)
{
	(void)context;
	got = sig * 1000 + info->si_code;
	_exit(got == SIGBUS * 1000 + BUS_ADRERR	    ? 11
	      : got == SIGSEGV * 1000 + SEGV_ACCERR ? 12
	      : got == SIGSEGV * 1000 + SEGV_MAPERR ? 13
						    : 14);
}

enum { LOST = 11, FORBIDDEN = 12, UNMAPPED = 13 };

static void touch_without_transaction(void)
{
	set_size(&one, 0);
	(void)*bytes_of(&one.region);
}

UNWATCHED
static void touch_second(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	(void)*bytes_of(&two.region);
}

/* A transaction on one region says nothing of another. */
static void touch_another_region(void)
{
	struct prec_transaction t;

	set_size(&two, 0);
	(void)!run_on(&one.region, PREC_SUBSTITUTE, touch_second, NULL, &t);
}

static void touch_after_transaction(void)
{
	struct prec_transaction t;

	set_size(&two, 0);
	(void)!run_on(&two.region, PREC_ABANDON, touch_second, NULL, &t);
	(void)*bytes_of(&two.region);
}

UNWATCHED
static void write_to(struct prec_transaction *t, void *argument)
{
	(void)t;
	*bytes_of(argument) = 1;
}

static void write_read_only(void)
{
	struct prec_transaction t;
	struct lender reading;

	lend(&reading, PAGE, PREC_READ);
	(void)!run_on(&reading.region, PREC_SUBSTITUTE, write_to,
		      &reading.region, &t);
}

/* The span was forged to grant more than was lent. */
static void store_read_only(void)
{
	struct lender reading;
	struct prec_span span;

	lend(&reading, PAGE, PREC_READ);
	span = reading.region.span;
	span.rights |= PREC_WRITE;
	(void)!prec_store32(span, 0, 1);
}

UNWATCHED
static void write_null(struct prec_transaction *t, void *argument)
{
	(void)t;
	*(volatile int *)argument = 1;
}

static void null_in_transaction(void)
{
	struct prec_transaction t;

	(void)!run_on(&one.region, PREC_SUBSTITUTE, write_null, NULL, &t);
}

static void copy_in_to_nowhere(void)
{
	void *nowhere =
		mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(nowhere, PAGE);
	(void)prec_copy_in(nowhere, one.region.span, 0, 100).done;
}

static void copy_in_to_read_only(void)
{
	void *there =
		mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)prec_copy_in(there, one.region.span, 0, 3000).done;
}

static void copy_out_of_lost_file(void)
{
	int fd = new_file(PAGE, 0);
	void *there = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	MUST(ftruncate(fd, 0) == 0);
	(void)prec_copy_out(one.region.span, 0, there, 100).done;
}

static void load_past_unmap(void)
{
	struct prec_span span = one.region.span;
	uint64_t value;

	MUST(prec_region_unmap(&one.region) == PREC_OK);
	(void)!prec_load64(span, 0, &value);
}

static const struct {
	const char *name;
	void (*happen)(void);
	int end;
} mistakes[] = {
	{ "without a transaction", touch_without_transaction, LOST },
	{ "transaction on another", touch_another_region, LOST },
	{ "transaction has ended", touch_after_transaction, LOST },
	{ "writes what may only be read", write_read_only, FORBIDDEN },
	{ "stores what may only be read", store_read_only, FORBIDDEN },
	{ "null in a transaction", null_in_transaction, UNMAPPED },
	{ "copy in to nowhere", copy_in_to_nowhere, UNMAPPED },
	{ "copy in to read-only memory", copy_in_to_read_only, FORBIDDEN },
	{ "copy out of a lost file", copy_out_of_lost_file, LOST },
	{ "load after unmap", load_past_unmap, UNMAPPED },
};

static int end_of(void (*happen)(void), bool with_host)
{
	struct sigaction action = { .sa_sigaction = host,
				    .sa_flags = SA_SIGINFO };
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		if (with_host) {
			sigaction(SIGBUS, &action, NULL);
			sigaction(SIGSEGV, &action, NULL);
		}
		lend_pattern(&one, 4 * PAGE);
		lend_pattern(&two, 4 * PAGE);
		happen();
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	return status;
}

int main(void)
{
	size_t i;

	for (i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		int sig = mistakes[i].end == LOST ? SIGBUS : SIGSEGV;
		int status = end_of(mistakes[i].happen, true);

		if (!EXPECT(WIFEXITED(status) &&
			    WEXITSTATUS(status) == mistakes[i].end))
			fprintf(stderr, "%s: %x\n", mistakes[i].name, status);
		if (UNDER_SANITIZER)
			continue;
		status = end_of(mistakes[i].happen, false);
		if (!EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == sig))
			fprintf(stderr, "%s: %x\n", mistakes[i].name, status);
	}
	return expect_end();
}
