/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_RATES_H
#define PRECARIUM_DEVICE_RATES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What all clients of an export together may ask of its store: requests and
 * bytes a second, and requests in flight.  May change at any time.
 *
 * Token buckets: each fills at its rate, up to its burst, and what is begun
 * takes tokens out.  A request that is larger than what is left is begun as
 * long as anything is, and the rest is owed.  All loops of the process share
 * the buckets; they ask once for each turn of a client, and not at all while
 * nothing is limited.
 */
struct rates_limits {
	uint64_t requests; /* a second; 0: not limited */
	uint64_t bytes;	   /* likewise */
	/* What may be begun at once after a while of less; 0: a tenth of a
	 * second's. */
	uint64_t requests_burst;
	uint64_t bytes_burst;
	uint64_t in_flight; /* requests; 0: not limited */
	/* … of one client, up to RATES_CLIENT_MAX; 0: RATES_CLIENT. */
	uint64_t client_in_flight;
};

/* The largest value of each of the others. */
#define RATES_MAX (1ull << 43)

/* What a client costs in memory follows from what it has in flight, so this is
 * always limited; by default to what a disk of 100 requests a second serves in
 * the time that they have when memory is taken back. */
#define RATES_CLIENT	 512u
#define RATES_CLIENT_MAX 8192u

struct rates_bucket {
	uint64_t rate; /* tokens a second; 0: it is not used */
	int64_t most;
	int64_t tokens; /* below 0: owed */
	int64_t filled_us;
};

struct rates {
	bool limited; /* any limit but that of a client is set; atomic */
	uint32_t client_in_flight; /* atomic, too */
	pthread_mutex_t lock;	   /* of all below */
	struct rates_limits limits;
	struct rates_bucket requests;
	struct rates_bucket bytes;
	uint64_t in_flight; /* of those that were begun while it was limited */
	uint64_t waited_us;
};

/* What may be begun now, and was taken out of the buckets for that. */
struct rates_grant {
	uint32_t requests; /* 0: none */
	uint64_t bytes;
	bool in_flight;	  /* requests in flight are counted */
	uint32_t wait_us; /* if there is none: ask again after this */
};

void rates_init(struct rates *rates);
void rates_destroy(struct rates *rates);

/* Any thread, as all that follows. */
void rates_set(struct rates *rates, const struct rates_limits *limits);
struct rates_limits rates_get(struct rates *rates);

/* Is anything limited?  NULL: no. */
static inline bool rates_are_limited(const struct rates *rates)
{
	return rates && __atomic_load_n(&rates->limited, __ATOMIC_RELAXED);
}

/* Requests that one client may have in flight.  NULL: by default. */
static inline uint32_t rates_client(const struct rates *rates)
{
	return rates ? __atomic_load_n(&rates->client_in_flight,
				       __ATOMIC_RELAXED)
		     : RATES_CLIENT;
}

/* Take so much, or as much as there is for one of `parts` that ask in turn; at
 * least 1 of each, if there is any. */
struct rates_grant rates_take(struct rates *rates, uint32_t requests,
			      uint64_t bytes, uint32_t parts);

/* Of what was granted so much was begun, and so many requests are in flight
 * and counted, until rates_end. */
void rates_settle(struct rates *rates, const struct rates_grant *grant,
		  uint32_t requests, uint64_t bytes, uint32_t in_flight);

/* A request that was counted has ended. */
void rates_end(struct rates *rates);

/* Clients had to wait so long; how long they have in all, in every loop. */
void rates_add_wait(struct rates *rates, uint64_t us);
uint64_t rates_waited_us(struct rates *rates);

#endif
