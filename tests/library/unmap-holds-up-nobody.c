// SPDX-License-Identifier: MIT
/*
 * To take a region out, pages leave a page table, and the last descriptor of a
 * file is closed, which frees all of it: how long that takes is up to who lent
 * it.  Other threads map and unmap meanwhile.
 *
 * The library's calls of munmap and close are those of this file.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "lender.h"

static _Thread_local bool holds;
static sem_t held, go_on;

/* munmap and close. */
#define CALLS 2

static void hold(void)
{
	if (!holds)
		return;
	sem_post(&held);
	while (sem_wait(&go_on))
		continue;
}

int close(int fd)
{
	hold();
	return (int)syscall(SYS_close, fd);
}

int munmap(void *at, size_t size)
{
	hold();
	return (int)syscall(SYS_munmap, at, size);
}

static void *unmap_slowly(void *argument)
{
	struct lender *lender = argument;

	holds = true;
	EXPECT(prec_region_unmap(&lender->region) == PREC_OK);
	holds = false;
	return NULL;
}

/* What would wait for a lock waits for ever. */
static void go_on_meanwhile(void)
{
	struct lender other;

	lend(&other, PAGE, PREC_READ);
	close(other.fd);
	EXPECT(prec_region_grow(&other.region, PAGE) == PREC_OK);
	EXPECT(prec_region_revoke(&other.region) == PREC_OK);
	EXPECT(prec_region_unmap(&other.region) == PREC_OK);
}

int main(void)
{
	struct lender slow;
	pthread_t thread;

	alarm(30);
	MUST(sem_init(&held, 0, 0) == 0 && sem_init(&go_on, 0, 0) == 0);
	lend(&slow, PAGE, PREC_READ);
	close(slow.fd);
	MUST(pthread_create(&thread, NULL, unmap_slowly, &slow) == 0);
	for (int i = 0; i < CALLS; i++) {
		while (sem_wait(&held))
			continue;
		go_on_meanwhile();
		sem_post(&go_on);
	}
	MUST(pthread_join(thread, NULL) == 0);
	return expect_end();
}
