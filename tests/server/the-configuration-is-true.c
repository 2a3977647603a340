/* SPDX-License-Identifier: MIT */
/*
 * VIRTIO 1.2, 5.2.4: what the configuration tells is as the features say and
 * fits the disk; the one field that a driver may write keeps what it wrote;
 * and a driver of old is notified when its ring runs empty (6.3).
 */
#include "serve.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include <linux/virtio_config.h>

#include "client/protocol.h"

#define NOTIFY_ON_EMPTY 24

static void read_all(struct client *client, struct virtio_blk_config *config)
{
	struct vhost_user_config asked = { .size = VHOST_USER_CONFIG_SIZE };
	struct vhost_user_config answer;

	DO(client, client_ask(client, VHOST_USER_GET_CONFIG, &asked,
			      sizeof(asked), &answer, sizeof(answer)));
	memcpy(config, answer.bytes, sizeof(answer.bytes));
}

static void open_client(struct client *client, uint32_t export)
{
	struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
}

/* Never more than there is, and something. */
static void geometry(const struct virtio_blk_config *config)
{
	uint64_t all = (uint64_t)config->geometry.cylinders *
		       config->geometry.heads * config->geometry.sectors;

	CHECK(all > 0 && all <= config->capacity, "%llu of %llu sectors",
	      (unsigned long long)all, (unsigned long long)config->capacity);
}

static void topology(const struct virtio_blk_config *config, const char *path,
		     uint32_t block)
{
	uint64_t physical = (uint64_t)config->blk_size
			    << config->physical_block_exp;
	struct stat st;

	CHECK(config->blk_size == block, "blocks of %u", config->blk_size);
	CHECK(stat(path, &st) == 0, "%s", path);
	CHECK(physical == (uint64_t)st.st_blksize,
	      "physical blocks of %llu, the file has %ld",
	      (unsigned long long)physical, (long)st.st_blksize);
	if (config->max_discard_seg)
		CHECK(config->discard_sector_alignment * 512ull == physical,
		      "discards are aligned to %u sectors",
		      config->discard_sector_alignment);
}

static void limits(const struct virtio_blk_config *config, bool writable)
{
	CHECK((config->max_discard_seg == 16) == writable &&
		      (config->max_discard_sectors == 131072) == writable,
	      "discards of %u times %u sectors", config->max_discard_seg,
	      config->max_discard_sectors);
	CHECK((config->max_write_zeroes_seg == 16) == writable &&
		      (config->max_write_zeroes_sectors == 131072) == writable,
	      "zeroes of %u times %u sectors", config->max_write_zeroes_seg,
	      config->max_write_zeroes_sectors);
	CHECK(config->seg_max == 126 && config->num_queues > 0, "seg_max %u",
	      config->seg_max);
}

static void features(const struct client *client)
{
	const unsigned int all[] = {
		VIRTIO_BLK_F_SEG_MAX,  VIRTIO_BLK_F_GEOMETRY,
		VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_FLUSH,
		VIRTIO_BLK_F_TOPOLOGY, VIRTIO_BLK_F_MQ,
		VIRTIO_F_VERSION_1,    NOTIFY_ON_EMPTY,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		CHECK(client->offered >> all[i] & 1, "no feature %u", all[i]);
}

/* 5.2.6.2: the cache is written back, and no driver can say otherwise, because
 * no front-end would repeat it to the next server. */
static void cache_mode(struct client *client)
{
	const struct vhost_user_config wce = {
		.offset = offsetof(struct virtio_blk_config, wce),
		.size = 1,
		.bytes = { 0 },
	};
	struct virtio_blk_config config;

	CHECK(!(client->offered >> VIRTIO_BLK_F_CONFIG_WCE & 1),
	      "a cache mode is offered");
	CHECK(client_tell(client, VHOST_USER_SET_CONFIG, &wce, 13, -1) < 0,
	      "the cache mode was taken");
	read_all(client, &config);
	CHECK(config.wce == 1, "writeback is %u", config.wce);
}

/* With notifications suppressed, a call must come all the same. */
static void notified_when_empty(uint32_t export)
{
	struct client_completion completion;
	struct client client;
	struct pollfd call;
	eventfd_t calls;

	open_client(&client, export);
	client.features |= 1ull << NOTIFY_ON_EMPTY;
	client.queues[0].ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	DO(&client, client_start(&client));
	call = (struct pollfd){ client.queues[0].call_fd, POLLIN, 0 };
	CHECK(poll(&call, 1, 20000) == 1 && eventfd_read(call.fd, &calls) == 0,
	      "not notified when the ring started");
	DO(&client, client_submit(&client, 0, 0, VIRTIO_BLK_T_IN, 0, 512));
	DO(&client, client_kick(&client, 0));
	CHECK(poll(&call, 1, 20000) == 1, "not notified when it ran empty");
	CHECK(client_wait(&client, 0, &completion, 0) == 1 &&
		      completion.status == 0,
	      "not completed: %s", client.error);
	client_close(&client);
}

int main(void)
{
	const char *disk;
	struct client client;

	serve_init(60);
	disk = make_image("disk", 20u << 20);
	backend_add(&backend, disk, 0);
	backend_add(&backend, disk, 0);
	backend.exports[1].read_only = true;
	backend_add(&backend, make_image("small", 512), 0);
	backend_add(&backend, NULL, 1ull << 50);
	backend_add(&backend, make_image("blocks", 20u << 20), 0);
	backend.exports[4].keys = ",block-size=4096";
	serve_start();
	for (uint32_t export = 0; export < backend.export_count; export ++) {
		struct virtio_blk_config config;

		open_client(&client, export);
		read_all(&client, &config);
		features(&client);
		geometry(&config);
		limits(&config, export != 1);
		if (export < 3)
			topology(&config, disk, 512);
		else if (export == 4)
			topology(&config, disk, 4096);
		cache_mode(&client);
		client_close(&client);
		notified_when_empty(export);
	}
	return serve_end();
}
