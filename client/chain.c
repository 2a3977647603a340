/* SPDX-License-Identifier: MIT */
/* The descriptors of one request, the same in a split and in a packed ring. */
#include "client/memory.h"

/* Does the device write the data of this request? */
static bool device_writes(uint32_t type)
{
	return type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
}

uint32_t client_fill_chain(struct client *client, struct client_slot *slot,
			   struct vring_desc *table, uint16_t first)
{
	uint32_t count = client->options.segments, used = 0, done = 0, piece;
	uint64_t data = client_address(client, slot->data);
	uint16_t flags = device_writes(slot->type) ? VRING_DESC_F_WRITE : 0;

	table[used++] = (struct vring_desc){
		.addr = client_address(client, slot->header),
		.len = sizeof(struct virtio_blk_outhdr),
	};
	piece = slot->size / count / CLIENT_SECTOR * CLIENT_SECTOR;
	if (piece == 0)
		piece = slot->size;
	while (done < slot->size) {
		if (used == count || slot->size - done < piece)
			piece = slot->size - done;
		table[used++] = (struct vring_desc){
			.addr = data + done,
			.len = piece,
			.flags = flags,
		};
		done += piece;
	}
	table[used++] = (struct vring_desc){
		.addr = client_address(client, slot->status),
		.len = 1,
		.flags = VRING_DESC_F_WRITE,
	};
	for (piece = 0; piece + 1 < used; piece++) {
		table[piece].flags |= VRING_DESC_F_NEXT;
		table[piece].next = (uint16_t)(first + piece + 1);
	}
	return used;
}
