/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_CLIENT_H
#define PRECARIUM_DEVICE_CLIENT_H

#include <stdint.h>
#include <sys/types.h>

#include "device/log.h"

struct client_counts {
	uint64_t requests;	/* that came to an end, good or bad */
	uint64_t errors;	/* … bad: I/O error or not supported */
	uint64_t bytes_read;	/* from the store to the client */
	uint64_t bytes_written; /* from the client to the store */
	uint64_t losses;	/* times its memory was found gone */
	uint64_t revocations;	/* regions it took back by message */
	uint64_t refused;	/* regions that were not accepted */
	uint64_t notifications; /* of used buffers */
	uint64_t deadlines;	/* messages whose requests were cancelled */
	uint64_t stuck;		/* requests the store kept even then */
	uint64_t throttled;	/* times it waited for its bytes in flight */
};

/* What is so now; zeroes when the client has gone. */
struct client_gauges {
	uint64_t in_flight;	  /* requests */
	uint64_t bytes_in_flight; /* … of their data */
	uint64_t queues_broken;	  /* stopped, until they are set up again */
};

/*
 * What is known of one client: who it is, what it has done, how much was
 * logged about it.  Outlives its device, for statistics.
 */
struct client_record {
	const char *export_name; /* borrowed */
	uint32_t number;	 /* counted per export, from 1 */
	pid_t pid;		 /* 0: not known */
	uid_t uid;

	/* Written by the device's thread alone, read by any: client_count. */
	struct client_counts counts;
	struct client_gauges now;

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

void client_counts_add(struct client_counts *sum,
		       const struct client_counts *more);
/* A copy that is whole in each number while the device counts on. */
struct client_counts client_counts_read(const struct client_counts *counts);

void client_gauges_add(struct client_gauges *sum,
		       const struct client_gauges *more);
struct client_gauges client_gauges_read(const struct client_gauges *gauges);

/* One writer, so no atomic addition is needed, only a whole store. */
static inline void client_count(uint64_t *counter, uint64_t amount)
{
	__atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}

static inline void client_gauge(uint64_t *gauge, uint64_t value)
{
	__atomic_store_n(gauge, value, __ATOMIC_RELAXED);
}

/* One log line that names the client, unless the client, or its group, has
 * caused too many of late; how many were dropped is logged.  The thread of its
 * device. */
__attribute__((format(printf, 2, 3))) void
client_log(struct client_record *client, const char *format, ...);

#endif
