// SPDX-License-Identifier: MIT
#include "device/rates.h"

#include <string.h>

#include "device/clock.h"

#define SECOND_US 1000000

/* Shorter waits are not worth the wake-up. */
#define WAIT_MIN_US 500u
#define WAIT_MAX_US 100000u

void rates_init(struct rates *rates)
{
	memset(rates, 0, sizeof(*rates));
	rates->client_in_flight = RATES_CLIENT;
	pthread_mutex_init(&rates->lock, NULL);
}

void rates_destroy(struct rates *rates)
{
	pthread_mutex_destroy(&rates->lock);
}

/* A bucket is full at first. */
static struct rates_bucket bucket_of(uint64_t rate, uint64_t burst)
{
	uint64_t usual = rate / 10 ? rate / 10 : 1;
	int64_t most = (int64_t)(burst ? burst : usual);

	return (struct rates_bucket){ rate, most, most, clock_now_us() };
}

void rates_set(struct rates *rates, const struct rates_limits *limits)
{
	pthread_mutex_lock(&rates->lock);
	rates->limits = *limits;
	rates->requests = bucket_of(limits->requests, limits->requests_burst);
	rates->bytes = bucket_of(limits->bytes, limits->bytes_burst);
	pthread_mutex_unlock(&rates->lock);
	__atomic_store_n(&rates->client_in_flight,
			 limits->client_in_flight
				 ? (uint32_t)limits->client_in_flight
				 : RATES_CLIENT,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&rates->limited,
			 limits->requests || limits->bytes || limits->in_flight,
			 __ATOMIC_RELAXED);
}

struct rates_limits rates_get(struct rates *rates)
{
	struct rates_limits limits;

	pthread_mutex_lock(&rates->lock);
	limits = rates->limits;
	pthread_mutex_unlock(&rates->lock);
	return limits;
}

/* What a rate adds in this time.  A bucket that was not asked for a day is as
 * full as after a week. */
static int64_t gained(uint64_t rate, int64_t us)
{
	int64_t seconds = us / SECOND_US < 100000 ? us / SECOND_US : 100000;

	return seconds * (int64_t)rate +
	       (int64_t)(rate * (uint64_t)(us % SECOND_US) / SECOND_US);
}

/* A time in which nothing was added counts with the next. */
static void fill(struct rates_bucket *bucket)
{
	int64_t now, more;

	if (bucket->rate == 0)
		return;
	now = clock_now_us();
	more = gained(bucket->rate, now - bucket->filled_us);
	if (more == 0)
		return;
	bucket->filled_us = now;
	bucket->tokens += more;
	if (bucket->tokens > bucket->most)
		bucket->tokens = bucket->most;
}

/* `wanted`, or a part of what is left, which is not 0 unless that is. */
static uint64_t part_of(uint64_t left, uint64_t wanted, uint32_t parts)
{
	uint64_t part = (left + parts - 1) / parts;

	return part < wanted ? part : wanted;
}

static uint64_t most_of(const struct rates_bucket *bucket, uint64_t wanted,
			uint32_t parts)
{
	if (bucket->rate == 0)
		return wanted;
	if (bucket->tokens <= 0)
		return 0;
	return part_of((uint64_t)bucket->tokens, wanted, parts);
}

static void pay(struct rates_bucket *bucket, int64_t tokens)
{
	if (bucket->rate)
		bucket->tokens -= tokens;
}

/* Until there is a token again. */
static uint64_t wait_for(const struct rates_bucket *bucket)
{
	uint64_t owed;

	if (bucket->rate == 0 || bucket->tokens > 0)
		return 0;
	owed = (uint64_t)(1 - bucket->tokens);
	if (owed / bucket->rate)
		return WAIT_MAX_US;
	return owed * SECOND_US / bucket->rate + 1;
}

static uint32_t wait_of(const struct rates *rates)
{
	uint64_t us = wait_for(&rates->requests),
		 more = wait_for(&rates->bytes);

	us = us > more ? us : more;
	us = us > WAIT_MIN_US ? us : WAIT_MIN_US;
	return us < WAIT_MAX_US ? (uint32_t)us : WAIT_MAX_US;
}

static uint64_t room_of(const struct rates *rates, uint64_t wanted,
			uint32_t parts)
{
	uint64_t most = rates->limits.in_flight;
	uint64_t left = most > rates->in_flight ? most - rates->in_flight : 0;

	return most ? part_of(left, wanted, parts) : wanted;
}

struct rates_grant rates_take(struct rates *rates, uint32_t requests,
			      uint64_t bytes, uint32_t parts)
{
	struct rates_grant grant;

	pthread_mutex_lock(&rates->lock);
	fill(&rates->requests);
	fill(&rates->bytes);
	grant.bytes = most_of(&rates->bytes, bytes, parts);
	grant.requests = (uint32_t)most_of(
		&rates->requests, room_of(rates, requests, parts), parts);
	if (grant.bytes == 0)
		grant.requests = 0;
	grant.in_flight = rates->limits.in_flight != 0;
	grant.wait_us = grant.requests ? 0 : wait_of(rates);
	if (grant.requests) {
		pay(&rates->requests, grant.requests);
		pay(&rates->bytes, (int64_t)grant.bytes);
		rates->in_flight += grant.in_flight ? grant.requests : 0;
	}
	pthread_mutex_unlock(&rates->lock);
	return grant;
}

void rates_settle(struct rates *rates, const struct rates_grant *grant,
		  uint32_t requests, uint64_t bytes, uint32_t in_flight)
{
	pthread_mutex_lock(&rates->lock);
	pay(&rates->requests, (int64_t)requests - (int64_t)grant->requests);
	pay(&rates->bytes, (int64_t)bytes - (int64_t)grant->bytes);
	if (grant->in_flight)
		rates->in_flight -= grant->requests - in_flight;
	pthread_mutex_unlock(&rates->lock);
}

void rates_end(struct rates *rates)
{
	pthread_mutex_lock(&rates->lock);
	rates->in_flight--;
	pthread_mutex_unlock(&rates->lock);
}

void rates_add_wait(struct rates *rates, uint64_t us)
{
	pthread_mutex_lock(&rates->lock);
	rates->waited_us += us;
	pthread_mutex_unlock(&rates->lock);
}

uint64_t rates_waited_us(struct rates *rates)
{
	uint64_t us;

	pthread_mutex_lock(&rates->lock);
	us = rates->waited_us;
	pthread_mutex_unlock(&rates->lock);
	return us;
}
