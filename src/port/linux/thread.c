// SPDX-License-Identifier: MIT
#include "linux.h"
#include "provide.h"
#include "unsafe_stack.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <precarium/access.h>

/*
 * What each thread has open, so that unmapping can see which threads are inside
 * without an atomic counter, which every transaction would pay for.  A thread
 * writes its own list with plain stores and then reads the region's flag.  The
 * thread that unmaps sets the flag, makes all threads pass a barrier
 * (membarrier), and then reads the lists.  At least one of the two sees the
 * other.  If a thread sees the flag, one compare-and-swap decides which of them
 * comes first: region_stay_open and region_close.
 */
__thread struct prec_thread prec_self = { .open_count = OPEN_MAX };

static struct prec_thread *threads;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t at_exit;
bool prec_thread_must_fence, prec_thread_has_more;

static void forget(void *argument)
{
	struct prec_thread *self = argument;

	pthread_mutex_lock(&lock);
	*self->link = self->next;
	if (self->next)
		self->next->link = self->link;
	pthread_mutex_unlock(&lock);
	self->open_count = OPEN_MAX;
	self->prepared = false;
}

static pthread_mutex_t setup = PTHREAD_MUTEX_INITIALIZER;

void prec_setup_lock(void)
{
	pthread_mutex_lock(&setup);
}

void prec_setup_unlock(void)
{
	pthread_mutex_unlock(&setup);
}

static void before_fork(void)
{
	prec_setup_lock();
	prec_index_lock();
	prec_provide_lock();
	prec_fixup_lock();
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
	prec_fixup_unlock();
	prec_provide_unlock();
	prec_index_unlock();
	prec_setup_unlock();
}

/* The forking thread is the only one in the child. */
static void in_child(void)
{
	prec_index_forked();
	prec_fixup_forked();
	prec_provide_forked();
	threads = NULL;
	if (prec_self.prepared) {
		threads = &prec_self;
		prec_self.next = NULL;
		prec_self.link = &threads;
	}
	after_fork();
}

static bool watches_fork;

/* When the library is loaded: a fork may come while another thread installs the
 * handler for the first time. */
__attribute__((constructor)) static void watch_fork(void)
{
	if (!watches_fork)
		watches_fork =
			pthread_atfork(before_fork, after_fork, in_child) == 0;
}

enum prec_status prec_thread_setup(void)
{
	static bool has_key;
	int error;

	watch_fork();
	if (!watches_fork) {
		errno = ENOMEM;
		return PREC_SYSTEM;
	}
	error = has_key ? 0 : pthread_key_create(&at_exit, forget);
	if (error) {
		errno = error;
		return PREC_SYSTEM;
	}
	has_key = true;
	prec_thread_must_fence =
		syscall(SYS_membarrier,
			MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
	prec_thread_has_more =
		prec_thread_must_fence || prec_unsafe_stack_there();
	return PREC_OK;
}

/* No more of the first thread's stack is read than this. */
#define FIRST_STACK_MAX (64u << 20)

/*
 * The C library reads /proc/self/maps for the first thread, which takes
 * milliseconds with thousands of regions, and need not be there.  The kernel
 * put the name of the program at the top of its stack, and keeps what is below
 * it, up to the limit, free of other mappings.
 */
static bool find_first_stack(struct prec_thread *self)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uintptr_t name = getauxval(AT_EXECFN), page = getauxval(AT_PAGESZ);
	struct rlimit limit;

	if (gettid() != getpid() || name == 0 ||
	    getrlimit(RLIMIT_STACK, &limit) != 0)
		return false;
	if (limit.rlim_cur > FIRST_STACK_MAX)
		limit.rlim_cur = FIRST_STACK_MAX;
	if (here > name || name - here >= limit.rlim_cur)
		return false;
	self->stack_high = (name / page + 1) * page;
	self->stack_low = self->stack_high - limit.rlim_cur;
	return true;
}

static void find_stack(struct prec_thread *self)
{
	pthread_attr_t attributes;
	void *low;
	size_t size;

	if (find_first_stack(self))
		return;
	if (pthread_getattr_np(pthread_self(), &attributes) != 0)
		return;
	if (pthread_attr_getstack(&attributes, &low, &size) == 0) {
		self->stack_low = (uintptr_t)low;
		self->stack_high = (uintptr_t)low + size;
	}
	pthread_attr_destroy(&attributes);
}

/* A fault whose signal is blocked kills the process in spite of any handler, so
 * a thread that works on lent memory must have both signals unblocked. */
void prec_fault_unblock(void)
{
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGBUS);
	sigaddset(&ours, SIGSEGV);
	pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
}

enum prec_status prec_thread_enter(struct prec_thread *self)
{
	int error = pthread_setspecific(at_exit, self);

	if (error) {
		errno = error;
		return PREC_SYSTEM;
	}
	prec_fault_unblock();
	find_stack(self);
	self->open_count = 0;
	pthread_mutex_lock(&lock);
	self->next = threads;
	self->link = &threads;
	if (threads)
		threads->link = &self->next;
	threads = self;
	pthread_mutex_unlock(&lock);
	self->prepared = true;
	return PREC_OK;
}

static bool holds(const struct prec_thread *thread,
		  const struct prec_region *region)
{
	uint32_t i, n = __atomic_load_n(&thread->open_count, __ATOMIC_ACQUIRE);

	for (i = 0; i < n && i < OPEN_MAX; i++)
		if (__atomic_load_n(&thread->open[i], __ATOMIC_RELAXED) ==
		    region)
			return true;
	return false;
}

enum prec_status prec_thread_holds(const struct prec_region *region)
{
	const struct prec_thread *thread;
	bool found = false;

	if (!prec_thread_must_fence &&
	    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) !=
		    0)
		return PREC_SYSTEM;
	pthread_mutex_lock(&lock);
	for (thread = threads; thread && !found; thread = thread->next)
		found = holds(thread, region);
	pthread_mutex_unlock(&lock);
	return found ? PREC_BUSY : PREC_OK;
}
