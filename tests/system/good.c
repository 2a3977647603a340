/* SPDX-License-Identifier: MIT */
/*
 * A good client for as long as one likes, beside others on the same disk: it
 * has a part of it for itself, writes there, and verifies every byte.
 *
 *     good SOCKET SECONDS PART PARTS
 *
 * The exit status is 0 if all was right, 3 if requests failed or the server was
 * gone, which it tells, and 1 if bytes were wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/neighbour.h"

#define BUFFER 16384u

static int tell(const struct client *client)
{
	bool wrong = strcasestr(client->error, "wrong") != NULL;

	printf("%s\n", client->error);
	return wrong ? 1 : 3;
}

static int work(struct neighbour *neighbour, uint64_t end)
{
	int failed = 0;

	while (failed == 0 && client_now_ns() < end)
		failed = neighbour_step(neighbour);
	if (failed == 0)
		failed = neighbour_drain(neighbour);
	return failed ? failed : neighbour_sweep(neighbour);
}

int main(int argc, char **argv)
{
	static struct neighbour_counts counts;
	struct client_options options = {
		.region_count = 3,
		.depth = 16,
		.buffer_size = BUFFER,
		.segments = 3,
		.event_idx = true,
		.timeout_ms = 30000,
		/* To signal it takes an emulated processor so long that the
		 * server would end it. */
		.polling = true,
	};
	struct neighbour neighbour;
	struct client client;
	uint64_t part, parts, sectors;

	if (argc != 5) {
		fprintf(stderr, "usage: good SOCKET SECONDS PART PARTS\n");
		return 2;
	}
	options.socket_path = argv[1];
	part = strtoull(argv[3], NULL, 0);
	parts = strtoull(argv[4], NULL, 0);
	if (client_open(&client, &options) || client_start(&client))
		return tell(&client);
	sectors = client.capacity / parts / (BUFFER / CLIENT_SECTOR) *
		  (BUFFER / CLIENT_SECTOR);
	if (neighbour_init(&neighbour, &client, &counts, part + 1,
			   part * sectors,
			   (uint32_t)(sectors / (BUFFER / CLIENT_SECTOR))) ||
	    work(&neighbour,
		 client_now_ns() + strtoull(argv[2], NULL, 0) * 1000000000ull))
		return tell(&client);
	printf("%llu requests, %llu KiB verified\n",
	       (unsigned long long)counts.requests,
	       (unsigned long long)(counts.verified >> 10));
	client_close(&client);
	return counts.verified == 0;
}
