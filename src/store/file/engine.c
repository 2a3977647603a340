// SPDX-License-Identifier: MIT
#include "store/file/engine.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct file_engine *unused;
static uint32_t made;
static enum store_way chosen;

/* Why an engine has no ring; of the first that has none. */
static struct store_error refusal;

static _Thread_local struct file_engine *of_this_thread;

void file_engine_choose(enum store_way way)
{
	chosen = way;
}

/* It is written once, and before that any engine may be in use. */
const char *file_engine_why_threads(void)
{
	const char *why;

	pthread_mutex_lock(&mutex);
	why = refusal.text[0] ? refusal.text : NULL;
	pthread_mutex_unlock(&mutex);
	return why;
}

static bool make(struct file_engine *engine, struct store_error *error)
{
	struct store_error why = { .text = "" };

	if (chosen != STORE_WAY_THREADS) {
		if (file_uring_open(&engine->ring, &why))
			return true;
		if (chosen == STORE_WAY_URING)
			return store_fail(error,
					  "%.400s; expected it to be "
					  "permitted, or threads in its place",
					  why.text);
		if (!refusal.text[0])
			refusal = why;
	}
	engine->threads = file_threads_new(error);
	return engine->threads;
}

/* The caller has the lock. */
static bool prepare(uint32_t count, struct store_error *error)
{
	while (made < count) {
		struct file_engine *engine = calloc(1, sizeof(*engine));

		if (!engine)
			return store_fail(error, "out of memory");
		if (!make(engine, error)) {
			free(engine);
			return false;
		}
		engine->next = unused;
		unused = engine;
		made++;
	}
	return true;
}

bool file_engine_prepare(uint32_t count, struct store_error *error)
{
	bool good;

	pthread_mutex_lock(&mutex);
	good = prepare(count, error);
	pthread_mutex_unlock(&mutex);
	return good;
}

struct file_engine *file_engine_get(struct store_error *error)
{
	struct file_engine *engine = of_this_thread;

	if (!engine) {
		pthread_mutex_lock(&mutex);
		if (!unused)
			prepare(made + 1, error);
		engine = unused;
		if (engine)
			unused = engine->next;
		pthread_mutex_unlock(&mutex);
	}
	if (!engine)
		return NULL;
	of_this_thread = engine;
	engine->lanes++;
	return engine;
}

void file_engine_put(struct file_engine *engine, struct file_line *line)
{
	if (engine->threads)
		file_threads_leave(engine->threads, line);
	if (--engine->lanes > 0)
		return;
	of_this_thread = NULL;
	if (engine->threads)
		file_threads_rest(engine->threads);
	pthread_mutex_lock(&mutex);
	engine->next = unused;
	unused = engine;
	pthread_mutex_unlock(&mutex);
}

int file_engine_fd(const struct file_engine *engine)
{
	return engine->threads ? file_threads_fd(engine->threads)
			       : engine->ring.ring_fd;
}

bool file_engine_submit(struct file_engine *engine)
{
	if (!engine->threads)
		return file_uring_submit(&engine->ring);
	file_threads_submit(engine->threads);
	return true;
}

struct io_uring_sqe *file_engine_entry(struct file_engine *engine,
				       struct file_line *line)
{
	return engine->threads ? file_threads_entry(engine->threads, line)
			       : file_uring_entry(&engine->ring);
}

uint32_t file_engine_filled(const struct file_engine *engine)
{
	return engine->threads ? file_threads_filled(engine->threads)
			       : io_uring_sq_ready(&engine->ring);
}

bool file_engine_next(struct file_engine *engine, void **data, int32_t *got)
{
	return engine->threads ? file_threads_next(engine->threads, data, got)
			       : file_uring_next(&engine->ring, data, got);
}

void file_engine_cancel(struct file_engine *engine, struct file_line *line,
			void *data)
{
	if (engine->threads)
		file_threads_cancel(engine->threads, line, data);
	else
		file_uring_cancel(&engine->ring, data);
}
