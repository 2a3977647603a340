/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_BACKEND_H
#define PRECARIUM_CLIENT_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A server process for the client to use: `precarium serve`, or, to compare
 * with it and to test the client itself, qemu-storage-daemon.
 *
 * The program is $PRECARIUM, or `build/program/precarium`; with
 * PRECARIUM_PEER=qemu it is qemu-storage-daemon.
 * PRECARIUM_WORKERS_PER_CLIENT is the number of our workers that serve each
 * client.
 */
#define BACKEND_EXPORTS_MAX 32u

struct backend_export {
	char socket_path[100];
	const char *file; /* NULL: a null store of `size` bytes */
	uint64_t size;
	uint32_t queue_count; /* to ask of the peer */
	bool read_only;
	bool direct; /* past the page cache: requests stay in flight longer */
	bool shared; /* among clients, and with other programs */
	const char *keys; /* more of ours, as ",name=x"; NULL: none */
};

struct backend {
	pid_t pid;
	char directory
		[64]; /* for sockets and images; backend_free removes it */
	char stats_path[100];
	char control_path[100];
	uint32_t export_count;
	struct backend_export exports[BACKEND_EXPORTS_MAX];
	uint32_t workers;	   /* of ours; 0: 2 */
	uint32_t clients;	   /* per export, of ours; 0: its default */
	uint32_t drain_timeout_ms; /* of ours; 0: its default */
	uint64_t max_in_flight;	   /* bytes; of ours; 0: its default */
	uint64_t max_sparse;	   /* bytes, likewise */
	uint64_t max_sparse_all;   /* likewise */
	const char *polling;	   /* of ours; NULL: its default */
	const char *config; /* of ours: a file to be read as well, or NULL */
	bool peer;	    /* it is qemu-storage-daemon */
	int exit_status;    /* as from waitpid, once it has ended */
	char error[400];
};

/* Makes a directory; there are no exports yet.  Functions that return int
 * return 0, or -1 with one line in `error`. */
int backend_init(struct backend *backend);
/* Adds an export, before the start.  Returns its number. */
uint32_t backend_add(struct backend *backend, const char *file, uint64_t size);
/* Starts the server and waits until every socket listens.  Its standard error
 * goes to the file `log` in the directory. */
int backend_start(struct backend *backend);
bool backend_alive(struct backend *backend);
/* Asks it to end, and waits.  -1 if it had ended before, does not end within
 * five seconds, or ends with an error. */
int backend_stop(struct backend *backend);
/* Waits for the end of a server that was asked to end, as backend_stop does. */
int backend_end(struct backend *backend, int timeout_ms);
void backend_kill(struct backend *backend);
/* Kills the server, if it runs, and removes the directory. */
void backend_free(struct backend *backend);

/* "died of signal 7", "ended with status 1".  Static storage. */
const char *backend_fate(const struct backend *backend);

/* Entries of /proc/PID/fd, lines of /proc/PID/maps, and the resident size in
 * KiB; 0 if the server is gone. */
uint32_t backend_descriptors(const struct backend *backend);
uint32_t backend_mappings(const struct backend *backend);
uint64_t backend_resident_kib(const struct backend *backend);

#endif
