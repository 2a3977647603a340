/* SPDX-License-Identifier: MIT */
/*
 * A client that migrates copies its memory while the server writes into it, and
 * copies again what the log of writes names (LOG_SHMFD, VHOST_F_LOG_ALL): when
 * the rings are quiet, the copy is the memory.  What the server does not write
 * is not named.
 *
 * G1: the log is the client's memory, and may go.
 */
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "dirty-log.h"

#define DEPTH	16u
#define SIZE	16384u
#define ROUNDS	400
#define BLOCKS	256u
#define REGIONS 3u

static struct client client, good;

/* The log ends with the last page, in the middle of a page of its own. */
static struct {
	int fd;
	uint64_t size, mapped;
	uint64_t *words;
} bitmap;

/* Of each region: where it is migrated to, and what the log ever named. */
static uint8_t *copies[REGIONS];
static uint8_t *named[REGIONS];
static pthread_mutex_t copying = PTHREAD_MUTEX_INITIALIZER;
static bool over;

static void open_client(struct client *one, bool plain, bool packed)
{
	const struct client_options options = {
		.socket_path = backend.exports[one == &good].socket_path,
		.region_count = REGIONS,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.segments = 2,
		.event_idx = !plain,
		.indirect = !plain,
		.packed = packed,
	};

	CHECK(client_open(one, &options) == 0, "open: %s", one->error);
	DO(one, client_start(one));
}

static void make_bitmap(void)
{
	const struct client_region *last = &client.regions[REGIONS - 1];

	bitmap.size = (last->address + last->size) / PAGE / 8 + 8;
	bitmap.size = bitmap.size / 8 * 8;
	bitmap.mapped = (bitmap.size + PAGE - 1) / PAGE * PAGE;
	CHECK(bitmap.size != bitmap.mapped, "the size is of no use");
	bitmap.fd = memfd_create("bitmap", MFD_CLOEXEC);
	CHECK(bitmap.fd >= 0 && ftruncate(bitmap.fd, (off_t)bitmap.size) == 0,
	      "memfd");
	bitmap.words = mmap(NULL, bitmap.mapped, PROT_READ | PROT_WRITE,
			    MAP_SHARED, bitmap.fd, 0);
	CHECK(bitmap.words != MAP_FAILED, "mmap");
}

/* It reads while others write: that is what migrating is.  Not by memcpy, which
 * the thread sanitizer watches wherever it is called. */
__attribute__((no_sanitize("thread"))) static void
copy_page(uint8_t *to, const uint8_t *from)
{
	const volatile uint64_t *words = (const volatile uint64_t *)from;

	for (uint32_t i = 0; i < PAGE / sizeof(*words); i++)
		((uint64_t *)to)[i] = words[i];
}

/* One step of a migration: what was named is copied. */
static void copy_named(void)
{
	for (uint32_t r = 0; r < REGIONS; r++) {
		const struct client_region *region = &client.regions[r];
		uint64_t first = region->address / PAGE;
		uint64_t count = region->size / PAGE;

		for (uint64_t word = first / 64; word <= (first + count) / 64;
		     word++) {
			uint64_t bits = __atomic_exchange_n(
				&bitmap.words[word], 0, __ATOMIC_SEQ_CST);

			for (; bits; bits &= bits - 1) {
				uint64_t page = word * 64 - first +
						(uint64_t)__builtin_ctzll(bits);

				CHECK(page < count, "page %llu of region %u",
				      (unsigned long long)page, r);
				named[r][page] = 1;
				copy_page(copies[r] + page * PAGE,
					  region->host + page * PAGE);
			}
		}
	}
}

static void *migrate(void *argument)
{
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		pthread_mutex_lock(&copying);
		copy_named();
		pthread_mutex_unlock(&copying);
	}
	return argument;
}

