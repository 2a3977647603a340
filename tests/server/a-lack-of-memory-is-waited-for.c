/* SPDX-License-Identifier: MIT */
/*
 * G5: a transfer for which the kernel has no memory for a moment is tried
 * again, with pauses, and does not fail; one that is cancelled while it waits
 * ends.  The test stands in for the kernel's copies of a file in memory.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "store/stores.h"
#include "tests/expect.h"

#define SIZE 8192u

static int failing;	 /* calls that fail, still */
static int error_number; /* with this */
static unsigned int calls;
static int64_t last_ms, shortest_ms;

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* True: this call fails. */
static bool fails(void)
{
	int64_t now = now_ms();

	if (calls++ > 0 && now - last_ms < shortest_ms)
		shortest_ms = now - last_ms;
	last_ms = now;
	if (failing == 0)
		return false;
	failing--;
	errno = error_number;
	return true;
}

/* In place of the C library's. */
ssize_t preadv(int fd, const struct iovec *vectors, int count, off_t offset)
{
	MUST(count == 1);
	return fails() ? -1
		       : pread(fd, vectors[0].iov_base, vectors[0].iov_len,
			       offset);
}

ssize_t pwritev(int fd, const struct iovec *vectors, int count, off_t offset)
{
	MUST(count == 1);
	return fails() ? -1
		       : pwrite(fd, vectors[0].iov_base, vectors[0].iov_len,
				offset);
}

static void begin(int count, int error)
{
	failing = count;
	error_number = error;
	calls = 0;
	shortest_ms = INT64_MAX;
}

static struct store_io *run(struct store_lane *lane, struct store_io *io,
			    bool cancel)
{
	const struct store_ops *ops = lane->store->ops;
	struct store_io *ended = NULL;

	EXPECT(ops->add(lane, io));
	while (!ended) {
		enum store_left left = ops->start(lane);

		ended = ops->reap(lane);
		if (!ended && cancel && calls > 2)
			ops->cancel(lane, io);
		if (!ended && left != STORE_MORE)
			poll(NULL, 0, 2);
	}
	return ended;
}

static void check_lane(struct store_lane *lane)
{
	static uint8_t bytes[SIZE], back[SIZE];
	struct prec_span span = {
		.host = (uint64_t)(uintptr_t)bytes,
		.size = SIZE,
	};
	struct store_io io = {
		.kind = STORE_WRITE,
		.size = SIZE,
		.spans = &span,
		.span_count = 1,
	};

	memset(bytes, 0xa5, sizeof(bytes));
	/* More often than what is interrupted is tried again. */
	begin(80, ENOMEM);
	EXPECT(run(lane, &io, false) == &io);
	EXPECT(io.result.status == PREC_OK && io.result.done == SIZE);
	EXPECT(calls == 81 && shortest_ms > 0);
	io.kind = STORE_READ;
	span.host = (uint64_t)(uintptr_t)back;
	begin(5, EAGAIN);
	EXPECT(run(lane, &io, false) == &io);
	EXPECT(io.result.status == PREC_OK && calls == 6 && shortest_ms > 0);
	EXPECT(memcmp(bytes, back, SIZE) == 0);
	/* What was interrupted is tried again at once. */
	begin(60, EINTR);
	EXPECT(run(lane, &io, false) == &io);
	EXPECT(io.result.status == PREC_OK && calls == 61);
	begin(1000000, ENOMEM);
	EXPECT(run(lane, &io, true) == &io);
	EXPECT(io.result.status == PREC_SYSTEM && io.result.error == ECANCELED);
	EXPECT(calls < 10);
}

int main(void)
{
	struct store_setting image = { .key = "file" };
	struct store_options options = { .read_only = false };
	struct store_error error;
	struct store_lane *lane;
	struct store *store;
	char path[60];
	int fd = memfd_create("image", MFD_CLOEXEC);

	MUST(fd >= 0 && ftruncate(fd, SIZE) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	image.text = path;
	store_options_set(&options, &image);
	store = store_open(&options, &error);
	if (!store)
		skip_all(error.text);
	lane = store->ops->lane_open(store, &error);
	MUST(lane);
	check_lane(lane);
	store->ops->lane_close(lane);
	store_close(store);
	return expect_end();
}
