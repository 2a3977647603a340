/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLIENT_CLIENT_H
#define PRECARIUM_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

/*
 * A vhost-user front-end for block devices: the guest's side of the protocol,
 * for tests, the demo and measurements.  It works with any vhost-user block
 * server and shares no code with ours.
 *
 * A client is one connection and belongs to one thread.  Unless it says
 * otherwise, a call that can fail returns 0, or -1 with one line in `error`;
 * none waits longer than `timeout_ms`.  The calls in the life of a client:
 *
 *     client_open      memory, connection, features
 *     client_start     memory table, rings, kick
 *     client_submit, client_wait, client_io ...
 *     client_stop      GET_VRING_BASE: the rings are quiet
 *     client_close
 */
#define CLIENT_REGIONS_MAX  509u
#define CLIENT_QUEUES_MAX   64u
#define CLIENT_SEGMENTS_MAX 1022u
#define CLIENT_SECTOR	    512u

struct client_options {
	const char *socket_path;
	uint32_t region_count; /* 0: 1. Rings lie in the first, headers and
				  status bytes in the second, data in the
				  others, as far as there are others */
	uint64_t region_size;  /* bytes; 0: as many as needed */
	uint32_t queue_count;  /* 0: 1 */
	uint32_t queue_size;   /* descriptors; 0: as many as needed */
	uint32_t depth;	       /* requests in flight per queue; 0: 1 */
	uint32_t buffer_size;  /* bytes of data per request; 0: 4096 */
	uint32_t segments;     /* descriptors for the data; 0: 1 */
	uint32_t timeout_ms;   /* 0: 20000 */
	bool indirect;	       /* descriptors, if offered */
	bool event_idx;	       /* if offered */
	bool packed;	       /* rings; it is an error if not offered */
	bool mem_table;	       /* SET_MEM_TABLE, even if slots are offered */
	bool sealed;	       /* F_SEAL_SHRINK | F_SEAL_GROW */
	bool sparse;	       /* do not allocate the pages */
	bool polling;	       /* wait by polling the ring, not by eventfd */
	bool inflight;	       /* give the server a log of requests */
	bool channel;	       /* take messages about changed configuration */
	bool iommu;	       /* translate addresses, see iommu.c */
	bool asleep;	       /* set up rings without enabling them */
	bool lend_read_only;   /* the data regions, by an O_RDONLY descriptor */
	bool unacknowledged;   /* agree to no acknowledgements of messages */
	bool pipes;	       /* kick, and be notified, by pipes */
	bool unkicked;	       /* lend no kick: the server has to poll */
	bool uncalled;	       /* lend no call; only with `polling` */
};

/* Memory that this process lends. */
struct client_region {
	int fd;
	int lent_fd; /* the descriptor to send: fd, or a read-only one */
	uint64_t size;
	uint64_t address; /* guest address of the first byte */
	uint8_t *host;	  /* our mapping */
	uint64_t placed;  /* bytes given out */
	bool lent;
	bool torn; /* an access may fault: use client_peek */
};

struct client_place {
	uint32_t region;
	uint64_t offset;
};

struct client_slot {
	struct client_place header; /* struct virtio_blk_outhdr */
	struct client_place status; /* one byte */
	struct client_place data;
	struct client_place table; /* indirect descriptors */
	uint16_t first;		   /* descriptor */
	/* Of a packed ring: the descriptors, where the first one is, and its
	 * flags, which make them available. */
	uint16_t count, place, flags;
	bool busy;
	uint32_t type;
	uint32_t size;
	uint64_t sector;
	uint64_t started_ns;
};

struct client_queue {
	struct client_place desc_place, avail_place, used_place;
	struct vring ring;
	/* Of a split ring: entries so far.  Of a packed one: the next slots. */
	uint16_t avail_index, used_index;
	bool avail_wrap, used_wrap;
	uint16_t kick_index; /* avail_index when a kick was last considered */
	bool fresh;	     /* not kicked since its start */
	uint64_t kicks;	     /* sent */
	int kick_fd, call_fd;
	/* What is lent: the same, or the other ends of pipes.  -1: none. */
	int lent_kick_fd, lent_call_fd;
	uint32_t busy;
	struct client_slot *slots; /* depth of them */
};

struct client {
	struct client_options options;
	int socket;
	uint64_t features, protocol;
	uint64_t offered;     /* features of the device */
	uint64_t capacity;    /* sectors */
	uint32_t queue_limit; /* queues of the device */
	struct client_region regions[CLIENT_REGIONS_MAX];
	struct client_queue queues[CLIENT_QUEUES_MAX];
	int inflight_fd;
	uint64_t inflight_size;
	int channel; /* our end of the server's own channel, or -1 */
	bool started;
	bool lost; /* the server hung up */
	char error[200];
};

struct client_completion {
	uint32_t slot;
	uint32_t type;
	uint32_t length; /* as the used ring says */
	uint8_t status;	 /* VIRTIO_BLK_S_*, or CLIENT_STATUS_NONE */
	uint64_t latency_ns;
};

#define CLIENT_STATUS_NONE 0xffu /* the server has not written it */

/* Is the feature, a bit number, negotiated? */
static inline bool client_has(const struct client *client, unsigned int feature)
{
	return client->features >> feature & 1;
}

