// SPDX-License-Identifier: MIT
#include "store/file/threads.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct file_task {
	TAILQ_ENTRY(file_task) entry;
	struct file_line *line; /* NULL: that was given up */
	struct io_uring_sqe sqe;
	int32_t result;
};

struct runner {
	SLIST_ENTRY(runner) entry;
	struct file_threads *pool;
	pthread_t thread;
	struct file_task *task; /* that it carries out; or NULL */
};

struct file_threads {
	int fd;
	/* The owner's. */
	struct file_tasks filled; /* not submitted */
	uint32_t filled_count;
	struct file_tasks taken; /* ended, and not returned */
	struct file_tasks spare;
	SLIST_HEAD(runners, runner) runners;

	pthread_mutex_t lock; /* of the rest, and of lines */
	pthread_cond_t work;
	TAILQ_HEAD(, file_line) ready; /* lines of which one may begin */
	struct file_tasks ended;
	uint32_t idle;	   /* threads that wait for work */
	uint32_t woken;	   /* of them, and have not come yet */
	uint32_t starting; /* threads that are new, and have not either */
	bool has_ended;	   /* something; read without the lock, too */
	bool ends;
};

static int32_t answer(long got)
{
	return got < 0 ? -errno : (int32_t)got;
}

/* Without the C library: sanitizers would take what the kernel does to the
 * client's memory for what this thread does. */
static int32_t carry_out(const struct io_uring_sqe *sqe)
{
	int fd = sqe->fd;

	switch (sqe->opcode) {
	case IORING_OP_NOP:
		return 0;
	case IORING_OP_READV:
		return answer(syscall(SYS_preadv, fd, sqe->addr, sqe->len,
				      sqe->off, 0L));
	case IORING_OP_WRITEV:
		return answer(syscall(SYS_pwritev, fd, sqe->addr, sqe->len,
				      sqe->off, 0L));
	case IORING_OP_FSYNC:
		return answer(sqe->fsync_flags & IORING_FSYNC_DATASYNC
				      ? fdatasync(fd)
				      : fsync(fd));
	case IORING_OP_FALLOCATE:
		return answer(fallocate(fd, (int)sqe->len, (off_t)sqe->off,
					(off_t)sqe->addr));
	case IORING_OP_FADVISE:
		return -posix_fadvise(fd, (off_t)sqe->off, (off_t)sqe->len,
				      (int)sqe->fadvise_advice);
	default:
		return -EOPNOTSUPP;
	}
}

void file_line_init(struct file_line *line)
{
	memset(line, 0, sizeof(*line));
	TAILQ_INIT(&line->tasks);
}

/* One of it may begin.  The lock is held, as for all that follows. */
static void line_up(struct file_threads *pool, struct file_line *line)
{
	if (line->ready || TAILQ_EMPTY(&line->tasks) ||
	    line->running == FILE_LINE_THREADS)
		return;
	line->ready = true;
	TAILQ_INSERT_TAIL(&pool->ready, line, entry);
}

static void leave_line(struct file_threads *pool, struct file_line *line)
{
	if (line->ready)
		TAILQ_REMOVE(&pool->ready, line, entry);
	line->ready = false;
}

static struct file_task *take(struct file_threads *pool)
{
	struct file_line *line = TAILQ_FIRST(&pool->ready);
	struct file_task *task;

	if (!line)
		return NULL;
	leave_line(pool, line);
	task = TAILQ_FIRST(&line->tasks);
	TAILQ_REMOVE(&line->tasks, task, entry);
	line->running++;
	line_up(pool, line);
	return task;
}

static void tell(struct file_threads *pool, struct file_task *task,
		 int32_t result)
{
	task->result = result;
	TAILQ_INSERT_TAIL(&pool->ended, task, entry);
	if (pool->has_ended)
		return;
	__atomic_store_n(&pool->has_ended, true, __ATOMIC_RELEASE);
	eventfd_write(pool->fd, 1);
}

static void wait_for_work(struct file_threads *pool)
{
	pool->idle++;
	pthread_cond_wait(&pool->work, &pool->lock);
	pool->idle--;
	if (pool->woken > 0)
		pool->woken--;
}