static void load(uint64_t *random)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_IN, VIRTIO_BLK_T_IN,
					  VIRTIO_BLK_T_GET_ID,
					  VIRTIO_BLK_T_FLUSH };
	struct client_completion completion;

	for (uint32_t i = 0; i < DEPTH; i++) {
		/* The first slots only write: they are not named. */
		uint32_t type = i < 4 ? VIRTIO_BLK_T_OUT : types[i % 4];
		uint64_t block = hostile_random(random) % BLOCKS;

		DO(&client,
		   client_submit(&client, 0, i, type,
				 i < 4 ? BLOCKS * (SIZE / CLIENT_SECTOR)
				       : block * (SIZE / CLIENT_SECTOR),
				 type == VIRTIO_BLK_T_GET_ID  ? 20
				 : type == VIRTIO_BLK_T_FLUSH ? 0
							      : SIZE));
	}
	DO(&client, client_kick(&client, 0));
	while (client.queues[0].busy) {
		CHECK(client_wait(&client, 0, &completion, 10000) == 1,
		      "no answer: %s", client.error);
		CHECK(completion.status == 0, "status %u", completion.status);
	}
}

/* Nobody but the server writes there. */
static void check_pages(struct client_place place, uint64_t size, bool written,
			const char *what)
{
	uint64_t first = place.offset / PAGE;
	uint64_t last = (place.offset + size - 1) / PAGE;
	const uint8_t *host = client.regions[place.region].host;

	for (uint64_t page = first; page <= last; page++) {
		if (!written) {
			CHECK(!named[place.region][page],
			      "%s is named, and nobody wrote there", what);
			continue;
		}
		CHECK(named[place.region][page], "%s is not named", what);
		CHECK(!memcmp(host + page * PAGE,
			      copies[place.region] + page * PAGE, PAGE),
		      "%s: a write was missed", what);
	}
}

/* When a request is seen to have ended its marks are there, all but that of
 * the index by which it is seen. */
static void check_data(void)
{
	const struct client_queue *queue = &client.queues[0];

	pthread_mutex_lock(&copying);
	copy_named();
	for (uint32_t i = 4; i < DEPTH; i++)
		if (i % 4 < 2)
			check_pages(queue->slots[i].data, SIZE, true,
				    "read data");
	pthread_mutex_unlock(&copying);
}

/* Where we write: the used ring, or descriptors that are used, and beside them
 * when we want to be kicked. */
static void check_rings(void)
{
	const struct client_queue *queue = &client.queues[0];
	bool packed = client.options.packed;

	check_pages(queue->used_place, packed ? 4 : 4 + 8 * queue->ring.num + 2,
		    !packed || client.options.event_idx, "the used ring");
	check_pages(queue->desc_place, 16 * queue->ring.num, packed,
		    "the descriptors");
	check_pages(queue->avail_place, packed ? 4 : 4 + 2 * queue->ring.num,
		    false, "the available ring");
}

static void check_copy(void)
{
	const struct client_queue *queue = &client.queues[0];

	check_rings();
	for (uint32_t i = 0; i < DEPTH; i++) {
		const struct client_slot *slot = &queue->slots[i];

		check_pages(slot->header, 16, false, "a header");
		if (i < 4)
			check_pages(slot->data, SIZE, false, "written data");
		else if (i % 4 < 2)
			check_pages(slot->data, SIZE, true, "read data");
		else if (i % 4 == 2)
			check_pages(slot->data, 20, true, "the name");
	}
	/* We set it to none ourselves, for the next time. */
	CHECK(named[queue->slots[0].status.region]
		   [queue->slots[0].status.offset / PAGE],
	      "the status is not named");
}

