/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_CLIENT_H
#define PRECARIUM_DEVICE_CLIENT_H

#include <stdint.h>
#include <sys/types.h>

#include "device/counters.h"
#include "device/durations.h"
#include "device/log.h"

/*
 * What is known of one client: who it is, what it has done, how much was
 * logged about it.  Outlives its device, for statistics.
 */
struct client_record {
	const char *export_name; /* borrowed */
	uint32_t number;	 /* counted per export, from 1 */
	pid_t pid;		 /* 0: not known */
	uid_t uid;

	struct counters counters;     /* the device's thread writes them */
	struct durations durations;   /* … and these */
	struct client_tally *tallies; /* of its other threads; atomic */

	struct log_limit limit;	 /* with the lock of the group */
	struct log_group *group; /* of all clients of the export */
};

/* What another thread of the device has counted. */
struct client_tally {
	struct counters counters;
	struct durations durations;
	struct client_tally *next;
};

/* Lines about all clients of one export together: these at once, and so many
 * more a second.  Otherwise one client could return under a new number. */
#define CLIENT_GROUP_LINES    64u
#define CLIENT_GROUP_A_SECOND 8u

/* `export_name` and `group` outlive the client.  The rest is zeroes. */
void client_init(struct client_record *client, const char *export_name,
		 struct log_group *group);

/* Another thread counts, too.  On that of the device.  NULL: no memory. */
struct client_tally *client_add_tally(struct client_record *client);
/* Forget them. */
void client_end(struct client_record *client);

/* What all its threads have counted.  Any thread. */
struct counters client_counters(const struct client_record *client);
void client_add_durations(struct durations *sum,
			  const struct client_record *client);

/* A warning that names the client, unless the client, or its group, has caused
 * too many lines of late; how many were dropped is logged.  Any thread of its
 * device. */
__attribute__((format(printf, 2, 3))) void
client_log(struct client_record *client, const char *format, ...);

/* The same of another level.  Lines for debugging are not limited. */
__attribute__((format(printf, 3, 4))) void
client_log_at(struct client_record *client, enum log_level level,
	      const char *format, ...);

#endif
