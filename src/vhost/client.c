// SPDX-License-Identifier: MIT
#include "vhost/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Clients that ended and are remembered one by one, per export. */
#define REMEMBERED 64u

/* Log lines at once; one more each second for a client, eight for an export. */
#define CLIENT_LINES 16u
#define EXPORT_LINES 64u

void vhost_roll_init(struct vhost_roll *roll)
{
	memset(roll, 0, sizeof(*roll));
	pthread_mutex_init(&roll->lock, NULL);
	roll->speech = (struct vhost_speech){ EXPORT_LINES, 0, vhost_now_ms() };
}

void vhost_roll_free(struct vhost_roll *roll)
{
	while (roll->first) {
		struct vhost_client *client = roll->first;

		roll->first = client->next;
		free(client);
	}
	pthread_mutex_destroy(&roll->lock);
}

void vhost_roll_expect(struct vhost_roll *roll)
{
	pthread_mutex_lock(&roll->lock);
	roll->connected++;
	pthread_mutex_unlock(&roll->lock);
}

struct vhost_client *vhost_roll_enter(struct vhost_roll *roll,
				      const char *export_name, int fd)
{
	struct vhost_client *client = calloc(1, sizeof(*client));
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (!client)
		return NULL;
	client->export_name = export_name;
	client->roll = roll;
	client->speech =
		(struct vhost_speech){ CLIENT_LINES, 0, vhost_now_ms() };
	client->uid = (uid_t)-1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
		client->pid = peer.pid;
		client->uid = peer.uid;
	}
	pthread_mutex_lock(&roll->lock);
	client->number = (uint32_t)++roll->so_far;
	client->next = roll->first;
	roll->first = client;
	pthread_mutex_unlock(&roll->lock);
	return client;
}

/* Keep the newest that ended; of the others, the sums. */
static void forget(struct vhost_roll *roll)
{
	struct vhost_client **at = &roll->first;
	uint32_t seen = 0;

	while (*at) {
		struct vhost_client *client = *at;

		if (!client->ended || ++seen <= REMEMBERED) {
			at = &client->next;
			continue;
		}
		vhost_counts_add(&roll->past, &client->counts);
		*at = client->next;
		free(client);
	}
}

void vhost_roll_leave(struct vhost_roll *roll, struct vhost_client *client,
		      const char *why)
{
	pthread_mutex_lock(&roll->lock);
	if (client)
		client->ended = why;
	roll->connected--;
	forget(roll);
	pthread_mutex_unlock(&roll->lock);
}

void vhost_counts_add(struct vhost_counts *sum, const struct vhost_counts *more)
{
	sum->requests += more->requests;
	sum->errors += more->errors;
	sum->bytes_read += more->bytes_read;
	sum->bytes_written += more->bytes_written;
	sum->losses += more->losses;
	sum->revocations += more->revocations;
	sum->refused += more->refused;
	sum->notifications += more->notifications;
	sum->deadlines += more->deadlines;
	sum->stuck += more->stuck;
	sum->throttled += more->throttled;
}

