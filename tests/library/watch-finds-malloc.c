// SPDX-License-Identifier: MIT
/*
 * The debugging library ends a program that allocates, or locks, inside a
 * transaction that may be abandoned; and leaves alone one that does so outside,
 * or under substitution.
 */
#include <precarium/precarium.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *volatile kept;

static void allocate(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	kept = malloc(100);
}

static void release(struct prec_transaction *t, void *argument)
{
	(void)t;
	free(argument);
}

static void take_lock(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
}

/* In a child, because it is to die. */
static int ends_with(prec_transaction_fn *fn, enum prec_policy policy)
{
	int status;

	fflush(stdout);
	if (fork() == 0) {
		struct prec_lending lending = { .rights = PREC_READ,
						.size = 4096 };
		struct prec_region region, *regions[] = { &region };
		struct prec_transaction t = { .regions = regions,
					      .region_count = 1,
					      .policy = policy };

		lending.fd = memfd_create("lent", 0);
		if (ftruncate(lending.fd, 4096) != 0 ||
		    prec_region_map(&region, &lending, NULL) != PREC_OK)
			_exit(1);
		_exit(prec_transaction_run(&t, fn, malloc(8)) != PREC_OK);
	}
	wait(&status);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

int main(void)
{
	const struct {
		const char *what;
		prec_transaction_fn *fn;
		enum prec_policy policy;
		int ends;
	} table[] = {
		{ "malloc, abandon", allocate, PREC_ABANDON, SIGABRT },
		{ "free, abandon", release, PREC_ABANDON, SIGABRT },
		{ "mutex, abandon", take_lock, PREC_ABANDON, SIGABRT },
		{ "malloc, substitute", allocate, PREC_SUBSTITUTE, 0 },
		{ "mutex, substitute", take_lock, PREC_SUBSTITUTE, 0 },
	};
	int bad = 0;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int ended = ends_with(table[i].fn, table[i].policy);

		if (ended != table[i].ends) {
			printf("%s: ended with %d, expected %d\n",
			       table[i].what, ended, table[i].ends);
			bad = 1;
		}
	}
	printf("%zu cases\n", i);
	return bad;
}
