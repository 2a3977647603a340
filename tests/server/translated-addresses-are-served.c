/* SPDX-License-Identifier: MIT */
/*
 * VIRTIO_F_ACCESS_PLATFORM: rings and descriptors have addresses of an IOMMU,
 * which the client translates when it is asked.  What it takes back is not
 * written any more when that is acknowledged, also in the middle of requests;
 * and a client that owes an answer makes nobody wait.
 */
#include "serve.h"

#include <poll.h>

#include "client/protocol.h"

#define DEPTH	 16u
#define SIZE	 16384u
#define WAIT_MS	 10000
#define OWN	 0xa5
#define WATCH_MS 4

static struct client client;
static uint32_t misses;

static void join(const struct client_options *like)
{
	struct client_options options = *like;

	options.socket_path = backend.exports[0].socket_path;
	options.region_count = 3;
	options.iommu = true;
	if (!options.depth)
		options.depth = DEPTH;
	options.buffer_size = SIZE;
	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	misses = 0;
}

static void submit(uint32_t slot, uint32_t type)
{
	DO(&client, client_submit(&client, 0, slot, type,
				  slot * (SIZE / CLIENT_SECTOR), SIZE));
}

static void take(uint32_t count)
{
	struct client_completion completion;

	while (count--)
		CHECK(client_wait_translating(&client, 0, &completion, WAIT_MS,
					      &misses) == 1 &&
			      completion.status == VIRTIO_BLK_S_OK,
		      "%u to come: status %u, %s", count, completion.status,
		      client.error);
}

/* Everything is asked for once. */
static void data_comes_back(const struct client_options *options)
{
	uint32_t first;

	join(options);
	for (uint32_t slot = 0; slot < client.options.depth; slot++) {
		client_pattern(client_data(&client, 0, slot), SIZE, slot, 0);
		submit(slot, VIRTIO_BLK_T_OUT);
	}
	DO(&client, client_kick(&client, 0));
	take(client.options.depth);
	first = misses;
	CHECK(first > 0, "nothing was asked for");
	for (uint32_t slot = 0; slot < client.options.depth; slot++) {
		memset(client_data(&client, 0, slot), 0, SIZE);
		submit(slot, VIRTIO_BLK_T_IN);
	}
	DO(&client, client_kick(&client, 0));
	take(client.options.depth);
	/* once more to be written, where it was to be read */
	CHECK(misses <= 2 * first, "%u misses, and then %u", first, misses);
	for (uint32_t slot = 0; slot < client.options.depth; slot++)
		CHECK(client_verify(client_data(&client, 0, slot), SIZE, slot,
				    0) == SIZE,
		      "slot %u: other bytes than there are", slot);
	/* What was translated is forgotten when the rings have stopped. */
	DO(&client, client_stop(&client));
	client_ring_reset(&client);
	DO(&client, client_start(&client));
	misses = 0;
	submit(0, VIRTIO_BLK_T_IN);
	DO(&client, client_kick(&client, 0));
	take(1);
	CHECK(misses > 0, "translations outlive the rings");
	client_close(&client);
}

/* Pages that follow each other for the device, and nowhere else. */
static void scattered_pages(void)
{
	const struct client_options options = { .depth = 1 };
	struct client_place place;
	const uint8_t *data;
	uint64_t address;

	join(&options);
	place = client.queues[0].slots[0].data;
	CHECK(place.offset % CLIENT_PAGE == 0, "data is not in whole pages");
	data = client_at(&client, place);
	address = client_address(&client, place);
	for (uint32_t i = 0; i < SIZE; i += CLIENT_PAGE)
		DO(&client, client_map(&client, address + i, CLIENT_PAGE,
				       data + (SIZE - CLIENT_PAGE - i), 3));
	client_pattern(client_data(&client, 0, 0), SIZE, 7, 0);
	submit(0, VIRTIO_BLK_T_OUT);
	DO(&client, client_kick(&client, 0));
	take(1);
	DO(&client, client_unmap(&client, address, SIZE));
	DO(&client, client_map(&client, address, SIZE, data, 3));
	submit(0, VIRTIO_BLK_T_IN);
	DO(&client, client_kick(&client, 0));
	take(1);
	for (uint32_t i = 0; i < SIZE; i += CLIENT_PAGE) {
		uint8_t page[CLIENT_PAGE];

		client_pattern(page, sizeof(page), 7, 0);
		CHECK(i > 0 || memcmp(data + SIZE - CLIENT_PAGE, page,
				      CLIENT_PAGE) == 0,
		      "the first page is not where it should be");
	}
	client_close(&client);
}

static size_t first_change(const uint8_t *bytes, size_t size)
{
	size_t i = 0;

	while (i < size && bytes[i] == OWN)
		i++;
	return i;
}

/* The data of all requests is taken back while they are in flight: what has
 * succeeded is there, and nothing is written from then on. */
