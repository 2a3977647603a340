/* SPDX-License-Identifier: MIT */
/* What the client processes do. */
#include "demo/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/hostile.h"

#define BLOCK	     16384u
#define IMAGE_BLOCKS (DEMO_IMAGE_SIZE / BLOCK)
#define STEPS	     64 /* of patterns between looks at the file system */

static const struct client_options good_ways[DEMO_GOOD] = {
	{ .region_count = 3, .depth = 8, .buffer_size = BLOCK },
	{ .region_count = 6,
	  .depth = 8,
	  .buffer_size = BLOCK,
	  .segments = 4,
	  .indirect = true,
	  .event_idx = true },
};

static uint64_t image_sector(uint32_t block)
{
	return (uint64_t)block * (BLOCK / CLIENT_SECTOR);
}

/* One block through the server, on slot 0 while nothing is in flight. */
static int image_io(struct client *client, uint32_t type, uint32_t block)
{
	int status = client_io(client, 0, type, image_sector(block), BLOCK);

	if (status < 0)
		return -1;
	if (status != VIRTIO_BLK_S_OK)
		return client_fail(client, "block %u of the image: status %d",
				   block, status);
	return 0;
}

static int write_image(struct client *client, const uint8_t *image)
{
	uint32_t i;

	for (i = 0; i < IMAGE_BLOCKS; i++) {
		memcpy(client_data(client, 0, 0), image + (size_t)i * BLOCK,
		       BLOCK);
		if (image_io(client, VIRTIO_BLK_T_OUT, i))
			return -1;
	}
	if (client_io(client, 0, VIRTIO_BLK_T_FLUSH, 0, 0))
		return client_fail(client, "the image could not be flushed");
	return 0;
}

static int compare_image(struct client *client, const uint8_t *image,
			 uint32_t block, struct demo_good *board)
{
	memset(client_data(client, 0, 0), 0xee, BLOCK);
	if (image_io(client, VIRTIO_BLK_T_IN, block))
		return -1;
	if (memcmp(client_data(client, 0, 0), image + (size_t)block * BLOCK,
		   BLOCK) != 0)
		return client_fail(client,
				   "WRONG DATA in block %u of the "
				   "file system",
				   block);
	board->image_bytes += BLOCK;
	return 0;
}

