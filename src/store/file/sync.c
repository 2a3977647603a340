// SPDX-License-Identifier: MIT
#include "store/file/sync.h"

void file_sync_line_init(struct file_sync_line *line)
{
	pthread_mutex_init(&line->lock, NULL);
	TAILQ_INIT(&line->places);
}

void file_sync_line_destroy(struct file_sync_line *line)
{
	pthread_mutex_destroy(&line->lock);
}

bool file_sync_enter(struct file_sync_line *line, struct file_sync_place *place)
{
	bool first;

	pthread_mutex_lock(&line->lock);
	if (!place->in_line)
		TAILQ_INSERT_TAIL(&line->places, place, entry);
	place->in_line = true;
	first = TAILQ_FIRST(&line->places) == place;
	pthread_mutex_unlock(&line->lock);
	return first;
}

void file_sync_leave(struct file_sync_line *line, struct file_sync_place *place)
{
	pthread_mutex_lock(&line->lock);
	if (place->in_line)
		TAILQ_REMOVE(&line->places, place, entry);
	place->in_line = false;
	pthread_mutex_unlock(&line->lock);
}
