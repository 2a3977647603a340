// SPDX-License-Identifier: MIT
/*
 * What a program must not do.  Each misuse is told by a status with nothing
 * changed or, if it is an access that faults, by the signal.  A library that
 * was built with -Dcheck=true ends the program instead, and names the rule.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "lender.h"

static struct lender lender;
static struct prec_region *const regions[] = { &lender.region };

static struct prec_transaction on_it(enum prec_policy policy)
{
	struct prec_transaction t = { .regions = regions,
				      .region_count = 1,
				      .policy = policy };

	return t;
}

static void nothing(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
}

/* --- transactions and scopes --- */

static int no_region(void)
{
	struct prec_transaction t = on_it(PREC_ABANDON);

	t.region_count = 0;
	return (int)prec_transaction_run(&t, nothing, NULL);
}

static int unknown_policy(void)
{
	struct prec_transaction t = on_it((enum prec_policy)7);

	return (int)prec_transaction_run(&t, nothing, NULL);
}

static int scope_that_abandons(void)
{
	struct prec_transaction t = on_it(PREC_ABANDON);

	return (int)prec_scope_begin(&t);
}

static int reserved_of_transaction(void)
{
	struct prec_transaction t = on_it(PREC_ABANDON);

	t.reserved[4] = 1;
	return (int)prec_transaction_run(&t, nothing, NULL);
}

static jmp_buf out;

static void jumps(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	longjmp(out, 1);
}

static int left_by_a_jump(void)
{
	static struct prec_transaction t;

	t = on_it(PREC_ABANDON);
	if (setjmp(out) == 0)
		(void)!prec_transaction_run(&t, jumps, NULL);
	return (int)prec_transaction_run(&t, nothing, NULL);
}

static int unmapped_region(void)
{
	struct prec_transaction t = on_it(PREC_ABANDON);

	MUST(prec_region_unmap(&lender.region) == PREC_OK);
	return (int)prec_transaction_run(&t, nothing, NULL);
}

static int blocked_signals(void)
{
	struct prec_transaction t = on_it(PREC_ABANDON);
	sigset_t bus;

	MUST(prec_transaction_run(&t, nothing, NULL) == PREC_OK);
	sigemptyset(&bus);
	sigaddset(&bus, SIGBUS);
	sigprocmask(SIG_BLOCK, &bus, NULL);
	return (int)prec_transaction_run(&t, nothing, NULL);
}

static int wrong_order(void)
{
	struct prec_transaction one = on_it(PREC_SUBSTITUTE), two = one;

	MUST(prec_scope_begin(&one) == PREC_OK);
	MUST(prec_scope_begin(&two) == PREC_OK);
	return (int)prec_scope_end(&one);
}

/* --- calls that lock, where code may be abandoned --- */

static int status_inside;

static int inside(prec_transaction_fn *fn)
{
	struct prec_transaction t = on_it(PREC_ABANDON);

	MUST(prec_transaction_run(&t, fn, NULL) == PREC_OK);
	return status_inside;
}

static struct prec_region other;

static void maps(struct prec_transaction *t, void *argument)
{
	struct prec_lending lending = { .fd = lender.fd,
					.rights = PREC_READ,
					.size = PAGE };

	(void)t;
	(void)argument;
	status_inside = (int)prec_region_map(&other, &lending, NULL);
}

static void grows(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	status_inside = (int)prec_region_grow(&lender.region, PAGE);
}

static void reads(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	status_inside =
		(int)prec_pread(lender.fd, lender.region.span, 0, 16, 0).status;
}

static int map_inside(void)
{
	return inside(maps);
}

static int grow_inside(void)
{
	return inside(grows);
}

static int pread_inside(void)
{
	return inside(reads);
}

static int unmap_inside(void)
{
	struct prec_transaction scope = on_it(PREC_SUBSTITUTE);

	MUST(prec_scope_begin(&scope) == PREC_OK);
	return (int)prec_region_unmap(&lender.region);
}

/* --- regions --- */

static int unmapped_twice(void)
{
	MUST(prec_region_unmap(&lender.region) == PREC_OK);
	return (int)prec_region_unmap(&lender.region);
}

static int moved(void)
{
	struct prec_region copy = lender.region;

	return (int)prec_region_revoke(&copy);
}

static int mapped_with(uint32_t rights, uint32_t options, uint32_t reserved)
{
	struct prec_lending lending = { .fd = lender.fd,
					.rights = rights,
					.options = options,
					.reserved = reserved,
					.size = PAGE };

	return (int)prec_region_map(&other, &lending, NULL);
}

static int no_rights(void)
{
	return mapped_with(0, 0, 0);
}

static int unknown_option(void)
{
	return mapped_with(PREC_READ, 1u << 31, 0);
}

static int reserved_of_lending(void)
{
	return mapped_with(PREC_READ, 0, 1);
}

static int adopted_amid_a_page(void)
{
	static unsigned char bytes[3 * PAGE];
	struct prec_adoption adoption = { .size = PAGE, .rights = PREC_READ };

	adoption.at = bytes + 1 + (uintptr_t)bytes % 2;
	return (int)prec_region_adopt(&other, &adoption);
}

static int mapped_twice(void)
{
	struct lender again = lender;

	/* It is another region now, and nobody knows the first. */
	return (int)try_lend(&lender, PAGE, PREC_READ, 0, NULL) +
	       (again.region.span.host == lender.region.span.host);
}

static int budget_in_use(void)
{
	struct prec_budget budget = { .max = PAGE };
	struct prec_lending lending = { .fd = lender.fd,
					.rights = PREC_READ,
					.budget = &budget,
					.size = PAGE };

	MUST(prec_region_map(&other, &lending, NULL) == PREC_OK);
	prec_budget_end(&budget);
	return PREC_OK;
}

