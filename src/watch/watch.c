// SPDX-License-Identifier: MIT
/*
 * A debugging aid, loaded with LD_PRELOAD into a program that uses the shared
 * library.  It aborts the program, with the guilty call on top of the stack,
 * when code inside a transaction that may be abandoned allocates, frees, or
 * locks a mutex.  Abandoning such code would leave the heap or the mutex in the
 * middle of a change.  The mistake is found without any memory being lost.
 */
#include <precarium/transaction.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* glibc's own names: looking the functions up by dlsym would allocate. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void __libc_free(void *old);

static void check(const char *what)
{
	static const char text[] =
		" called inside a transaction that may be abandoned\n";
	const struct prec_transaction *t = prec_transaction_current();

	if (!t || t->policy != PREC_ABANDON)
		return;
	if (write(STDERR_FILENO, "precarium: ", 11) < 0 ||
	    write(STDERR_FILENO, what, strlen(what)) < 0 ||
	    write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		abort();
	abort();
}

PREC_EXPORT void *malloc(size_t size)
{
	check("malloc");
	return __libc_malloc(size);
}

PREC_EXPORT void *calloc(size_t count, size_t size)
{
	check("calloc");
	return __libc_calloc(count, size);
}

PREC_EXPORT void *realloc(void *old, size_t size)
{
	check("realloc");
	return __libc_realloc(old, size);
}

PREC_EXPORT void free(void *old)
{
	if (old)
		check("free");
	__libc_free(old);
}

PREC_EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static int (*next)(pthread_mutex_t *);

	check("pthread_mutex_lock");
	if (!next) {
		void *found = dlsym(RTLD_NEXT, "pthread_mutex_lock");

		memcpy(&next, &found, sizeof(next));
	}
	return next(mutex);
}
