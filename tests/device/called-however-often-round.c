// SPDX-License-Identifier: MIT
/*
 * Virtio 1.2, clause 2.8.10: the client of a packed ring names the place at
 * which it wishes to be called, in this round or the next.  A small ring may
 * come round several times in one turn of the device: it is called if that
 * place was passed in any of them, and else not.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/expect.h"
#include "device/calls.h"
#include "device/device.h"

#define SIZE_MOST 5u
#define ADDRESS	  0x10000u
#define DRIVER	  2048u
#define DEVICE	  2052u
#define DATA	  3072u

static struct loop loop;
static struct client_record client;
static struct memory memory;
static struct device device = {
	.home = {
		.device = &device,
		.loop = &loop,
		.counters = &client.counters,
	},
	.client = &client,
	.memory = &memory,
};
static struct virtq virtq;
static struct queue queue = { .virtq = &virtq };
static uint8_t *page;
static uint32_t place; /* of the next descriptor, in two rounds */

static void set_up(uint32_t size)
{
	const uint32_t start = 0x80008000u; /* both counters are 1 */

	memset(page, 0, 4096);
	place = 0;
	MUST(packed_setup(queue.virtq, &memory.guest, size, ADDRESS,
			  ADDRESS + DRIVER, ADDRESS + DEVICE) == PREC_OK);
	MUST(packed_seek(queue.virtq, start) == PREC_OK);
	queue.virtq->event_index = true;
}

static void wish(uint32_t at, uint32_t size)
{
	const uint16_t event[] = {
		(uint16_t)(at % size | (at < size ? PVIRTQ_EVENT_WRAP : 0)),
		PVIRTQ_EVENT_F_DESC,
	};

	memcpy(page + DRIVER, event, sizeof(event));
}

/* A descriptor is made available, taken and used. */
static void serve_one(uint32_t size)
{
	const struct pvirtq_desc desc = {
		.addr = ADDRESS + DATA,
		.len = 1,
		.flags =
			place < size ? PVIRTQ_DESC_F_AVAIL : PVIRTQ_DESC_F_USED,
	};
	struct virtq_request request;

	memcpy(page + sizeof(desc) * (place % size), &desc, sizeof(desc));
	place = (place + 1) % (2 * size);
	MUST(vring_next(queue.virtq, &memory.guest, &request) == VIRTQ_TAKEN);
	MUST(vring_complete(queue.virtq, &memory.guest, request.head, 1) ==
	     PREC_OK);
	queue_served(&queue, 1);
}

/* So many in one turn.  Was the client called? */
static bool turn(uint32_t count, uint32_t size)
{
	eventfd_t calls;

	while (count--)
		serve_one(size);
	queue_notify_served(&loop);
	return eventfd_read(queue.call_fd, &calls) == 0;
}

int main(void)
{
	page = aligned_alloc(4096, 4096);
	MUST(page);
	MUST(prec_space_add(&memory.guest, ADDRESS, 4096, (uintptr_t)page,
			    PREC_READ | PREC_WRITE, 0) == PREC_OK);
	TAILQ_INIT(&loop.served);
	MUST(notifier_open(&loop.notifier));
	queue_init(&queue, &device.home, 0);
	queue.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (uint32_t size = 1; size <= SIZE_MOST; size++)
		for (uint32_t from = 0; from < 2 * size; from++)
			for (uint32_t at = 0; at < 2 * size; at++)
				for (uint32_t count = 1; count <= 5 * size;
				     count++) {
					uint32_t ahead =
						(at + 2 * size - from) %
						(2 * size);

					set_up(size);
					if (from > 0)
						turn(from, size);
					wish(at, size);
					EXPECT(turn(count, size) ==
					       (ahead < count));
				}
	close(queue.call_fd);
	notifier_close(&loop.notifier);
	free(page);
	return expect_end();
}
