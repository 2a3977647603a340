/* SPDX-License-Identifier: MIT */
/*
 * What the client lends: memfds, mapped here too.  Guest addresses have gaps
 * between regions and differ from user addresses, so that a server that mixes
 * them up, or runs over an edge, is found out.
 */
#include "client/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/protocol.h"

#define GUEST_BASE 0x100000000ull
#define GUEST_STEP 0x100000000ull

static int lent_descriptor(struct client *client, uint32_t index, int fd)
{
	char path[40];
	int lent;

	/* Rings and status have to be written to by the server: only the data
	 * regions can be lent for reading. */
	if (!client->options.lend_read_only || index < 2)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	lent = open(path, O_RDONLY | O_CLOEXEC);
	if (lent < 0)
		return client_fail(client, "%s: %s", path, strerror(errno));
	return lent;
}

static int make_region(struct client *client, uint32_t index)
{
	struct client_region *region = &client->regions[index];
	uint64_t size = client->options.region_size;

	region->fd = memfd_create("client", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (region->fd < 0)
		return client_fail(client, "memfd: %s", strerror(errno));
	if (ftruncate(region->fd, (off_t)size) ||
	    (!client->options.sparse &&
	     fallocate(region->fd, 0, 0, (off_t)size)))
		return client_fail(client, "memory: %s", strerror(errno));
	if (client->options.sealed &&
	    fcntl(region->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		return client_fail(client, "seal: %s", strerror(errno));
	region->lent_fd = lent_descriptor(client, index, region->fd);
	if (region->lent_fd < 0)
		return -1;
	region->host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    region->fd, 0);
	if (region->host == MAP_FAILED) {
		region->host = NULL;
		return client_fail(client, "mmap: %s", strerror(errno));
	}
	region->size = size;
	region->address = GUEST_BASE + index * GUEST_STEP;
	return 0;
}

void client_memory_init(struct client *client)
{
	uint32_t i;

	for (i = 0; i < CLIENT_REGIONS_MAX; i++)
		client->regions[i].fd = client->regions[i].lent_fd = -1;
}

int client_memory_make(struct client *client)
{
	uint32_t i;

	for (i = 0; i < client->options.region_count; i++)
		if (make_region(client, i))
			return -1;
	return 0;
}

void client_memory_free(struct client *client)
{
	uint32_t i;

	for (i = 0; i < CLIENT_REGIONS_MAX; i++) {
		struct client_region *region = &client->regions[i];

		if (region->host)
			munmap(region->host, region->size);
		if (region->lent_fd >= 0 && region->lent_fd != region->fd)
			close(region->lent_fd);
		if (region->fd >= 0)
			close(region->fd);
		memset(region, 0, sizeof(*region));
	}
	client_memory_init(client);
}

int client_memory_place(struct client *client, uint32_t index, uint64_t size,
			uint64_t align, struct client_place *place)
{
	struct client_region *region = &client->regions[index];
	uint64_t offset = (region->placed + align - 1) / align * align;

	if (offset > region->size || size > region->size - offset)
		return client_fail(client, "region %u of %llu bytes is full",
				   index, (unsigned long long)region->size);
	region->placed = offset + size;
	place->region = index;
	place->offset = offset;
	return 0;
}

void *client_at(struct client *client, struct client_place place)
{
	return client->regions[place.region].host + place.offset;
}

uint64_t client_address(const struct client *client, struct client_place place)
{
	return client->regions[place.region].address + place.offset +
	       (client->options.iommu ? CLIENT_IOVA : 0);
}

size_t client_peek(struct client *client, struct client_place place,
		   void *bytes, size_t size)
{
	struct client_region *region = &client->regions[place.region];
	ssize_t got;

	if (!region->torn) {
		memcpy(bytes, region->host + place.offset, size);
		return size;
	}
	got = pread(region->fd, bytes, size, (off_t)place.offset);
	return got < 0 ? 0 : (size_t)got;
}

static struct vhost_user_region describe(const struct client_region *region)
{
	return (struct vhost_user_region){
		.guest_address = region->address,
		.size = region->size,
		.user_address = (uintptr_t)region->host,
		.file_offset = 0,
	};
}

int client_lend(struct client *client, uint32_t index)
{
	struct client_region *region = &client->regions[index];
	struct vhost_user_one_region one = { .region = describe(region) };

	if (client_tell(client, VHOST_USER_ADD_MEM_REG, &one, sizeof(one),
			region->lent_fd))
		return -1;
	region->lent = true;
	return 0;
}

int client_take_back(struct client *client, uint32_t index)
{
	struct client_region *region = &client->regions[index];
	struct vhost_user_one_region one = { .region = describe(region) };

	if (client_tell(client, VHOST_USER_REM_MEM_REG, &one, sizeof(one), -1))
		return -1;
	region->lent = false;
	return 0;
}

static int lend_table(struct client *client)
{
	bool acknowledged =
		client->protocol & 1u << VHOST_USER_PROTOCOL_F_REPLY_ACK;
	uint32_t count = client->options.region_count, i;
	struct vhost_user_table table = { .count = count };
	int fds[VHOST_USER_TABLE_MAX];
	uint64_t verdict = 0;

	if (count > VHOST_USER_TABLE_MAX)
		return client_fail(client, "a memory table holds %u regions",
				   VHOST_USER_TABLE_MAX);
	for (i = 0; i < count; i++) {
		table.regions[i] = describe(&client->regions[i]);
		fds[i] = client->regions[i].lent_fd;
	}
	if (client_send(client, VHOST_USER_SET_MEM_TABLE,
			acknowledged ? VHOST_USER_NEED_REPLY : 0, &table,
			(uint32_t)(8 + count * sizeof(table.regions[0])), fds,
			count))
		return -1;
	if (acknowledged && client_receive(client, VHOST_USER_SET_MEM_TABLE,
					   &verdict, sizeof(verdict), NULL))
		return -1;
	if (verdict != 0)
		return client_fail(client, "the memory table was refused");
	for (i = 0; i < count; i++)
		client->regions[i].lent = true;
	return 0;
}

int client_lend_all(struct client *client)
{
	uint32_t i;

	if (client->options.mem_table ||
	    !(client->protocol &
	      1u << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS))
		return lend_table(client);
	for (i = 0; i < client->options.region_count; i++)
		if (!client->regions[i].lent && client_lend(client, i))
			return -1;
	return 0;
}
