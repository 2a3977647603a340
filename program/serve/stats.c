// SPDX-License-Identifier: MIT
#include "program/serve/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <precarium/fault.h>

#include "program/command.h"
#include "program/ask/stats.h"
#include "program/json_text.h"
#include "program/serve/opener.h"
#include "device/clock.h"
#include "device/counters.h"

static void add_number(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void add_counters(json_t *object, const struct counters *counters)
{
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		add_number(object, counter_table[i].key,
			   counter_read(counters, &counter_table[i]));
}

struct tree {
	json_t *exports;
	json_t *clients; /* of the export that was visited last */
};

static void add_export(void *argument, const struct vhost_export_stats *stats)
{
	struct tree *tree = argument;
	json_t *export = json_object();

	json_object_set_new(export, "name", json_text(stats->name));
	if (stats->socket_path)
		json_object_set_new(export, "socket",
				    json_text(stats->socket_path));
	json_object_set_new(export, "removed", json_boolean(stats->removed));
	add_number(export, "clients-so-far", stats->clients);
	add_number(export, "connected", stats->connected);
	add_number(export, "turned-away", stats->turned_away);
	add_number(export, "sync-failed", stats->sync_error != 0);
	if (stats->sync_error)
		json_object_set_new(export, "sync-error",
				    json_text(strerror(stats->sync_error)));
	add_counters(export, &stats->counters);
	tree->clients = json_array();
	json_object_set_new(export, "clients", tree->clients);
	json_array_append_new(tree->exports, export);
}

static void add_client(void *argument, const struct vhost_client_stats *stats)
{
	struct tree *tree = argument;
	json_t *client = json_object();

	add_number(client, "number", stats->number);
	add_number(client, "pid", (uint64_t)stats->pid);
	add_number(client, "uid", stats->uid);
	json_object_set_new(client, "connected", json_boolean(!stats->ended));
	if (stats->ended)
		json_object_set_new(client, "ended", json_text(stats->ended));
	add_counters(client, &stats->counters);
	json_array_append_new(tree->clients, client);
}

static json_t *faults(void)
{
	json_t *object = json_object();
	struct prec_fault_counts counts;

	prec_fault_read_counts(&counts);
	add_number(object, "fixed", counts.fixed);
	add_number(object, "abandoned", counts.abandoned);
	add_number(object, "substituted", counts.substituted);
	add_number(object, "passed", counts.passed);
	add_number(object, "retried", counts.retried);
	add_number(object, "provided", counts.provided);
	return object;
}

static json_t *sparse(const struct vhost_server *server)
{
	struct vhost_sparse_stats stats = vhost_server_sparse(server);
	json_t *object = json_object();

	add_number(object, "bytes", stats.used);
	add_number(object, "bytes-max", stats.max);
	add_number(object, "client-bytes-max", stats.client_max);
	json_object_set_new(object, "watched", json_boolean(stats.watched));
	return object;
}

json_t *stats_gather(struct vhost_server *server)
{
	struct tree tree = { json_array(), NULL };
	const struct vhost_stats_visitor visitor = { add_export, add_client,
						     &tree };
	json_t *root = json_object();

	json_object_set_new(root, "version", json_string(PRECARIUM_VERSION));
	add_number(root, "clock-ms", (uint64_t)clock_now_ms());
	json_object_set_new(root, "exports", tree.exports);
	json_object_set_new(root, "faults", faults());
	json_object_set_new(root, "sparse", sparse(server));
	vhost_server_visit(server, &visitor);
	return root;
}

void stats_print(struct vhost_server *server)
{
	json_t *stats = stats_gather(server);

	stats_text(stdout, stats);
	json_decref(stats);
	fflush(stdout);
}

static bool write_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t done = write(fd, text, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		text += done;
		size -= (size_t)done;
	}
	return true;
}

static bool write_in_place(const char *path, int flags, const char *text)
{
	int fd = opener_open(path, flags | O_WRONLY);
	bool good = fd >= 0 && write_all(fd, text, strlen(text));
	int error = errno;

	if (fd >= 0 && close(fd) < 0 && good) {
		good = false;
		error = errno;
	}
	errno = error;
	return good;
}

/* Writes a file beside it and renames it: readers see the old or the new
 * one. */
static bool write_whole(const char *path, const char *text)
{
	char *beside;
	struct stat st;
	bool good;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return write_in_place(path, O_NONBLOCK, text);
	if (asprintf(&beside, "%s.%d", path, (int)getpid()) < 0)
		return false;
	good = write_in_place(beside, O_CREAT | O_EXCL, text) &&
	       rename(beside, path) == 0;
	if (!good) {
		int error = errno;

		unlink(beside);
		errno = error;
	}
	free(beside);
	return good;
}

bool stats_write(struct vhost_server *server, const char *path)
{
	json_t *stats = stats_gather(server);
	char *text = stats ? json_dumps(stats, JSON_INDENT(2)) : NULL;
	bool good;

	json_decref(stats);
	if (!text) {
		complain("statistics: out of memory");
		return false;
	}
	if (strcmp(path, "-") == 0)
		good = puts(text) >= 0 && fflush(stdout) == 0;
	else
		good = write_whole(path, text);
	if (!good)
		complain("%s: statistics cannot be written: %s; expected a "
			 "file that can be replaced",
			 strcmp(path, "-") ? path : "standard output",
			 strerror(errno));
	free(text);
	return good;
}
