/* SPDX-License-Identifier: MIT */
/*
 * A client that takes its memory back while requests on it are in flight, and
 * looks whether a byte lands there afterwards; or that gives it up.
 *
 *     given-back SOCKET SECONDS SEED
 *     given-back -x SOCKET MIB
 *
 * The first takes memory back by messages, at random moments, and says how much
 * it has watched.  The exit status is 1 if a byte was written after an
 * acknowledgement, or if there were too few.  With -x it lends three regions of
 * that size, begins reads all over one, truncates them, and is gone.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "client/hostile.h"
#include "client/protocol.h"

#define BUFFER 65536u
#define OWN    0xa5
#define TRIES  2400u

/* It takes memory back so often, however long that takes where others have
 * much to do; but not for ever. */
#define TAKES	 3u
#define FOR_EVER 60000000000ull

static struct {
	unsigned long long taken, watched, served;
} counts;

static int fail(const struct client *client, const char *what)
{
	fprintf(stderr, "%s: %s\n", what, client->error);
	return 1;
}

static int begin_reads(struct client *client, uint64_t *state)
{
	uint64_t room = client->capacity / (BUFFER / CLIENT_SECTOR);

	for (uint32_t i = 0; i < client->options.depth; i++) {
		if (!client->queues[0].slots[i].busy &&
		    client_submit(client, 0, i, VIRTIO_BLK_T_IN,
				  hostile_random(state) % room *
					  (BUFFER / CLIENT_SECTOR),
				  BUFFER))
			return -1;
	}
	return client_kick(client, 0);
}

/* The memory is ours again: nobody writes there. */
static bool is_untouched(struct client_region *region, uint64_t *state)
{
	memset(region->host, OWN, region->size);
	poll(NULL, 0, (int)(hostile_random(state) >> 33) % 40);
	counts.watched += region->size;
	return region->host[0] == OWN &&
	       !memcmp(region->host, region->host + 1, region->size - 1);
}

/* One way to take memory back.  False: a byte was written after the
 * acknowledgement.  Without one there is nothing to say, and the client
 * ends. */
static bool take_back(struct client *client, uint64_t *state, bool *goes_on)
{
	const struct vhost_user_table none = { .count = 0 };
	struct client_completion done;
	uint32_t way = (uint32_t)(hostile_random(state) >> 33) % 3;
	bool untouched;

	*goes_on = false;
	if (way == 0 && client_take_back(client, 2) == 0) {
		untouched = is_untouched(&client->regions[2], state);
		*goes_on = client_lend(client, 2) == 0;
	} else if (way == 1 && client_stop(client) == 0) {
		untouched = is_untouched(&client->regions[2], state);
	} else if (way == 2 && client->options.mem_table &&
		   client_tell(client, VHOST_USER_SET_MEM_TABLE, &none, 8,
			       -1) == 0) {
		untouched = is_untouched(&client->regions[2], state);
	} else {
		return true;
	}
	counts.taken++;
	while (*goes_on && client_wait(client, 0, &done, 0) > 0)
		continue;
	return untouched;
}

static struct client_options choose(const char *socket_path, uint64_t *state)
{
	struct client_options options = {
		.socket_path = socket_path,
		.region_count = 3,
		.depth = 16,
		.buffer_size = BUFFER,
		.mem_table = hostile_random(state) >> 33 & 1,
		.timeout_ms = 30000,
		.polling = true,
		.uncalled = true,
	};

	return options;
}

static bool live_once(const char *socket_path, uint64_t *state, uint64_t end)
{
	struct client_options options = choose(socket_path, state);
	struct client client;
	bool untouched = true, goes_on = true;

	if (client_open(&client, &options)) {
		usleep(50000);
		return true;
	}
	if (client_start(&client) == 0 &&
	    client_io(&client, 0, VIRTIO_BLK_T_IN, 0, BUFFER) ==
		    VIRTIO_BLK_S_OK) {
		counts.served++;
		do {
			goes_on = begin_reads(&client, state) == 0;
			if (goes_on)
				untouched = take_back(&client, state, &goes_on);
		} while (untouched && goes_on && client_now_ns() < end);
	}
	client_close(&client);
	return untouched;
}

static int live(const char *socket_path, double seconds, uint64_t state)
{
	uint64_t end = client_now_ns() + (uint64_t)(seconds * 1e9);

	while (client_now_ns() < end ||
	       (counts.taken < TAKES && client_now_ns() < end + FOR_EVER)) {
		if (live_once(socket_path, &state, end))
			continue;
		printf("a byte was written into memory that was taken back\n");
		return 1;
	}
	printf("served %llu taken back %llu watched %llu MiB\n", counts.served,
	       counts.taken, counts.watched >> 20);
	return counts.taken < TAKES;
}

/* A server takes no client for a while after one that cost it much, as any may
 * on an emulated processor. */
static bool begin(struct client *client, const struct client_options *options)
{
	if (client_open(client, options))
		return false;
	if (client_start(client) == 0)
		return true;
	client_close(client);
	return false;
}

static int cut_and_go(const char *socket_path, uint64_t size)
{
	uint64_t state = size;
	struct client_options options = choose(socket_path, &state);
	struct client client;
	uint32_t tries = 0;

	options.region_size = size;
	while (!begin(&client, &options)) {
		if (++tries == TRIES)
			return fail(&client, "start");
		usleep(50000);
	}
	/* A hog makes room for it, and then takes that again. */
	poll(NULL, 0, 300);
	if (begin_reads(&client, &state))
		return fail(&client, "reads");
	puts("begun");
	fflush(stdout);
	for (uint32_t i = 0; i < options.region_count; i++)
		if (ftruncate(client.regions[i].fd, 0))
			return fail(&client, "ftruncate");
	_exit(0);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "-x") == 0)
		return cut_and_go(argv[2], strtoull(argv[3], NULL, 0) << 20);
	if (argc != 4) {
		fprintf(stderr, "usage: given-back SOCKET SECONDS SEED\n"
				"       given-back -x SOCKET MIB\n");
		return 2;
	}
	return live(argv[1], strtod(argv[2], NULL), strtoull(argv[3], NULL, 0));
}
