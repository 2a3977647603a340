// SPDX-License-Identifier: MIT
#include "linux.h"
#include "machine.h"
#include "provide.h"
#include "rules.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

/*
 * The handler collects the facts, asks prec_fault_decide, and does as it says.
 * All of it is async-signal-safe: no lock, no allocation, errno is preserved.
 * It edits the saved context and returns, so that the kernel restores the
 * signal mask and the floating-point state.
 */
bool prec_fault_is_hosted;
bool prec_fault_is_installed;

static struct prec_fault_counts counts;

/* If a fault is answered with a retry so often in a row, the other thread that
 * was expected to resolve it is not doing so. */
#define RETRY_MAX 100000u

static void count(uint64_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

/* The codes that a loss has; all others are somebody's mistake. */
static enum prec_fault_kind kind_of(int sig, int code)
{
	if (sig == SIGBUS) {
		if (code == BUS_ADRERR || code == BUS_OBJERR)
			return PREC_FAULT_GONE;
		if (code == BUS_MCEERR_AR)
			return PREC_FAULT_POISONED;
	} else if (sig == SIGSEGV && code == SEGV_MAPERR) {
		return PREC_FAULT_UNMAPPED;
	}
	return PREC_FAULT_OTHER;
}

/* The innermost open transaction of this thread that names the region. */
static struct prec_transaction *transaction_on(const struct prec_region *region)
{
	struct prec_transaction *t;
	uint32_t i;

	for (t = prec_self.top; t; t = t->outer)
		for (i = 0; i < t->region_count; i++)
			if (t->regions[i] == region)
				return t;
	return NULL;
}

static enum prec_fault_actor actor_of(const struct prec_transaction *t,
				      const struct prec_region *region,
				      const ucontext_t *context)
{
	if (!t)
		return region_flags(region) & REGION_TOLERATES
			       ? PREC_ACTOR_STAYS
			       : PREC_ACTOR_NOBODY;
	if (transaction_is_scope(t))
		return PREC_ACTOR_STAYS;
	if (t->policy == PREC_SUBSTITUTE)
		return PREC_ACTOR_SUBSTITUTE;
	if (prec_on_top(context, t->frame[FRAME_SP]))
		return PREC_ACTOR_ON_TOP;
	return PREC_ACTOR_ABANDON;
}

static void abandon(struct prec_transaction *t, ucontext_t *context)
{
	prec_note_abandoned(&t->note);
	t->frame[FRAME_LEFT_AT] = prec_machine_sp(context);
	prec_machine_call(context, (uint64_t)(uintptr_t)prec_land,
			  t->frame[FRAME_SP], (uint64_t)(uintptr_t)t);
	count(&counts.abandoned);
}

/* May this fault be answered with a retry?  Bounds the number in a row. */
static bool may_retry(uint64_t address)
{
	struct prec_thread *self = &prec_self;

	if (self->retry_at != address) {
		self->retry_at = address;
		self->retry_count = 0;
	}
	return ++self->retry_count < RETRY_MAX;
}

static bool substitute(struct prec_region *region, uint64_t address,
		       enum prec_fault_kind kind, struct prec_note *note)
{
	switch (prec_substitute(region, address - region->span.host, kind,
				note)) {
	case COVER_DONE:
		count(&counts.substituted);
		return true;
	case COVER_ALREADY:
		count(&counts.retried);
		return may_retry(address);
	case COVER_HEALING: /* not without end: the other waits for nobody */
		return true;
	case COVER_FAILED:
		break;
	}
	return false;
}

/* A fault of plain code that no transaction has: in a region that tolerates
 * losses.  False: pass it on. */
static bool tolerate(struct prec_region *region, uint64_t address,
		     enum prec_fault_kind kind)
{
	struct prec_note nobodys = { .faults = 0 };

	return substitute(region, address, kind, &nobodys);
}

/* A fault of plain code inside transaction `t`.  False: pass it on. */
static bool answer(enum prec_verdict verdict, struct prec_transaction *t,
		   struct prec_region *region, uint64_t address,
		   enum prec_fault_kind kind, ucontext_t *context)
{
	prec_note_fault(&t->note, address, prec_machine_wrote(context));
	if (verdict != PREC_VERDICT_ABANDON &&
	    substitute(region, address, kind, &t->note))
		return true;
	if (verdict == PREC_VERDICT_COVER ||
	    prec_on_top(context, t->frame[FRAME_SP]))
		return false;
	region_move_epoch(region);
	abandon(t, context);
	return true;
}

/* Has the region been healed since the epoch, or is it being healed? */
static bool is_healed(const struct prec_region *region, uint64_t since)
{
	return region_flags(region) & REGION_HEALING ||
	       region_epoch(region) != since;
}

/* Is it but a hole, and has a page now? */
static enum prec_provided fill_hole(struct prec_region *region,
				    uint64_t address, enum prec_fault_kind kind)
{
	uint64_t epoch = region_epoch(region);
	enum prec_provided provided;
	bool made = false;

	if (kind != PREC_FAULT_GONE || !(region_flags(region) & REGION_WATCHED))
		return PROVIDE_LOST;
	provided = prec_provide(region, address - region->span.host, &made);
	if (provided == PROVIDE_LOST && is_healed(region, epoch))
		provided = PROVIDE_DONE;
	if (provided != PROVIDE_DONE)
		return provided;
	if (made)
		count(&counts.provided);
	return may_retry(address) ? PROVIDE_DONE : PROVIDE_LOST;
}

/*
 * A watched region that is being healed has no rights for a moment (grow.c).
 * An access to it that its rights allow is tried again, a number of times: if
 * it is the program that took the rights away, the fault is passed on.
 */
static bool meets_healing(int sig, const siginfo_t *info,
			  const ucontext_t *context)
{
	uint64_t address = (uint64_t)(uintptr_t)info->si_addr;
	const struct prec_region *region;

	if (sig != SIGSEGV || info->si_code != SEGV_ACCERR)
		return false;
	region = prec_region_at(address);
	if (!region || !(region_flags(region) & REGION_WATCHED))
		return false;
	if (prec_machine_wrote(context) && !(region->span.rights & PREC_WRITE))
		return false;
	count(&counts.retried);
	return may_retry(address);
}

static bool claim(int sig, const siginfo_t *info, ucontext_t *context)
{
	enum prec_fault_kind kind = kind_of(sig, info->si_code);
	uint64_t address = (uint64_t)(uintptr_t)info->si_addr;
	enum prec_fault_place place = PREC_PLACE_REGION;
	struct prec_transaction *t = NULL;
	struct prec_region *region;
	enum prec_provided provided;
	enum prec_verdict verdict;
	uintptr_t fixup;

	if (kind == PREC_FAULT_OTHER)
		return meets_healing(sig, info, context);
	region = prec_region_at(address);
	if (!region)
		return false;
	if (region_flags(region) & REGION_WITHDRAWN)
		place = PREC_PLACE_WITHDRAWN;
	fixup = prec_fixup_find((uintptr_t)prec_machine_pc(context));
	if (!fixup)
		t = transaction_on(region);
	verdict = prec_fault_decide(kind, place,
				    fixup ? PREC_ACTOR_ACCESSOR
					  : actor_of(t, region, context));
	if (verdict == PREC_VERDICT_PASS)
		return false;
	provided = fill_hole(region, address, kind);
	if (provided == PROVIDE_DONE)
		return true;
	if (verdict == PREC_VERDICT_FIX) {
		if (provided == PROVIDE_LOST)
			region_move_epoch(region);
		prec_machine_jump(context, fixup);
		count(&counts.fixed);
		return true;
	}
	if (!t)
		return tolerate(region, address, kind);
	return answer(verdict, t, region, address, kind, context);
}

/* Not inlined: the compiler must not move the first call into the C library,
 * which errno is, to before the call that allows misaligned accesses. */
__attribute__((noinline)) static bool handle(int sig, const siginfo_t *info,
					     ucontext_t *context)
{
	int saved = errno;
	bool ours = claim(sig, info, context);

	if (ours) {
		prec_on_top_mark(context);
	} else {
		RULES_OF_FOREIGN(sig, info, context);
		count(&counts.passed);
	}
	errno = saved;
	return ours;
}

bool prec_fault_handle(int sig, void *info, void *context)
{
	prec_machine_allow_misaligned();
	return handle(sig, info, context);
}

/* Does not call prec_fault_handle: as a public symbol that is bound by the
 * dynamic linker. */
void prec_fault_handler(int sig, siginfo_t *info, void *context)
{
	prec_machine_allow_misaligned();
	if (!handle(sig, info, context))
		prec_pass_on(sig, info, context,
			     !prec_machine_delivered(
				     context, __builtin_return_address(0)));
}

void prec_fault_read_counts(struct prec_fault_counts *out)
{
	out->fixed = __atomic_load_n(&counts.fixed, __ATOMIC_RELAXED);
	out->abandoned = __atomic_load_n(&counts.abandoned, __ATOMIC_RELAXED);
	out->substituted =
		__atomic_load_n(&counts.substituted, __ATOMIC_RELAXED);
	out->passed = __atomic_load_n(&counts.passed, __ATOMIC_RELAXED);
	out->provided = __atomic_load_n(&counts.provided, __ATOMIC_RELAXED);
	out->retried = __atomic_load_n(&counts.retried, __ATOMIC_RELAXED);
}

enum prec_status prec_fault_hosted(void)
{
	enum prec_status status = PREC_OK;

	RULE_MAY_HOLD();
	prec_setup_lock();
	RULE(!prec_fault_is_installed,
	     "called before the handler is installed");
	if (prec_fault_is_installed)
		status = PREC_BUSY;
	else
		prec_fault_is_hosted = true;
	prec_setup_unlock();
	return status;
}

static bool is_ours(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) &&
	       action->sa_sigaction == prec_fault_handler;
}