static void migration(bool plain, bool packed)
{
	uint64_t random = 3;
	pthread_t migrator;
	int call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	eventfd_t calls;

	open_client(&client, plain, packed);
	make_bitmap();
	for (uint32_t r = 0; r < REGIONS; r++) {
		copies[r] = calloc(1, client.regions[r].size);
		named[r] = calloc(1, client.regions[r].size / PAGE);
		CHECK(copies[r] && named[r], "memory");
	}
	load(&random);
	CHECK(log_base(&client, bitmap.size, 0, bitmap.fd) == 0, "%s",
	      client.error);
	DO(&client, client_tell(&client, VHOST_USER_SET_LOG_FD, NULL, 0, call));
	load(&random);
	/* Only what it is asked for. */
	for (uint64_t i = 0; i < bitmap.size / 8; i++)
		CHECK(!bitmap.words[i], "marks before LOG_ALL");
	log_rings(&client);
	over = false;
	CHECK(pthread_create(&migrator, NULL, migrate, NULL) == 0, "thread");
	for (int i = 0; i < ROUNDS; i++) {
		load(&random);
		check_data();
	}
	DO(&client, client_stop(&client));
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	pthread_join(migrator, NULL);
	copy_named();
	check_copy();
	CHECK(eventfd_read(call, &calls) == 0, "no call for the log");
	for (uint32_t r = 0; r < REGIONS; r++) {
		free(copies[r]);
		free(named[r]);
	}
	munmap(bitmap.words, bitmap.mapped);
	close(bitmap.fd);
	close(call);
	client_close(&client);
}

static void check_good(const char *when)
{
	int status = client_io(&good, 0, VIRTIO_BLK_T_IN, 0, SIZE);

	CHECK(status == 0, "%s: the good client: status %d %s", when, status,
	      good.error);
}

static void hostile(void)
{
	uint64_t random = 9;
	char path[40];
	int read_only;

	open_client(&client, false, false);
	make_bitmap();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", bitmap.fd);
	read_only = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(log_base(&client, bitmap.size, 0, -1) != 0,
	      "no descriptor was taken");
	CHECK(log_base(&client, 0, 0, bitmap.fd) != 0,
	      "a log of nothing was taken");
	CHECK(log_base(&client, bitmap.mapped + PAGE, 0, bitmap.fd) != 0,
	      "a file too short was taken");
	CHECK(log_base(&client, bitmap.size, 1, bitmap.fd) != 0,
	      "an odd offset was taken");
	CHECK(log_base(&client, bitmap.size, PAGE, bitmap.fd) != 0,
	      "an offset too far was taken");
	CHECK(log_base(&client, ~0ull, 0, bitmap.fd) != 0,
	      "all memory was taken");
	CHECK(log_base(&client, bitmap.size, 0, read_only) != 0,
	      "what is read-only was taken");
	CHECK(log_base(&client, bitmap.size, 0, client.queues[0].kick_fd) != 0,
	      "an eventfd was taken");
	CHECK(client_tell(&client, VHOST_USER_SET_LOG_FD, NULL, 0, bitmap.fd) !=
		      0,
	      "a call that is no eventfd was taken");
	/* Too small: what lies beyond is not marked. */
	CHECK(log_base(&client, 8, 0, bitmap.fd) == 0, "%s", client.error);
	log_rings(&client);
	load(&random);
	for (uint64_t i = 0; i < bitmap.size / 8; i++)
		CHECK(!bitmap.words[i], "marks beyond the log");
	/* Another, and away with it. */
	CHECK(log_base(&client, bitmap.size, 0, bitmap.fd) == 0, "%s",
	      client.error);
	load(&random);
	CHECK(ftruncate(bitmap.fd, 0) == 0, "ftruncate");
	load(&random);
	load(&random);
	check_good("beside a log that went");
	munmap(bitmap.words, bitmap.mapped);
	close(bitmap.fd);
	close(read_only);
	client_close(&client);
}

static const char *full_image(void)
{
	static char bytes[(BLOCKS + 1) * SIZE];
	const char *file = make_image("disk", sizeof(bytes));
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	client_pattern(bytes, sizeof(bytes), 1, 0);
	CHECK(write(fd, bytes, sizeof(bytes)) == sizeof(bytes), "write");
	close(fd);
	return file;
}

int main(void)
{
	const char *disk;

	serve_init(100);
	disk = full_image();
	backend_add(&backend, disk, 0);
	/* Of the good client, who reads it. */
	backend_add(&backend, disk, 0);
	backend.exports[1].read_only = true;
	serve_start();
	open_client(&good, false, false);
	for (int way = 0; way < 4; way++)
		migration(way & 1, way & 2);
	hostile();
	client_close(&good);
	return serve_end();
}
