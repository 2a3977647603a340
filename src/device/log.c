// SPDX-License-Identifier: MIT
#include "device/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device/clock.h"

static void name_subject(char who[160], const struct log_line *line)
{
	who[0] = 0;
	if (line->client && line->pid)
		snprintf(who, 160, "%.80s#%u (pid %d, uid %u): ", line->export,
			 line->client, (int)line->pid, (unsigned int)line->uid);
	else if (line->client)
		snprintf(who, 160, "%.80s#%u: ", line->export, line->client);
	else if (line->export)
		snprintf(who, 160, "%.120s: ", line->export);
}

void log_format(char *text, size_t size, const struct log_line *line)
{
	char who[160];

	name_subject(who, line);
	snprintf(text, size, "%s%s", who, line->text);
}

/* In one write, so that lines of several threads stay whole. */
static void to_standard_error(const struct log_line *line)
{
	char text[800] = "precarium: ";
	size_t used = strlen(text);

	log_format(text + used, sizeof(text) - used - 1, line);
	used = strlen(text);
	text[used++] = '\n';
	if (write(STDERR_FILENO, text, used) < 0)
		return;
}

static log_sink *current_sink = to_standard_error;
static enum log_level current_level = LOG_LEVEL_INFO; /* atomic */

void log_set_level(enum log_level level)
{
	__atomic_store_n(&current_level, level, __ATOMIC_RELAXED);
}

enum log_level log_get_level(void)
{
	return __atomic_load_n(&current_level, __ATOMIC_RELAXED);
}

bool log_takes(enum log_level level)
{
	return level <= log_get_level();
}

void log_to(log_sink *sink)
{
	current_sink = sink;
}

void log_vprint(struct log_line *line, const char *format, va_list args)
{
	char text[600];

	if (!log_takes(line->level))
		return;
	vsnprintf(text, sizeof(text), format, args);
	line->text = text;
	current_sink(line);
}

void log_print(const char *format, ...)
{
	struct log_line line = { .export = NULL };
	va_list args;

	va_start(args, format);
	log_vprint(&line, format, args);
	va_end(args);
}

void log_export(const char *export, const char *format, ...)
{
	struct log_line line = { .export = export };
	va_list args;

	va_start(args, format);
	log_vprint(&line, format, args);
	va_end(args);
}

void log_info(const char *export, const char *format, ...)
{
	struct log_line line = { .level = LOG_LEVEL_INFO, .export = export };
	va_list args;

	va_start(args, format);
	log_vprint(&line, format, args);
	va_end(args);
}

void log_limit_init(struct log_limit *limit, uint32_t most, uint32_t a_second)
{
	*limit = (struct log_limit){
		.most = most,
		.a_second = a_second,
		.left = most,
		.at_ms = clock_now_ms(),
	};
}

bool log_limit_allows(struct log_limit *limit)
{
	int64_t now = clock_now_ms();
	int64_t seconds = (now - limit->at_ms) / 1000;

	if (seconds > 0) {
		uint64_t left =
			limit->left + (uint64_t)seconds * limit->a_second;

		limit->left = left < limit->most ? (uint32_t)left : limit->most;
		limit->at_ms = now;
	}
	if (limit->left == 0) {
		limit->dropped++;
		return false;
	}
	limit->left--;
	return true;
}

void log_group_init(struct log_group *group, uint32_t most, uint32_t a_second)
{
	pthread_mutex_init(&group->lock, NULL);
	log_limit_init(&group->limit, most, a_second);
}

void log_group_destroy(struct log_group *group)
{
	pthread_mutex_destroy(&group->lock);
}

static uint32_t take_dropped(struct log_limit *limit)
{
	uint32_t dropped = limit->dropped;

	limit->dropped = 0;
	return dropped;
}

bool log_group_allows(struct log_group *group, struct log_limit *own,
		      uint32_t *of_group, uint32_t *of_own)
{
	bool allowed;

	pthread_mutex_lock(&group->lock);
	allowed = log_limit_allows(own) && log_limit_allows(&group->limit);
	if (allowed) {
		*of_group = take_dropped(&group->limit);
		*of_own = take_dropped(own);
	}
	pthread_mutex_unlock(&group->lock);
	return allowed;
}