/* --- signals --- */

static int hosted_too_late(void)
{
	return (int)prec_fault_hosted();
}

/* --- accesses --- */

static int span_of_before(void)
{
	struct prec_span span = lender.region.span;
	unsigned char byte;

	MUST(prec_region_unmap(&lender.region) == PREC_OK);
	return (int)prec_load8(span, 0, &byte);
}

static int copied_to_nowhere(void)
{
	return (int)prec_copy_in((void *)8, lender.region.span, 0, 8).status;
}

static int plain_outside(void)
{
	set_size(&lender, 0);
	return *bytes_of(&lender.region);
}

static int written_unasked(void)
{
	struct prec_transaction scope;

	MUST(prec_region_unmap(&lender.region) == PREC_OK);
	MUST(try_lend(&lender, PAGE, PREC_READ, 0, NULL) == PREC_OK);
	scope = on_it(PREC_SUBSTITUTE);
	MUST(prec_scope_begin(&scope) == PREC_OK);
	*bytes_of(&lender.region) = 1;
	return PREC_OK;
}

#define KILLED(sig) (1000 + (sig))

static const struct misuse {
	const char *name; /* of the rule */
	int (*commit)(void);
	int otherwise; /* the status, or how the access ends */
} misuses[] = {
	{ "prec_transaction_run: at least one region is named", no_region,
	  PREC_INVALID },
	{ "prec_transaction_run: the policy is PREC_ABANDON or PREC_SUBSTITUTE",
	  unknown_policy, PREC_INVALID },
	{ "prec_scope_begin: the policy of a scope is PREC_SUBSTITUTE",
	  scope_that_abandons, PREC_INVALID },
	{ "prec_transaction_run: reserved fields are 0",
	  reserved_of_transaction, PREC_OK },
	{ "prec_transaction_run: not begun again while it is open",
	  left_by_a_jump, PREC_INVALID },
	{ "prec_transaction_run: each region that is named is mapped",
	  unmapped_region, PREC_REFUSED },
	{ "prec_transaction_run: SIGBUS and SIGSEGV are not blocked",
	  blocked_signals, PREC_OK },
	{ "prec_scope_end: what is begun last is ended first", wrong_order,
	  PREC_INVALID },
	{ "prec_region_map: not called inside a transaction that may be",
	  map_inside, PREC_OK },
	{ "prec_region_grow: not called inside a transaction that may be",
	  grow_inside, PREC_OK },
	{ "prec_pread: not called inside a transaction that may be",
	  pread_inside, PREC_OK },
	{ "prec_region_unmap: this thread has no transaction open",
	  unmap_inside, PREC_BUSY },
	{ "prec_region_unmap: the region is mapped, and not moved",
	  unmapped_twice, PREC_INVALID },
	{ "prec_region_revoke: the region is mapped, and not moved", moved,
	  PREC_INVALID },
	{ "prec_region_map: the rights are PREC_READ, PREC_WRITE or both",
	  no_rights, PREC_INVALID },
	{ "prec_region_map: the options are known", unknown_option,
	  PREC_INVALID },
	{ "prec_region_map: reserved fields are 0", reserved_of_lending,
	  PREC_INVALID },
	{ "prec_region_map: the structure is not that of a mapped region",
	  mapped_twice, PREC_OK },
	{ "prec_region_adopt: memory that is adopted begins at a page",
	  adopted_amid_a_page, PREC_INVALID },
	{ "prec_budget_end: no region is mapped with the budget", budget_in_use,
	  PREC_OK },
	{ "prec_fault_hosted: called before the handler is installed",
	  hosted_too_late, PREC_BUSY },
	{ "an access: spans are of mapped regions", span_of_before,
	  KILLED(SIGSEGV) },
	{ "an access: spans are of mapped regions, and what is copied has room",
	  copied_to_nowhere, KILLED(SIGSEGV) },
	{ "an access: plain pointers are used in a transaction on the region",
	  plain_outside, KILLED(SIGBUS) },
	{ "an access: only a region with PREC_WRITE is written",
	  written_unasked, KILLED(SIGSEGV) },
};

static void be_killed_quietly(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
}

/* What the child ended with, and its first line. */
static int end_of(const struct misuse *misuse, char *line, size_t room)
{
	int status, pipes[2];
	ssize_t said;
	pid_t pid;

	MUST(pipe(pipes) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		be_killed_quietly();
		lend_pattern(&lender, PAGE);
		dup2(pipes[1], STDERR_FILENO);
		_exit(100 + misuse->commit());
	}
	close(pipes[1]);
	said = read(pipes[0], line, room - 1);
	line[said < 0 ? 0 : said] = '\0';
	close(pipes[0]);
	MUST(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) - 100
				 : KILLED(WTERMSIG(status));
}

static void committed(const struct misuse *misuse, bool checks)
{
	char line[512], begins[256];
	int end = end_of(misuse, line, sizeof(line));
	bool ended, said;

	snprintf(begins, sizeof(begins), "precarium: %s", misuse->name);
	ended = EXPECT(end == (checks ? KILLED(SIGABRT) : misuse->otherwise));
	said = EXPECT(checks ? strncmp(line, begins, strlen(begins)) == 0
			     : line[0] == '\0');
	if (!ended || !said)
		fprintf(stderr, "%s: %d, %s\n", misuse->name, end, line);
}

int main(int argc, char **argv)
{
	bool checks = argc > 1 && strcmp(argv[1], "checks") == 0;
	size_t i;

	if (UNDER_SANITIZER)
		skip_all("sanitizers report some of these themselves");
	for (i = 0; i < sizeof(misuses) / sizeof(misuses[0]); i++)
		committed(&misuses[i], checks);
	return expect_end();
}
