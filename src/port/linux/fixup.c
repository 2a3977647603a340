// SPDX-License-Identifier: MIT
#include "linux.h"
#include "sides.h"

#include <stdlib.h>
#include <unistd.h>

/*
 * There is one entry for each module (program or shared object) that inlines
 * accessors.  The handler reads them without a lock: an entry is valid while
 * its `first` is not null, and `end` is written before `first`.
 *
 * A module is unloaded only when none of its code runs, so none of its own
 * instructions can fault then; but the lookup for other faults reads its table,
 * too.  Lookups are counted, and an unload waits for those that have begun.
 *
 * At exit, destructors run while other threads still work and fault.  Then no
 * entry is removed, and no module is unmapped either.
 */
#define MODULE_MAX 1024u

static struct {
	const struct prec_fixup *first;
	const struct prec_fixup *end;
} modules[MODULE_MAX];
static uint32_t module_count;
static pthread_mutex_t writer = PTHREAD_MUTEX_INITIALIZER;
static struct sides lookers;
static bool exiting;
static bool dropped; /* a module has come without its table */

static void note_exit(void)
{
	__atomic_store_n(&exiting, true, __ATOMIC_RELEASE);
}

/* Exit handlers run before the destructors of modules. */
static void watch_for_exit(void)
{
	static bool watching;

	if (!watching)
		watching = atexit(note_exit) == 0;
}

/* In a child after fork: the lookups of other threads no longer exist. */
void prec_fixup_forked(void)
{
	sides_forked(&lookers);
}

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

/* A module whose accessors cannot report a loss must not run. */
static void no_room(void)
{
	static const char text[] = "precarium: more than 1024 modules use "
				   "accessors\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		abort();
	abort();
}

void prec_fixup_register(const struct prec_fixup *first,
			 const struct prec_fixup *end)
{
	uint32_t i;

	if (first == end) {
		__atomic_store_n(&dropped, true, __ATOMIC_RELEASE);
		return;
	}
	pthread_mutex_lock(&writer);
	watch_for_exit();
	i = slot_of(first);
	if (i == module_count) {
		i = slot_of(NULL);
		if (i == MODULE_MAX)
			no_room();
		modules[i].end = end;
		__atomic_store_n(&modules[i].first, first, __ATOMIC_RELEASE);
		if (i == module_count)
			__atomic_store_n(&module_count, i + 1,
					 __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&writer);
}

void prec_fixup_unregister(const struct prec_fixup *first)
{
	uint32_t i;

	if (!first || __atomic_load_n(&exiting, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&writer);
	i = slot_of(first);
	if (i < module_count) {
		__atomic_store_n(&modules[i].first, NULL, __ATOMIC_SEQ_CST);
		sides_change(&lookers);
	}
	pthread_mutex_unlock(&writer);
}

bool prec_fixup_dropped(void)
{
	return __atomic_load_n(&dropped, __ATOMIC_ACQUIRE);
}

static uintptr_t look(uintptr_t instruction)
{
	uint32_t count = __atomic_load_n(&module_count, __ATOMIC_ACQUIRE);
	uint32_t i;

	for (i = 0; i < count; i++) {
		const struct prec_fixup *f =
			__atomic_load_n(&modules[i].first, __ATOMIC_SEQ_CST);

		for (; f && f < modules[i].end; f++)
			if ((uintptr_t)&f->at + (uintptr_t)(intptr_t)f->at ==
			    instruction)
				return (uintptr_t)&f->to +
				       (uintptr_t)(intptr_t)f->to;
	}
	return 0;
}

/* A linear search is good enough: a module has some hundred entries, and the
 * signal alone costs 2 µs. */
uintptr_t prec_fixup_find(uintptr_t instruction)
{
	uint32_t side = sides_enter(&lookers);
	uintptr_t found = look(instruction);

	sides_leave(&lookers, side);
	return found;
}
