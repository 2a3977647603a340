// SPDX-License-Identifier: MIT
#include "vhost/roll.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "device/clock.h"

/* Ended clients that each export remembers one by one. */
#define REMEMBERED 64u

/* Log lines about clients that are turned away, at once; so many more each
 * second. */
#define TURNED_AWAY_LINES    16u
#define TURNED_AWAY_A_SECOND 2u

void vhost_roll_init(struct vhost_roll *roll)
{
	memset(roll, 0, sizeof(*roll));
	pthread_mutex_init(&roll->lock, NULL);
	log_limit_init(&roll->turned_away_lines, TURNED_AWAY_LINES,
		       TURNED_AWAY_A_SECOND);
	log_group_init(&roll->log, CLIENT_GROUP_LINES, CLIENT_GROUP_A_SECOND);
}

static void entry_free(struct vhost_roll_entry *entry)
{
	client_end(&entry->client);
	free(entry);
}

void vhost_roll_free(struct vhost_roll *roll)
{
	while (roll->first) {
		struct vhost_roll_entry *entry = roll->first;

		roll->first = entry->next;
		entry_free(entry);
	}
	log_group_destroy(&roll->log);
	pthread_mutex_destroy(&roll->lock);
}

void vhost_roll_expect(struct vhost_roll *roll)
{
	pthread_mutex_lock(&roll->lock);
	roll->connected++;
	pthread_mutex_unlock(&roll->lock);
}

/* Was none of this process logged in the last second?  Then one is now. */
static bool is_news(struct vhost_roll *roll, pid_t pid)
{
	int64_t now = clock_now_ms();

	for (uint32_t i = 0; i < VHOST_TURNED_AWAY_KNOWN; i++) {
		const struct vhost_turned_away *known = &roll->known[i];

		if (known->logged_ms && known->pid == pid &&
		    now - known->logged_ms < 1000)
			return false;
	}
	roll->known[roll->known_next++ % VHOST_TURNED_AWAY_KNOWN] =
		(struct vhost_turned_away){ pid, now };
	return true;
}

bool vhost_roll_turn_away(struct vhost_roll *roll, pid_t pid, uint64_t *untold)
{
	bool log;

	pthread_mutex_lock(&roll->lock);
	roll->turned_away++;
	log = is_news(roll, pid) && log_limit_allows(&roll->turned_away_lines);
	*untold = roll->untold;
	roll->untold = log ? 0 : roll->untold + 1;
	pthread_mutex_unlock(&roll->lock);
	return log;
}

struct client_record *vhost_roll_enter(struct vhost_roll *roll,
				       const char *export_name, int fd)
{
	struct vhost_roll_entry *entry = calloc(1, sizeof(*entry));
	struct client_record *client;
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (!entry)
		return NULL;
	client = &entry->client;
	client_init(client, export_name, &roll->log);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
		client->pid = peer.pid;
		client->uid = peer.uid;
	}
	pthread_mutex_lock(&roll->lock);
	client->number = (uint32_t)++roll->so_far;
	entry->next = roll->first;
	roll->first = entry;
	pthread_mutex_unlock(&roll->lock);
	return client;
}

static struct vhost_roll_entry *entry_of(struct client_record *client)
{
	return (struct vhost_roll_entry *)client;
}

void vhost_roll_charge(struct vhost_roll *roll, struct client_record *client,
		       const struct prec_budget *budget)
{
	pthread_mutex_lock(&roll->lock);
	entry_of(client)->budget = budget;
	pthread_mutex_unlock(&roll->lock);
}

static void keep_sums(struct vhost_roll *roll,
		      const struct vhost_roll_entry *entry)
{
	const struct counters counters = client_counters(&entry->client);

	counters_add(&roll->past, &counters);
	client_add_durations(&roll->past_durations, &entry->client);
}

/* Keep the newest clients that ended; of the others, keep the sums. */
static void forget(struct vhost_roll *roll)
{
	struct vhost_roll_entry **at = &roll->first;
	uint32_t seen = 0;

	while (*at) {
		struct vhost_roll_entry *entry = *at;

		if (!entry->ended || ++seen <= REMEMBERED) {
			at = &entry->next;
			continue;
		}
		*at = entry->next;
		keep_sums(roll, entry);
		entry_free(entry);
	}
}

void vhost_roll_leave(struct vhost_roll *roll, struct client_record *client,
		      const char *why)
{
	pthread_mutex_lock(&roll->lock);
	if (client) {
		entry_of(client)->ended = why;
		entry_of(client)->budget = NULL;
	}
	roll->connected--;
	forget(roll);
	pthread_mutex_unlock(&roll->lock);
}
