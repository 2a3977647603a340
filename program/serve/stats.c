// SPDX-License-Identifier: MIT
#include "program/serve/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <precarium/fault.h>

#include "program/ask/stats.h"
#include "program/json_text.h"
#include "program/serve/opener.h"
#include "device/clock.h"
#include "device/counters.h"
#include "device/durations.h"
#include "device/log.h"
#include "device/release.h"

/* Seconds since 1970. */
static time_t started;

void stats_begin(void)
{
	started = time(NULL);
}

/*
 * Without memory a part of the tree is missing, and the rest is no answer.  So
 * each step notes it, and goes on: jansson takes NULL for a value, an object or
 * a list that could not be made.
 */
struct tree {
	json_t *root;
	json_t *exports;
	json_t *clients; /* of the export that was visited last */
	bool whole;
};

static void put(struct tree *tree, json_t *object, const char *name,
		json_t *value)
{
	if (json_object_set_new(object, name, value) < 0)
		tree->whole = false;
}

static void put_number(struct tree *tree, json_t *object, const char *name,
		       uint64_t value)
{
	put(tree, object, name, json_integer((json_int_t)value));
}

/* Puts what is to be filled in later.  NULL: it could not be put. */
static json_t *put_empty(struct tree *tree, json_t *object, const char *name,
			 json_t *empty)
{
	if (json_object_set_new(object, name, empty) == 0)
		return empty;
	tree->whole = false;
	return NULL;
}

static json_t *append_object(struct tree *tree, json_t *list)
{
	json_t *object = json_object();

	if (json_array_append_new(list, object) == 0)
		return object;
	tree->whole = false;
	return NULL;
}

static void put_counters(struct tree *tree, json_t *object,
			 const struct counters *counters)
{
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		put_number(tree, object, counter_table[i].key,
			   counter_read(counters, &counter_table[i]));
}

/* 0: not limited. */
static void put_limits(struct tree *tree, json_t *export,
		       const struct vhost_export_stats *stats)
{
	const struct rates_limits *limits = &stats->limits;

	put_number(tree, export, "rate-requests", limits->requests);
	put_number(tree, export, "burst-requests", limits->requests_burst);
	put_number(tree, export, "rate-bytes", limits->bytes);
	put_number(tree, export, "burst-bytes", limits->bytes_burst);
	put_number(tree, export, "in-flight", limits->in_flight);
	put_number(tree, export, "client-in-flight",
		   limits->client_in_flight ? limits->client_in_flight
					    : RATES_CLIENT);
	put_number(tree, export, "throttled-ms", stats->throttled_us / 1000);
}

/* Of each kind that there was: what ended within each bound, and the sum. */
static void put_durations(struct tree *tree, json_t *export,
			  const struct durations *durations)
{
	json_t *object = put_empty(tree, export, "durations", json_object());

	for (uint32_t i = 0; i < DURATION_KINDS; i++) {
		json_t *kind = put_empty(tree, object, duration_names[i],
					 json_object());
		json_t *ended = put_empty(tree, kind, "ended", json_array());

		put_number(tree, kind, "sum-us", durations->sum_ns[i] / 1000);
		for (uint32_t j = 0; j < DURATION_BUCKETS; j++)
			if (json_array_append_new(
				    ended, json_integer((json_int_t)durations
								->ended[i][j])))
				tree->whole = false;
	}
}

static void put_events(struct tree *tree, json_t *export,
		       const struct store_events *events)
{
	put_number(tree, export, "device-gone", events->gone);
	put_number(tree, export, "device-halted", events->halted);
	put_number(tree, export, "device-aborts", events->aborts);
	put_number(tree, export, "device-queue-deletes", events->deletes);
	put_number(tree, export, "device-restarts", events->restarts);
	put_number(tree, export, "device-resets", events->resets);
}

static void add_export(void *argument, const struct vhost_export_stats *stats)
{
	struct tree *tree = argument;
	json_t *export = append_object(tree, tree->exports);

	put(tree, export, "name", json_text(stats->name));
	if (stats->socket_path)
		put(tree, export, "socket", json_text(stats->socket_path));
	put(tree, export, "removed", json_boolean(stats->removed));
	put_number(tree, export, "capacity", stats->capacity);
	put_number(tree, export, "clients-so-far", stats->clients);
	put_number(tree, export, "connected", stats->connected);
	put_number(tree, export, "turned-away", stats->turned_away);
	put_number(tree, export, "sync-failed", stats->sync_error != 0);
	if (stats->sync_error)
		put(tree, export, "sync-error",
		    json_text(strerror(stats->sync_error)));
	put_events(tree, export, &stats->events);
	put_limits(tree, export, stats);
	put_counters(tree, export, &stats->counters);
	put_durations(tree, export, &stats->durations);
	tree->clients = put_empty(tree, export, "clients", json_array());
}

static void add_client(void *argument, const struct vhost_client_stats *stats)
{
	struct tree *tree = argument;
	json_t *client = append_object(tree, tree->clients);

	put_number(tree, client, "number", stats->number);
	put_number(tree, client, "pid", (uint64_t)stats->pid);
	put_number(tree, client, "uid", stats->uid);
	put(tree, client, "connected", json_boolean(!stats->ended));
	if (stats->ended)
		put(tree, client, "ended", json_text(stats->ended));
	put_counters(tree, client, &stats->counters);
}