static void taken_back(uint64_t *random)
{
	const struct client_options options = { .depth = DEPTH };
	struct client_completion completion;
	struct client_region *region;

	join(&options);
	for (uint32_t slot = 0; slot < DEPTH; slot++) {
		client_pattern(client_data(&client, 0, slot), SIZE, slot, 0);
		submit(slot, VIRTIO_BLK_T_OUT);
	}
	DO(&client, client_kick(&client, 0));
	take(DEPTH);
	for (uint32_t slot = 0; slot < DEPTH; slot++) {
		memset(client_data(&client, 0, slot), 0, SIZE);
		submit(slot, VIRTIO_BLK_T_IN);
	}
	DO(&client, client_kick(&client, 0));
	for (uint64_t i = hostile_random(random) % 2000; i > 0; i--)
		__asm__ volatile("pause");
	region = &client.regions[2];
	DO(&client,
	   client_unmap(&client, region->address + CLIENT_IOVA, region->size));
	/* Those that are not complete now wait for translations. */
	while (client_wait(&client, 0, &completion, 0) == 1)
		CHECK(completion.status != VIRTIO_BLK_S_OK ||
			      client_verify(
				      client_data(&client, 0, completion.slot),
				      SIZE, completion.slot, 0) == SIZE,
		      "success, and not all of the data");
	memset(region->host, OWN, region->size);
	poll(NULL, 0, WATCH_MS);
	CHECK(first_change(region->host, region->size) == region->size,
	      "byte %zu was written after it was taken back",
	      first_change(region->host, region->size));
	while (client.queues[0].busy)
		take(1);
	client_close(&client);
}

/* A right that is missing is asked for, and what is not answered makes only
 * its ring wait. */
static void rights(void)
{
	const struct client_options options = { .depth = 2 };
	struct client other;
	const struct client_options plain = {
		.socket_path = backend.exports[1].socket_path,
	};
	struct client_completion completion;
	struct client_miss miss;
	struct client_place place;
	uint64_t address;

	join(&options);
	submit(0, VIRTIO_BLK_T_OUT);
	DO(&client, client_kick(&client, 0));
	take(1);
	place = client.queues[0].slots[0].data;
	address = client_address(&client, place);
	DO(&client,
	   client_map(&client, address, SIZE, client_at(&client, place), 1));
	submit(0, VIRTIO_BLK_T_IN);
	DO(&client, client_kick(&client, 0));
	CHECK(client_next_miss(&client, &miss, WAIT_MS) == 1 &&
		      miss.address == address && miss.rights & 2,
	      "the right to write was not asked for: %s", client.error);
	CHECK(client_open(&other, &plain) == 0, "open: %s", other.error);
	DO(&other, client_start(&other));
	CHECK(client_io(&other, 0, VIRTIO_BLK_T_IN, 0, 4096) == 0,
	      "another client waits: %s", other.error);
	client_close(&other);
	/* An answer that does not help is asked for again. */
	DO(&client,
	   client_map(&client, address, SIZE, client_at(&client, place), 1));
	CHECK(client_next_miss(&client, &miss, WAIT_MS) == 1,
	      "it was not asked for again: %s", client.error);
	CHECK(client_wait(&client, 0, &completion, 0) == 0,
	      "status %u without the right", completion.status);
	DO(&client,
	   client_map(&client, address, SIZE, client_at(&client, place), 3));
	take(1);
	/* A ring that waits can be stopped. */
	DO(&client, client_unmap(&client, 0, 0));
	submit(1, VIRTIO_BLK_T_IN);
	DO(&client, client_kick(&client, 0));
	CHECK(client_next_miss(&client, &miss, WAIT_MS) == 1, "%s",
	      client.error);
	DO(&client, client_stop(&client));
	client_close(&client);
}

/* A translation that is refused is refused whole. */
static void false_words(void)
{
	const struct client_options options = { .depth = 1 };
	uint64_t features;
	uint8_t *host;

	join(&options);
	host = client.regions[2].host;
	CHECK(client_map(&client, CLIENT_IOVA, 0, host, 3), "no bytes");
	CHECK(client_map(&client, CLIENT_IOVA, 4096, host, 0), "no rights");
	CHECK(client_map(&client, CLIENT_IOVA, 4096, host, 4), "other rights");
	CHECK(client_map(&client, CLIENT_IOVA, 1ull << 50, host, 3),
	      "not lent");
	CHECK(client_map(&client, CLIENT_IOVA, 4096, &options, 3), "not lent");
	CHECK(client_map(&client, ~0ull - 4095, 4096, host, 3), "2^64");
	CHECK(client_map(&client, 0, ~0ull, host, 3), "2^64 bytes");
	DO(&client, client_unmap(&client, ~0ull, ~0ull));
	submit(0, VIRTIO_BLK_T_IN);
	DO(&client, client_kick(&client, 0));
	take(1);
	features = client.features & ~(1ull << VIRTIO_F_ACCESS_PLATFORM);
	CHECK(client_tell(&client, VHOST_USER_SET_FEATURES, &features,
			  sizeof(features), -1),
	      "addresses change their kind under a ring that runs");
	submit(0, VIRTIO_BLK_T_IN);
	DO(&client, client_kick(&client, 0));
	take(1);
	client_close(&client);
}

/* Who has no channel is not offered it. */
static void not_for_all(void)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.channel = true,
	};

	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	CHECK(!(client.offered >> VIRTIO_F_ACCESS_PLATFORM & 1),
	      "ACCESS_PLATFORM before the channel was agreed to");
	client_close(&client);
}

int main(void)
{
	const struct client_options kinds[] = {
		{ .event_idx = true },
		{ .indirect = true, .segments = 4 },
		{ .packed = true, .event_idx = true },
		{ .packed = true, .indirect = true, .segments = 4 },
	};
	uint64_t random = 5;

	serve_init(60);
	backend_add(&backend, make_image("disk", 1u << 20), 0);
	backend.exports[0].direct = true; /* requests take a while */
	backend_add(&backend, NULL, 1u << 20);
	serve_start();
	not_for_all();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		data_comes_back(&kinds[i]);
	scattered_pages();
	for (int i = 0; i < 20; i++)
		taken_back(&random);
	rights();
	false_words();
	return serve_end();
}
