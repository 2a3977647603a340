// SPDX-License-Identifier: MIT
/*
 * G11: an export with limits gets no more than its rate and its burst, in the
 * time that has passed, and no more requests in flight, whatever the number of
 * its clients, which share it; a neighbour is not slowed; and a limit that is
 * changed or taken away counts from then on.
 */
#include "owner.h"

#include <time.h>

#include "device/line.h"

#define CLIENTS 3u

static struct owner limited, other;
static struct greedy clients[CLIENTS], neighbour;
static struct rates rates;

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t served(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < CLIENTS; i++)
		sum += greedy_served(&clients[i]);
	return sum;
}

static uint64_t bytes_read(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < CLIENTS; i++)
		sum += clients[i].client.counters.bytes_read;
	return sum;
}

static void turn(void)
{
	for (uint32_t i = 0; i < CLIENTS; i++)
		greedy_refill(&clients[i]);
	loop_take_events(&loop,
			 TAILQ_EMPTY(&loop.line) ? line_due_ms(&loop) : 0);
	turn_serve(&loop);
}

static void open_clients(uint32_t type)
{
	for (uint32_t i = 0; i < CLIENTS; i++)
		greedy_open(&clients[i], &limited, 2, type);
}

static void close_clients(void)
{
	for (uint32_t i = 0; i < CLIENTS; i++)
		greedy_close(&clients[i]);
	EXPECT(rates.in_flight == 0);
}

static void requests_a_second(void)
{
	const struct rates_limits limits = { .requests = 2000,
					     .requests_burst = 100 };
	uint64_t began, us, most;

	open_clients(VIRTIO_BLK_T_FLUSH);
	greedy_open(&neighbour, &other, 1, VIRTIO_BLK_T_FLUSH);
	began = now_us();
	rates_set(&rates, &limits);
	while (served() < 600) {
		greedy_refill(&neighbour);
		turn();
		us = now_us() - began;
		most = 100 + us * 2000 / 1000000 + 1;
		if (served() > most && !EXPECT(served() <= most))
			break;
	}
	EXPECT(served() >= 600);
	EXPECT(rates_waited_us(&rates) > 0);
	/* It is another export's. */
	EXPECT(greedy_served(&neighbour) > 10 * served());
	for (uint32_t i = 0; i < CLIENTS; i++)
		EXPECT(greedy_served(&clients[i]) * CLIENTS * 2 > served());
	greedy_close(&neighbour);
	close_clients();
}

static void bytes_a_second(void)
{
	const struct rates_limits limits = { .bytes = 4u << 20,
					     .bytes_burst = 1024 };
	uint64_t began = now_us(), us, most;

	rates_set(&rates, &limits);
	open_clients(VIRTIO_BLK_T_IN);
	while (bytes_read() < 1u << 20) {
		turn();
		us = now_us() - began;
		/* The last request may be larger than what was left. */
		most = 1024 + 4096 + us * (4u << 20) / 1000000 + 1;
		if (bytes_read() > most && !EXPECT(bytes_read() <= most))
			break;
	}
	EXPECT(bytes_read() >= 1u << 20);
	close_clients();
}

static void in_flight(void)
{
	struct rates_limits limits = { .in_flight = 10 };

	rates_set(&rates, &limits);
	open_clients(VIRTIO_BLK_T_FLUSH);
	limited.instant.holds = true;
	for (uint32_t i = 0; i < 20; i++)
		turn();
	EXPECT(limited.instant.held == 10 && rates.in_flight == 10);
	/* A client that ends gives back what it has. */
	device_end(&clients[0].device, "closed by the client");
	limits.in_flight = 20;
	rates_set(&rates, &limits);
	for (uint32_t i = 0; i < 20; i++)
		turn();
	EXPECT(limited.instant.held == 20);
	limited.instant.holds = false;
	for (uint32_t i = 0; i < 20; i++)
		turn();
	EXPECT(greedy_served(&clients[1]) > 20);
	close_clients();
}

static void changed_at_run_time(void)
{
	struct rates_limits limits = { .requests = 1, .requests_burst = 5 };
	uint64_t before;

	rates_set(&rates, &limits);
	open_clients(VIRTIO_BLK_T_FLUSH);
	for (uint32_t i = 0; i < 5; i++)
		turn();
	before = served();
	EXPECT(before >= 5 && before <= 10);
	/* It waits for at most a tenth of a second before it sees that. */
	rates_set(&rates, &(struct rates_limits){ .requests = 0 });
	while (served() < before + 1000)
		turn();
	/* Closed while it waits. */
	rates_set(&rates, &limits);
	for (uint32_t i = 0; i < 5; i++)
		turn();
	close_clients();
	EXPECT(TAILQ_EMPTY(&loop.throttled) && TAILQ_EMPTY(&loop.line));
}

int main(void)
{
	owners_begin();
	owner_init(&limited, "limited");
	owner_init(&other, "other");
	rates_init(&rates);
	limited.policy.rates = &rates;
	requests_a_second();
	bytes_a_second();
	in_flight();
	changed_at_run_time();
	rates_destroy(&rates);
	loop_close(&loop);
	return expect_end();
}