static uint64_t whole(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

struct vhost_counts vhost_counts_read(const struct vhost_counts *counts)
{
	return (struct vhost_counts){
		.requests = whole(&counts->requests),
		.errors = whole(&counts->errors),
		.bytes_read = whole(&counts->bytes_read),
		.bytes_written = whole(&counts->bytes_written),
		.losses = whole(&counts->losses),
		.revocations = whole(&counts->revocations),
		.refused = whole(&counts->refused),
		.notifications = whole(&counts->notifications),
		.deadlines = whole(&counts->deadlines),
		.stuck = whole(&counts->stuck),
		.throttled = whole(&counts->throttled),
	};
}

void vhost_gauges_add(struct vhost_gauges *sum, const struct vhost_gauges *more)
{
	sum->in_flight += more->in_flight;
	sum->bytes_in_flight += more->bytes_in_flight;
	sum->queues_broken += more->queues_broken;
}

struct vhost_gauges vhost_gauges_read(const struct vhost_gauges *gauges)
{
	return (struct vhost_gauges){
		.in_flight = whole(&gauges->in_flight),
		.bytes_in_flight = whole(&gauges->bytes_in_flight),
		.queues_broken = whole(&gauges->queues_broken),
	};
}

int64_t vhost_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void name_subject(char who[160], const struct vhost_log_line *line)
{
	who[0] = 0;
	if (line->client && line->pid)
		snprintf(who, 160, "%.80s#%u (pid %d, uid %u): ", line->export,
			 line->client, (int)line->pid, (unsigned int)line->uid);
	else if (line->client)
		snprintf(who, 160, "%.80s#%u: ", line->export, line->client);
	else if (line->export)
		snprintf(who, 160, "%.120s: ", line->export);
}

void vhost_log_format(char *text, size_t size,
		      const struct vhost_log_line *line)
{
	char who[160];

	name_subject(who, line);
	snprintf(text, size, "%s%s", who, line->text);
}

/* In one write, so that lines of several threads stay whole. */
static void to_standard_error(const struct vhost_log_line *line)
{
	char text[800] = "precarium: ";
	size_t used = strlen(text);

	vhost_log_format(text + used, sizeof(text) - used - 1, line);
	used = strlen(text);
	text[used++] = '\n';
	if (write(STDERR_FILENO, text, used) < 0)
		return;
}

static vhost_log_sink *log_sink = to_standard_error;

void vhost_log_to(vhost_log_sink *sink)
{
	log_sink = sink;
}

static void put_line(struct vhost_log_line *line, const char *format,
		     va_list args)
{
	char text[600];

	vsnprintf(text, sizeof(text), format, args);
	line->text = text;
	log_sink(line);
}

void vhost_log(const char *format, ...)
{
	struct vhost_log_line line = { .export = NULL };
	va_list args;

	va_start(args, format);
	put_line(&line, format, args);
	va_end(args);
}

void vhost_export_log(const char *export, const char *format, ...)
{
	struct vhost_log_line line = { .export = export };
	va_list args;

	va_start(args, format);
	put_line(&line, format, args);
	va_end(args);
}

static bool may_speak(struct vhost_speech *speech, uint32_t most,
		      uint32_t a_second)
{
	int64_t now = vhost_now_ms();
	int64_t seconds = (now - speech->at_ms) / 1000;

	if (seconds > 0) {
		uint64_t left = speech->left + (uint64_t)seconds * a_second;

		speech->left = left < most ? (uint32_t)left : most;
		speech->at_ms = now;
	}
	if (speech->left == 0) {
		speech->dropped++;
		return false;
	}
	speech->left--;
	return true;
}

static void tell_dropped(const struct vhost_client *client, uint32_t dropped,
			 const char *about)
{
	if (dropped)
		vhost_export_log(client->export_name,
				 "client #%u: %u lines about %s were left out",
				 client->number, dropped, about);
}

/* Both allowances, and what could not be said before. */
static bool begin_to_speak(struct vhost_client *client)
{
	struct vhost_roll *roll = client->roll;
	uint32_t dropped = 0;
	bool may;

	if (!may_speak(&client->speech, CLIENT_LINES, 1))
		return false;
	pthread_mutex_lock(&roll->lock);
	may = may_speak(&roll->speech, EXPORT_LINES, 8);
	if (may) {
		dropped = roll->speech.dropped;
		roll->speech.dropped = 0;
	}
	pthread_mutex_unlock(&roll->lock);
	if (!may)
		return false;
	tell_dropped(client, dropped, "clients of this export");
	tell_dropped(client, client->speech.dropped, "this client");
	client->speech.dropped = 0;
	return true;
}

void vhost_client_log(struct vhost_client *client, const char *format, ...)
{
	struct vhost_log_line line = {
		.export = client->export_name,
		.client = client->number,
		.pid = client->pid,
		.uid = client->uid,
	};
	va_list args;

	if (!begin_to_speak(client))
		return;
	va_start(args, format);
	put_line(&line, format, args);
	va_end(args);
}
