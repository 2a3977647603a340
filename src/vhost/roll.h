/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_ROLL_H
#define PRECARIUM_VHOST_ROLL_H

#include <pthread.h>
#include <stdint.h>

#include <precarium/budget.h>

#include "device/client.h"

struct vhost_roll_entry {
	struct client_record client; /* first: known by its address */
	struct vhost_roll_entry *next;
	const char *ended; /* why: static storage; NULL: connected */
	const struct prec_budget *budget; /* NULL: none, or it has left */
};

/* A process whose client was turned away, and when that was logged. */
struct vhost_turned_away {
	pid_t pid;
	int64_t logged_ms;
};

#define VHOST_TURNED_AWAY_KNOWN 16u

/*
 * The clients of one export: those that are connected, and some that were.  The
 * lock protects all but the counters, which devices write.
 */
struct vhost_roll {
	pthread_mutex_t lock;
	struct vhost_roll_entry *first; /* the newest */
	uint64_t so_far;
	uint64_t turned_away;
	uint64_t untold; /* of these, since the last line */
	struct log_limit turned_away_lines;
	/* The last ones that were logged, in a ring. */
	struct vhost_turned_away known[VHOST_TURNED_AWAY_KNOWN];
	uint32_t known_next;
	uint32_t connected;
	struct counters past; /* of clients that were forgotten */
	struct durations past_durations;
	struct log_group log;
};

void vhost_roll_init(struct vhost_roll *roll);
void vhost_roll_free(struct vhost_roll *roll);

/* A client is on its way to its worker: counted as connected from here on,
 * until vhost_roll_leave. */
void vhost_roll_expect(struct vhost_roll *roll);
/* A client of this process (0: not known) is turned away.  True: log that, and
 * how many more were since the last line; false: one of its was logged within
 * the last second, or too many of all. */
bool vhost_roll_turn_away(struct vhost_roll *roll, pid_t pid, uint64_t *untold);
/* It has come, at the socket `fd`.  NULL: no memory. */
struct client_record *vhost_roll_enter(struct vhost_roll *roll,
				       const char *export_name, int fd);
/* What filling its holes costs is charged to this budget; NULL: to none. */
void vhost_roll_charge(struct vhost_roll *roll, struct client_record *client,
		       const struct prec_budget *budget);
/* It is gone, or never came if NULL; the roll owns it from now on, and may
 * itself be freed after its last client.  `why`: static storage. */
void vhost_roll_leave(struct vhost_roll *roll, struct client_record *client,
		      const char *why);

#endif