static void *run(void *argument)
{
	struct runner *runner = argument;
	struct file_threads *pool = runner->pool;

	prctl(PR_SET_NAME, "store");
	pthread_mutex_lock(&pool->lock);
	pool->starting--;
	while (!pool->ends) {
		struct file_task *task = take(pool);
		int32_t result;

		if (!task) {
			wait_for_work(pool);
			continue;
		}
		runner->task = task;
		pthread_mutex_unlock(&pool->lock);
		result = carry_out(&task->sqe);
		pthread_mutex_lock(&pool->lock);
		runner->task = NULL;
		if (task->line) {
			task->line->running--;
			line_up(pool, task->line);
		}
		tell(pool, task, result);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* What interrupts a thread: the C library and the program use others. */
static int interruption(void)
{
	return SIGRTMAX;
}

/* Takes no signals but that, and what the filter of system calls sends: those
 * of the process are for others, and it touches no memory that could fault. */
static bool start_runner(struct file_threads *pool)
{
	struct runner *runner = malloc(sizeof(*runner));
	sigset_t most, before;
	int error;

	if (!runner)
		return false;
	runner->pool = pool;
	runner->task = NULL;
	sigfillset(&most);
	sigdelset(&most, SIGSYS);
	sigdelset(&most, interruption());
	pthread_sigmask(SIG_SETMASK, &most, &before);
	error = pthread_create(&runner->thread, NULL, run, runner);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		free(runner);
		return false;
	}
	SLIST_INSERT_HEAD(&pool->runners, runner, entry);
	return true;
}

static void do_nothing(int signal)
{
	(void)signal;
}

/* Calls that it interrupts are not made again. */
static void take_interruptions(void)
{
	struct sigaction action = { .sa_handler = do_nothing };

	sigfillset(&action.sa_mask);
	sigaction(interruption(), &action, NULL);
}

struct file_threads *file_threads_new(struct store_error *error)
{
	struct file_threads *pool = calloc(1, sizeof(*pool));

	if (!pool) {
		store_fail(error, "out of memory");
		return NULL;
	}
	pool->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->fd < 0) {
		store_fail(error, "an event descriptor: %s", strerror(errno));
		free(pool);
		return NULL;
	}
	take_interruptions();
	TAILQ_INIT(&pool->filled);
	TAILQ_INIT(&pool->taken);
	TAILQ_INIT(&pool->spare);
	TAILQ_INIT(&pool->ready);
	TAILQ_INIT(&pool->ended);
	SLIST_INIT(&pool->runners);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	return pool;
}

static void free_all(struct file_tasks *tasks)
{
	struct file_task *task;

	while ((task = TAILQ_FIRST(tasks))) {
		TAILQ_REMOVE(tasks, task, entry);
		free(task);
	}
}

static bool is_busy(const struct file_threads *pool)
{
	const struct runner *runner;

	SLIST_FOREACH(runner, &pool->runners, entry)
	{
		if (runner->task)
			return true;
	}
	return false;
}

void file_threads_rest(struct file_threads *pool)
{
	struct runner *runner;

	pthread_mutex_lock(&pool->lock);
	pool->ends = !is_busy(pool);
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	if (!pool->ends)
		return;
	while ((runner = SLIST_FIRST(&pool->runners))) {
		SLIST_REMOVE_HEAD(&pool->runners, entry);
		pthread_join(runner->thread, NULL);
		free(runner);
	}
	pool->ends = false;
	pool->woken = 0;
	free_all(&pool->spare);
}

int file_threads_fd(const struct file_threads *pool)
{
	return pool->fd;
}

uint32_t file_threads_filled(const struct file_threads *pool)
{
	return pool->filled_count;
}

struct io_uring_sqe *file_threads_entry(struct file_threads *pool,
					struct file_line *line)
{
	struct file_task *task = TAILQ_FIRST(&pool->spare);

	if (task)
		TAILQ_REMOVE(&pool->spare, task, entry);
	else
		task = malloc(sizeof(*task));
	if (!task)
		return NULL;
	memset(&task->sqe, 0, sizeof(task->sqe));
	task->line = line;
	TAILQ_INSERT_TAIL(&pool->filled, task, entry);
	pool->filled_count++;
	return &task->sqe;
}

/* There is no thread, and none can be made: who asked may try again. */
static void refuse_ready(struct file_threads *pool)
{
	struct file_task *task;

	while ((task = take(pool))) {
		task->line->running--;
		tell(pool, task, -EAGAIN);
	}
}

