// SPDX-License-Identifier: MIT
/* Addresses of an IOMMU: translations that are wrong, that end in mid-request,
 * that never come, or that come by the thousand. */
#include "program/torture/case.h"

#include <poll.h>

#define GROUP "iommu"
#define BOTH  3u /* the right to read, and to write */

static int start(struct attack *attack)
{
	return attack_start(attack, (struct client_options){ .iommu = true,
							     .queue_size = 64,
							     .depth = 16 });
}

/* All that is lent, each region as one. */
static int map_all(struct attack *attack, uint8_t rights)
{
	struct client *client = &attack->client;

	for (uint32_t i = 0; i < client->options.region_count; i++) {
		const struct client_region *region = &client->regions[i];

		if (client_map(client, region->address + CLIENT_IOVA,
			       region->size, region->host, rights))
			return -1;
	}
	return 0;
}

static void load(struct attack *attack)
{
	struct client *client = &attack->client;

	hostile_load(client, attack->random);
	client_kick(client, 0);
}

/* A translation that no server can accept; the rings are served on. */
struct wrong {
	const char *name;
	uint64_t address;
	uint64_t size;
	uint64_t beside; /* of the second region's memory */
	uint8_t rights;
};

static const struct wrong wrongs[] = {
	{ "of-nothing", CLIENT_IOVA, 0, 0, BOTH },
	{ "without-rights", CLIENT_IOVA, 4096, 0, 0 },
	{ "with-other-rights", CLIENT_IOVA, 4096, 0, 0xff },
	{ "of-what-is-not-lent", CLIENT_IOVA, 4096, 1ull << 46, BOTH },
	{ "of-all-addresses", 0, UINT64_MAX, 0, BOTH },
	{ "that-wraps", UINT64_MAX - 4095, 8192, 0, BOTH },
	{ "to-2^64", UINT64_MAX - 4095, 4096, 0, BOTH },
};

static void run_wrong(struct attack *attack, const struct torture_case *self)
{
	const struct wrong *wrong = self->row;
	const uint8_t *host;

	if (start(attack) || map_all(attack, BOTH))
		return;
	host = attack->client.regions[1].host;
	if (client_map(&attack->client, wrong->address, wrong->size,
		       (const void *)((uintptr_t)host + wrong->beside),
		       wrong->rights) == 0)
		attack_found(attack, VERDICT_CORRUPTED, "it was accepted");
	load(attack);
	attack_linger(attack, 10);
}

/* Which part of what is in use is taken back, or put elsewhere. */
enum end { END_DATA, END_HEADERS, END_RINGS, END_ALL, END_MOVED };

static void run_end(struct attack *attack, const struct torture_case *self)
{
	struct client *client = &attack->client;
	const struct client_region *region =
		&client->regions[self->kind == END_RINGS     ? 0
				 : self->kind == END_HEADERS ? 1
							     : 2];

	if (start(attack))
		return;
	for (int round = 0; round < 20; round++) {
		if (map_all(attack, BOTH))
			return;
		if (round == 0)
			load(attack);
		if (self->kind == END_MOVED)
			client_map(client, region->address + CLIENT_IOVA,
				   client->regions[0].size < region->size
					   ? client->regions[0].size
					   : region->size,
				   client->regions[0].host, BOTH);
		else if (self->kind == END_ALL)
			client_unmap(client, 0, 0);
		else
			client_unmap(client, region->address + CLIENT_IOVA,
				     region->size);
	}
	attack_linger(attack, 10);
}

/* What is asked for is not answered, or not with what is needed. */
static void run_silence(struct attack *attack, const struct torture_case *self)
{
	struct client_miss miss;
	int round;

	if (start(attack))
		return;
	load(attack);
	for (round = 0; round < 50; round++) {
		if (client_next_miss(&attack->client, &miss, 50) != 1)
			break;
		if (self->kind &&
		    client_map(&attack->client, miss.address & ~4095ull, 4096,
			       attack->client.regions[1].host,
			       miss.rights == 2 ? 1 : 2))
			break;
	}
	attack_linger(attack, 10);
}

/* More than any table holds, a page each and none beside another. */
static void run_flood(struct attack *attack, const struct torture_case *self)
{
	struct client *client = &attack->client;

	if (start(attack))
		return;
	for (uint64_t i = 0; i < self->kind; i++) {
		if (client_map(client, 0x1000000ull + 8192 * i, 4096,
			       client->regions[1].host, BOTH))
			return;
	}
	if (map_all(attack, BOTH))
		return;
	load(attack);
	attack_linger(attack, 10);
}

void cases_add_iommu(struct case_list *list)
{
	static const char *const ends[] = { "data", "headers", "rings", "all" };

	for (uint32_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
		add_case(list, GROUP, run_wrong, "translation", wrongs[i].name)
			->row = &wrongs[i];
	for (uint32_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		add_case(list, GROUP, run_end, "taken-back", ends[i])->kind = i;
	add_case(list, GROUP, run_end, "put-elsewhere", "")->kind = END_MOVED;
	add_case(list, GROUP, run_silence, "silence", "");
	add_case(list, GROUP, run_silence, "answers-that-do-not-help", "")
		->kind = 1;
	add_case(list, GROUP, run_flood, "more-than-a-table-holds", "")->kind =
		2000;
}
