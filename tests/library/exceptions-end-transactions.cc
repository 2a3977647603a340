// SPDX-License-Identifier: MIT
/*
 * An exception that leaves the function of a transaction ends it, and so do
 * pthread_exit and a cancellation.  Destructors run, and the region can be
 * unmapped afterwards.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <precarium/precarium.h>

#include "tests/expect.h"

namespace
{
struct prec_region region, other;
int destroyed;

struct object {
	~object()
	{
		destroyed++;
	}
};

/* Destroyed outside of the transaction, when that has ended. */
struct watcher {
	bool *ended;
	~watcher()
	{
		*ended = prec_transaction_current() == nullptr;
	}
};

enum prec_status run(struct prec_region *on, prec_transaction_fn *fn,
		     void *argument)
{
	struct prec_region *const regions[] = { on };
	struct prec_transaction t = {};

	t.regions = regions;
	t.region_count = 1;
	t.policy = PREC_ABANDON;
	return prec_transaction_run(&t, fn, argument);
}

void map(struct prec_region *to)
{
	struct prec_lending lending = {};

	lending.fd = memfd_create("client", 0);
	lending.size = 4096;
	lending.rights = PREC_READ | PREC_WRITE;
	MUST(ftruncate(lending.fd, 4096) == 0);
	MUST(prec_region_map(to, &lending, nullptr) == PREC_OK);
	close(lending.fd);
}

void throws(struct prec_transaction *, void *)
{
	object local;

	throw 5;
}

void throws_inside(struct prec_transaction *t, void *)
{
	bool caught = false;

	try {
		(void)!run(&other, throws, nullptr);
	} catch (int) {
		caught = true;
	}
	EXPECT(caught && prec_transaction_current() == t);
	EXPECT(prec_region_unmap(&region) == PREC_BUSY);
	throw 6.0;
}

void catches(struct prec_transaction *t, void *)
{
	try {
		throw 7;
	} catch (int) {
		EXPECT(prec_transaction_current() == t);
	}
}

void leaves(struct prec_transaction *, void *)
{
	object local;

	pthread_exit(nullptr);
}

void is_cancelled(struct prec_transaction *, void *)
{
	object local;

	pthread_cancel(pthread_self());
	for (;;)
		pthread_testcancel();
}

struct way {
	prec_transaction_fn *fn;
	bool ended;
};

void *thread_leaves(void *argument)
{
	way *how = static_cast<way *>(argument);
	watcher watches = { &how->ended };

	(void)!run(&region, how->fn, nullptr);
	return argument;
}

void by_thread(prec_transaction_fn *fn)
{
	way how = { fn, false };
	pthread_t thread;

	destroyed = 0;
	MUST(pthread_create(&thread, nullptr, thread_leaves, &how) == 0);
	pthread_join(thread, nullptr);
	EXPECT(how.ended && destroyed == 1);
}
} // namespace

int main()
{
	map(&region);
	map(&other);
	for (int i = 0; i < 100; i++) {
		int caught = 0;

		try {
			(void)!run(&region, throws, nullptr);
		} catch (int value) {
			caught = value;
		}
		EXPECT(caught == 5 && destroyed == i + 1);
		EXPECT(prec_transaction_current() == nullptr);
	}
	for (int i = 0; i < 100; i++) {
		double caught = 0;

		try {
			(void)!run(&region, throws_inside, nullptr);
		} catch (double value) {
			caught = value;
		}
		EXPECT(caught > 5 && prec_transaction_current() == nullptr);
	}
	EXPECT(run(&region, catches, nullptr) == PREC_OK);
	by_thread(leaves);
	by_thread(is_cancelled);
	EXPECT(prec_region_unmap(&region) == PREC_OK);
	EXPECT(prec_region_unmap(&other) == PREC_OK);
	return expect_end();
}
