// SPDX-License-Identifier: MIT
/*
 * G11: what filling the holes of a client's memory costs the server is bounded,
 * whenever the holes are made and whoever would fill them, the worker or the
 * kernel.  Past the limit the client's requests fail, a line says which setting
 * to raise, and a neighbour's data is right throughout.  The kernel's own
 * accounting of the server's memory cgroup says what it cost.
 */
#include "serve.h"

#include <linux/falloc.h>
#include <poll.h>
#include <sys/mman.h>

#include "memory-group.h"
#include "log-lines.h"
#include "statistics.h"
#include "tests/huge-pages.h"
#include "tests/sanitizer.h"

#define MIB   (1ull << 20)
#define SIZE  ((uint32_t)MIB) /* of a request */
#define LIMIT (32 * MIB)
#define ALL   (128 * MIB)
#define DISK  (64 * MIB)
#define DATA  2u /* the first data region */
/* The server's own: page tables, requests, what the kernel keeps of files. */
#define SLACK (16 * MIB)

static struct memory_group group;
static bool took_pool; /* of huge pages, where there was none */
static struct client neighbour;

static void group_away(void)
{
	backend_kill(&backend);
	if (took_pool)
		huge_pool_set(0);
	group_remove(&group);
}

static void open_at(struct client *client, const char *socket_path,
		    uint32_t regions, uint64_t region_size)
{
	const struct client_options options = {
		.socket_path = socket_path,
		.region_count = regions,
		.region_size = region_size,
		.buffer_size = SIZE,
		.sparse = true,
		.timeout_ms = 20000,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

/* Read a MiB into memory at that place. */
static int read_into(struct client *client, uint32_t region, uint64_t offset)
{
	client->queues[0].slots[0].data.region = region;
	client->queues[0].slots[0].data.offset = offset;
	return client_io(client, 0, VIRTIO_BLK_T_IN, 0, SIZE);
}

/* MiB that are filled when one fails, or `most` are.  The first `done` are. */
static uint64_t fill_on(struct client *client, uint32_t regions, uint64_t done,
			uint64_t most)
{
	int status = VIRTIO_BLK_S_OK;

	while (done < most && status == VIRTIO_BLK_S_OK) {
		status = read_into(client, DATA + (uint32_t)(done % regions),
				   done / regions * MIB);
		CHECK(status == VIRTIO_BLK_S_OK || status == VIRTIO_BLK_S_IOERR,
		      "status %d: %s", status, client->error);
		done += status == VIRTIO_BLK_S_OK;
	}
	return done;
}

static uint64_t fill(struct client *client, uint32_t regions, uint64_t most)
{
	return fill_on(client, regions, 0, most);
}

/* Its own memory, by pages that it touched itself: no other's limit matters. */
static void check_neighbour(void)
{
	uint8_t *data = client_data(&neighbour, 0, 0);
	static uint64_t seed = 1;

	client_pattern(data, SIZE, ++seed, 8);
	CHECK(client_io(&neighbour, 0, VIRTIO_BLK_T_OUT, 8, SIZE) ==
		      VIRTIO_BLK_S_OK,
	      "the neighbour cannot write: %s", neighbour.error);
	memset(data, 0, SIZE);
	CHECK(client_io(&neighbour, 0, VIRTIO_BLK_T_IN, 8, SIZE) ==
		      VIRTIO_BLK_S_OK,
	      "the neighbour cannot read: %s", neighbour.error);
	CHECK(client_verify(data, SIZE, seed, 8) == SIZE,
	      "the neighbour's data is wrong");
}

/* What the export is said to cost. */
static uint64_t told(uint32_t export, const char *key)
{
	json_t *tree = statistics();
	uint64_t value = (uint64_t)json_integer_value(json_object_get(
		json_array_get(json_object_get(tree, "exports"), export), key));

	json_decref(tree);
	return value;
}

/* Its budget goes to the next only when the server has seen it go. */
static void close_one(struct client *client, uint32_t export)
{
	uint64_t others = told(export, "connected") - 1;

	client_close(client);
	while (told(export, "connected") > others)
		poll(NULL, 0, 2);
}

static void check_cost(uint64_t before, uint64_t limit, const char *what)
{
	uint64_t after = group_usage(&group);

	printf("%s: the server grew by %llu KiB\n", what,
	       (unsigned long long)(after > before ? (after - before) / 1024
						   : 0));
	if (!UNDER_SANITIZER)
		CHECK(after < before + limit + SLACK,
		      "%s: the server pays %llu MiB", what,
		      (unsigned long long)((after - before) / MIB));
}

/* All that a client reads into goes to holes. */
static void sparse_at_first(uint32_t export, uint32_t regions)
{
	uint64_t before = group_usage(&group), done;
	uint32_t lines = lines_in_log("raise max-sparse,");
	uint64_t refused = told(export, "sparse-refused");
	struct client client;

	open_at(&client, backend.exports[export].socket_path, DATA + regions,
		512 * MIB);
	done = fill(&client, regions, 400);
	CHECK(done >= 28 && done <= LIMIT / MIB, "%llu MiB were filled",
	      (unsigned long long)done);
	check_neighbour();
	CHECK(read_into(&client, DATA, 0) == VIRTIO_BLK_S_OK,
	      "what is filled cannot be used");
	CHECK(read_into(&client, DATA, 400 * MIB) == VIRTIO_BLK_S_IOERR,
	      "a hole past the limit");
	check_cost(before, LIMIT, "sparse at first");
	CHECK(told(export, "sparse-bytes") <= LIMIT &&
		      told(export, "sparse-bytes") > LIMIT - 4 * MIB,
	      "%llu bytes are told of",
	      (unsigned long long)told(export, "sparse-bytes"));
	CHECK(told(export, "sparse-refused") > refused, "no refusal counted");
	CHECK(told(export, "losses") == 0, "a loss was counted");
	CHECK(lines_in_log("raise max-sparse,") == lines + 1,
	      "the log told %u times",
	      lines_in_log("raise max-sparse,") - lines);
	close_one(&client, export);
}

/* Memory that the client has, and then gives back, again and again. */
static void punched_later(uint32_t export)
{
	uint64_t before, done = 0;
	struct client client;
	int fd;

	open_at(&client, backend.exports[export].socket_path, DATA + 1,
		64 * MIB);
	fd = client.regions[DATA].fd;
	CHECK(fallocate(fd, 0, 0, 64 * MIB) == 0, "no memory");
	before = group_usage(&group);
	CHECK(fill(&client, 1, 64) == 64, "its own memory cannot be used");
	CHECK(told(export, "sparse-bytes") == 0, "its own memory is charged");
	check_cost(before, 0, "its own memory");
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			64 * MIB) == 0,
	      "punch");
	done = fill(&client, 1, 64);
	CHECK(done >= 28 && done <= LIMIT / MIB, "%llu MiB were filled",
	      (unsigned long long)done);
	check_cost(before, LIMIT, "punched later");
	check_neighbour();

	/* Given back, it can be filled anew: soon, as it is looked for a little
	 * at a time. */
	for (int round = 0; round < 3; round++) {
		CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				0, 64 * MIB) == 0,
		      "punch");
		done = 0;
		for (int i = 0; i < 2000 && done < 16; i++) {
			done = fill_on(&client, 1, done, 16);
			poll(NULL, 0, done < 16 ? 5 : 0);
		}
		CHECK(done == 16, "only %llu MiB after it gave back 64",
		      (unsigned long long)done);
		check_cost(before, LIMIT, "given back");
	}
	close_one(&client, export);
}

