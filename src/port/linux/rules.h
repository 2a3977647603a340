/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_LINUX_RULES_H
#define PRECARIUM_PORT_LINUX_RULES_H

#include <stdbool.h>

#include "linux.h"

/*
 * The rules of the headers that a program must keep, and that can be checked.
 *
 * A build with -Dcheck=true ends the program where one is broken, with a line
 * that names the call and the rule.  Other builds return a status, and where
 * there is none to return, the rule goes unchecked.  What a client can bring
 * about breaks no rule: whether an address lies in a region is not one.
 */
#ifdef PREC_CHECK

#pragma GCC visibility push(hidden)

/* Async-signal-safe. */
_Noreturn void prec_rule_broken(const char *call, const char *rule);

void prec_rules_of_entry(const char *call, const struct prec_transaction *t,
			 bool scope);
/* Has this thread no transaction open that may be abandoned?  Then it may hold
 * locks. */
bool prec_rule_may_hold(void);
/* Has this thread no transaction open on the region? */
bool prec_rule_not_inside(const struct prec_region *region);
/* Is no region mapped with the budget? */
bool prec_rule_budget_unused(const struct prec_budget *budget);
/* Is the structure none of a mapped region?  It may hold anything. */
bool prec_rule_new(const struct prec_region *region);

/* Of a fault that is passed on: is it a mistake in the use of the library?  In
 * the handler. */
void prec_rules_of_foreign(int sig, const siginfo_t *info,
			   const ucontext_t *context);

#pragma GCC visibility pop

#define RULE_OF(call, holds, rule)                                             \
	((holds) ? (void)0 : prec_rule_broken((call), (rule)))
#define RULES_OF_ENTRY(t, scope) prec_rules_of_entry(__func__, (t), (scope))
#define RULES_OF_FOREIGN(sig, info, context)                                   \
	prec_rules_of_foreign((sig), (info), (context))

#else
#define RULE_OF(call, holds, rule)	     ((void)0)
#define RULES_OF_ENTRY(t, scope)	     ((void)0)
#define RULES_OF_FOREIGN(sig, info, context) ((void)0)
#endif

#define RULE(holds, rule) RULE_OF(__func__, holds, rule)

/* Of each call that takes locks. */
#define RULE_MAY_HOLD()                                                        \
	RULE(prec_rule_may_hold(),                                             \
	     "not called inside a transaction that may be abandoned")
#define RULE_MAPPED(region)                                                    \
	RULE(region_is_mapped(region), "the region is mapped, and not moved")

#endif
