/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_DRIVER_H
#define PRECARIUM_CLIENT_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A driver process to be a client of: `precarium serve`, or, to compare and
 * to test the client itself, qemu-storage-daemon.
 *
 * The program is $PRECARIUM, or `build/program/precarium`; with
 * PRECARIUM_PEER=qemu it is qemu-storage-daemon.
 */
#define DRIVER_EXPORTS_MAX 32u

struct driver_export {
	char socket_path[100];
	const char *file; /* NULL: a null store of `size` bytes */
	uint64_t size;
	uint32_t queue_count; /* as many are asked of the peer */
	bool read_only;
	bool direct; /* past the page cache: requests stay in flight longer */
};

struct driver {
	pid_t pid;
	char directory[64]; /* for sockets and images; ours to remove */
	char stats_path[100];
	char control_path[100];
	uint32_t export_count;
	struct driver_export exports[DRIVER_EXPORTS_MAX];
	uint32_t workers;	   /* of ours; 0: 2 */
	uint32_t clients;	   /* per export, of ours; 0: its default */
	uint32_t drain_timeout_ms; /* of ours; 0: its default */
	uint64_t max_in_flight;	   /* bytes; of ours; 0: its default */
	const char *polling;	   /* of ours; NULL: its default */
	bool peer;		   /* it is not ours */
	int exit_status;	   /* as from waitpid; once it is gone */
	char error[400];
};

/* A fresh directory, and no exports yet. */
int driver_init(struct driver *driver);
/* Add an export before the start; its number. */
uint32_t driver_add(struct driver *driver, const char *file, uint64_t size);
/* Start, and wait until every socket listens.  Standard error goes to the file
 * `log` in the directory. */
int driver_start(struct driver *driver);
bool driver_alive(struct driver *driver);
/* Ask it to end, and see it end.  -1 if it had died before, or does not end in
 * five seconds, or not well. */
int driver_stop(struct driver *driver);
/* As driver_stop does, after it was asked to end. */
int driver_end(struct driver *driver, int timeout_ms);
void driver_kill(struct driver *driver);
/* Remove the directory.  Kills what is still there. */
void driver_free(struct driver *driver);

/* "died of signal 7", "ended with status 1": static storage. */
const char *driver_fate(const struct driver *driver);

/* How many there are in /proc/PID/fd, lines in /proc/PID/maps, and the
 * resident size in KiB; 0 if it is gone. */
uint32_t driver_descriptors(const struct driver *driver);
uint32_t driver_mappings(const struct driver *driver);
uint64_t driver_resident_kib(const struct driver *driver);

#endif