static void put_faults(struct tree *tree)
{
	json_t *object = put_empty(tree, tree->root, "faults", json_object());
	struct prec_fault_counts counts;

	prec_fault_read_counts(&counts);
	put_number(tree, object, "fixed", counts.fixed);
	put_number(tree, object, "abandoned", counts.abandoned);
	put_number(tree, object, "substituted", counts.substituted);
	put_number(tree, object, "passed", counts.passed);
	put_number(tree, object, "retried", counts.retried);
	put_number(tree, object, "provided", counts.provided);
}

static void put_workers(struct tree *tree, const struct vhost_server *server)
{
	json_t *list = put_empty(tree, tree->root, "workers", json_array());
	struct vhost_worker_stats stats;

	for (uint32_t i = 0; vhost_server_worker(server, i, &stats); i++) {
		json_t *worker = append_object(tree, list);

		put_number(tree, worker, "cpu-ms", stats.cpu_us / 1000);
		put_number(tree, worker, "clients", stats.clients);
	}
}

static void put_sparse(struct tree *tree, const struct vhost_server *server)
{
	struct vhost_sparse_stats stats = vhost_server_sparse(server);
	json_t *object = put_empty(tree, tree->root, "sparse", json_object());

	put_number(tree, object, "bytes", stats.used);
	put_number(tree, object, "bytes-max", stats.max);
	put_number(tree, object, "client-bytes-max", stats.client_max);
	put(tree, object, "watched", json_boolean(stats.watched));
}

json_t *stats_gather(struct vhost_server *server)
{
	struct tree tree = { .root = json_object(), .whole = true };
	const struct vhost_stats_visitor visitor = { add_export, add_client,
						     &tree };

	put(&tree, tree.root, "version", json_string(PRECARIUM_VERSION));
	put_number(&tree, tree.root, "clock-ms", (uint64_t)clock_now_ms());
	put_number(&tree, tree.root, "started", (uint64_t)started);
	tree.exports = put_empty(&tree, tree.root, "exports", json_array());
	put_workers(&tree, server);
	put_faults(&tree);
	put_sparse(&tree, server);
	vhost_server_visit(server, &visitor);
	if (tree.whole)
		return tree.root;
	json_decref(tree.root);
	return NULL;
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

/* One report: text for people on standard output, or JSON for a file or for
 * standard output. */
struct report {
	struct release release;
	char *text;
	const char *path; /* borrowed; NULL: for people, "-": JSON */
};

static bool is_output(const struct report *report)
{
	return !report->path || strcmp(report->path, "-") == 0;
}

static bool report_print(const struct report *report, FILE *out,
			 const json_t *stats)
{
	if (!report->path)
		stats_text(out, stats);
	else if (json_dumpf(stats, out, JSON_INDENT(2)) < 0)
		return false;
	if (report->path && is_output(report))
		fputc('\n', out);
	return !ferror(out);
}

static bool report_fill(struct report *report, const json_t *stats)
{
	size_t size;
	FILE *out = open_memstream(&report->text, &size);
	bool good = out && report_print(report, out, stats);

	/* Without memory for the last of it there is no text, and no error. */
	return out && fclose(out) == 0 && good && report->text;
}

static void report_free(struct report *report)
{
	free(report->text);
	free(report);
}

static struct report *report_new(struct vhost_server *server, const char *path)
{
	struct report *report = calloc(1, sizeof(*report));
	json_t *stats = stats_gather(server);
	bool good = false;

	if (report) {
		report->path = path;
		good = stats && report_fill(report, stats);
	}
	json_decref(stats);
	if (good)
		return report;
	if (report)
		report_free(report);
	log_print("statistics: out of memory");
	return NULL;
}

static bool report_write(const struct report *report)
{
	bool good = is_output(report) ? write_all(STDOUT_FILENO, report->text,
						  strlen(report->text))
				      : write_whole(report->path, report->text);

	/* The table is for who looks on. */
	if (!good && report->path)
		log_print(
			"%.200s: statistics cannot be written: %s; expected a "
			"file that can be replaced",
			is_output(report) ? "standard output" : report->path,
			strerror(errno));
	return good;
}

bool stats_write(struct vhost_server *server, const char *path)
{
	struct report *report = report_new(server, path);
	bool good = report && report_write(report);

	if (report)
		report_free(report);
	return good;
}

static void write_and_free(struct release *release)
{
	struct report *report = (struct report *)release;

	report_write(report);
	report_free(report);
}

/* Of reports that are being written. */
static struct release_account *reports;

static void write_later(struct vhost_server *server, const char *path)
{
	struct report *report = NULL;

	if (!reports)
		reports = release_account_new(-1, NULL);
	if (!reports || release_pending(reports) >= RELEASE_THREADS)
		log_print("statistics are left out: those before are still "
			  "being written");
	else
		report = report_new(server, path);
	if (report)
		release_later(reports, &report->release, write_and_free);
}

void stats_tell(struct vhost_server *server, const char *path)
{
	if (!path || strcmp(path, "-") != 0)
		write_later(server, NULL);
	if (path)
		write_later(server, path);
}

bool stats_end(struct vhost_server *server, const char *path)
{
	if (!path || strcmp(path, "-") != 0)
		stats_write(server, NULL);
	return !path || stats_write(server, path);
}
