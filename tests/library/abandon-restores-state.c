// SPDX-License-Identifier: MIT
/*
 * After an abandon the caller finds the processor as a function call leaves it:
 * callee-saved registers, floating-point control, an empty x87 stack, flags;
 * and its thread as it was: errno, signal mask, alternate stack.
 */
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <xmmintrin.h>

#include "lender.h"

/*
 * The kernel starts a handler with alignment checks as they were at the fault.
 * Ours clears them first, but under TSan the run-time's comes before it, and
 * that stores eight bytes where four are aligned
 * (__tsan::CallUserSignalHandler): a second SIGBUS, which is blocked by then.
 */
#define FLAG_SETS (UNDER_TSAN ? 2 : 4)

static struct lender lender;

/* Fill every register and flag that the caller must not see changed, then
 * touch the lost page with the chosen flags.  It does not return. */
void spoil(volatile void *lost, uint64_t flags);
/* prec_transaction_run, with a known value in each callee-saved register:
 * 0 when all are as they were. */
uint64_t run_watched(struct prec_transaction *t, prec_transaction_fn *fn,
		     void *argument, int *status);
static uint64_t flags_wanted;

UNWATCHED
static void body(struct prec_transaction *t, void *argument)
{
	uint32_t control = _mm_getcsr();
	uint16_t x87 = 0x0c7f;

	(void)argument;
	_mm_setcsr(control ^ 0xe040); /* rounding, flush, denormals */
	__asm__ volatile("fldcw %0" : : "m"(x87));
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0\n\t"
				 "vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0"
				 :
				 :
				 : "xmm0");
	t->cursor = 7;
	errno = ERANGE;
	spoil(bytes_of(&lender.region), flags_wanted);
	t->cursor = 8;
}

struct fpu {
	uint16_t control, r1, status, r2, tags, r3;
	uint32_t rest[4];
};

static struct fpu fpu_now(void)
{
	struct fpu fpu;

	__asm__ volatile("fnstenv %0\n\tfldenv %0" : "=m"(fpu));
	return fpu;
}

static uint64_t mask_now(void)
{
	uint64_t mask = 0;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8);
	return mask;
}

/* What is left in the upper half of a vector register.  (xgetbv would say which
 * are in use, but not on every processor, and may say it of those that are
 * not.)
 */
static uint64_t vector_left(void)
{
	uint64_t high[2] = { 0, 0 };

	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vextractf128 $1, %%ymm0, %0" : "=m"(high));
	return high[0] | high[1];
}

static void once(uint64_t flags, uint32_t mxcsr, uint16_t x87)
{
	struct prec_region *const regions[] = { &lender.region };
	struct prec_transaction t;
	uint64_t mask, now_flags;
	stack_t stack, now_stack;
	uint32_t was = _mm_getcsr();
	int status;

	memset(&t, 0, sizeof(t));
	t.regions = regions;
	t.region_count = 1;
	flags_wanted = flags;
	_mm_setcsr(mxcsr);
	__asm__ volatile("fldcw %0" : : "m"(x87));
	mask = mask_now();
	MUST(sigaltstack(NULL, &stack) == 0);
	EXPECT(run_watched(&t, body, NULL, &status) == 0);
	now_flags = __builtin_ia32_readeflags_u64();
	EXPECT((_mm_getcsr() & 0xffc0) == (mxcsr & 0xffc0));
	EXPECT(fpu_now().control == x87);
	EXPECT(fpu_now().tags == 0xffff);
	__asm__ volatile("fninit");
	_mm_setcsr(was);
	EXPECT(status == PREC_GONE && t.cursor == 7);
	EXPECT((now_flags & 0x40400) == 0);
	EXPECT(vector_left() == 0);
	EXPECT(errno == ERANGE);
	EXPECT(mask_now() == mask);
	MUST(sigaltstack(NULL, &now_stack) == 0);
	EXPECT(now_stack.ss_sp == stack.ss_sp &&
	       now_stack.ss_size == stack.ss_size &&
	       (now_stack.ss_flags & ~SS_ONSTACK) ==
		       (stack.ss_flags & ~SS_ONSTACK));
}

static void each(void)
{
	const uint64_t flags[4] = { 0, 0x400, 0x40000, 0x40400 };
	size_t i;
	int k;

	for (k = 0; k < 50; k++)
		for (i = 0; i < FLAG_SETS; i++) {
			once(flags[i], 0x1f80, 0x037f);
			once(flags[i], 0x7f80, 0x0f7f);
			once(flags[i], 0x9f80, 0x027f);
		}
}

int main(void)
{
	static unsigned char room[1 << 16];
	stack_t stack = { .ss_sp = room, .ss_size = sizeof(room) };
	sigset_t some;

	if (UNDER_TSAN)
		skip_part("alignment checks",
			  "TSan's handler, before ours, does not bear them");
	lend_pattern(&lender, PAGE);
	set_size(&lender, 0);
	each();
	MUST(sigaltstack(&stack, NULL) == 0);
	each();
	stack.ss_flags = (int)(1u << 31); /* SS_AUTODISARM */
	MUST(sigaltstack(&stack, NULL) == 0);
	each();
	sigemptyset(&some);
	sigaddset(&some, SIGUSR2);
	sigaddset(&some, SIGRTMAX);
	pthread_sigmask(SIG_BLOCK, &some, NULL);
	each();
	end_lending(&lender);
	return expect_end();
}
