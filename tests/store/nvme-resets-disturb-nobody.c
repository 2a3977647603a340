// SPDX-License-Identifier: MIT
/*
 * Two workers use one controller, which loses commands and fails, again and
 * again, while the guard deletes their queues and resets it beside them: each
 * transfer ends once, only those that it lost fail, and every byte is right.
 * Then it is pulled out, and all transfers end.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "tests/store/fake-nvme.h"

#define WORKERS	 2u
#define TOGETHER 8u
#define SIZE	 8192u
#define FAILURES 24u

static struct fake fake;
static struct store *store;

struct work {
	struct store_io io;
	struct prec_span span;
	uint8_t memory[SIZE];
	uint32_t generation; /* of what its blocks hold */
};

struct worker {
	pthread_t thread;
	uint32_t number;
	uint32_t done; /* atomic */
	bool failed;
	struct work works[TOGETHER];
};

static struct worker workers[WORKERS];

/* A pattern is written, then read, then the next one. */
static void begin(struct worker *worker, struct store_lane *lane,
		  struct work *work, enum store_io_kind kind)
{
	uint32_t place =
		worker->number * TOGETHER + (uint32_t)(work - worker->works);

	if (kind == STORE_WRITE) {
		work->generation++;
		memset(work->memory, (int)work->generation, SIZE);
	} else {
		memset(work->memory, 0, SIZE);
	}
	work->io = (struct store_io){
		.kind = kind,
		.offset = (uint64_t)place * SIZE,
		.size = SIZE,
		.spans = &work->span,
		.span_count = 1,
	};
	work->span = fake_span(work->memory, SIZE);
	MUST(lane->store->ops->add(lane, &work->io));
}

static void next(struct worker *worker, struct store_lane *lane,
		 struct work *work, bool lost)
{
	bool read = work->io.kind == STORE_READ;

	if (lost)
		begin(worker, lane, work, work->io.kind);
	else
		begin(worker, lane, work, read ? STORE_WRITE : STORE_READ);
}

static bool is_right(const struct work *work)
{
	return work->io.result.done == SIZE &&
	       work->memory[0] == (uint8_t)work->generation &&
	       work->memory[SIZE - 1] == (uint8_t)work->generation;
}

/* The guard gave it up. */
static bool is_lost(const struct store_io *io)
{
	return io->result.status == PREC_SYSTEM &&
	       io->result.error == ETIMEDOUT;
}

/* Until the controller is gone. */
static void *run(void *argument)
{
	struct worker *worker = argument;
	struct store_error error;
	struct store_lane *lane = store->ops->lane_open(store, &error);
	struct pollfd woken = { .fd = lane->fd, .events = POLLIN };
	uint32_t in_flight = TOGETHER;
	struct store_io *io;

	for (uint32_t i = 0; i < TOGETHER; i++)
		begin(worker, lane, &worker->works[i], STORE_WRITE);
	while (in_flight > 0) {
		if (store->ops->start(lane) == STORE_NOTHING)
			poll(&woken, 1, 10000);
		while ((io = store->ops->reap(lane))) {
			struct work *work = (struct work *)io;
			bool lost = is_lost(io);

			if (io->result.status == PREC_OK)
				EXPECT(is_right(work));
			else if (!lost)
				worker->failed = true;
			__atomic_fetch_add(&worker->done, 1, __ATOMIC_RELAXED);
			if (worker->failed)
				in_flight--;
			else
				next(worker, lane, work, lost);
		}
	}
	store->ops->lane_close(lane);
	return NULL;
}

static uint32_t done(uint32_t number)
{
	return __atomic_load_n(&workers[number].done, __ATOMIC_RELAXED);
}

/* Each of them goes on. */
static void await_progress(const struct nvme_store *nvme)
{
	uint32_t before[WORKERS], waited = 0;

	for (uint32_t i = 0; i < WORKERS; i++)
		before[i] = done(i);
	for (uint32_t i = 0; i < WORKERS; i++) {
		while (done(i) < before[i] + 2 * TOGETHER) {
			nvme_signal(nvme->guard_fd);
			poll(NULL, 0, 1);
			MUST(++waited < 60000);
		}
	}
}

static uint32_t acts(const struct nvme_store *nvme)
{
	struct store_events events = store_events(&nvme->store);

	return events.restarts + events.deletes;
}

static void fail_somehow(struct nvme_store *nvme, uint32_t how)
{
	uint32_t before = acts(nvme), waited = 0;

	pthread_mutex_lock(&fake.mutex);
	if (how % 3 == 0) {
		fake.csts |= NVME_CSTS_FATAL;
	} else {
		fake.manner = how % 3 == 1 ? FAKE_LOSES : FAKE_STUCK;
		fake.loses = 3;
	}
	pthread_mutex_unlock(&fake.mutex);
	while (acts(nvme) == before) {
		nvme_signal(nvme->guard_fd);
		poll(NULL, 0, 1);
		MUST(++waited < 60000);
	}
	pthread_mutex_lock(&fake.mutex);
	fake.manner = FAKE_GOOD;
	pthread_mutex_unlock(&fake.mutex);
	await_progress(nvme);
}

int main(void)
{
	struct store_events events;
	struct nvme_store *nvme;
	struct store_error error;

	fake_begin(&fake, 512, 0);
	store = fake_open(&fake);
	nvme = (struct nvme_store *)store;
	/* One that is not lost has ended before its doorbell is rung. */
	nvme->patience = (struct nvme_patience){ 2, 2, 2 };
	MUST(nvme_guard_start(nvme, &error));
	for (uint32_t i = 0; i < WORKERS; i++) {
		workers[i].number = i;
		MUST(pthread_create(&workers[i].thread, NULL, run,
				    &workers[i]) == 0);
	}
	await_progress(nvme);
	for (uint32_t i = 0; i < FAILURES; i++)
		fail_somehow(nvme, i);
	/* The guard goes on meanwhile. */
	events = store_events(store);
	EXPECT(events.restarts >= FAILURES / 3);
	EXPECT(events.deletes >= FAILURES / 3);
	MUST(write(fake.removed[1], "x", 1) == 1);
	for (uint32_t i = 0; i < WORKERS; i++) {
		MUST(pthread_join(workers[i].thread, NULL) == 0);
		EXPECT(workers[i].failed);
	}
	EXPECT(fake.closed);
	store->ops->close(store);
	fake_end(&fake);
	return expect_end();
}
