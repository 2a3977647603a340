// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "vhost/dispatch.h"

/*
 * The messages by which memory is lent and taken back.
 *
 * A region is removed only when no request is in flight: from the
 * acknowledgement on not one byte may be written into it, and what was handed
 * to the kernel cannot be taken back.  New requests are not fetched meanwhile,
 * so this ends.
 */

/* Spans of requests name entries of the table, so the table changes only when
 * nothing is in flight. */
static bool quiet(struct vhost_connection *connection)
{
	/* Requests that wait for room in the store are counted too. */
	return connection->device.in_flight == 0;
}

/* From the wire. */
static struct memory_entry entry_of(const struct vhost_memory_entry *said)
{
	return (struct memory_entry){
		.guest = said->guest,
		.size = said->size,
		.user = said->user,
		.offset = said->offset,
	};
}

static void count_refusal(struct vhost_connection *connection,
			  const struct memory_entry *entry, const char *why)
{
	counter_add(&connection->device.client->counters.refused, 1);
	client_log(connection->device.client,
		   "memory of %" PRIu64 " bytes at 0x%" PRIx64
		   " was not accepted: %s",
		   entry->size, entry->guest, why);
}

static bool fill_table(struct vhost_connection *connection, struct memory *new,
		       const char **why)
{
	struct vhost_message *message = &connection->message;
	const struct vhost_memory_table *table = &message->payload.table;

	for (uint32_t i = 0; i < table->count; i++) {
		const struct memory_entry entry = entry_of(&table->entries[i]);

		if (memory_add(new, &entry, message->fds[i],
			       &connection->device.admission, why))
			continue;
		count_refusal(connection, &entry, *why);
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

/* All of the new table is mapped before any of the old is removed: if one
 * region is refused, the client keeps what it had. */
enum vhost_outcome vhost_set_table(struct vhost_connection *connection,
				   const char **why)
{
	struct memory *new;

	if (!check_table(&connection->message, why))
		return VHOST_REFUSED;
	if (!quiet(connection))
		return VHOST_LATER;
	new = calloc(1, sizeof(*new));
	if (!new) {
		*why = "out of memory";
		return VHOST_REFUSED;
	}
	new->regions = connection->device.policy->regions;
	new->releases = connection->device.policy->releases;
	if (!fill_table(connection, new, why)) {
		memory_free(new);
		return VHOST_REFUSED;
	}
	device_set_memory(&connection->device, new);
	return VHOST_DONE;
}

enum vhost_outcome vhost_add_region(struct vhost_connection *connection,
				    const char **why)
{
	const struct memory_entry entry =
		entry_of(&connection->message.payload.one.entry);

	if (!quiet(connection))
		return VHOST_LATER;
	if (!memory_add(connection->device.memory, &entry,
			connection->message.fds[0],
			&connection->device.admission, why)) {
		count_refusal(connection, &entry, *why);
		return VHOST_REFUSED;
	}
	device_memory_changed(&connection->device);
	return VHOST_DONE;
}

/* A descriptor that old front-ends attach is closed with the message. */
enum vhost_outcome vhost_remove_region(struct vhost_connection *connection,
				       const char **why)
{
	const struct memory_entry entry =
		entry_of(&connection->message.payload.one.entry);

	if (!quiet(connection))
		return VHOST_LATER;
	if (!memory_remove(connection->device.memory, &entry, why))
		return VHOST_REFUSED;
	counter_add(&connection->device.client->counters.revocations, 1);
	device_memory_changed(&connection->device);
	return VHOST_DONE;
}
