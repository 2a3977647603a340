// SPDX-License-Identifier: MIT
/*
 * A fault goes to the innermost open transaction that names its region, and
 * leaving that one leaves those inside.
 */
#include <signal.h>
#include <sys/wait.h>

#include "lender.h"

static struct lender a, b;

struct nest {
	struct prec_region *outer, *inner, *touched;
	enum prec_policy inner_policy;
	enum prec_status inner_status;
	struct prec_transaction in;
	struct prec_region *named[1];
	volatile bool inner_returned, outer_went_on;
	volatile unsigned char found;
};

UNWATCHED
static void inside(struct prec_transaction *t, void *argument)
{
	struct nest *nest = argument;

	t->cursor = 1;
	nest->found = *bytes_of(nest->touched);
	t->cursor = 2;
}

UNWATCHED
static void outside(struct prec_transaction *t, void *argument)
{
	struct nest *nest = argument;

	t->cursor = 1;
	/* Stays readable, should the library look at it too long. */
	nest->named[0] = nest->inner;
	nest->in.regions = nest->named;
	nest->in.region_count = 1;
	nest->in.policy = nest->inner_policy;
	nest->inner_status = prec_transaction_run(&nest->in, inside, nest);
	nest->inner_returned = true;
	t->cursor = 2;
}

static struct prec_transaction out;

static enum prec_status nest_run(struct nest *nest, enum prec_policy policy,
				 struct prec_region *outer,
				 struct prec_region *inner,
				 struct prec_region *touched,
				 enum prec_policy inner_policy)
{
	memset(nest, 0, sizeof(*nest));
	nest->outer = outer;
	nest->inner = inner;
	nest->touched = touched;
	nest->inner_policy = inner_policy;
	nest->found = 0xff;
	return run_on(outer, policy, outside, nest, &out);
}

static void begin(void)
{
	struct prec_lending lending = { .rights = PREC_READ | PREC_WRITE,
					.size = PAGE,
					.options = PREC_KEEP_ON_FORK };

	lend_pattern(&a, PAGE);
	b.fd = lending.fd = new_file(PAGE, 0);
	MUST(prec_region_map(&b.region, &lending, NULL) == PREC_OK);
	set_size(&a, 0);
}

static void end(void)
{
	struct prec_transaction t;
	struct nest nest = { .touched = &b.region };

	/* Nothing is left open: both can be worked on and unmapped. */
	EXPECT(run_on(&b.region, PREC_ABANDON, inside, &nest, &t) == PREC_OK);
	end_lending(&a);
	end_lending(&b);
}

/* Nothing is open on it: a fault there is nobody's. */
static bool touching_b_kills(void)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		alarm(30);
		(void)*bytes_of(&b.region);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	if (UNDER_SANITIZER) /* it reports, and exits */
		return WIFEXITED(status) && WEXITSTATUS(status) != 0;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

static void inner_names_it(void)
{
	struct nest nest;

	begin();
	EXPECT(nest_run(&nest, PREC_ABANDON, &b.region, &a.region, &a.region,
			PREC_ABANDON) == PREC_OK);
	EXPECT(nest.inner_status == PREC_GONE && nest.inner_returned);
	EXPECT(nest.in.cursor == 1 && out.cursor == 2);
	EXPECT(nest.in.note.faults == 1 && out.note.faults == 0);
	end();
}

static void outer_names_it(void)
{
	struct nest nest;

	begin();
	EXPECT(nest_run(&nest, PREC_ABANDON, &a.region, &b.region, &a.region,
			PREC_ABANDON) == PREC_GONE);
	EXPECT(!nest.inner_returned && out.cursor == 1);
	EXPECT(nest.in.cursor == 1 && nest.in.note.faults == 0);
	EXPECT(out.note.faults == 1 && out.note.abandoned);
	set_size(&b, 0);
	EXPECT(touching_b_kills());
	set_size(&b, PAGE);
	end();
}