/*
 * The previous action is stored before ours is installed, because another
 * thread may fault at once.  SA_ONSTACK, because the program may run on small
 * stacks; without an alternate stack it has no effect.  SA_RESTART stays as it
 * was, for signals that are sent by a process.
 */
static int install(int sig)
{
	struct sigaction before, ours;

	memset(&ours, 0, sizeof(ours));
	if (sigaction(sig, NULL, &before) != 0)
		return -1;
	if (is_ours(&before))
		return 0;
	prec_pass_remember(sig, &before);
	ours.sa_sigaction = prec_fault_handler;
	ours.sa_flags =
		SA_SIGINFO | SA_ONSTACK | (before.sa_flags & SA_RESTART);
	sigemptyset(&ours.sa_mask);
	return sigaction(sig, &ours, NULL);
}

static enum prec_status set_up_once(void)
{
	static bool done;

	if (!done) {
		enum prec_status status = prec_thread_setup();

		if (status)
			return status;
		prec_machine_setup();
		done = true;
	}
	return PREC_OK;
}

/* A program that is linked statically has no loader.  It links without these,
 * and dlopen is looked up, because the linker would warn of its name. */
extern __typeof__(dladdr) dladdr __attribute__((weak));
extern __typeof__(dlsym) dlsym __attribute__((weak));

