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
 * A vhost-user front-end for block devices: the guest's side of the contract,
 * for tests, the demo and measurements.  Works with any vhost-user block
 * back-end and shares no code with ours.
 *
 * One client is one connection; one thread uses it.  Calls that can fail
 * return 0, or -1 with one line in `error`; nothing waits longer than
 * `timeout_ms`.  A client lives in this order:
 *
 *     client_open      memory, connection, features
 *     client_start     memory table, rings, kick
 *     client_submit, client_wait, client_io ...
 *     client_stop      GET_VRING_BASE: the rings are quiet
 *     client_close
 */
#define CLIENT_REGIONS_MAX  509u
#define CLIENT_QUEUES_MAX   16u
#define CLIENT_SEGMENTS_MAX 16u
#define CLIENT_SECTOR	    512u

struct client_options {
	const char *socket_path;
	uint32_t region_count; /* 0: 1. Rings go to the first, headers and
				  status to the second, data to the others, as
				  far as there are others */
	uint64_t region_size;  /* bytes; 0: what is needed */
	uint32_t queue_count;  /* 0: 1 */
	uint32_t queue_size;   /* descriptors; 0: what is needed */
	uint32_t depth;	       /* requests in flight a queue; 0: 1 */
	uint32_t buffer_size;  /* bytes of data a request; 0: 4096 */
	uint32_t segments;     /* descriptors for the data; 0: 1 */
	uint32_t timeout_ms;   /* 0: 5000 */
	bool indirect;	       /* descriptors, if offered */
	bool event_idx;	       /* if offered */
	bool packed;	       /* rings; it is an error if not offered */
	bool mem_table;	       /* SET_MEM_TABLE, even if slots are offered */
	bool sealed;	       /* F_SEAL_SHRINK | F_SEAL_GROW */
	bool sparse;	       /* do not allocate the pages */
	bool polling;	       /* wait by looking, not by eventfd */
	bool inflight;	       /* let the driver keep a log of requests */
	bool channel;	       /* be told of changes of the configuration */
	bool asleep;	       /* rings are set up, and not enabled */
	bool lend_read_only;   /* the data regions, by an O_RDONLY descriptor */
};

/* What this process lends. */
struct client_region {
	int fd;
	int lent_fd; /* the one that is sent: fd, or a read-only one */
	uint64_t size;
	uint64_t address; /* guest address of the first byte */
	uint8_t *host;	  /* our mapping */
	uint64_t placed;  /* bytes given out */
	bool lent;
	bool torn; /* may fault: use client_peek */
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
	uint16_t count;		   /* descriptors of a packed ring */
	bool busy;
	uint32_t type;
	uint32_t size;
	uint64_t sector;
	uint64_t started_ns;
};

struct client_queue {
	struct client_place desc_place, avail_place, used_place;
	struct vring ring;
	/* Entries of a split ring so far; of a packed one the next slots. */
	uint16_t avail_index, used_index;
	bool avail_wrap, used_wrap;
	uint16_t kick_index; /* avail_index when a kick was last weighed */
	bool fresh;	     /* not kicked since it was started */
	uint64_t kicks;	     /* that were sent */
	int kick_fd, call_fd;
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
	int channel; /* our end of the driver's own, or -1 */
	bool started;
	bool lost; /* the driver hung up */
	char error[200];
};

struct client_completion {
	uint32_t slot;
	uint32_t type;
	uint32_t length; /* the used ring's claim */
	uint8_t status;	 /* VIRTIO_BLK_S_*, or 0xff: never written */
	uint64_t latency_ns;
};

#define CLIENT_STATUS_NONE 0xffu

/* Did both sides agree on the feature, a bit number? */
static inline bool client_has(const struct client *client, unsigned int feature)
{
	return client->features >> feature & 1;
}

/* session.c */
int client_open(struct client *client, const struct client_options *options);
int client_start(struct client *client);
int client_stop(struct client *client);
void client_close(struct client *client);
/* Connect again after the driver died: same memory, fresh rings.  Requests
 * that were in flight are forgotten and have to be submitted again. */
int client_reopen(struct client *client);
/* Free the connection and nothing else: what a crash looks like. */
void client_hang_up(struct client *client);
/* Read the configuration again: `capacity`. */
int client_read_config(struct client *client);
/* Wait to be told that it has changed: 1; not within the time: 0; -1. */
int client_await_change(struct client *client, uint32_t timeout_ms);

/* memory.c */
int client_lend(struct client *client, uint32_t region);
int client_take_back(struct client *client, uint32_t region);
int client_lend_all(struct client *client);
void *client_at(struct client *client, struct client_place place);
uint64_t client_address(const struct client *client, struct client_place place);
/* Read what may be gone: bytes read, which is less than `size` where the file
 * has ended. */
size_t client_peek(struct client *client, struct client_place place,
		   void *bytes, size_t size);

/* request.c */
int client_submit(struct client *client, uint32_t queue, uint32_t slot,
		  uint32_t type, uint64_t sector, uint32_t size);
int client_kick(struct client *client, uint32_t queue);
/* The next completion: 1; none within the time: 0; the driver is gone or the
 * rings are nonsense: -1. */
int client_wait(struct client *client, uint32_t queue,
		struct client_completion *completion, uint32_t timeout_ms);
/* One request on slot 0, waited for.  Its status, or -1. */
int client_io(struct client *client, uint32_t queue, uint32_t type,
	      uint64_t sector, uint32_t size);
uint8_t *client_data(struct client *client, uint32_t queue, uint32_t slot);
uint64_t client_now_ns(void);

/*
 * Data that tells where and by whom it was written: a byte in the wrong
 * sector, of another client or of an older round differs.  client_verify
 * returns the offset of the first byte that is wrong, or `size`.
 */
void client_pattern(void *bytes, size_t size, uint64_t seed, uint64_t sector);
size_t client_verify(const void *bytes, size_t size, uint64_t seed,
		     uint64_t sector);

/* ring.c: empty rings, of which the driver has taken nothing.  Only while it does
 * not serve them. */
void client_ring_reset(struct client *client);

/* packed.c: descriptors of a packed ring, counted from its first, round and
 * round; and the flags that make the next one available. */
struct vring_packed_desc *client_packed_desc(struct client_queue *queue,
					     uint32_t index);
uint16_t client_packed_available(const struct client_queue *queue);
/* So many descriptors on. */
void client_packed_step(struct client_queue *queue, uint16_t *index, bool *wrap,
			uint32_t count);

/* message.c */
int client_send(struct client *client, uint32_t request, uint32_t flags,
		const void *payload, uint32_t size, const int *fds,
		uint32_t fd_count);
int client_receive(struct client *client, uint32_t request, void *payload,
		   uint32_t size, int *fd);
/* Send and, where REPLY_ACK was agreed, wait for the acknowledgement: -1 also
 * if it says no. */
int client_tell(struct client *client, uint32_t request, const void *payload,
		uint32_t size, int fd);
int client_ask(struct client *client, uint32_t request, const void *payload,
	       uint32_t size, void *answer, uint32_t answer_size);
int client_fail(struct client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
