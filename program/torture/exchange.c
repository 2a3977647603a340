// SPDX-License-Identifier: MIT
/* Honest requests after an attack, more than once round the ring. */
#include "program/torture/case.h"

#include <string.h>

#define SIZE   4096u
#define GUARD  0xa5
#define ROUNDS 4u

static struct client_slot *slot_of(struct client *client, uint32_t slot)
{
	return &client->queues[0].slots[slot];
}

/* Fills in data for a write, and for a read something that is not on the disk.
 * Behind it are bytes that the server must not touch. */
static int submit(struct attack *attack, uint32_t slot, uint32_t type,
		  uint64_t seed)
{
	struct client *client = &attack->client;
	uint8_t *data = client_data(client, 0, slot);
	uint64_t sector = (uint64_t)slot * (SIZE / CLIENT_SECTOR);

	memset(data, GUARD, client->options.buffer_size);
	if (type == VIRTIO_BLK_T_OUT)
		client_pattern(data, SIZE, seed, sector);
	return client_submit(client, 0, slot, type, sector, SIZE);
}

static bool is_right(struct attack *attack,
		     const struct client_completion *done, uint64_t seed)
{
	struct client *client = &attack->client;
	const uint8_t *data = client_data(client, 0, done->slot);
	uint32_t length = done->type == VIRTIO_BLK_T_IN ? SIZE + 1 : 1;
	uint32_t i;

	if (done->status != VIRTIO_BLK_S_OK || done->length != length) {
		attack_found(attack, VERDICT_CORRUPTED,
			     "an honest request after it: status %u, length %u "
			     "of %u",
			     done->status, done->length, length);
		return false;
	}
	if (client_verify(data, SIZE, seed,
			  slot_of(client, done->slot)->sector) != SIZE) {
		attack_found(attack, VERDICT_CORRUPTED,
			     "an honest request after it: the data is wrong");
		return false;
	}
	for (i = SIZE; i < client->options.buffer_size; i++)
		if (data[i] != GUARD) {
			attack_found(attack, VERDICT_CORRUPTED,
				     "an honest request after it: bytes behind "
				     "its data were written");
			return false;
		}
	return true;
}

/* Uses all slots at once and expects each request to complete once and
 * correctly.  False: it did not, and that is reported unless there was no
 * answer. */
static bool all_slots(struct attack *attack, uint32_t type, uint64_t seed)
{
	struct client *client = &attack->client;
	struct client_completion done;
	uint32_t i;

	for (i = 0; i < client->options.depth; i++)
		if (submit(attack, i, type, seed))
			return false;
	if (client_kick(client, 0))
		return false;
	for (i = 0; i < client->options.depth; i++)
		if (client_wait(client, 0, &done, attack->options->answer_ms) !=
			    1 ||
		    !is_right(attack, &done, seed))
			return false;
	return true;
}

static bool exchange(struct attack *attack)
{
	uint64_t seed = attack->random;
	uint32_t round;

	for (round = 0; round < ROUNDS; round++, seed++)
		if (!all_slots(attack, VIRTIO_BLK_T_OUT, seed) ||
		    !all_slots(attack, VIRTIO_BLK_T_IN, seed))
			return false;
	return true;
}

static bool is_whole(const struct client *client)
{
	uint32_t i;

	for (i = 0; i < client->options.region_count; i++)
		if (client->regions[i].torn)
			return false;
	return !client->lost;
}

/* Starts the attacked ring again.  The server may have ended the connection. */
static void same_ring(struct attack *attack)
{
	struct client *client = &attack->client;
	struct vhost_user_vring_state state = { 0, 0 };

	if (!is_whole(client) ||
	    client_ask(client, VHOST_USER_GET_VRING_BASE, &state, sizeof(state),
		       &state, sizeof(state)))
		return;
	client_ring_reset(client);
	if (client_start(client) == 0)
		exchange(attack);
}

void attack_still_serves(struct attack *attack)
{
	bool first = attack->exchanges++ % 2 == 0;
	/* Sizes of which no request's length is a part. */
	const struct client_options options = {
		.packed = client_has(&attack->client, VIRTIO_F_RING_PACKED),
		.queue_size = first ? 37 : 128,
		.depth = first ? 7 : 16,
		.segments = 3,
		.event_idx = first,
		.indirect = !first,
	};

	same_ring(attack);
	client_close(&attack->client);
	/* It served such a client before. */
	if (attack_start(attack, options))
		attack->finding->verdict = VERDICT_HUNG;
	else if (!exchange(attack))
		attack_found(attack, VERDICT_HUNG,
			     "honest requests after it: %s",
			     attack->client.error);
	client_close(&attack->client);
}