/*
 * The handler stays installed for ever, and so must its code.  Our own shared
 * library is linked to stay; a copy in a plug-in makes that stay.  Without our
 * lock: constructors run under that of the loader, and may wait for ours.
 */
static void stay_loaded(void)
{
	__typeof__(&dlopen) load = NULL;
	static bool done;
	Dl_info ours;

	if (__atomic_exchange_n(&done, true, __ATOMIC_RELAXED))
		return;
	if (dlsym)
		*(void **)&load = dlsym(RTLD_DEFAULT, "dlopen");
	if (load && dladdr && dladdr((const void *)&counts, &ours) != 0)
		load(ours.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

static enum prec_status install_both(void)
{
	if (install(SIGBUS) != 0 || install(SIGSEGV) != 0)
		return PREC_SYSTEM;
	prec_fault_is_installed = true;
	return PREC_OK;
}

/* The caller holds the lock of the setup. */
static enum prec_status set_up(void)
{
	enum prec_status status = set_up_once();

	if (status == PREC_OK && !prec_fault_is_hosted &&
	    !prec_fault_is_installed)
		status = install_both();
	return status;
}

static bool has_room(int sig)
{
	struct sigaction now;

	return sigaction(sig, NULL, &now) != 0 || is_ours(&now) ||
	       prec_pass_has_room(sig, &now);
}

enum prec_status prec_fault_reinstall(void)
{
	enum prec_status status;

	RULE_MAY_HOLD();
	status = prec_fault_install();
	if (status)
		return status;
	prec_setup_lock();
	RULE(!prec_fault_is_hosted,
	     "a program that owns the signals installs its own handler");
	if (prec_fault_is_hosted)
		status = PREC_INVALID;
	else if (!has_room(SIGBUS) || !has_room(SIGSEGV))
		status = PREC_FULL;
	else
		status = install_both();
	prec_setup_unlock();
	return status;
}

enum prec_status prec_fault_install(void)
{
	enum prec_status status;

	RULE_MAY_HOLD();
	if (prec_fixup_dropped()) {
		errno = ENOEXEC;
		return PREC_SYSTEM;
	}
	stay_loaded();
	prec_setup_lock();
	status = set_up();
	prec_setup_unlock();
	return status;
}