/* What it took back, or lent before it came again, it may have still. */
static void lent_again_and_again(uint32_t export)
{
	uint64_t before = group_usage(&group), sum = 0;
	struct client clients[4];
	int kept[4];

	for (int i = 0; i < 4; i++) {
		open_at(&clients[i], backend.exports[export].socket_path,
			DATA + 1, 64 * MIB);
		sum += fill(&clients[i], 1, 20);
		kept[i] = dup(clients[i].regions[DATA].fd);
		close_one(&clients[i], export);
	}
	printf("one after the other: %llu MiB\n", (unsigned long long)sum);
	CHECK(sum >= 28 && sum <= LIMIT / MIB + 1, "%llu MiB were filled",
	      (unsigned long long)sum);
	check_cost(before, LIMIT, "lent again and again");
	for (int i = 0; i < 4; i++)
		close(kept[i]);
	open_at(&clients[0], backend.exports[export].socket_path, DATA + 1,
		64 * MIB);
	sum = fill(&clients[0], 1, 20);
	CHECK(sum == 20, "only %llu MiB when the others' memory had gone",
	      (unsigned long long)sum);
	close_one(&clients[0], export);
	CHECK(told(export, "sparse-bytes") == 0,
	      "%llu bytes are charged, and nobody is there",
	      (unsigned long long)told(export, "sparse-bytes"));
}

