// SPDX-License-Identifier: MIT
/*
 * G11: what a queue costs depends on the size of its ring, and on that of the
 * one that it has now: nothing before it has one, two pages for rings that
 * clients usually have, and no more again after it had the largest.
 */
#include "owner.h"

#define LARGEST	  32768u
#define MEMORY	  (2u << 20)
#define AVAIL_AT  (1u << 20)
#define USED_AT	  (AVAIL_AT + (1u << 18))
#define PAGE_SIZE 4096u

static struct owner owner;
static struct device device;
static struct client_record client;

static uint32_t pages(const struct queue *queue)
{
	static unsigned char there[sizeof(*queue->virtq) / PAGE_SIZE + 1];
	uint32_t sum = 0;

	if (!queue->virtq)
		return 0;
	MUST(mincore(queue->virtq, sizeof(*queue->virtq), there) == 0);
	for (size_t i = 0; i < sizeof(there); i++)
		sum += there[i] & 1;
	return sum;
}

static void set_up(struct queue *queue, uint32_t size)
{
	const struct ring_addr addr = {
		.descriptors = USER,
		.available = USER + AVAIL_AT,
		.used = USER + USED_AT,
	};
	const char *why;

	MUST(queue_set_num(queue, size, &why));
	MUST(queue_set_base(queue, 0, &why));
	MUST(queue_set_addr(queue, &addr, &why));
	MUST(queue_set_kick(queue, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
			    &why));
	queue_enable(queue, true);
	turn_serve(&loop);
	EXPECT(queue->attached && !queue->broken);
}

static void lend(void)
{
	const struct memory_entry entry = { .size = MEMORY, .user = USER };
	const struct memory_admission admission = { .regions_max = 8 };
	int fd = memfd_create("lent", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const char *why = "";

	MUST(fd >= 0 && ftruncate(fd, MEMORY) == 0);
	MUST(memory_add(device.memory, &entry, fd, &admission, &why));
	device_memory_changed(&device);
	close(fd);
}

int main(void)
{
	struct queue *queue;

	EXPECT(sizeof(struct queue) <= 512);
	owners_begin();
	owner_init(&owner, "disk");
	client_init(&client, owner.policy.name, &group);
	MUST(device_open(&device, &loop, &owner.policy, &client) == NULL);
	lend();
	queue = device_queue(&device, 0);
	MUST(queue);
	EXPECT(pages(queue) == 0);
	set_up(queue, 128);
	EXPECT(pages(queue) == 2);
	MUST(queue_stop(queue));
	set_up(queue, LARGEST);
	EXPECT(pages(queue) >= 6 * LARGEST / PAGE_SIZE);
	MUST(queue_stop(queue));
	set_up(queue, 512);
	EXPECT(pages(queue) == 2);
	MUST(queue_stop(queue));
	device_end(&device, "the test ends");
	device_abort(&device);
	MUST(device_has_ended(&device));
	device_close(&device);
	return expect_end();
}
