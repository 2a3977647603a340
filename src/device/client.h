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

	struct counters counters;   /* the device's thread writes them */
	struct durations durations; /* … and these */

	struct log_limit limit;
	struct log_group *group; /* of all clients of the export */
};

/* Lines about all clients of one export together: these at once, and so many
 * more a second.  Otherwise one client could return under a new number. */
#define CLIENT_GROUP_LINES    64u
#define CLIENT_GROUP_A_SECOND 8u

/* `export_name` and `group` outlive the client.  The rest is zeroes. */
void client_init(struct client_record *client, const char *export_name,
		 struct log_group *group);

/* A warning that names the client, unless the client, or its group, has caused
 * too many lines of late; how many were dropped is logged.  The thread of its
 * device. */
__attribute__((format(printf, 2, 3))) void
client_log(struct client_record *client, const char *format, ...);

/* The same of another level.  Lines for debugging are not limited. */
__attribute__((format(printf, 3, 4))) void
client_log_at(struct client_record *client, enum log_level level,
	      const char *format, ...);

#endif
