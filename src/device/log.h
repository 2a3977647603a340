/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_LOG_H
#define PRECARIUM_DEVICE_LOG_H

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Log lines: one line each, on standard error unless somebody takes them.  Any
 * thread may log.
 */

/* How much is logged: lines of this kind and of those before it. */
enum log_level {
	LOG_LEVEL_WARNING, /* what somebody may have to see to */
	LOG_LEVEL_INFO,	   /* and clients that come and go, reloads; default */
	LOG_LEVEL_DEBUG,   /* and each message of a client */
};

/* Any thread, at any time. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_takes(enum log_level level);

/* Texts last for the call only. */
struct log_line {
	enum log_level level;
	const char *export; /* or NULL */
	uint32_t client;    /* its number; 0: none */
	pid_t pid;	    /* 0: not known */
	uid_t uid;
	const char *text;
};
typedef void log_sink(const struct log_line *line);

/* Where lines go instead of standard error: called by any thread, by several at
 * once.  Set it before the server starts. */
void log_to(log_sink *sink);

/* The line with its subject before it, as standard error gets it. */
void log_format(char *text, size_t size, const struct log_line *line);

/* A warning about nobody or about an export, a line about what is as it should
 * be, or one with *line's level and subject. */
__attribute__((format(printf, 1, 2))) void log_print(const char *format, ...);
__attribute__((format(printf, 2, 3))) void log_export(const char *export,
						      const char *format, ...);
__attribute__((format(printf, 2, 3))) void log_info(const char *export,
						    const char *format, ...);
__attribute__((format(printf, 2, 0))) void
log_vprint(struct log_line *line, const char *format, va_list args);

/* How many lines may be written: `most` at once, and so many a second. */
struct log_limit {
	uint32_t most;
	uint32_t a_second;
	uint32_t left;
	uint32_t dropped;
	int64_t at_ms; /* when `left` was worked out */
};

void log_limit_init(struct log_limit *limit, uint32_t most, uint32_t a_second);
/* One line more?  False: it is counted as dropped. */
bool log_limit_allows(struct log_limit *limit);

/* A limit of several clients together, on whatever threads they are. */
struct log_group {
	pthread_mutex_t lock;
	struct log_limit limit;
};

void log_group_init(struct log_group *group, uint32_t most, uint32_t a_second);
void log_group_destroy(struct log_group *group);
/* One line more, by this limit and by the `own` of a client, which the lock of
 * the group protects, too?  True: how many each of them has dropped since the
 * last. */
bool log_group_allows(struct log_group *group, struct log_limit *own,
		      uint32_t *of_group, uint32_t *of_own);

#endif