static uint64_t huge_pages_free(void)
{
	unsigned long long pages = 0;
	char line[100];
	FILE *in = fopen("/proc/meminfo", "re");

	while (in && fgets(line, sizeof(line), in))
		sscanf(line, "HugePages_Free: %llu", &pages);
	if (in)
		fclose(in);
	return pages;
}

static void huge_pages(uint32_t export)
{
	int fd = memfd_create("client", MFD_CLOEXEC | MFD_HUGETLB | 21u << 26);
	uint64_t before = huge_pages_free(), done;
	struct client client;

	took_pool = before == 0 && huge_pool_size() == 0;
	if (took_pool)
		huge_pool_set(24);
	before = huge_pages_free();
	if (fd < 0 || before < 20 || ftruncate(fd, 128 * MIB) != 0) {
		printf("huge pages: not tried, 20 of 2 MiB are needed\n");
		close(fd);
		took_pool = took_pool && !huge_pool_set(0);
		return;
	}
	{
		const struct client_options options = {
			.socket_path = backend.exports[export].socket_path,
			.region_count = DATA + 1,
			.region_size = 128 * MIB,
			.buffer_size = SIZE,
			.sparse = true,
		};

		CHECK(client_open(&client, &options) == 0, "open: %s",
		      client.error);
	}
	close(client.regions[DATA].lent_fd);
	client.regions[DATA].lent_fd = fd;
	client.regions[DATA].fd = fd;
	DO(&client, client_start(&client));
	done = fill(&client, 1, 128);
	CHECK(done >= 28 && done <= LIMIT / MIB, "%llu MiB were filled",
	      (unsigned long long)done);
	CHECK(before - huge_pages_free() <= LIMIT / (2 * MIB),
	      "%llu huge pages were taken",
	      (unsigned long long)(before - huge_pages_free()));
	check_neighbour();
	close_one(&client, export);
	took_pool = took_pool && !huge_pool_set(0);
}

/* Several that go to their limits meet that of all. */
static void all_together(void)
{
	const char *path = backend.exports[0].socket_path;
	uint64_t before = group_usage(&group), sum = 0;
	struct client clients[6];

	for (int i = 0; i < 6; i++) {
		open_at(&clients[i], path, DATA + 1, 64 * MIB);
		sum += fill(&clients[i], 1, 64);
	}
	CHECK(sum >= 120 && sum <= ALL / MIB, "%llu MiB were filled",
	      (unsigned long long)sum);
	check_cost(before, ALL, "all together");
	CHECK(lines_in_log("raise max-sparse-all,") >= 1, "no line tells");
	check_neighbour();
	for (int i = 0; i < 6; i++)
		client_close(&clients[i]);
}

int main(void)
{
	uint32_t file;

	serve_init(170);
	if (!group_make(&group))
		printf("no memory cgroup can be had: the server's own count is "
		       "believed\n");
	let_go = group_away;
	backend.workers = 1;
	backend.max_sparse = LIMIT;
	backend.max_sparse_all = ALL;
	backend_add(&backend, NULL, DISK);
	file = backend_add(&backend, make_image("disk", DISK), 0);
	backend_add(&backend, make_image("other", DISK), 0);
	serve_start();
	if (group.path[0] && !group_enter(&group, backend.pid))
		FAIL("the server cannot be put into the group");
	open_at(&neighbour, backend.exports[2].socket_path, DATA + 1, 4 * MIB);
	memset(neighbour.regions[DATA].host, 1, 4 * MIB);
	for (uint32_t export = 0; export <= file; export ++) {
		sparse_at_first(export, 1);
		sparse_at_first(export, 60);
		punched_later(export);
		lent_again_and_again(export);
		huge_pages(export);
	}
	all_together();
	client_close(&neighbour);
	check_refused();
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	group_remove(&group);
	backend_free(&backend);
	return 0;
}
