// SPDX-License-Identifier: MIT
/*
 * A signal handler of the host runs on top of an open transaction and touches
 * its region, which is lost.  Abandoning would jump over its live frame.  So a
 * page is put there, the handler ends as any other, the mask is what it was,
 * and the transaction says what happened.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "lender.h"

static struct lender lender;
static volatile sig_atomic_t begun, ended, seen_value;
static enum { TOUCH, LOAD, NEST, LEAVE_ALONE } what;
static enum prec_status inner_status;
static bool body_touches, politely;

static uint64_t mask_now(void)
{
	uint64_t mask = 0;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8);
	return mask;
}

UNWATCHED
static void touch(struct prec_transaction *t, void *argument)
{
	(void)argument;
	t->cursor = 1;
	(void)*bytes_of(&lender.region);
	t->cursor = 2;
}

static void host(int sig)
{
	struct prec_transaction t;
	uint64_t value = 1;

	(void)sig;
	begun++;
	if (what == TOUCH)
		seen_value = *bytes_of(&lender.region);
	else if (what == LOAD)
		inner_status = prec_load64(lender.region.span, 0, &value);
	else if (what == NEST)
		inner_status =
			run_on(&lender.region, PREC_ABANDON, touch, NULL, &t);
	ended++;
}

UNWATCHED
static void body(struct prec_transaction *t, void *argument)
{
	(void)argument;
	t->cursor = 1;
	if (politely)
		EXPECT(prec_region_revoke(&lender.region) == PREC_OK);
	else
		set_size(&lender, 0);
	pthread_kill(pthread_self(), SIGUSR1);
	t->cursor = 2;
	if (body_touches)
		(void)*bytes_of(&lender.region);
	t->cursor = 3;
}

static void once(enum prec_policy policy, int flags)
{
	struct sigaction action = { .sa_handler = host, .sa_flags = flags };
	uint64_t before = mask_now();
	enum prec_status status, expected = politely ? PREC_GONE : PREC_OK;
	struct prec_transaction t;

	MUST(sigaction(SIGUSR1, &action, NULL) == 0);
	lend_pattern(&lender, 2 * PAGE);
	begun = ended = 0;
	seen_value = 0x99;
	inner_status = PREC_INVALID;
	status = run_on(&lender.region, policy, body, NULL, &t);
	EXPECT(begun == 1 && ended == 1);
	EXPECT(mask_now() == before);
	if (what == TOUCH) {
		expected = PREC_DISTURBED;
		EXPECT(seen_value == 0);
		EXPECT(t.note.faults == 1 && t.note.substituted);
	} else if (what == LOAD || what == NEST) {
		expected = PREC_GONE;
		EXPECT(inner_status ==
		       (what == NEST && politely ? PREC_REFUSED : PREC_GONE));
	}
	if (body_touches && policy == PREC_SUBSTITUTE)
		expected = PREC_DISTURBED;
	if (body_touches && what != TOUCH && policy == PREC_ABANDON) {
		expected = PREC_GONE;
		EXPECT(t.cursor == 2);
	} else {
		EXPECT(t.cursor == 3);
	}
	EXPECT(status == expected);
	end_lending(&lender);
}

UNWATCHED
static void timed_body(struct prec_transaction *t, void *argument)
{
	struct itimerval soon = { .it_value = { 0, 200 } };
	const volatile sig_atomic_t *count = argument;

	/* Here: it must not come before the transaction is open. */
	setitimer(ITIMER_REAL, &soon, NULL);
	while (*count == 0)
		t->cursor++;
	(void)*bytes_of(&lender.region);
}

/* The same from a timer, between any two instructions. */
static void by_timer(void)
{
	struct sigaction action = { .sa_handler = host };
	struct prec_transaction t;
	int i;

	what = TOUCH;
	MUST(sigaction(SIGALRM, &action, NULL) == 0);
	for (i = 0; i < 200; i++) {
		lend_pattern(&lender, PAGE);
		set_size(&lender, 0);
		ended = 0;
		EXPECT(run_on(&lender.region, PREC_ABANDON, timed_body,
			      (void *)(uintptr_t)&ended, &t) == PREC_DISTURBED);
		EXPECT(mask_now() == 0);
		end_lending(&lender);
	}
}

static void each(void)
{
	const int flags[] = { 0, SA_ONSTACK };
	int bits;

	for (bits = 0; bits < 32; bits++) {
		what = bits & 3;
		body_touches = bits & 4;
		politely = bits & 16;
		once(PREC_ABANDON, flags[bits >> 3 & 1]);
		once(PREC_SUBSTITUTE, flags[bits >> 3 & 1]);
	}
}

int main(void)
{
	static unsigned char room[1 << 17];
	stack_t stack = { .ss_sp = room, .ss_size = sizeof(room) };

	if (UNDER_TSAN)
		skip_all("TSan delivers signals late, outside the transaction");
	each();
	each();
	MUST(sigaltstack(&stack, NULL) == 0);
	each();
	by_timer();
	return expect_end();
}