/* How many entries may begin now. */
static uint32_t startable(const struct file_threads *pool)
{
	const struct file_line *line;
	const struct file_task *task;
	uint32_t count = 0;

	TAILQ_FOREACH(line, &pool->ready, entry)
	{
		uint32_t room = FILE_LINE_THREADS - line->running;

		TAILQ_FOREACH(task, &line->tasks, entry)
		{
			if (room-- == 0)
				break;
			count++;
		}
	}
	return count;
}

/* A thread for each of them that nobody comes for yet. */
static void get_threads(struct file_threads *pool)
{
	uint32_t wanted = startable(pool);
	uint32_t come = pool->woken + pool->starting;

	for (; come < wanted; come++) {
		if (pool->woken < pool->idle) {
			pthread_cond_signal(&pool->work);
			pool->woken++;
		} else if (start_runner(pool)) {
			pool->starting++;
		} else {
			break;
		}
	}
	if (SLIST_EMPTY(&pool->runners))
		refuse_ready(pool);
}

void file_threads_submit(struct file_threads *pool)
{
	struct file_task *task;

	if (pool->filled_count == 0)
		return;
	pthread_mutex_lock(&pool->lock);
	while ((task = TAILQ_FIRST(&pool->filled))) {
		TAILQ_REMOVE(&pool->filled, task, entry);
		TAILQ_INSERT_TAIL(&task->line->tasks, task, entry);
		line_up(pool, task->line);
	}
	pool->filled_count = 0;
	get_threads(pool);
	pthread_mutex_unlock(&pool->lock);
}

static void take_ended(struct file_threads *pool)
{
	eventfd_t count;

	if (!__atomic_load_n(&pool->has_ended, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&pool->lock);
	TAILQ_CONCAT(&pool->taken, &pool->ended, entry);
	__atomic_store_n(&pool->has_ended, false, __ATOMIC_RELEASE);
	eventfd_read(pool->fd, &count);
	pthread_mutex_unlock(&pool->lock);
}

bool file_threads_next(struct file_threads *pool, void **data, int32_t *got)
{
	struct file_task *task;

	if (TAILQ_EMPTY(&pool->taken))
		take_ended(pool);
	task = TAILQ_FIRST(&pool->taken);
	if (!task)
		return false;
	*data = (void *)(uintptr_t)task->sqe.user_data;
	*got = task->result;
	TAILQ_REMOVE(&pool->taken, task, entry);
	TAILQ_INSERT_HEAD(&pool->spare, task, entry);
	return true;
}

/* Under the lock, its tasks are nobody's. */
void file_threads_leave(struct file_threads *pool, struct file_line *line)
{
	struct runner *runner;

	file_threads_submit(pool);
	pthread_mutex_lock(&pool->lock);
	TAILQ_CONCAT(&pool->spare, &line->tasks, entry);
	leave_line(pool, line);
	SLIST_FOREACH(runner, &pool->runners, entry)
	{
		if (runner->task && runner->task->line == line)
			runner->task->line = NULL;
	}
	pthread_mutex_unlock(&pool->lock);
}

static struct file_task *find(struct file_tasks *tasks, const void *data)
{
	struct file_task *task;

	TAILQ_FOREACH(task, tasks, entry)
	{
		if (task->sqe.user_data == (uintptr_t)data)
			return task;
	}
	return NULL;
}

static void interrupt(const struct file_threads *pool, const void *data)
{
	const struct runner *runner;

	SLIST_FOREACH(runner, &pool->runners, entry)
	{
		if (runner->task &&
		    runner->task->sqe.user_data == (uintptr_t)data)
			pthread_kill(runner->thread, interruption());
	}
}

void file_threads_cancel(struct file_threads *pool, struct file_line *line,
			 const void *data)
{
	struct file_task *task;

	file_threads_submit(pool);
	pthread_mutex_lock(&pool->lock);
	task = find(&line->tasks, data);
	if (task) {
		TAILQ_REMOVE(&line->tasks, task, entry);
		if (TAILQ_EMPTY(&line->tasks))
			leave_line(pool, line);
		tell(pool, task, -ECANCELED);
	} else {
		interrupt(pool, data);
	}
	pthread_mutex_unlock(&pool->lock);
}
