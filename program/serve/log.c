// SPDX-License-Identifier: MIT
#include "program/serve/log.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device/thread.h"
#include "program/escape.h"

/* Lines that wait to be written. */
#define QUEUED_MAX 256u

/* What a line points to goes with it. */
struct queued {
	struct log_line line;
	char export[200];
	char text[600];
};

/* Whoever reads the log decides how long a write takes, so one thread writes
 * for all the others, which never wait for it. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_cond_t written;
	struct queued lines[QUEUED_MAX];
	uint32_t first;
	uint32_t count;
	uint64_t lost; /* that found no room */
	bool writing;
	bool started;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER,
	    .more = PTHREAD_COND_INITIALIZER,
	    .written = PTHREAD_COND_INITIALIZER };

size_t log_text(char *text, size_t size, const struct log_line *line)
{
	char raw[790];

	log_format(raw, sizeof(raw), line);
	return escape(text, size, raw);
}

/* One write per line, so that it stays whole. */
static void to_standard_error(const struct log_line *line)
{
	char text[LOG_LINE_SIZE] = "precarium: ";
	size_t used = strlen(text);

	used += log_text(text + used, sizeof(text) - used - 1, line);
	text[used++] = '\n';
	if (write(STDERR_FILENO, text, used) < 0)
		return;
}

static log_sink *writer = to_standard_error;

static void copy(struct queued *to, const struct log_line *line)
{
	to->line = *line;
	snprintf(to->text, sizeof(to->text), "%s", line->text);
	to->line.text = to->text;
	if (!line->export)
		return;
	snprintf(to->export, sizeof(to->export), "%s", line->export);
	to->line.export = to->export;
}

static void put(const struct log_line *line)
{
	bool started;

	pthread_mutex_lock(&queue.lock);
	started = queue.started;
	if (started && queue.count == QUEUED_MAX) {
		queue.lost++;
	} else if (started) {
		copy(&queue.lines[(queue.first + queue.count++) % QUEUED_MAX],
		     line);
		pthread_cond_signal(&queue.more);
	}
	pthread_mutex_unlock(&queue.lock);
	if (!started)
		writer(line);
}

static void write_lost(uint64_t lost)
{
	char text[100];
	const struct log_line line = { .text = text };

	snprintf(text, sizeof(text),
		 "%llu lines of the log were lost: they were not read",
		 (unsigned long long)lost);
	writer(&line);
}

/* The lock is held. */
static void write_first(void)
{
	static struct queued now;
	uint64_t lost = queue.lost;

	copy(&now, &queue.lines[queue.first].line);
	queue.first = (queue.first + 1) % QUEUED_MAX;
	queue.count--;
	/* Once the last before them is written. */
	if (queue.count > 0)
		lost = 0;
	queue.lost -= lost;
	pthread_mutex_unlock(&queue.lock);
	writer(&now.line);
	if (lost)
		write_lost(lost);
	pthread_mutex_lock(&queue.lock);
}

static void *write_lines(void *argument)
{
	(void)argument;
	thread_name("log");
	pthread_mutex_lock(&queue.lock);
	for (;;) {
		while (queue.count == 0) {
			queue.writing = false;
			pthread_cond_broadcast(&queue.written);
			pthread_cond_wait(&queue.more, &queue.lock);
		}
		queue.writing = true;
		write_first();
	}
	return NULL;
}

void log_begin(void)
{
	log_to(put);
}

void log_write_by(log_sink *sink)
{
	writer = sink;
}

bool log_start(void)
{
	bool started = thread_start(NULL, write_lines, NULL) == 0;

	pthread_mutex_lock(&queue.lock);
	queue.started = started;
	pthread_mutex_unlock(&queue.lock);
	return started;
}

void log_end(int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&queue.lock);
	while ((queue.count > 0 || queue.writing) &&
	       pthread_cond_timedwait(&queue.written, &queue.lock, &until) == 0)
		continue;
	pthread_mutex_unlock(&queue.lock);
}
