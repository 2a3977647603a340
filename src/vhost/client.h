/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_CLIENT_H
#define PRECARIUM_VHOST_CLIENT_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

#include "vhost/server.h"

/* Log lines that may still be written, and when that was worked out. */
struct vhost_speech {
	uint32_t left;
	uint32_t dropped;
	int64_t at_ms;
};

/*
 * What is known of one client: who it is, what it has done, what was said
 * about it.  Outlives its connection, for statistics.
 */
struct vhost_client {
	struct vhost_client *next;
	struct vhost_roll *roll;
	const char *export_name; /* borrowed from the export */
	uint32_t number;
	pid_t pid; /* 0: not told */
	uid_t uid;
	const char *ended; /* static storage; under the roll's lock */

	/* Written by the worker alone, read by anybody: vhost_count. */
	struct vhost_counts counts;
	struct vhost_gauges now;
	struct vhost_speech speech;
};

/* The clients of one export, those that are there and some that were. */
struct vhost_roll {
	pthread_mutex_t lock;
	struct vhost_client *first; /* the newest */
	uint64_t so_far;
	uint64_t turned_away;
	uint32_t connected;
	struct vhost_counts past;   /* of clients that were forgotten */
	struct vhost_speech speech; /* of all of them */
};

void vhost_roll_init(struct vhost_roll *roll);
void vhost_roll_free(struct vhost_roll *roll);

/* A client is on its way to its worker: counted as connected from here on,
 * until vhost_roll_leave. */
void vhost_roll_expect(struct vhost_roll *roll);
/* It has come, at the socket `fd`.  NULL: no memory. */
struct vhost_client *vhost_roll_enter(struct vhost_roll *roll,
				      const char *export_name, int fd);
/* It is gone, or never came if NULL; the roll owns it from now on, and may go
 * itself with its last.  `why`: static storage. */
void vhost_roll_leave(struct vhost_roll *roll, struct vhost_client *client,
		      const char *why);

void vhost_counts_add(struct vhost_counts *sum,
		      const struct vhost_counts *more);
/* A copy that is whole in each number while the worker counts on. */
struct vhost_counts vhost_counts_read(const struct vhost_counts *counts);

void vhost_gauges_add(struct vhost_gauges *sum,
		      const struct vhost_gauges *more);
struct vhost_gauges vhost_gauges_read(const struct vhost_gauges *gauges);

/* One writer, so no atomic addition is needed, only a whole store. */
static inline void vhost_count(uint64_t *counter, uint64_t amount)
{
	__atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}

static inline void vhost_gauge(uint64_t *gauge, uint64_t value)
{
	__atomic_store_n(gauge, value, __ATOMIC_RELAXED);
}

/* One line on standard error that names the client.  A client that makes us
 * talk is cut to some lines a second, and so are all clients of an export
 * together, or one could come back under a new number; how many lines were
 * dropped is told. */
__attribute__((format(printf, 2, 3))) void
vhost_client_log(struct vhost_client *client, const char *format, ...);

/* One line that concerns an export, or nobody. */
__attribute__((format(printf, 2, 3))) void
vhost_export_log(const char *export, const char *format, ...);
__attribute__((format(printf, 1, 2))) void vhost_log(const char *format, ...);

/* Where lines go.  Texts last for the call only. */
struct vhost_log_line {
	const char *export; /* or NULL */
	uint32_t client;    /* its number; 0: none */
	pid_t pid;	    /* 0: not told */
	uid_t uid;
	const char *text;
};
typedef void vhost_log_sink(const struct vhost_log_line *line);

/* Instead of standard error: called by any thread, several at once.  Before the
 * server starts. */
void vhost_log_to(vhost_log_sink *sink);

/* The line with its subject before it, as standard error gets it. */
void vhost_log_format(char *text, size_t size,
		      const struct vhost_log_line *line);

int64_t vhost_now_ms(void);

#endif
