/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_BENCH_BENCH_H
#define PRECARIUM_PROGRAM_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/burst.h"

/*
 * A load on any vhost-user block server, and its measurement: requests per
 * second, latencies, processor time of server and client.
 *
 *     main.c     the command
 *     options.c  its options
 *     load.c     clients, their queues, and the loop that keeps them full
 *     disk.c     the choice of the next block, and its expected contents
 *     latency.c  latencies, in a table of fixed size
 *     report.c   the results, as text and as JSON
 */
struct bench_options {
	const char *socket_path;
	pid_t pid; /* of the server; 0: the process that listens */
	uint32_t clients, queues, depth;
	uint32_t block_size; /* bytes */
	uint64_t area;	     /* bytes of the disk to use; 0: a default */
	uint32_t read_share; /* percent of the requests */
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

/* Values up to 64 ns are exact; above, the error is below 1.6 %. */
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

/* The part of the disk that is used. */
struct disk {
	uint32_t block_size;
	uint64_t block_count;
	uint32_t read_share;
	bool sequential;
	enum disk_phase phase;
	uint64_t next;
	uint64_t random;
	/* NULL unless data is verified. */
	uint32_t *rounds; /* how often each block was written */
	bool *busy;	  /* a request for the block is in flight */
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
	uint32_t client_count; /* open */
	struct lane *lanes;
	uint32_t lane_count;
	int epoll_fd;
	pid_t server;

	uint64_t in_flight;
	uint64_t submitted, limit; /* of this phase */
	uint64_t end_ns;
	uint64_t answer_ns; /* time of the last completion */

	/* Results. */
	uint64_t filled, checked; /* requests before and after the load */
	uint64_t reads, writes;
	uint64_t elapsed_ns;
	uint64_t server_ns, client_ns; /* processor time */
	bool server_known;
	uint64_t kicks, sleeps;
	struct latencies latencies;
	char error[300];
};

/* options.c.  -1: run the command; else the exit status, and a line on standard
 * error if it is not 0.  Texts point into argv. */
int bench_parse(struct bench_options *options, int argc, char **argv);

/* load.c.  -1: load->error says why.  load_close frees what load_open made,
 * also after a failure. */
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
/* Chooses the next request.  False: the phase has no more. */
bool disk_next(struct disk *disk, struct disk_request *request);
uint64_t disk_sector(const struct disk *disk, uint64_t block);
/* Fills `data`, of one block, for a write that will be verified. */
void disk_prepare(struct disk *disk, const struct disk_request *request,
		  uint8_t *data);
/* Ends a request.  Returns the offset of the first wrong byte of a read, or the
 * block size if there is none. */
size_t disk_done(struct disk *disk, const struct disk_request *request,
		 const uint8_t *data);

/* latency.c */
void latency_add(struct latencies *latencies, uint64_t ns);
/* The latency in ns that `part` of `of` requests did not exceed. */
uint64_t latency_at(const struct latencies *latencies, uint32_t part,
		    uint32_t of);

/* report.c: prints the results.  Returns the exit status. */
int report(const struct load *load);

#endif