/* session.c.  A client whose client_open failed holds nothing. */
int client_open(struct client *client, const struct client_options *options);
int client_start(struct client *client);
int client_stop(struct client *client);
/* One ring, as client_start does, but without enabling it: with what it holds,
 * and at our position. */
int client_set_up_queue(struct client *client, uint32_t index);
void client_close(struct client *client);
/* Connects again after the server has died: same memory, empty rings.  Requests
 * that were in flight are forgotten and must be submitted again. */
int client_reopen(struct client *client);
/* Closes the connection and nothing else, as a crash does. */
void client_hang_up(struct client *client);
/* Reads the configuration again: `capacity`. */
int client_read_config(struct client *client);
/* Waits for the message that it has changed: 1; 0: not within the time; -1. */
int client_await_change(struct client *client, uint32_t timeout_ms);

/* memory.c */
int client_lend(struct client *client, uint32_t region);
int client_take_back(struct client *client, uint32_t region);
int client_lend_all(struct client *client);
void *client_at(struct client *client, struct client_place place);
uint64_t client_address(const struct client *client, struct client_place place);
/* Reads memory that may be gone.  Returns the bytes read, fewer than `size`
 * where the file ends. */
size_t client_peek(struct client *client, struct client_place place,
		   void *bytes, size_t size);

/*
 * iommu.c: all that is lent has addresses of an IOMMU, which are CLIENT_IOVA
 * above the guest's, and is translated when the server asks for it, by pages,
 * or by client_map.  `rights`: 1 to read, 2 to write, for the device.
 */
#define CLIENT_IOVA (1ull << 48)
#define CLIENT_PAGE 4096u

struct client_miss {
	uint64_t address;
	uint8_t rights;
};

/* Lets `size` bytes of our memory be found there. */
int client_map(struct client *client, uint64_t address, uint64_t size,
	       const void *memory, uint8_t rights);
int client_unmap(struct client *client, uint64_t address, uint64_t size);
/* What the server asks for: 1; 0: nothing within the time; -1. */
int client_next_miss(struct client *client, struct client_miss *miss,
		     uint32_t timeout_ms);
/* Translates the page, for all that it is lent for. */
int client_answer_miss(struct client *client, const struct client_miss *miss);
/* As client_wait, answering all that is asked for meanwhile; `misses` counts
 * it. */
int client_wait_translating(struct client *client, uint32_t queue,
			    struct client_completion *completion,
			    uint32_t timeout_ms, uint32_t *misses);

/* request.c: client_submit prepares a request, which the server does not see
 * yet, and publishes it. */
int client_prepare(struct client *client, uint32_t queue, uint32_t slot,
		   uint32_t type, uint64_t sector, uint32_t size);
void client_publish(struct client *client, uint32_t queue, uint32_t slot);
int client_submit(struct client *client, uint32_t queue, uint32_t slot,
		  uint32_t type, uint64_t sector, uint32_t size);
int client_kick(struct client *client, uint32_t queue);
/* Waits for the next completion: 1; 0: none within the time; -1: the server is
 * gone or the rings are corrupt. */
int client_wait(struct client *client, uint32_t queue,
		struct client_completion *completion, uint32_t timeout_ms);
/* Makes one request on slot 0 and waits for it.  Returns its status, or -1. */
int client_io(struct client *client, uint32_t queue, uint32_t type,
	      uint64_t sector, uint32_t size);
uint8_t *client_data(struct client *client, uint32_t queue, uint32_t slot);
uint64_t client_now_ns(void);

/*
 * Data that depends on its place and its writer: bytes of another sector,
 * another client or an older round differ.  client_verify returns the offset of
 * the first wrong byte, or `size`.
 */
void client_pattern(void *bytes, size_t size, uint64_t seed, uint64_t sector);
size_t client_verify(const void *bytes, size_t size, uint64_t seed,
		     uint64_t sector);

/* ring.c: empties the rings.  Only while the server does not serve them. */
void client_ring_reset(struct client *client);
/* The same of one queue, whose requests are forgotten. */
void client_queue_reset(struct client *client, uint32_t index);

/* packed.c: a descriptor of a packed ring, by an index that goes round the
 * ring; and the flags that make the next descriptor available. */
struct vring_packed_desc *client_packed_desc(struct client_queue *queue,
					     uint32_t index);
uint16_t client_packed_available(const struct client_queue *queue);
/* Moves an index and its wrap counter on by `count` descriptors. */
void client_packed_step(struct client_queue *queue, uint16_t *index, bool *wrap,
			uint32_t count);

/* message.c */
int client_send(struct client *client, uint32_t request, uint32_t flags,
		const void *payload, uint32_t size, const int *fds,
		uint32_t fd_count);
int client_receive(struct client *client, uint32_t request, void *payload,
		   uint32_t size, int *fd);
/* Sends and, where REPLY_ACK is negotiated, waits for the acknowledgement; -1
 * also if it reports an error. */
int client_tell(struct client *client, uint32_t request, const void *payload,
		uint32_t size, int fd);
int client_ask(struct client *client, uint32_t request, const void *payload,
	       uint32_t size, void *answer, uint32_t answer_size);
int client_fail(struct client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
