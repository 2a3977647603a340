// SPDX-License-Identifier: MIT
#include "serve_stats.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <precarium/fault.h>

#include "command.h"

static void print_counts(const struct vhost_counts *counts)
{
	printf("%" PRIu64 " requests, %" PRIu64 " errors, %" PRIu64
	       " bytes read, %" PRIu64 " bytes written, %" PRIu64
	       " losses of memory, %" PRIu64 " revocations, %" PRIu64
	       " regions refused",
	       counts->requests, counts->errors, counts->bytes_read,
	       counts->bytes_written, counts->losses, counts->revocations,
	       counts->refused);
}

static void print_export(void *argument, const struct vhost_export_stats *stats)
{
	(void)argument;
	printf("%s: %" PRIu64 " clients, %u connected, %" PRIu64
	       " turned away; ",
	       stats->name, stats->clients, stats->connected,
	       stats->turned_away);
	print_counts(&stats->counts);
	putchar('\n');
}

static void print_client(void *argument, const struct vhost_client_stats *stats)
{
	(void)argument;
	printf("  #%u (pid %d, uid %d): ", stats->number, (int)stats->pid,
	       (int)stats->uid);
	print_counts(&stats->counts);
	printf("; %s\n", stats->ended ? stats->ended : "connected");
}

void serve_stats_print(struct vhost_server *server)
{
	const struct vhost_stats_visitor visitor = { print_export, print_client,
						     NULL };
	struct prec_fault_counts faults;

	vhost_server_visit(server, &visitor);
	prec_fault_read_counts(&faults);
	printf("faults: %" PRIu64 " fixed, %" PRIu64 " abandoned, %" PRIu64
	       " substituted, %" PRIu64 " passed on\n",
	       faults.fixed, faults.abandoned, faults.substituted,
	       faults.passed);
	fflush(stdout);
}

/* cJSON keeps numbers as double; ours are 64 bits. */
static void add_count(cJSON *object, const char *name, uint64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	cJSON_AddRawToObject(object, name, digits);
}

static void add_counts(cJSON *object, const struct vhost_counts *counts)
{
	add_count(object, "requests", counts->requests);
	add_count(object, "errors", counts->errors);
	add_count(object, "bytes-read", counts->bytes_read);
	add_count(object, "bytes-written", counts->bytes_written);
	add_count(object, "losses", counts->losses);
	add_count(object, "revocations", counts->revocations);
	add_count(object, "regions-refused", counts->refused);
	add_count(object, "notifications", counts->notifications);
}

struct tree {
	cJSON *exports;
	cJSON *clients; /* of the export that was visited last */
};

static void add_export(void *argument, const struct vhost_export_stats *stats)
{
	struct tree *tree = argument;
	cJSON *export = cJSON_CreateObject();

	cJSON_AddItemToArray(tree->exports, export);
	cJSON_AddStringToObject(export, "name", stats->name);
	if (stats->socket_path)
		cJSON_AddStringToObject(export, "socket", stats->socket_path);
	add_count(export, "clients-so-far", stats->clients);
	add_count(export, "connected", stats->connected);
	add_count(export, "turned-away", stats->turned_away);
	add_counts(export, &stats->counts);
	tree->clients = cJSON_AddArrayToObject(export, "clients");
}

static void add_client(void *argument, const struct vhost_client_stats *stats)
{
	struct tree *tree = argument;
	cJSON *client = cJSON_CreateObject();

	cJSON_AddItemToArray(tree->clients, client);
	add_count(client, "number", stats->number);
	add_count(client, "pid", (uint64_t)stats->pid);
	add_count(client, "uid", stats->uid);
	cJSON_AddBoolToObject(client, "connected", !stats->ended);
	if (stats->ended)
		cJSON_AddStringToObject(client, "ended", stats->ended);
	add_counts(client, &stats->counts);
}

static char *make_text(struct vhost_server *server)
{
	cJSON *root = cJSON_CreateObject();
	struct tree tree = { cJSON_AddArrayToObject(root, "exports"), NULL };
	const struct vhost_stats_visitor visitor = { add_export, add_client,
						     &tree };
	cJSON *faults = cJSON_AddObjectToObject(root, "faults");
	struct prec_fault_counts counts;
	char *text;

	vhost_server_visit(server, &visitor);
	prec_fault_read_counts(&counts);
	add_count(faults, "fixed", counts.fixed);
	add_count(faults, "abandoned", counts.abandoned);
	add_count(faults, "substituted", counts.substituted);
	add_count(faults, "passed", counts.passed);
	add_count(faults, "retried", counts.retried);
	text = cJSON_Print(root);
	cJSON_Delete(root);
	return text;
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
	int fd = open(path, flags | O_WRONLY | O_CLOEXEC, 0666);
	bool good = fd >= 0 && write_all(fd, text, strlen(text));
	int error = errno;

	if (fd >= 0 && close(fd) < 0 && good) {
		good = false;
		error = errno;
	}
	errno = error;
	return good;
}

/* Beside it, then into its place: readers see the old or the new. */
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

bool serve_stats_write(struct vhost_server *server, const char *path)
{
	char *text = make_text(server);
	bool good;

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
	cJSON_free(text);
	return good;
}
