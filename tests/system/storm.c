/* SPDX-License-Identifier: MIT */
/*
 * A hostile client for as long as one likes: connect, do one honest read, do
 * one act of harm, vanish; and again, with other memory and other rings.
 *
 *     storm [-r] [-q] SOCKET SECONDS SEED
 *
 * With -r nothing is ever written to the disk: for the socket of a disk whose
 * data is somebody's.  (A client may write to its own disk; that would be no
 * attack on the server.)  With -q the server need neither signal nor
 * acknowledge anything, which takes an emulated processor so long that it ends
 * clients.
 *
 * The honest read tells a server that survives from one that serves nobody.
 * It goes on beyond its time, but not for ever, until memory was taken away and
 * a read has succeeded in the last PATIENCE_S seconds, as one life may take
 * longer than that on a busy machine.  If that never comes the exit status is
 * 1: there was no storm, or no server.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "client/hostile.h"

#define PATIENCE_S 5u
#define FOR_EVER_S 60u
#define SECOND_NS  1000000000ull

static struct {
	unsigned long long revocations, served, refused;
	uint64_t served_ns; /* when last */
} counts;

static uint32_t pick(uint64_t *state, uint32_t count)
{
	return (uint32_t)(hostile_random(state) >> 33) % count;
}

static bool quiet; /* -q */

static struct client_options choose(const char *socket_path, uint64_t *state)
{
	struct client_options options = {
		.socket_path = socket_path,
		.region_count = 1 + pick(state, 5),
		.depth = 1 + pick(state, 16),
		.buffer_size = 4096u << pick(state, 6),
		.segments = 1 + pick(state, 3),
		.indirect = pick(state, 2),
		.event_idx = pick(state, 2),
		.mem_table = pick(state, 2),
		.sparse = pick(state, 8) == 0,
		/* Long enough for a server that has other work; an act that
		 * leaves the server without a duty to answer waits as long. */
		.timeout_ms = quiet ? 5000 : 500,
		.polling = quiet,
		.uncalled = quiet,
		.unacknowledged = quiet,
	};

	return options;
}

/* Every slot of queue 0 reads from anywhere. */
static int load_reads(struct client *client, uint64_t *state)
{
	uint32_t size = client->options.buffer_size, i;
	uint64_t room = client->capacity / (size / CLIENT_SECTOR);

	for (i = 0; i < client->options.depth; i++)
		if (client_submit(client, 0, i, VIRTIO_BLK_T_IN,
				  hostile_random(state) % room *
					  (size / CLIENT_SECTOR),
				  size))
			return -1;
	return client_kick(client, 0);
}

/* The acts that cannot end in a write, not even when the server reads what the
 * disk holds as if it were a descriptor: hence not the chains OWN_*. */
static bool harm_by_reads(struct client *client, uint64_t *state)
{
	uint32_t region = pick(state, client->options.region_count);
	uint64_t size = client->regions[region].size;
	uint32_t chain = pick(state, HOSTILE_CHAINS);

	switch (pick(state, 6)) {
	case 0:
		if (chain != HOSTILE_OWN_TABLE && chain != HOSTILE_OWN_RING)
			hostile_chain(client, (enum hostile_chain)chain,
				      VIRTIO_BLK_T_IN);
		return false;
	case 1:
		load_reads(client, state);
		hostile_message(client, (enum hostile_message)pick(
						state, HOSTILE_MESSAGES));
		return false;
	case 2:
		hostile_clog(client, 0);
		load_reads(client, state);
		return false;
	case 3:
		load_reads(client, state);
		return hostile_punch(client, region, 0, size) == 0;
	case 4:
		load_reads(client, state);
		return hostile_shrink_and_grow(client, region) == 0;
	default:
		load_reads(client, state);
		return hostile_truncate(client, region,
					size / 8 * pick(state, 8)) == 0;
	}
}

static bool harm(struct client *client, uint64_t *state)
{
	const struct hostile_act *act =
		&hostile_acts[pick(state, hostile_act_count)];

	return act->run(client, hostile_random(state)) == 0 && act->revokes;
}

static void live_once(const char *socket_path, bool reads, uint64_t *state)
{
	struct client_options options = choose(socket_path, state);
	struct client client;

	if (client_open(&client, &options)) {
		counts.refused++;
		usleep(10000);
		return;
	}
	/* A server may refuse sparse memory, and the rings in it. */
	if (client_start(&client) == 0 &&
	    client_io(&client, 0, VIRTIO_BLK_T_IN, 0, CLIENT_SECTOR) ==
		    VIRTIO_BLK_S_OK) {
		counts.served++;
		counts.served_ns = client_now_ns();
		counts.revocations += reads ? harm_by_reads(&client, state)
					    : harm(&client, state);
		/* Sometimes gone at once, sometimes there to be met. */
		usleep(pick(state, 8000));
	} else {
		counts.refused++;
	}
	client_close(&client);
}

static bool has_stormed(void)
{
	return counts.revocations > 0 && counts.served > 0 &&
	       counts.served_ns + PATIENCE_S * SECOND_NS >= client_now_ns();
}

int main(int argc, char **argv)
{
	bool reads = false;
	uint64_t end, state;

	for (; argc > 1 && argv[1][0] == '-'; argc--, argv++) {
		reads |= strcmp(argv[1], "-r") == 0;
		quiet |= strcmp(argv[1], "-q") == 0;
	}
	if (argc != 4) {
		fprintf(stderr, "usage: storm [-r] [-q] SOCKET SECONDS SEED\n");
		return 2;
	}
	state = strtoull(argv[3], NULL, 0);
	end = client_now_ns() + (uint64_t)(strtod(argv[2], NULL) * 1e9);
	while (client_now_ns() < end ||
	       (!has_stormed() &&
		client_now_ns() < end + FOR_EVER_S * SECOND_NS))
		live_once(argv[1], reads, &state);
	printf("revocations %llu served %llu refused %llu\n",
	       counts.revocations, counts.served, counts.refused);
	return !has_stormed();
}
