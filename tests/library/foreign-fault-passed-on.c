// SPDX-License-Identifier: MIT
/*
 * A fault that is not a revocation stays what it was.  Each way to fault, under
 * each way in which a host may have set up its signals, happens in children
 * without the library and with it.  Both must see and do the same.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "foreign.h"
#include "lender.h"

/* What a host's handler sees. */
struct seen {
	uint32_t calls, sig, code, value, sender;
	uint64_t address, instruction, known, mask, own_frame;
	uint64_t mask_after;
};
static struct seen *seen;

struct setup {
	const char *name;
	void (*plain)(int);
	int flags;
	bool mask_usr1, info, twice;
};

/* The kernel leaves alignment checks on; the C library does not bear them. */
static inline void allow_misaligned(void)
{
	__builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() &
				       ~0x40000ull);
}

static uint64_t mask_now(void)
{
	uint64_t mask = 0;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8);
	return mask;
}

static void plain(int sig)
{
	allow_misaligned();
	seen->sig = (uint32_t)sig;
	seen->mask = mask_now();
	/* Come back once: what then happens tells of SA_RESETHAND. */
	if (++seen->calls == 2)
		_exit(42);
}

static void informed(int sig, siginfo_t *info, void *context)
{
	const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

	allow_misaligned();
	seen->code = (uint32_t)info->si_code;
	if (info->si_code > 0) {
		seen->address = (uint64_t)(uintptr_t)info->si_addr;
		seen->instruction = (uint64_t)registers[REG_RIP];
		if (registers[REG_RIP] == (greg_t)(uintptr_t)foreign_fault)
			seen->known = (uint64_t)registers[REG_R11];
	} else {
		seen->value = (uint32_t)info->si_value.sival_int;
		seen->sender = info->si_pid == getpid();
	}
	plain(sig);
}

/* Faults once more inside: only SA_NODEFER lets it live. */
static void again_inside(int sig, siginfo_t *info, void *context)
{
	allow_misaligned();
	if (++seen->calls == 1) {
		foreign_access(NULL, KNOWN);
		_exit(44);
	}
	seen->calls--;
	informed(sig, info, context);
	_exit(43);
}

static const struct setup setups[] = {
	{ "default", SIG_DFL, 0, false, false, false },
	{ "ignored", SIG_IGN, 0, false, false, false },
	{ "plain handler", plain, 0, false, false, false },
	{ "informed handler", NULL, SA_SIGINFO, false, true, false },
	{ "with a mask", NULL, SA_SIGINFO, true, true, false },
	{ "one-shot", NULL, SA_SIGINFO | SA_RESETHAND, false, true, false },
	{ "one-shot, plain", plain, (int)SA_RESETHAND, true, false, false },
	{ "not deferred", NULL, SA_SIGINFO | SA_NODEFER, false, true, false },
	{ "not deferred, masked", NULL, SA_SIGINFO | SA_NODEFER, true, true,
	  false },
	{ "faults inside", NULL, SA_SIGINFO | SA_NODEFER, false, true, true },
	{ "faults inside, deferred", NULL, SA_SIGINFO, false, true, true },
	{ "restarting", NULL, SA_SIGINFO | SA_RESTART, false, true, false },
};

enum order { WITHOUT, HOST_FIRST, HOST_LAST, HOST_ASKS, ORDERS };
static const char *const order_name[] = { "without", "host first", "host last",
					  "host asks" };

/* A host that came after us and does as fault.h says. */
static void (*behind_asking)(int, siginfo_t *, void *);

static void asking(int sig, siginfo_t *info, void *context)
{
	allow_misaligned();
	if (!prec_fault_handle(sig, info, context))
		behind_asking(sig, info, context);
}

static void set_up(const struct setup *setup, enum order order)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	sigemptyset(&action.sa_mask);
	if (setup->mask_usr1)
		sigaddset(&action.sa_mask, SIGUSR1);
	action.sa_flags = setup->flags;
	if (setup->info) {
		action.sa_sigaction = setup->twice ? again_inside : informed;
		if (order == HOST_ASKS) {
			behind_asking = action.sa_sigaction;
			action.sa_sigaction = asking;
		}
	} else {
		action.sa_handler = setup->plain;
	}
	MUST(sigaction(SIGSEGV, &action, NULL) == 0);
	MUST(sigaction(SIGBUS, &action, NULL) == 0);
}

static void child(const struct setup *setup, enum order order,
		  const struct foreign *how)
{
	struct rlimit none = { 0, 0 };
	struct lender lender;

	setrlimit(RLIMIT_CORE, &none);
	if (order == HOST_FIRST)
		set_up(setup, order);
	if (order != WITHOUT)
		lend(&lender, 4 * PAGE, PREC_READ | PREC_WRITE);
	if (order != HOST_FIRST)
		set_up(setup, order);
	errno = 77;
	how->happen();
	seen->mask_after = mask_now();
	_exit(errno == 77 ? 41 : 45);
}

static int outcome(const struct setup *setup, enum order order,
		   const struct foreign *how, struct seen *what)
{
	int status;
	pid_t pid;

	memset(seen, 0, sizeof(*seen));
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0)
		child(setup, order, how);
	MUST(waitpid(pid, &status, 0) == pid);
	*what = *seen;
	/* Addresses of a child's own mappings: only the offset is the same. */
	if (how->happen == at_truncated || how->happen == at_read_only)
		what->address %= PAGE;
	return status;
}

int main(void)
{
	size_t i, k;

	if (UNDER_SANITIZER)
		skip_all("the sanitizers replace the default action");
	seen = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(seen != MAP_FAILED);
	for (i = 0; i < FOREIGNS; i++)
		for (k = 0; k < sizeof(setups) / sizeof(setups[0]); k++) {
			struct seen plainly, with;
			enum order order;
			int status = outcome(&setups[k], WITHOUT, &foreign[i],
					     &plainly);

			for (order = HOST_FIRST; order < ORDERS; order++) {
				int now = outcome(&setups[k], order,
						  &foreign[i], &with);

				bool same = EXPECT(now == status);

				if (EXPECT(memcmp(&with, &plainly,
						  sizeof(with)) == 0) &&
				    same)
					continue;
				fprintf(stderr,
					"%s, %s, %s: status %x not %x, "
					"calls %u not %u, mask %lx not %lx\n",
					foreign[i].name, setups[k].name,
					order_name[order], now, status,
					with.calls, plainly.calls, with.mask,
					plainly.mask);
			}
		}
	return expect_end();
}
