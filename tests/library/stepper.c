// SPDX-License-Identifier: MIT
#include "stepper.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

extern const char stepper_begin[], stepper_end[], stepper_ready[];
extern const char __executable_start[];
void stepper_wait(void);

/* A run that takes longer than this hangs. */
#define HANG_S 20

/* A window longer than this does not end. */
#define WINDOW_MAX 100000u

static uint64_t address_of(const char *label)
{
	return (uint64_t)(uintptr_t)label;
}

static pid_t watched; /* by the alarm */

static void end_watched(int sig)
{
	(void)sig;
	kill(watched, SIGKILL);
}

static bool say(struct stepper *s, const char *what, int number)
{
	snprintf(s->why, sizeof(s->why), "%s (%d)", what, number);
	return false;
}

/* Wait for the child to stop; false if it ended. */
static bool wait_stop(struct stepper *s, int *signal)
{
	int status;

	while (waitpid(s->child, &status, __WALL) != s->child)
		if (errno != EINTR)
			return say(s, "waitpid failed", errno);
	if (WIFSTOPPED(status)) {
		*signal = WSTOPSIG(status);
		return true;
	}
	s->child = 0;
	if (WIFSIGNALED(status))
		return say(s, "the driver was killed by signal",
			   WTERMSIG(status));
	return say(s, "the driver left with status", WEXITSTATUS(status));
}

/* Go on until a trap; signals are delivered on the way. */
static bool resume(struct stepper *s, int request)
{
	int signal = 0;

	do {
		if (ptrace(request, s->child, NULL, (void *)(intptr_t)signal))
			return say(s, "ptrace failed", errno);
		if (!wait_stop(s, &signal))
			return false;
		s->stops++;
	} while (signal != SIGTRAP);
	return true;
}

static bool registers(struct stepper *s, struct user_regs_struct *r)
{
	if (ptrace(PTRACE_GETREGS, s->child, NULL, r) == 0)
		return true;
	return say(s, "PTRACE_GETREGS failed", errno);
}

static bool set_registers(struct stepper *s, struct user_regs_struct *r)
{
	if (ptrace(PTRACE_SETREGS, s->child, NULL, r) == 0)
		return true;
	return say(s, "PTRACE_SETREGS failed", errno);
}

static bool set_debug(struct stepper *s, unsigned int n, uint64_t value)
{
	size_t at = offsetof(struct user, u_debugreg) +
		    n * sizeof(((struct user *)0)->u_debugreg[0]);

	if (ptrace(PTRACE_POKEUSER, s->child, (void *)at, (void *)value) == 0)
		return true;
	return say(s, "the debug registers cannot be set", errno);
}

/* Run freely up to an instruction that is not the next. */
static bool run_to(struct stepper *s, struct user_regs_struct *r,
		   uint64_t instruction)
{
	return set_debug(s, 0, instruction) && set_debug(s, 7, 1) &&
	       resume(s, PTRACE_CONT) && set_debug(s, 7, 0) && registers(s, r);
}

/*
 * One instruction, or one iteration of a string instruction.  popf is
 * different: the kernel takes what it pops for the program's own wish, and from
 * then on leaves the trap flag to the program.  So that one runs freely.
 */
static bool step(struct stepper *s, struct user_regs_struct *r)
{
	long code = ptrace(PTRACE_PEEKTEXT, s->child, (void *)r->rip, NULL);
	uint64_t before = r->rip;

	if ((code & 0xff) == 0x9d)
		return run_to(s, r, r->rip + 1);
	if (!resume(s, PTRACE_SINGLESTEP) || !registers(s, r))
		return false;
	s->inside += r->rip == before;
	return true;
}

/* How long the instruction is, if it is rep movs or rep stos; else 0. */
static uint32_t string_length(const struct stepper *s, uint64_t instruction)
{
	uint64_t code = (uint64_t)ptrace(PTRACE_PEEKTEXT, s->child,
					 (void *)instruction, NULL);
	uint32_t length = (code >> 8 & 0xf0) == 0x40 ? 3 : 2; /* a REX prefix */
	uint8_t operation = (uint8_t)(code >> 8 * (length - 1)) & 0xfe;

	if ((code & 0xff) != 0xf3 || (operation != 0xa4 && operation != 0xaa))
		return 0;
	return length;
}

