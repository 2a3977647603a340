// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "vhost/connection.h"
#include "vhost/setup.h"

/*
 * The messages by which memory comes and goes.
 *
 * A region goes only when no request is in flight: from the acknowledgement on
 * not one byte may be written into it, and what the kernel has been handed it
 * cannot be asked back.  New requests wait meanwhile, so this ends.
 */

/* Spans of requests name entries of the table, so it changes, in whatever way,
 * only when there are none. */
static bool quiet(struct vhost_connection *connection)
{
	/* Those that wait for room in the store are counted, too. */
	return connection->in_flight == 0;
}

/* Spans of the rings name entries of the table, which has changed. */
static void find_rings_again(struct vhost_connection *connection)
{
	for (uint32_t i = 0; i < connection->queue_count; i++)
		vhost_queue_memory_changed(&connection->queues[i]);
}

static void count_refusal(struct vhost_connection *connection,
			  const struct vhost_memory_entry *entry,
			  const char *why)
{
	vhost_count(&connection->client->counts.refused, 1);
	vhost_client_log(connection->client,
			 "memory of %" PRIu64 " bytes at 0x%" PRIx64
			 " was not accepted: %s",
			 entry->size, entry->guest, why);
}

static bool fill_table(struct vhost_connection *connection,
		       struct vhost_memory *new, const char **why)
{
	struct vhost_message *message = &connection->message;
	const struct vhost_memory_table *table = &message->payload.table;

	for (uint32_t i = 0; i < table->count; i++) {
		const struct vhost_memory_entry *entry = &table->entries[i];

		if (vhost_memory_add(new, entry, message->fds[i],
				     &connection->export->admission, why))
			continue;
		count_refusal(connection, entry, *why);
		return false;
	}
	return true;
}

static bool check_table(const struct vhost_message *message, const char **why)
{
	const struct vhost_memory_table *table = &message->payload.table;
	uint64_t size = offsetof(struct vhost_memory_table, entries);

	*why = "expected at most 8 regions, and all of each in the message";
	if (table->count > VHOST_TABLE_MAX ||
	    size + table->count * sizeof(table->entries[0]) >
		    message->header.size)
		return false;
	*why = "expected one file descriptor for each region";
	return message->fd_count == table->count;
}

/* All of the new table is mapped before any of the old goes: if one region is
 * refused, the client keeps what it had. */
enum vhost_outcome vhost_set_table(struct vhost_connection *connection,
				   const char **why)
{
	struct vhost_memory *new;

	if (!check_table(&connection->message, why))
		return VHOST_REFUSED;
	if (!quiet(connection))
		return VHOST_LATER;
	new = calloc(1, sizeof(*new));
	if (!new) {
		*why = "out of memory";
		return VHOST_REFUSED;
	}
	new->pool = connection->export->pool;
	if (!fill_table(connection, new, why)) {
		vhost_memory_clear(new);
		free(new);
		return VHOST_REFUSED;
	}
	vhost_count(&connection->client->counts.revocations,
		    connection->memory->guest.count);
	vhost_memory_clear(connection->memory);
	free(connection->memory);
	connection->memory = new;
	find_rings_again(connection);
	return VHOST_DONE;
}

enum vhost_outcome vhost_add_region(struct vhost_connection *connection,
				    const char **why)
{
	const struct vhost_memory_entry *entry =
		&connection->message.payload.one.entry;

	if (!quiet(connection))
		return VHOST_LATER;
	if (!vhost_memory_add(connection->memory, entry,
			      connection->message.fds[0],
			      &connection->export->admission, why)) {
		count_refusal(connection, entry, *why);
		return VHOST_REFUSED;
	}
	find_rings_again(connection);
	return VHOST_DONE;
}

/* A descriptor that old front-ends attach is closed with the message. */
enum vhost_outcome vhost_remove_region(struct vhost_connection *connection,
				       const char **why)
{
	if (!quiet(connection))
		return VHOST_LATER;
	if (!vhost_memory_remove(connection->memory,
				 &connection->message.payload.one.entry, why))
		return VHOST_REFUSED;
	vhost_count(&connection->client->counts.revocations, 1);
	find_rings_again(connection);
	return VHOST_DONE;
}
