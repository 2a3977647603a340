// SPDX-License-Identifier: MIT
/*
 * G11: how many transfers a lane to a file has at one time is for its caller to
 * limit; each costs a bounded amount of memory.  One of as many segments as
 * devices offer goes to the kernel at once.  Of many that change parts of
 * blocks, which are read and written as a whole, each part arrives.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "store/file/window.h"
#include "store/stores.h"
#include "tests/expect.h"
#include "virtio/blk.h"

#define MANY   1500u
#define SECTOR 512u
#define BLOCK  4096u
#define SIZE   ((uint64_t)MANY * BLOCK)

static char path[200];
static struct store *store;
static uint8_t bytes[MANY][SECTOR], found[MANY][SECTOR];
static struct prec_span spans[MANY];
static struct store_io transfers[MANY];
static uint32_t ended;

static void open_image(void)
{
	const struct store_setting setting = { .key = "file", .text = path };
	struct store_options options = { .read_only = false };
	const char *folder = getenv("TMPDIR");
	struct store_error error = { .text = "" };
	int fd;

	snprintf(path, sizeof(path), "%s/added.XXXXXX",
		 folder ? folder : "/tmp");
	fd = mkstemp(path);
	MUST(fd >= 0 && ftruncate(fd, (off_t)SIZE) == 0);
	close(fd);
	store_options_set(&options, &setting);
	store = store_open(&options, &error);
	if (!store)
		printf("%s\n", error.text);
	MUST(store);
}

static struct prec_span span_of(void *memory, uint64_t size)
{
	return (struct prec_span){
		.host = (uint64_t)(uintptr_t)memory,
		.size = size,
		.rights = PREC_READ | PREC_WRITE,
	};
}

static void add(struct store_lane *lane, enum store_io_kind kind, uint32_t i,
		uint64_t offset, void *memory)
{
	spans[i] = span_of(memory, SECTOR);
	transfers[i] = (struct store_io){ .kind = kind,
					  .offset = offset,
					  .size = SECTOR,
					  .spans = &spans[i],
					  .span_count = 1 };
	EXPECT(lane->store->ops->add(lane, &transfers[i]));
}

static void reap_all(struct store_lane *lane)
{
	const struct store_ops *ops = lane->store->ops;
	struct pollfd poller = { .fd = lane->fd, .events = POLLIN };
	struct store_io *io;

	for (ended = 0; ended < MANY;) {
		ops->start(lane);
		while ((io = ops->reap(lane))) {
			EXPECT(io->result.status == PREC_OK &&
			       io->result.done == SECTOR);
			ended++;
		}
		if (ended < MANY && ops->start(lane) == STORE_NOTHING)
			poll(&poller, 1, -1);
	}
}

/* None is begun before all were added. */
static void many(struct store_lane *lane, uint64_t step)
{
	for (uint32_t i = 0; i < MANY; i++) {
		memset(bytes[i], (int)(i * 7 + step), SECTOR);
		add(lane, STORE_WRITE, i, i * step, bytes[i]);
	}
	reap_all(lane);
	for (uint32_t i = 0; i < MANY; i++)
		add(lane, STORE_READ, i, i * step, found[i]);
	reap_all(lane);
	EXPECT(memcmp(bytes, found, sizeof(bytes)) == 0);
}

/* The kernel is told a block size that the file does not have: what is a part
 * of a block is read, changed and written all the same. */
static void parts_of_blocks(struct store_lane *lane)
{
	struct file_store *file = (struct file_store *)store;

	file->direct_fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
	MUST(file->direct_fd >= 0);
	file->align = BLOCK;
	file->memory_align = SECTOR;
	many(lane, SECTOR);
}

static void segments(struct store_lane *lane)
{
	struct prec_span pieces[VBLK_SEG_MAX];
	struct file_slot *slot = ((struct file_lane *)lane)->free;
	struct store_io io = { .kind = STORE_READ,
			       .size = sizeof(pieces),
			       .spans = pieces,
			       .span_count = VBLK_SEG_MAX };

	for (uint32_t i = 0; i < VBLK_SEG_MAX; i++)
		pieces[i] = span_of(found, 1);
	slot->io = &io;
	EXPECT(window_fill(slot, BLOCK) == VBLK_SEG_MAX);
}

int main(void)
{
	struct store_error error;
	struct store_lane *lane;

	open_image();
	lane = store->ops->lane_open(store, &error);
	MUST(lane);
	segments(lane);
	many(lane, BLOCK);
	parts_of_blocks(lane);
	store->ops->lane_close(lane);
	store->ops->close(store);
	unlink(path);
	printf("a transfer: %zu bytes\n", sizeof(struct file_slot));
	EXPECT(sizeof(struct file_slot) <= 2560);
	return expect_end();
}
