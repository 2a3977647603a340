// SPDX-License-Identifier: MIT
/*
 * A hundred thousand abandons in a row, in each situation of a thread's stacks:
 * nothing is used up, neither stack nor alternate stack nor transaction.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>

#include "lender.h"

#define TIMES (UNDER_SANITIZER ? 10000 : 100000)

enum stacks { NONE, PLAIN, AUTODISARM, SMALL_THREAD, SITUATIONS };

static struct lender lender;

UNWATCHED
static void touch(struct prec_transaction *t, void *argument)
{
	(void)argument;
	t->cursor++;
	(void)*bytes_of(&lender.region);
	t->cursor += 1000;
}

UNWATCHED
static void touch_deeply(struct prec_transaction *t, void *argument)
{
	volatile unsigned char *deep = __builtin_alloca(40000);

	deep[0] = 1;
	touch(t, argument);
}

/* Signal frames that earlier abandons left on the stack are dead, also when
 * the thread blocks a signal more than it did then. */
static void with_old_frames(void)
{
	struct prec_transaction t;
	sigset_t some, before;

	EXPECT(run_on(&lender.region, PREC_ABANDON, touch, NULL, &t) ==
	       PREC_GONE);
	sigemptyset(&some);
	sigaddset(&some, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &some, &before);
	EXPECT(run_on(&lender.region, PREC_ABANDON, touch_deeply, NULL, &t) ==
	       PREC_GONE);
	EXPECT(t.note.abandoned && !t.note.substituted);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static unsigned char *room;
static size_t room_size;

static void *many(void *argument)
{
	stack_t stack = { .ss_sp = room, .ss_size = room_size }, now, before;
	enum stacks stacks = *(enum stacks *)argument;
	struct prec_transaction t;
	uint64_t here = (uint64_t)(uintptr_t)&stack;
	uint32_t gone = 0, i;

	/* ASan gives each thread one. */
	MUST(sigaltstack(NULL, &before) == 0);
	if (stacks == AUTODISARM)
		stack.ss_flags = (int)(1u << 31);
	if (stacks != NONE)
		MUST(sigaltstack(&stack, NULL) == 0);
	for (i = 0; i < TIMES; i++)
		gone += run_on(&lender.region, PREC_ABANDON, touch, NULL, &t) ==
				PREC_GONE &&
			t.cursor == 1 && here == (uint64_t)(uintptr_t)&stack;
	EXPECT(gone == TIMES);
	MUST(sigaltstack(NULL, &now) == 0);
	EXPECT((now.ss_flags & SS_DISABLE) ==
	       (stacks == NONE ? before.ss_flags & SS_DISABLE : 0));
	EXPECT(!(now.ss_flags & SS_ONSTACK));
	if (stacks != NONE)
		EXPECT(now.ss_sp == room && now.ss_size == room_size);
	sigaltstack(&before, NULL);
	return NULL;
}

int main(void)
{
	enum stacks stacks;

	room_size = getauxval(AT_MINSIGSTKSZ) + 65536;
	room = malloc(room_size);
	MUST(room != NULL);
	lend_pattern(&lender, PAGE);
	set_size(&lender, 0);
	with_old_frames();
	for (stacks = NONE; stacks < SITUATIONS; stacks++) {
		pthread_attr_t attributes;
		pthread_t thread;

		if (stacks == SMALL_THREAD && UNDER_SANITIZER) {
			skip_part("small stacks", "sanitizers need more");
			continue;
		}
		pthread_attr_init(&attributes);
		if (stacks == SMALL_THREAD)
			MUST(pthread_attr_setstacksize(&attributes, 16384) ==
			     0);
		MUST(pthread_create(&thread, &attributes, many, &stacks) == 0);
		pthread_join(thread, NULL);
		pthread_attr_destroy(&attributes);
	}
	end_lending(&lender);
	free(room);
	return expect_end();
}