static void both_name_it(void)
{
	struct nest nest;

	begin();
	EXPECT(nest_run(&nest, PREC_ABANDON, &a.region, &a.region, &a.region,
			PREC_ABANDON) == PREC_GONE);
	EXPECT(nest.inner_status == PREC_GONE && nest.inner_returned);
	EXPECT(out.cursor == 2 && !out.note.abandoned && out.note.faults == 0);
	end();
}

/* The outer one's policy counts for the outer one's region. */
static void outer_substitutes(void)
{
	struct nest nest;

	begin();
	EXPECT(nest_run(&nest, PREC_SUBSTITUTE, &a.region, &b.region, &a.region,
			PREC_ABANDON) == PREC_DISTURBED);
	EXPECT(nest.inner_status == PREC_OK && nest.found == 0);
	EXPECT(out.cursor == 2 && out.note.substituted);
	EXPECT(nest.in.cursor == 2 && !nest.in.note.substituted);
	end();
}

static void inner_substitutes(void)
{
	struct nest nest;

	begin();
	EXPECT(nest_run(&nest, PREC_ABANDON, &a.region, &a.region, &a.region,
			PREC_SUBSTITUTE) == PREC_DISTURBED);
	EXPECT(nest.inner_status == PREC_DISTURBED && nest.found == 0);
	EXPECT(out.note.faults == 0 && !out.note.abandoned);
	end();
}

UNWATCHED
static void dive(struct prec_transaction *t, void *argument)
{
	struct prec_transaction next;
	uint64_t *depth = argument;
	enum prec_status status;

	(void)t;
	++*depth;
	status = run_on(&b.region, PREC_ABANDON, dive, depth, &next);
	EXPECT(status == PREC_FULL || status == PREC_OK);
}

/* 32 deep is the limit; beyond it nothing runs. */
static void to_the_bottom(void)
{
	struct prec_transaction t;
	uint64_t depth = 0;

	begin();
	EXPECT(run_on(&b.region, PREC_ABANDON, dive, &depth, &t) == PREC_OK);
	EXPECT(depth == 32);
	end();
}

UNWATCHED
static void dive_and_touch(struct prec_transaction *t, void *argument)
{
	struct prec_transaction next;
	uint64_t *depth = argument;

	(void)t;
	if (++*depth == 32)
		(void)*bytes_of(&a.region);
	else
		(void)!run_on(&b.region, PREC_ABANDON, dive_and_touch, depth,
			      &next);
	++*depth;
}

/* A fault at the bottom in the region of the top leaves all at once. */
static void from_the_bottom(void)
{
	struct prec_transaction t;
	uint64_t depth = 0;

	begin();
	EXPECT(run_on(&a.region, PREC_ABANDON, dive_and_touch, &depth, &t) ==
	       PREC_GONE);
	EXPECT(depth == 32);
	end();
}

static void names_nothing(void)
{
	struct prec_transaction t;

	memset(&t, 0, sizeof(t));
	EXPECT(prec_transaction_run(&t, inside, NULL) == PREC_INVALID);
}

/* The very transaction that is open: nested, or after a longjmp out of it. */
UNWATCHED
static void runs_itself(struct prec_transaction *t, void *argument)
{
	EXPECT(prec_transaction_run(t, runs_itself, argument) == PREC_INVALID);
	EXPECT(prec_transaction_current() == t);
	t->cursor++;
}

static void inside_itself(void)
{
	struct prec_transaction t;
	struct lender lender;

	lend_pattern(&lender, PAGE);
	EXPECT(run_on(&lender.region, PREC_ABANDON, runs_itself, NULL, &t) ==
	       PREC_OK);
	EXPECT(t.cursor == 1);
	end_lending(&lender);
}

int main(void)
{
	inner_names_it();
	outer_names_it();
	both_name_it();
	outer_substitutes();
	inner_substitutes();
	to_the_bottom();
	from_the_bottom();
	names_nothing();
	inside_itself();
	return expect_end();
}
