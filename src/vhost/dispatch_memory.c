// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "device/loan.h"
#include "vhost/dispatch.h"

/*
 * The messages by which memory is lent and taken back.
 *
 * A region is removed only when no request is in flight: from the
 * acknowledgement on not one byte may be written into it, and what was handed
 * to the kernel cannot be taken back.  New requests are not fetched meanwhile,
 * so this ends.
 *
 * If the store lets hardware reach the client's memory, a message also waits
 * until the hardware can reach what was added, or can no longer reach what is
 * removed (loan.h).
 */

/* Spans of requests name entries of the table, so the table changes only when
 * nothing is in flight.  Nothing is begun before the message is carried out. */
static bool quiet(struct vhost_connection *connection)
{
	/* Requests that wait for room in the store are counted too. */
	return device_in_flight(&connection->device) == 0;
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

/* All of the new table is mapped, and lent on, before any of the old is
 * removed: if one region is refused, the client keeps what it had. */
static struct memory *new_table(struct vhost_connection *connection,
				const char **why)
{
	struct device *device = &connection->device;
	struct memory *new = calloc(1, sizeof(*new));

	if (!new) {
		*why = "out of memory";
		return NULL;
	}
	new->regions = device->policy->regions;
	new->releases = device->policy->releases;
	if (fill_table(connection, new, why)) {
		loan_lend_all(device, new);
		return new;
	}
	memory_free(new);
	return NULL;
}

/* Some of it was not taken: take back the rest. */
static enum vhost_outcome drop_table(struct device *device)
{
	loan_take_back_all(device, device->next_memory);
	if (!loan_all_have_left(device->next_memory))
		return VHOST_LATER;
	memory_free(device->next_memory);
	device->next_memory = NULL;
	return VHOST_REFUSED;
}

static enum vhost_outcome use_table(struct device *device)
{
	loan_take_back_all(device, device->memory);
	if (!loan_all_have_left(device->memory))
		return VHOST_LATER;
	device_set_memory(device, device->next_memory);
	device->next_memory = NULL;
	return VHOST_DONE;
}

enum vhost_outcome vhost_set_table(struct vhost_connection *connection,
				   const char **why)
{
	struct device *device = &connection->device;

	if (!check_table(&connection->message, why))
		return VHOST_REFUSED;
	if (!quiet(connection))
		return VHOST_LATER;
	if (!device->next_memory)
		device->next_memory = new_table(connection, why);
	if (!device->next_memory)
		return VHOST_REFUSED;
	switch (loan_ask_all(device, device->next_memory, why)) {
	case LOAN_REFUSED:
		return drop_table(device);
	case LOAN_SETTLED:
		return use_table(device);
	case LOAN_MOVING:
		break;
	}
	return VHOST_LATER;
}

static bool add_region(struct vhost_connection *connection,
		       const struct memory_entry *entry, const char **why)
{
	struct device *device = &connection->device;

	if (!memory_add(device->memory, entry, connection->message.fds[0],
			&device->admission, why)) {
		count_refusal(connection, entry, *why);
		return false;
	}
	device->arriving = memory_find(device->memory, entry, why);
	loan_lend(device, device->arriving);
	return true;
}

enum vhost_outcome vhost_add_region(struct vhost_connection *connection,
				    const char **why)
{
	const struct memory_entry entry =
		entry_of(&connection->message.payload.one.entry);
	struct device *device = &connection->device;
	const char *ignored;
	enum loan_answer answer;

	if (!quiet(connection))
		return VHOST_LATER;
	if (!device->arriving && !add_region(connection, &entry, why))
		return VHOST_REFUSED;
	answer = loan_ask(device, device->arriving, why);
	if (answer == LOAN_MOVING)
		return VHOST_LATER;
	device->arriving = NULL;
	if (answer == LOAN_REFUSED) {
		count_refusal(connection, &entry, *why);
		memory_remove(device->memory, &entry, &ignored);
	}
	device_memory_changed(device);
	return answer == LOAN_SETTLED ? VHOST_DONE : VHOST_REFUSED;
}

/* A descriptor that old front-ends attach is closed with the message. */
enum vhost_outcome vhost_remove_region(struct vhost_connection *connection,
				       const char **why)
{
	const struct memory_entry entry =
		entry_of(&connection->message.payload.one.entry);
	struct device *device = &connection->device;
	struct memory_region *region;

	if (!quiet(connection))
		return VHOST_LATER;
	region = memory_find(device->memory, &entry, why);
	if (!region)
		return VHOST_REFUSED;
	loan_take_back(device, region);
	if (!loan_has_left(region))
		return VHOST_LATER;
	memory_remove(device->memory, &entry, why);
	device_count_revoked(device, 1);
	device_memory_changed(device);
	return VHOST_DONE;
}