/* That many iterations of the string instruction that is next. */
static bool iterate(struct stepper *s, struct user_regs_struct *r,
		    uint32_t times)
{
	uint32_t length = string_length(s, r->rip);
	uint64_t instruction = r->rip, left = r->rcx - times;

	for (; !length && times > 0; times--)
		if (!step(s, r))
			return false;
	if (times == 0)
		return true;
	r->rcx = times;
	if (!set_registers(s, r) || !run_to(s, r, instruction + length))
		return false;
	if (r->rip != instruction + length || r->rcx != 0)
		return say(s, "a string instruction was cut short", (int)times);
	r->rip = instruction;
	r->rcx = left;
	return set_registers(s, r);
}

static bool expect(struct stepper *s, const char *label, const char *what)
{
	struct user_regs_struct r;

	alarm(HANG_S);
	if (!resume(s, PTRACE_CONT) || !registers(s, &r))
		return false;
	if (r.rip == address_of(label))
		return true;
	return say(s, what, 0);
}

bool stepper_start(struct stepper *s, void (*prepare)(void), void (*run)(void))
{
	static const struct sigaction action = { .sa_handler = end_watched };

	sigaction(SIGALRM, &action, NULL);
	fflush(stdout);
	s->child = fork();
	if (s->child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prepare();
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		for (;;) {
			stepper_wait();
			run();
		}
	}
	if (s->child < 0)
		return say(s, "fork failed", errno);
	watched = s->child;
	alarm(HANG_S);
	int signal = 0;

	return wait_stop(s, &signal) &&
	       (signal == SIGTRAP || say(s, "did not start", signal));
}

bool stepper_open(struct stepper *s)
{
	return expect(s, stepper_begin, "the window did not begin");
}

bool stepper_finish(struct stepper *s)
{
	return expect(s, stepper_ready, "the run did not end");
}

void stepper_end_child(struct stepper *s)
{
	int status;

	alarm(0);
	if (s->child) {
		kill(s->child, SIGKILL);
		waitpid(s->child, &status, __WALL);
	}
	s->child = 0;
}

/*
 * After sigreturn the processor may be told to ignore a breakpoint at the
 * first instruction (the resume flag was set when that faulted).
 */
static bool returned_from_signal(const struct stepper *s, uint64_t before,
				 uint64_t now)
{
	long code = ptrace(PTRACE_PEEKTEXT, s->child, (void *)before, NULL);

	return (code & 0xffff) == 0x050f && now != before + 2;
}

static void add_point(struct stepper *s, const struct user_regs_struct *r)
{
	struct stepper_point *p, *last;
	uint32_t i;

	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 1024;
		s->points = realloc(s->points, s->room * sizeof(*s->points));
		if (!s->points)
			abort();
	}
	p = &s->points[s->count];
	last = s->count ? p - 1 : NULL;
	*p = (struct stepper_point){ .instruction = r->rip,
				     .source = r->rsi,
				     .target = r->rdi,
				     .left = r->rcx };
	if (last && last->instruction == r->rip)
		p->iteration = last->iteration + 1;
	else if (!last || !returned_from_signal(s, last->instruction, r->rip))
		p->nth = 1;
	for (i = s->count; p->nth && i-- > 0;)
		if (s->points[i].instruction == r->rip && s->points[i].nth) {
			p->nth = s->points[i].nth + 1;
			break;
		}
	s->count++;
}

bool stepper_walk(struct stepper *s)
{
	struct user_regs_struct r;

	s->count = 0;
	if (!registers(s, &r))
		return false;
	add_point(s, &r);
	while (r.rip != address_of(stepper_end)) {
		alarm(HANG_S);
		if (!step(s, &r))
			return false;
		add_point(s, &r);
		if (s->count > WINDOW_MAX)
			return say(s, "the window does not end", WINDOW_MAX);
	}
	return true;
}

