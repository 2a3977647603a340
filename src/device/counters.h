/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_COUNTERS_H
#define PRECARIUM_DEVICE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is counted of each client: the one place that names a counter.  Sums,
 * statistics as JSON, their table for people and OpenMetrics all follow from a
 * row here, which has
 *
 *	the member of struct counters,
 *	its key in JSON,
 *	its OpenMetrics family, without prefix and _total, and unit or NULL,
 *	whether it is a gauge: what is so now, 0 when the client has gone,
 *	its column in the table for people; NULL: none,
 *	what it is, for whoever reads the metrics.
 *
 * The columns stand in this order.
 */
#define COUNTERS(X)                                                            \
	X(requests, "requests", "requests", NULL, false, "REQUESTS",           \
	  "Requests that came to an end, good or bad.")                        \
	X(errors, "errors", "errors", NULL, false, "ERRORS",                   \
	  "Requests that ended with an error.")                                \
	X(bytes_read, "bytes-read", "read_bytes", "bytes", false, "READ",      \
	  "Bytes moved from the store to the client.")                         \
	X(bytes_written, "bytes-written", "written_bytes", "bytes", false,     \
	  "WRITTEN", "Bytes moved from the client to the store.")              \
	X(in_flight, "requests-in-flight", "requests_in_flight", NULL, true,   \
	  "FLIGHT", "Requests in the store now.")                              \
	X(losses, "losses", "losses", NULL, false, "LOSSES",                   \
	  "Times that lent memory was found gone.")                            \
	X(revocations, "revocations", "revocations", NULL, false, "REVOKED",   \
	  "Regions that were taken back by a message.")                        \
	X(refused, "regions-refused", "regions_refused", NULL, false,          \
	  "REFUSED", "Regions that were not accepted.")                        \
	X(queues_broken, "queues-broken", "queues_broken", NULL, true,         \
	  "BROKEN", "Queues that are stopped until they are set up again.")    \
	X(waits, "waiting-for-image", "waiting_for_image", NULL, true, NULL,   \
	  "1: its rings wait for another client of the image.")                \
	X(sparse, "sparse-bytes", "sparse_bytes", "bytes", true, "SPARSE",     \
	  "Bytes that filling holes in lent memory costs the server now.")     \
	X(over_sparse, "sparse-refused", "sparse_refused", NULL, false,        \
	  "UNFILLED",                                                          \
	  "Times that a hole in lent memory was not filled, over a limit.")    \
	X(deadlines, "drain-deadlines", "drain_deadlines", NULL, false,        \
	  "DEADLINES", "Messages whose requests in flight were cancelled.")    \
	X(stuck, "requests-stuck", "requests_stuck", NULL, false, "STUCK",     \
	  "Requests that the store kept after they were cancelled.")           \
	X(notifications, "notifications", "notifications", NULL, false, NULL,  \
	  "Notifications of used buffers.")                                    \
	X(throttled, "throttled", "throttled", NULL, false, NULL,              \
	  "Times that requests waited for what is in flight to become less.")  \
	X(bytes_in_flight, "bytes-in-flight", "in_flight_bytes", "bytes",      \
	  true, NULL, "Bytes of the requests in the store now.")               \
	X(pinned, "pinned-bytes", "pinned_bytes", "bytes", true, NULL,         \
	  "Bytes of its memory that a device may use.")                        \
	X(draining, "draining-bytes", "draining_bytes", "bytes", true, NULL,   \
	  "Bytes that were taken back, and commands in flight may use.")       \
	X(cut_off, "quarantined-bytes", "quarantined_bytes", "bytes", true,    \
	  NULL, "Draining bytes that the device's table no longer has.")       \
	X(leaving, "quiet-bytes", "quiet_bytes", "bytes", true, NULL,          \
	  "Bytes that no command uses, and are not unpinned yet.")             \
	X(condemned, "condemned-bytes", "condemned_bytes", "bytes", true,      \
	  NULL, "Bytes held because nobody vouches for the device.")           \
	X(pin_ms, "pin-ms", "pin_seconds", "seconds", false, NULL,             \
	  "Time that its messages waited for memory to be pinned.")

#define COUNTERS_MEMBER(name, ...) uint64_t name;

/* Written by one thread, read by any. */
struct counters {
	COUNTERS(COUNTERS_MEMBER)
};

#undef COUNTERS_MEMBER

/* A row. */
struct counter {
	size_t offset; /* of the member */
	const char *key;
	const char *family;
	const char *unit;
	bool gauge;
	const char *column;
	const char *help;
};

#define COUNTER_COUNT (sizeof(struct counters) / sizeof(uint64_t))

extern const struct counter counter_table[COUNTER_COUNT];

/* Whole, while the writer goes on. */
static inline uint64_t counter_read(const struct counters *counters,
				    const struct counter *counter)
{
	const uint64_t *at =
		(const uint64_t *)((const char *)counters + counter->offset);

	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

/* All of them, each whole. */
struct counters counters_read(const struct counters *counters);
void counters_add(struct counters *sum, const struct counters *more);

/* The writer's: one, so no atomic addition is needed, only a whole store. */
static inline void counter_add(uint64_t *member, uint64_t amount)
{
	__atomic_store_n(member, *member + amount, __ATOMIC_RELAXED);
}

static inline void counter_set(uint64_t *member, uint64_t value)
{
	__atomic_store_n(member, value, __ATOMIC_RELAXED);
}

#endif