/* The whole image once more, kept for e2fsck. */
static int copy_image(struct client *client, const uint8_t *image,
		      const char *path, struct demo_good *board)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int result =
		fd < 0 ? client_fail(client, "%s: %s", path, strerror(errno))
		       : 0;
	uint32_t i;

	for (i = 0; result == 0 && i < IMAGE_BLOCKS; i++) {
		result = compare_image(client, image, i, board);
		if (result == 0 &&
		    write(fd, client_data(client, 0, 0), BLOCK) != BLOCK)
			result = client_fail(client, "%s: %s", path,
					     strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return result;
}

static int work(struct demo *demo, uint32_t number, struct client *client,
		const uint8_t *image)
{
	struct demo_good *board = &demo->board->good[number];
	struct neighbour neighbour;
	char path[100];
	uint64_t random = number;
	int result, i;

	if (neighbour_init(&neighbour, client, &board->counts, number + 1,
			   image_sector(IMAGE_BLOCKS), UINT32_MAX))
		return -1;
	result = write_image(client, image);
	while (result == 0 && !demo->board->stop) {
		for (i = 0; result == 0 && i < STEPS; i++)
			result = neighbour_step(&neighbour);
		if (result == 0)
			result = neighbour_drain(&neighbour);
		if (result == 0)
			result = compare_image(
				client, image,
				(uint32_t)(hostile_random(&random) %
					   IMAGE_BLOCKS),
				board);
	}
	if (result == 0)
		result = neighbour_sweep(&neighbour);
	demo_copy_path(demo, number, path, sizeof(path));
	if (result == 0)
		result = copy_image(client, image, path, board);
	neighbour_free(&neighbour);
	return result;
}

static const uint8_t *map_image(const struct demo *demo)
{
	char path[100];
	void *image;
	int fd;

	demo_image_path(demo, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	image = mmap(NULL, DEMO_IMAGE_SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return image == MAP_FAILED ? NULL : image;
}

void demo_be_good(struct demo *demo, uint32_t number)
{
	struct demo_good *board = &demo->board->good[number];
	struct client_options options = good_ways[number];
	const uint8_t *image = map_image(demo);
	struct client client;

	options.socket_path =
		demo->backend.exports[demo->good_export[number]].socket_path;
	options.timeout_ms = 10000;
	if (!image) {
		snprintf(board->error, sizeof(board->error),
			 "the image is not there");
		_exit(1);
	}
	if (client_open(&client, &options) || client_start(&client) ||
	    work(demo, number, &client, image) || client_stop(&client)) {
		memcpy(board->error, client.error, sizeof(board->error));
		_exit(1);
	}
	client_close(&client);
	board->finished = true;
	_exit(0);
}

static const struct hostile_kind {
	const char *text;
	bool dies;
	const char *acts[5];
} hostile_kinds[DEMO_HOSTILE] = {
	{ "truncates its data",
	  false,
	  { "truncate-data", "truncate-part", "truncate-before" } },
	{ "truncates its rings and status",
	  false,
	  { "truncate-rings", "truncate-status", "truncate-all" } },
	{ "punches holes, shrinks and grows",
	  false,
	  { "punch-data", "punch-rings", "shrink-and-grow" } },
	{ "takes regions back, then cuts them", false, { "withdraw-busy" } },
	{ "kills itself (-9) in mid-request",
	  true,
	  { "vanish", "truncate-data", "truncate-rings" } },
	{ "forges rings, messages, eventfds",
	  false,
	  { "spoil-read", "spoil-write", "bad-message", "clog-call" } },
};

const char *demo_hostile_text(uint32_t number)
{
	return hostile_kinds[number].text;
}

static const struct hostile_act *draw_act(const struct hostile_kind *kind,
					  uint64_t random)
{
	uint32_t count = 1, i; /* each kind has an act */
	const char *name;

	while (count < 5 && kind->acts[count])
		count++;
	name = kind->acts[random % count];
	for (i = 0; i < hostile_act_count; i++)
		if (!strcmp(hostile_acts[i].name, name))
			return &hostile_acts[i];
	abort();
}

/* One round by a process that ends in it. */
static int round_to_death(const struct client_options *options,
			  const struct hostile_act *act, uint64_t random,
			  char *error)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(hostile_round(options, act, random, true, error) < 0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	if (WIFSIGNALED(status))
		return 2;
	return WEXITSTATUS(status) ? -1 : 0;
}

static const struct client_options hostile_ways[] = {
	{ .region_count = 3, .depth = 32, .buffer_size = 65536 },
	{ .region_count = 4,
	  .depth = 32,
	  .buffer_size = 32768,
	  .indirect = true },
	{ .region_count = 3,
	  .depth = 8,
	  .buffer_size = 262144,
	  .segments = 4,
	  .mem_table = true },
};

void demo_be_hostile(struct demo *demo, uint32_t number)
{
	const struct hostile_kind *kind = &hostile_kinds[number];
	struct demo_hostile *board = &demo->board->hostile[number];
	uint64_t random = number + 1000;
	uint32_t round = 0;

	/* Until it is killed: the good clients' last sweep is under fire. */
	for (;;) {
		struct client_options options = hostile_ways[round++ % 3];
		const struct hostile_act *act =
			draw_act(kind, hostile_random(&random));
		uint64_t draw = hostile_random(&random);
		int done;

		options.socket_path =
			demo->backend.exports[demo->hostile_export[number]]
				.socket_path;
		options.timeout_ms = 3000;
		if (kind->dies)
			done = round_to_death(&options, act, draw,
					      board->error);
		else
			done = hostile_round(&options, act, draw, false,
					     board->error);
		board->connections += done > 0;
		board->refusals += done <= 0;
		board->revocations += done == 2 && act->revokes;
		/* When nobody listens, do not shout. */
		if (done < 0)
			usleep(10000);
	}
}
