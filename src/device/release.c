// SPDX-License-Identifier: MIT
#include "device/release.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "device/clock.h"
#include "device/event.h"
#include "device/share.h"
#include "device/thread.h"

/*
 * One thread leads: it takes what is pending, one after the other.  Another
 * stands by.  If the leader is busy with one thing for PATIENCE_MS while others
 * wait, the one that stands by leads from then on, and starts another to stand
 * by.  A leader that comes back and finds itself replaced ends.  So there are
 * as many threads as hang, and two.
 *
 * Accounts with something pending stand in a line, and take turns.  One that
 * occupies RELEASE_THREADS already is not in the line.
 */
#define PATIENCE_MS 50

/* Descriptors for which there was no memory. */
#define SPARES 64u

/* What an honest client leaves behind is gone in no time.  So many descriptors
 * are not counted as used: a client that sets itself up would otherwise have to
 * wait for those of its own messages. */
#define UNCOUNTED 64u

STAILQ_HEAD(releases, release);

struct release_account {
	TAILQ_ENTRY(release_account) entry;
	struct releases queue;
	bool in_line;
	uint32_t pending; /* in the queue, or running */
	uint32_t running;
	int64_t begun_ms; /* when the last of those that run began */
	int idle_fd;
	struct share *share; /* NULL: of nobody's */
	uint32_t descriptors;
};
TAILQ_HEAD(accounts, release_account);

struct fd_release {
	struct release release;
	int fd;
	bool spare;
};

static struct release_account nobodys = {
	.queue = STAILQ_HEAD_INITIALIZER(nobodys.queue),
	.idle_fd = -1,
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;  /* for the leader */
	pthread_cond_t late;  /* for the one that stands by */
	pthread_cond_t quiet; /* for release_wait */
	struct accounts line;
	uint32_t pending;
	uint64_t leader; /* its number; 0: none yet */
	bool stands_by;	 /* somebody does */
	bool watches;	 /* and waits for the leader to be late */
	int64_t busy_ms; /* since when the leader is; 0: it is not */
	struct fd_release spares[SPARES];
	struct releases free; /* of the spares */
	bool started;
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.line = TAILQ_HEAD_INITIALIZER(pool.line),
};

static struct release_account *or_nobodys(struct release_account *account)
{
	return account ? account : &nobodys;
}

static void stand_in_line(struct release_account *account)
{
	if (account->in_line || STAILQ_EMPTY(&account->queue) ||
	    account->running == RELEASE_THREADS)
		return;
	account->in_line = true;
	TAILQ_INSERT_TAIL(&pool.line, account, entry);
}

/* The first thing of the account that is first in line. */
static struct release *take(void)
{
	struct release_account *account = TAILQ_FIRST(&pool.line);
	struct release *release;

	if (!account)
		return NULL;
	release = STAILQ_FIRST(&account->queue);
	STAILQ_REMOVE_HEAD(&account->queue, entry);
	TAILQ_REMOVE(&pool.line, account, entry);
	account->in_line = false;
	account->running++;
	account->begun_ms = clock_now_ms();
	stand_in_line(account);
	return release;
}

/* Something stands in line: wake the leader, or who watches it. */
static void wake(void)
{
	if (TAILQ_EMPTY(&pool.line))
		return;
	if (pool.busy_ms == 0)
		pthread_cond_signal(&pool.work);
	else if (!pool.watches)
		pthread_cond_signal(&pool.late);
}

static uint32_t counted(uint32_t descriptors)
{
	return descriptors > UNCOUNTED ? descriptors - UNCOUNTED : 0;
}

/* The last use of the account, which may be freed when nothing is pending. */
static void put_away(struct release_account *account, uint32_t descriptors)
{
	account->descriptors -= descriptors;
	if (account->share)
		share_give(account->share,
			   counted(account->descriptors + descriptors) -
				   counted(account->descriptors));
	account->running--;
	pool.pending--;
	stand_in_line(account);
	if (pool.pending == 0)
		pthread_cond_broadcast(&pool.quiet);
	if (--account->pending == 0 && account->idle_fd >= 0)
		event_signal(account->idle_fd);
}

static void *helper(void *argument);

static void start_another(void)
{
	if (pool.stands_by)
		return;
	/* If this fails the next release tries again. */
	pool.stands_by = thread_start(NULL, helper, NULL) == 0;
}

static bool leads(uint64_t number)
{
	return pool.leader == number;
}

static void lead(uint64_t number)
{
	while (leads(number)) {
		struct release *release;
		struct release_account *account;
		uint32_t descriptors;

		start_another();
		release = take();
		if (!release) {
			pthread_cond_wait(&pool.work, &pool.lock);
			continue;
		}
		account = release->account;
		descriptors = release->descriptors;
		pool.busy_ms = clock_now_ms();
		wake();
		pthread_mutex_unlock(&pool.lock);
		release->run(release);
		pthread_mutex_lock(&pool.lock);
		put_away(account, descriptors);
		if (leads(number))
			pool.busy_ms = 0;
		else
			wake();
	}
}

static struct timespec at_ms(int64_t ms)
{
	return (struct timespec){ .tv_sec = ms / 1000,
				  .tv_nsec = ms % 1000 * 1000000 };
}

