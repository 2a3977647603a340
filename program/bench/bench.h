/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_BENCH_BENCH_H
#define PRECARIUM_PROGRAM_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/burst.h"

/*
 * A load for any vhost-user block back-end, and what came of it: requests a
 * second, latencies, the processor time of server and client.
 *
 *     main.c     the command
 *     options.c  what it was asked
 *     load.c     clients, their queues, and the loop that keeps them full
 *     disk.c     which block is next, and what has to be in it
 *     latency.c  how long requests took, in a table of fixed size
 *     report.c   what is told in the end
 */
struct bench_options {
	const char *socket_path;
	pid_t pid; /* of the server; 0: whoever listens */
	uint32_t clients, queues, depth;
	uint32_t block_size; /* bytes */
	uint64_t area;	     /* bytes of the disk; 0: as many as are fit */
	uint32_t read_share; /* of a hundred requests */
	uint32_t duration_ms;
	uint32_t request_limit; /* 0: none */
	uint32_t timeout_ms;
	bool sequential;
	bool verify;
	bool polling;
	bool packed;
	bool no_event_idx;
	bool json;
};

/* Values up to 64 are exact; above, the error is under 1.6 %. */
#define LATENCY_STEPS  64u
#define LATENCY_ROUNDS 59u

struct latencies {
	uint64_t counts[LATENCY_STEPS * LATENCY_ROUNDS];
	uint64_t count, sum_ns, max_ns;
};

enum disk_phase {
	DISK_FILL, /* write every block once */
	DISK_LOAD,
	DISK_CHECK, /* read every block once */
};

/* The part of the disk that is worked on. */
struct disk {
	uint32_t block_size;
	uint64_t block_count;
	uint32_t read_share;
	bool sequential;
	enum disk_phase phase;
	uint64_t next;
	uint64_t random;
	/* Where data is verified; else NULL. */
	uint32_t *rounds; /* how often each block was written */
	bool *busy;	  /* a request for it is in flight */
};

struct disk_request {
	uint64_t block;
	bool write;
};

/* One queue of one client. */
struct lane {
	struct burst burst;
	struct disk_request *requests; /* by slot */
	uint64_t *started_ns;
	uint32_t *free_slots;
	uint32_t free_count;
};

struct load {
	const struct bench_options *options;
	struct disk disk;
	struct client *clients;
	uint32_t client_count; /* that are open */
	struct lane *lanes;
	uint32_t lane_count;
	int epoll_fd;
	pid_t server;

	uint64_t in_flight;
	uint64_t submitted, limit; /* of this phase */
	uint64_t end_ns;
	uint64_t answer_ns; /* when the last completion came */

	/* What is told. */
	uint64_t filled, checked; /* requests before and after the load */
	uint64_t reads, writes;
	uint64_t elapsed_ns;
	uint64_t server_ns, client_ns; /* of processor time */
	bool server_known;
	uint64_t kicks, sleeps;
	struct latencies latencies;
	char error[300];
};

/* options.c.  -1: go on; else the exit status. */
int bench_parse(struct bench_options *options, int argc, char **argv);

/* load.c.  -1: `error` says why. */
int load_open(struct load *load, const struct bench_options *options);
int load_run(struct load *load);
void load_close(struct load *load);
__attribute__((format(printf, 2, 3))) int load_fail(struct load *load,
						    const char *format, ...);

/* disk.c */
int disk_init(struct disk *disk, const struct bench_options *options,
	      uint64_t capacity);
void disk_free(struct disk *disk);
void disk_begin(struct disk *disk, enum disk_phase phase);
/* The next request; for a write that is verified, `data` gets what to write.
 * False: the phase has no more. */
bool disk_next(struct disk *disk, struct disk_request *request);
uint64_t disk_sector(const struct disk *disk, uint64_t block);
void disk_prepare(struct disk *disk, const struct disk_request *request,
		  uint8_t *data);
/* It is done: the first byte of a read that is wrong, or the block size. */
size_t disk_done(struct disk *disk, const struct disk_request *request,
		 const uint8_t *data);

/* latency.c */
void latency_add(struct latencies *latencies, uint64_t ns);
/* So many of `of` were not slower. */
uint64_t latency_at(const struct latencies *latencies, uint32_t part,
		    uint32_t of);

/* report.c: the exit status. */
int report(const struct load *load);

#endif
