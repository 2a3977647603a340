// SPDX-License-Identifier: MIT
/*
 * Notifications wait to be sent together.  A client's descriptor that is closed
 * meanwhile, because the client sent another or has gone, is signalled before:
 * its number may be that of another client's descriptor a moment later.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <precarium/signals_linux.h>

#include "device/device.h"
#include "device/queue.h"
#include "tests/expect.h"
#include "tests/one-lane.h"

static const struct store_ops ops = {
	.lane_open = lane_open,
	.lane_close = lane_close,
};
static const struct store store = {
	.ops = &ops,
	.capacity = 1u << 20,
	.block_size = 512,
};
static const struct device_policy policy = {
	.name = "disk",
	.store = &store,
	.queues_max = 1,
};
static struct loop loop;
static struct log_group group;
static struct client_record client;
static struct device device;

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	MUST(fd >= 0);
	return fd;
}

static uint64_t signals(int fd)
{
	eventfd_t count = 0;

	return eventfd_read(fd, &count) == 0 ? count : 0;
}

static struct notify_cost cost;

static void begin(void)
{
	memset(&device, 0, sizeof(device));
	client_init(&client, policy.name, &group);
	MUST(device_open(&device, &loop, &policy, &client) == NULL);
}

/* `closes` closes `fd`, which is to be signalled, and of which `ours` is a
 * duplicate. */
static void is_signalled_first(int fd, int ours, void (*closes)(void))
{
	int others;

	notifier_add(&loop.notifier, fd, &cost);
	closes();
	others = new_eventfd();
	MUST(others == fd);
	notifier_flush(&loop.notifier);
	EXPECT(signals(others) == 0);
	EXPECT(signals(ours) == 1);
	close(others);
	close(ours);
}

static void replace_call(void)
{
	queue_set_call(device_queue(&device, 0), -1);
}

static void replace_err(void)
{
	queue_set_err(device_queue(&device, 0), -1);
}

static void replace_log(void)
{
	device_call_log(&device, -1);
}

static void end(void)
{
	device_close(&device);
}

int main(void)
{
	const char *what = "";
	int ours;

	MUST(prec_fault_install() == PREC_OK);
	log_group_init(&group, 1000, 1000);
	MUST(loop_open(&loop, POLLING_NEVER, &what));
	begin();
	ours = new_eventfd();
	queue_set_call(device_queue(&device, 0), dup(ours));
	is_signalled_first(device_queue(&device, 0)->call_fd, ours,
			   replace_call);
	ours = new_eventfd();
	queue_set_err(device_queue(&device, 0), dup(ours));
	is_signalled_first(device_queue(&device, 0)->err_fd, ours, replace_err);
	ours = new_eventfd();
	device_call_log(&device, dup(ours));
	is_signalled_first(device.dirty.call_fd, ours, replace_log);
	ours = new_eventfd();
	queue_set_call(device_queue(&device, 0), dup(ours));
	is_signalled_first(device_queue(&device, 0)->call_fd, ours, end);
	begin();
	ours = new_eventfd();
	device_call_log(&device, dup(ours));
	is_signalled_first(device.dirty.call_fd, ours, end);
	loop_close(&loop);
	log_group_destroy(&group);
	return expect_end();
}
