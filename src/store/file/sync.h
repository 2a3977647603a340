/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_SYNC_H
#define PRECARIUM_STORE_FILE_SYNC_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

/*
 * The lanes of a store stand in line to sync its file, so that no two syncs
 * overlap.  The system reports lost writes to one sync of an open file: another
 * that ran beside it would succeed, and its caller would know nothing of the
 * first before that was reaped.
 */
struct file_sync_place {
	TAILQ_ENTRY(file_sync_place) entry;
	bool in_line;
};

struct file_sync_line {
	pthread_mutex_t lock;
	TAILQ_HEAD(file_sync_places, file_sync_place) places;
};

void file_sync_line_init(struct file_sync_line *line);
/* No place may be in line. */
void file_sync_line_destroy(struct file_sync_line *line);

/* Stand in line, if this place does not already.  True: it is the first, and
 * may sync until it leaves.  Any thread, one for each place. */
bool file_sync_enter(struct file_sync_line *line,
		     struct file_sync_place *place);
/* Nothing happens to a place that is not in line. */
void file_sync_leave(struct file_sync_line *line,
		     struct file_sync_place *place);

#endif
