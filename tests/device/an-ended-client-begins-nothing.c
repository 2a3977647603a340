// SPDX-License-Identifier: MIT
/*
 * A client that is to be served no more may still stand in lists until the turn
 * of its loop ends: a request that its store had no room for, a queue that is
 * ready, one whose client is to be notified.  Nothing is begun, written or
 * notified for it, however the turn goes on.
 *
 * The device is driven without a socket: what is called here is all that a
 * transport needs.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <precarium/signals_linux.h>

#include "device/release.h"
#include "device/device.h"
#include "device/queue.h"
#include "device/setup.h"
#include "device/turn.h"
#include "tests/expect.h"
#include "tests/one-lane.h"
#include "virtio/blk_wire.h"

#define SIZE   8u
#define USER   0x700000u
#define AVAIL  1024u
#define USED   2048u
#define HEADER 3072u
#define DATA   4096u
#define MEMORY 65536u
#define UNSAID 0xa5u

/* A store with room for one request, which it keeps until it is told. */
static struct store_io *in_store;
static uint32_t added, cancelled;
static bool done;
static struct device *to_end; /* when nothing more is reaped */

static bool add(struct store_lane *lane, struct store_io *io)
{
	(void)lane;
	if (in_store)
		return false;
	in_store = io;
	added++;
	return true;
}

static enum store_left start(struct store_lane *lane)
{
	(void)lane;
	return STORE_NOTHING;
}

static struct store_io *reap(struct store_lane *lane)
{
	struct store_io *io = done ? in_store : NULL;

	(void)lane;
	if (!io && to_end)
		device_end(to_end, "closed by the client");
	if (!io)
		to_end = NULL;
	if (io) {
		io->result = (struct prec_result){ PREC_OK, 0, io->size };
		in_store = NULL;
		done = false;
	}
	return io;
}

static void cancel(struct store_lane *lane, struct store_io *io)
{
	(void)lane;
	EXPECT(io == in_store);
	cancelled++;
}

static const struct store_ops ops = {
	.lane_open = lane_open,
	.lane_close = lane_close,
	.add = add,
	.start = start,
	.reap = reap,
	.cancel = cancel,
};
static const struct store store = {
	.ops = &ops,
	.capacity = 1u << 20,
	.block_size = 512,
};

static struct loop loop;
static struct log_group group;
static struct client_record client;
static struct device device;
static uint8_t *memory;
static int memory_fd, call_fd;

static void put(uint32_t at, const void *bytes, size_t size)
{
	memcpy(memory + at, bytes, size);
}

/* Reads of 4 KiB; that with index i has descriptors from 2 i. */
static void make_available(uint16_t first, uint16_t count)
{
	const struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header = { VIRTIO_BLK_T_IN, 0, 0 };
	uint16_t index = (uint16_t)(first + count);

	put(HEADER, &header, sizeof(header));
	for (uint16_t i = first; i < index; i++) {
		uint16_t head = (uint16_t)(2 * i);
		/* The data and the status are one descriptor. */
		const struct virtq_desc desc[2] = {
			{ HEADER, 16, VIRTQ_DESC_F_NEXT, (uint16_t)(head + 1) },
			{ DATA + 8192u * i, 4097, VIRTQ_DESC_F_WRITE, 0 },
		};

		put(VIRTQ_DESC_SIZE * head, desc, sizeof(desc));
		put(AVAIL + VIRTQ_AVAIL_RING + 2u * i, &head, sizeof(head));
	}
	put(AVAIL + VIRTQ_AVAIL_IDX, &index, sizeof(index));
}

static uint8_t status_of(uint16_t request)
{
	return memory[DATA + 8192u * request + 4096];
}

static uint16_t used_index(void)
{
	uint16_t index;

	memcpy(&index, memory + USED + VIRTQ_USED_IDX, sizeof(index));
	return index;
}

static uint64_t calls(void)
{
	uint64_t count;

	return read(call_fd, &count, sizeof(count)) == sizeof(count) ? count
								     : 0;
}

static void lend(void)
{
	const struct memory_entry entry = { .size = MEMORY, .user = USER };
	const struct memory_admission admission = { .regions_max = 8 };
	const char *why = "";

	memory_fd = memfd_create("lent", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	MUST(memory_fd >= 0 && ftruncate(memory_fd, MEMORY) == 0);
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED,
		      memory_fd, 0);
	MUST(memory != MAP_FAILED);
	memset(memory, UNSAID, MEMORY);
	memset(memory, 0, DATA);
	if (!memory_add(device.memory, &entry, memory_fd, &admission, &why)) {
		fprintf(stderr, "%s\n", why);
		MUST(false);
	}
	device_memory_changed(&device);
}

