// SPDX-License-Identifier: MIT
#include "rules.h"
#include "machine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

_Noreturn void prec_rule_broken(const char *call, const char *rule)
{
	const char *words[] = { "precarium: ", call, ": ", rule, "\n" };
	struct iovec parts[5];
	size_t i;

	for (i = 0; i < 5; i++)
		parts[i] = (struct iovec){ (void *)(uintptr_t)words[i],
					   strlen(words[i]) };
	(void)!writev(STDERR_FILENO, parts, 5);
	abort();
}

static bool has_signals_blocked(void)
{
	sigset_t now;

	return pthread_sigmask(SIG_BLOCK, NULL, &now) == 0 &&
	       (sigismember(&now, SIGBUS) || sigismember(&now, SIGSEGV));
}

static bool has_reserved(const struct prec_transaction *t)
{
	size_t i, n = sizeof(t->reserved) / sizeof(t->reserved[0]);

	for (i = 0; i < n; i++)
		if (t->reserved[i] != 0)
			return true;
	return false;
}

static bool names_mapped(const struct prec_transaction *t)
{
	uint32_t i;

	for (i = 0; i < t->region_count; i++)
		if (!t->regions[i] ||
		    region_flags(t->regions[i]) & REGION_CLOSED)
			return false;
	return true;
}

void prec_rules_of_entry(const char *call, const struct prec_transaction *t,
			 bool scope)
{
	RULE_OF(call, t->region_count > 0 && t->regions,
		"at least one region is named");
	RULE_OF(call, t->policy <= PREC_SUBSTITUTE,
		"the policy is PREC_ABANDON or PREC_SUBSTITUTE");
	RULE_OF(call, !scope || t->policy == PREC_SUBSTITUTE,
		"the policy of a scope is PREC_SUBSTITUTE");
	RULE_OF(call, t != prec_self.top,
		"not begun again while it is open, as after a longjmp");
	RULE_OF(call, !has_reserved(t), "reserved fields are 0");
	RULE_OF(call, names_mapped(t), "each region that is named is mapped");
	/* The first transaction of a thread unblocks them. */
	RULE_OF(call, !prec_self.prepared || !has_signals_blocked(),
		"SIGBUS and SIGSEGV are not blocked");
}

bool prec_rule_may_hold(void)
{
	const struct prec_transaction *t;

	for (t = prec_self.top; t; t = t->outer)
		if (t->policy == PREC_ABANDON)
			return false;
	return true;
}

bool prec_rule_not_inside(const struct prec_region *region)
{
	uint32_t i;

	for (i = 0; prec_self.prepared && i < prec_self.open_count; i++)
		if (prec_self.open[i] == region)
			return false;
	return true;
}

static bool has_other_budget(struct prec_region *region, void *budget)
{
	return own(region)->budget != budget;
}

bool prec_rule_budget_unused(const struct prec_budget *budget)
{
	return prec_index_visit(0, has_other_budget, (void *)(uintptr_t)budget);
}

bool prec_rule_new(const struct prec_region *region)
{
	bool known;

	prec_index_lock();
	known = prec_index_has(region);
	prec_index_unlock();
	return !known;
}

void prec_rules_of_foreign(int sig, const siginfo_t *info,
			   const ucontext_t *context)
{
	const char *call = "an access";
	const struct prec_region *region =
		prec_region_at((uint64_t)(uintptr_t)info->si_addr);
	bool accessor = prec_fixup_find((uintptr_t)prec_machine_pc(context));

	if (info->si_code <= 0)
		return; /* somebody sent it */
	RULE_OF(call, region || !accessor,
		"spans are of mapped regions, and what is copied has room");
	if (!region || accessor)
		return;
	RULE_OF(call, sig != SIGSEGV || info->si_code != SEGV_ACCERR,
		"only a region with PREC_WRITE is written");
	RULE_OF(call,
		region_flags(region) & REGION_TOLERATES ||
			!prec_rule_not_inside(region),
		"plain pointers are used in a transaction on the region");
}
