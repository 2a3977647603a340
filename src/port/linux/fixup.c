// SPDX-License-Identifier: MIT
#include "linux.h"

#include <precarium/access.h>

/*
 * One entry a module (program or shared object) that inlines accessors.  The
 * handler reads without a lock: an entry is valid while its `first` is not
 * null, and `end` is written before it.  A module is unloaded only when none
 * of its code runs, so none of its instructions can be at fault then.
 */
#define MODULE_MAX 256u

static struct {
	const struct prec_fixup *first;
	const struct prec_fixup *end;
} modules[MODULE_MAX];
static uint32_t module_count;
static pthread_mutex_t writer = PTHREAD_MUTEX_INITIALIZER;

void prec_fixup_lock(void)
{
	pthread_mutex_lock(&writer);
}

void prec_fixup_unlock(void)
{
	pthread_mutex_unlock(&writer);
}

static uint32_t slot_of(const struct prec_fixup *first)
{
	uint32_t i;

	for (i = 0; i < module_count; i++)
		if (modules[i].first == first)
			break;
	return i;
}

void prec_fixup_register(const struct prec_fixup *first,
			 const struct prec_fixup *end)
{
	uint32_t i;

	if (first == end)
		return;
	pthread_mutex_lock(&writer);
	i = slot_of(first);
	if (i == module_count) {
		i = slot_of(NULL);
		if (i < MODULE_MAX) {
			modules[i].end = end;
			__atomic_store_n(&modules[i].first, first,
					 __ATOMIC_RELEASE);
			if (i == module_count)
				__atomic_store_n(&module_count, i + 1,
						 __ATOMIC_RELEASE);
		}
	}
	pthread_mutex_unlock(&writer);
}

void prec_fixup_unregister(const struct prec_fixup *first)
{
	uint32_t i;

	if (!first)
		return;
	pthread_mutex_lock(&writer);
	i = slot_of(first);
	if (i < module_count)
		__atomic_store_n(&modules[i].first, NULL, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&writer);
}

/* Linear: a module has some hundred entries, and a signal costs 2 µs. */
uintptr_t prec_fixup_find(uintptr_t instruction)
{
	uint32_t count = __atomic_load_n(&module_count, __ATOMIC_ACQUIRE);
	uint32_t i;

	for (i = 0; i < count; i++) {
		const struct prec_fixup *f =
		    __atomic_load_n(&modules[i].first, __ATOMIC_ACQUIRE);

		for (; f && f < modules[i].end; f++)
			if ((uintptr_t)&f->at + (uintptr_t)(intptr_t)f->at ==
			    instruction)
				return (uintptr_t)&f->to +
				       (uintptr_t)(intptr_t)f->to;
	}
	return 0;
}