static void set_up(struct queue *queue)
{
	const struct ring_addr addr = {
		.descriptors = USER,
		.available = USER + AVAIL,
		.used = USER + USED,
	};
	const char *why;

	MUST(queue_set_num(queue, SIZE, &why));
	MUST(queue_set_base(queue, 0, &why));
	MUST(queue_set_addr(queue, &addr, &why));
	MUST(queue_set_kick(queue, eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK),
			    &why));
	call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue_set_call(queue, dup(call_fd));
	queue_enable(queue, true);
}

static void begin(enum device_on_loss on_loss)
{
	static struct device_policy policy;

	policy = (struct device_policy){
		.name = "disk",
		.store = &store,
		.on_loss = on_loss,
		.queues_max = 2,
		.bytes_in_flight_max = 1u << 20,
	};
	memset(&device, 0, sizeof(device));
	client_init(&client, policy.name, &group);
	done = false;
	added = 0;
	cancelled = 0;
	MUST(device_open(&device, &loop, &policy, &client) == NULL);
	device_set_features(&device, 1ull << VIRTIO_BLK_F_FLUSH);
	lend();
	set_up(device_queue(&device, 0));
	loop_take_events(&loop, 1000);
}

static void turn(void)
{
	turn_serve(&loop);
}

/* A ring that starts is notified of once, whatever it holds. */
static void first_turn(void)
{
	turn();
	EXPECT(calls() == 1);
}

static void end(void)
{
	if (device.state != DEVICE_ENDING)
		device_end(&device, "the test ends");
	device_abort(&device);
	done = true;
	turn();
	EXPECT(device_in_flight(&device) == 0);
	EXPECT(client.counters.in_flight == 0);
	device_close(&device);
	munmap(memory, MEMORY);
	close(memory_fd);
	close(call_fd);
}

/* What the rest shows means something: it is served as long as it may be. */
static void is_served(void)
{
	begin(DEVICE_LOSS_FAIL);
	make_available(0, 2);
	first_turn();
	EXPECT(added == 1 && device_in_flight(&device) == 2);
	done = true;
	turn();
	EXPECT(added == 2);
	EXPECT(used_index() == 1 && status_of(0) == VIRTIO_BLK_S_OK);
	EXPECT(calls() > 0);
	end();
}

/* One request is in the store, another waits for room. */
static void ended_while_one_waits(void)
{
	begin(DEVICE_LOSS_FAIL);
	make_available(0, 2);
	first_turn();
	EXPECT(added == 1 && device_queue(&device, 0)->stalled);
	device_end(&device, "closed by the client");
	make_available(2, 1);
	done = true;
	turn();
	EXPECT(added == 1);
	EXPECT(used_index() == 0 && status_of(0) == UNSAID);
	EXPECT(calls() == 0);
	end();
	EXPECT(added == 1);
}

/* Cancelling does not tell a client that has ended, either. */
static void cancelled_after_its_end(void)
{
	begin(DEVICE_LOSS_FAIL);
	make_available(0, 2);
	turn();
	device_end(&device, "closed by the client");
	device_cancel(&device);
	turn();
	EXPECT(cancelled == 1);
	EXPECT(used_index() == 0 && status_of(1) == UNSAID);
	end();
}

/* It ends after its first notification in a turn, and before the last. */
static void ended_before_it_is_notified(void)
{
	begin(DEVICE_LOSS_FAIL);
	make_available(0, 1);
	first_turn();
	done = true;
	to_end = &device;
	turn();
	EXPECT(used_index() == 1);
	EXPECT(calls() == 1);
	end();
}

/* The memory of a request is gone, and the client ends for that. */
static void lost_in_a_turn(void)
{
	begin(DEVICE_LOSS_END);
	make_available(0, 2);
	turn();
	MUST(ftruncate(memory_fd, 0) == 0);
	done = true;
	turn();
	EXPECT(device.state == DEVICE_ENDING);
	EXPECT(loop.settling);
	EXPECT(client.counters.losses >= 1);
	EXPECT(added == 1);
	end();
}

int main(void)
{
	const char *what;

	MUST(prec_fault_install() == PREC_OK);
	MUST(release_start());
	MUST(loop_open(&loop, POLLING_NEVER, &what));
	log_group_init(&group, 64, 8);
	is_served();
	ended_while_one_waits();
	cancelled_after_its_end();
	ended_before_it_is_notified();
	lost_in_a_turn();
	loop_close(&loop);
	return expect_end();
}
