// SPDX-License-Identifier: MIT
/*
 * Where the system has no key left for what each thread keeps, or no memory for
 * a thread's value of it, the call says so and runs nothing.  Later it works.
 */
#include <errno.h>
#include <pthread.h>

#include "lender.h"

void *__libc_calloc(size_t count, size_t size);
__attribute__((visibility("default"))) void *calloc(size_t count, size_t size);

static __thread bool no_memory;
static struct lender lender;

/* In place of the C library's, which calls it too. */
void *calloc(size_t count, size_t size)
{
	if (no_memory) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_calloc(count, size);
}

UNWATCHED
static void pass(struct prec_transaction *t, void *argument)
{
	(void)argument;
	t->cursor = bytes_of(&lender.region)[0];
}

static void *thread_without_memory(void *argument)
{
	struct prec_transaction t;

	no_memory = true;
	EXPECT(run_on(&lender.region, PREC_ABANDON, pass, NULL, &t) ==
	       PREC_SYSTEM);
	EXPECT(errno == ENOMEM && t.cursor == 0);
	no_memory = false;
	EXPECT(run_on(&lender.region, PREC_ABANDON, pass, NULL, &t) == PREC_OK);
	EXPECT(t.cursor == pattern(0));
	return argument;
}

int main(void)
{
	pthread_key_t last, key;
	pthread_t thread;

	if (UNDER_SANITIZER)
		skip_all("sanitizers have an allocator and keys of their own");
	MUST(pthread_key_create(&last, NULL) == 0);
	while (pthread_key_create(&key, NULL) == 0)
		last = key;
	lender.fd = new_file(PAGE, 0);
	write_pattern(lender.fd, PAGE);
	EXPECT(try_lend(&lender, PAGE, PREC_READ, 0, NULL) == PREC_SYSTEM);
	EXPECT(errno == EAGAIN);
	EXPECT(prec_fault_health() & PREC_HEALTH_NOT_INSTALLED);
	MUST(pthread_key_delete(last) == 0);
	MUST(try_lend(&lender, PAGE, PREC_READ, 0, NULL) == PREC_OK);
	EXPECT(prec_fault_health() == 0);
	MUST(pthread_create(&thread, NULL, thread_without_memory, NULL) == 0);
	pthread_join(thread, NULL);
	end_lending(&lender);
	return expect_end();
}