/* Wait until the leader is busy with one thing for too long. */
static void stand_by(void)
{
	while (pool.leader) {
		struct timespec until = at_ms(pool.busy_ms + PATIENCE_MS);

		if (pool.busy_ms == 0 || TAILQ_EMPTY(&pool.line))
			pthread_cond_wait(&pool.late, &pool.lock);
		else if (clock_now_ms() - pool.busy_ms >= PATIENCE_MS)
			return;
		else {
			pool.watches = true;
			pthread_cond_timedwait(&pool.late, &pool.lock, &until);
			pool.watches = false;
		}
	}
}

static void *helper(void *argument)
{
	(void)argument;
	thread_name("release");
	pthread_mutex_lock(&pool.lock);
	stand_by();
	pool.stands_by = false;
	pool.busy_ms = 0;
	pool.leader++;
	lead(pool.leader);
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

static void set_up(void)
{
	pthread_condattr_t clock;

	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&pool.work, &clock);
	pthread_cond_init(&pool.late, &clock);
	pthread_cond_init(&pool.quiet, &clock);
	pthread_condattr_destroy(&clock);
	STAILQ_INIT(&pool.free);
	for (uint32_t i = 0; i < SPARES; i++) {
		pool.spares[i].spare = true;
		STAILQ_INSERT_TAIL(&pool.free, &pool.spares[i].release, entry);
	}
}

bool release_start(void)
{
	int error = 0;

	pthread_mutex_lock(&pool.lock);
	if (!pool.started) {
		set_up();
		pool.stands_by = true;
		error = thread_start(NULL, helper, NULL);
		pool.started = error == 0;
	}
	pthread_mutex_unlock(&pool.lock);
	errno = error;
	return error == 0;
}

bool release_wait(int ms)
{
	struct timespec until = at_ms(clock_now_ms() + ms);
	bool quiet;

	pthread_mutex_lock(&pool.lock);
	while (pool.pending > 0 &&
	       pthread_cond_timedwait(&pool.quiet, &pool.lock, &until) == 0)
		continue;
	quiet = pool.pending == 0;
	pthread_mutex_unlock(&pool.lock);
	return quiet;
}

struct release_account *release_account_new(int idle_fd,
					    struct share *descriptors)
{
	struct release_account *account = calloc(1, sizeof(*account));

	if (!account)
		return NULL;
	STAILQ_INIT(&account->queue);
	account->idle_fd = idle_fd;
	account->share = descriptors;
	return account;
}

void release_account_free(struct release_account *account)
{
	assert(release_pending(account) == 0);
	free(account);
}

uint32_t release_pending(struct release_account *account)
{
	uint32_t pending;

	pthread_mutex_lock(&pool.lock);
	pending = or_nobodys(account)->pending;
	pthread_mutex_unlock(&pool.lock);
	return pending;
}

bool release_is_clogged(struct release_account *account)
{
	bool clogged;

	account = or_nobodys(account);
	pthread_mutex_lock(&pool.lock);
	clogged = account->pending >= RELEASE_PENDING ||
		  (account->running == RELEASE_THREADS &&
		   clock_now_ms() - account->begun_ms >= RELEASE_HANG_MS);
	pthread_mutex_unlock(&pool.lock);
	return clogged;
}

static void enter(struct release_account *account, struct release *release)
{
	account->descriptors += release->descriptors;
	if (account->share)
		share_add(account->share,
			  counted(account->descriptors) -
				  counted(account->descriptors -
					  release->descriptors));
	release->account = account;
	STAILQ_INSERT_TAIL(&account->queue, release, entry);
	account->pending++;
	pool.pending++;
	stand_in_line(account);
	wake();
}

void release_later(struct release_account *account, struct release *release,
		   void (*run)(struct release *release))
{
	bool started;

	release->run = run;
	pthread_mutex_lock(&pool.lock);
	started = pool.started;
	if (started)
		enter(or_nobodys(account), release);
	pthread_mutex_unlock(&pool.lock);
	if (!started)
		run(release);
}

static struct fd_release *fd_release_new(int fd)
{
	struct fd_release *new = malloc(sizeof(*new));

	if (new) {
		new->spare = false;
	} else {
		pthread_mutex_lock(&pool.lock);
		new = (struct fd_release *)STAILQ_FIRST(&pool.free);
		if (new)
			STAILQ_REMOVE_HEAD(&pool.free, entry);
		pthread_mutex_unlock(&pool.lock);
	}
	if (new)
		new->fd = fd;
	return new;
}

static void fd_release_free(struct fd_release *old)
{
	if (!old->spare) {
		free(old);
		return;
	}
	pthread_mutex_lock(&pool.lock);
	STAILQ_INSERT_TAIL(&pool.free, &old->release, entry);
	pthread_mutex_unlock(&pool.lock);
}

static void close_fd(struct release *release)
{
	struct fd_release *old = (struct fd_release *)release;

	close(old->fd);
	fd_release_free(old);
}

static void drop_unread(struct release *release)
{
	int fd = ((struct fd_release *)release)->fd;
	char bytes[4096];

	shutdown(fd, SHUT_RD);
	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
	close_fd(release);
}

/* Without any memory the descriptor stays open: a leak is better than a thread
 * that hangs. */
static void fd_later(struct release_account *account, int fd,
		     void (*run)(struct release *release))
{
	struct fd_release *new = fd < 0 ? NULL : fd_release_new(fd);

	if (!new)
		return;
	new->release.descriptors = 1;
	release_later(account, &new->release, run);
}

void release_fd(struct release_account *account, int fd)
{
	fd_later(account, fd, close_fd);
}

void release_unread(struct release_account *account, int fd)
{
	fd_later(account, fcntl(fd, F_DUPFD_CLOEXEC, 0), drop_unread);
}