/* Where to break on the way to point n, so that few stops are made. */
static uint32_t anchor(const struct stepper *s, uint32_t n)
{
	uint32_t best = 0, cost = n, i;

	for (i = n; i > 0 && n - i < cost; i--) {
		uint32_t stops = s->points[i].nth;

		if (stops && stops + n - i < cost) {
			cost = stops + n - i;
			best = i;
		}
	}
	return best;
}

static bool break_at(struct stepper *s, const struct stepper_point *p)
{
	struct user_regs_struct r;
	uint32_t i;

	if (!set_debug(s, 0, p->instruction) || !set_debug(s, 7, 1))
		return false;
	for (i = 0; i < p->nth; i++) {
		if (!resume(s, PTRACE_CONT) || !registers(s, &r))
			return false;
		if (r.rip == address_of(stepper_ready))
			return say(s, "the point was passed", 0);
	}
	return set_debug(s, 7, 0);
}

/* Of a string instruction the registers tell the iteration. */
static bool is_at(const struct stepper_point *p,
		  const struct user_regs_struct *r)
{
	return r->rip == p->instruction &&
	       (!p->iteration || (r->rsi == p->source && r->rdi == p->target &&
				  r->rcx == p->left));
}

bool stepper_go(struct stepper *s, uint32_t n)
{
	const struct stepper_point *p = &s->points[n];
	uint32_t first = n - p->iteration; /* where its instruction begins */
	uint32_t i = anchor(s, first);
	struct user_regs_struct r;

	alarm(HANG_S);
	if (i > 0 && !break_at(s, &s->points[i]))
		return false;
	if (!registers(s, &r))
		return false;
	for (; i < first; i++)
		if (!step(s, &r))
			return false;
	if (p->iteration > 0 &&
	    (!iterate(s, &r, p->iteration - 1) || !step(s, &r)))
		return false;
	return is_at(p, &r) || say(s, "came to another instruction", (int)n);
}

const char *stepper_lost(const struct stepper_state *state)
{
	uint32_t i;

	if (state->sp_after != state->sp)
		return "stack pointer not kept";
	for (i = 0; i < 6; i++)
		if (state->kept[i] != 0x5b + i)
			return "callee-saved register not kept";
	if (state->mxcsr_after != state->mxcsr)
		return "mxcsr not kept";
	if ((state->x87_after[0] & 0xffff) != state->control)
		return "x87 control word not kept";
	if ((state->x87_after[2] & 0xffff) != 0xffff)
		return "x87 stack not empty";
	if (state->flags_after & 0x400)
		return "direction flag set";
	if (state->flags_after & 0x40000)
		return "alignment flag set";
	return NULL;
}

void stepper_print_total(const struct stepper *s, uint32_t points,
			 uint32_t failed)
{
	printf("%u points, %u failed; %llu stops, of them %llu within a string "
	       "instruction\n",
	       points, failed, (unsigned long long)s->stops,
	       (unsigned long long)s->inside);
}

void stepper_symbol(uint64_t address, char *name, size_t size)
{
	char command[128];
	FILE *from;

	snprintf(
		command, sizeof(command),
		"addr2line -fs -e /proc/%d/exe 0x%llx 2>/dev/null | "
		"paste -sd' '",
		getpid(),
		(unsigned long long)(address - address_of(__executable_start)));
	snprintf(name, size, "?");
	from = popen(command, "r");
	if (!from)
		return;
	if (!fgets(name, (int)size, from))
		snprintf(name, size, "?");
	name[strcspn(name, "\n")] = 0;
	pclose(from);
}

static void nothing(void)
{
}

bool stepper_works(void)
{
	struct stepper s = { .child = 0 };
	bool works = stepper_start(&s, nothing, nothing) &&
		     set_debug(&s, 0, address_of(stepper_begin)) &&
		     set_debug(&s, 7, 0) && resume(&s, PTRACE_SINGLESTEP);

	if (!works)
		printf("skipped: a child cannot be stepped: %s\n", s.why);
	stepper_end_child(&s);
	return works;
}
