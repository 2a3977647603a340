/* SPDX-License-Identifier: MIT */
#include "client/backend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/client.h"

#define ARGUMENTS_MAX (10 + BACKEND_EXPORTS_MAX * 4)
#define START_MS      30000
#define STOP_MS	      30000

static int fail(struct backend *backend, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int fail(struct backend *backend, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(backend->error, sizeof(backend->error), format, args);
	va_end(args);
	return -1;
}

int backend_init(struct backend *backend)
{
	const char *peer = getenv("PRECARIUM_PEER");
	const char *parent = getenv("TMPDIR");

	memset(backend, 0, sizeof(*backend));
	backend->peer = peer && !strcmp(peer, "qemu");
	/* Socket names are short: at most 107 bytes. */
	if (!parent || strlen(parent) > 30)
		parent = "/tmp";
	snprintf(backend->directory, sizeof(backend->directory),
		 "%s/precarium-XXXXXX", parent);
	if (!mkdtemp(backend->directory)) {
		fail(backend, "%s: %s", backend->directory, strerror(errno));
		backend->directory[0] = '\0';
		return -1;
	}
	snprintf(backend->stats_path, sizeof(backend->stats_path),
		 "%s/stats.json", backend->directory);
	snprintf(backend->control_path, sizeof(backend->control_path),
		 "%s/control", backend->directory);
	return 0;
}

uint32_t backend_add(struct backend *backend, const char *file, uint64_t size)
{
	struct backend_export *export =
		&backend->exports[backend->export_count];

	snprintf(export->socket_path, sizeof(export->socket_path), "%s/%u.sock",
		 backend->directory, backend->export_count);
	export->file = file;
	export->size = size;
	export->queue_count = 1;
	return backend->export_count++;
}

struct arguments {
	char *list[ARGUMENTS_MAX + 1];
	uint32_t count;
};

static void add(struct arguments *arguments, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct arguments *arguments, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (arguments->count == ARGUMENTS_MAX ||
	    vasprintf(&arguments->list[arguments->count], format, args) < 0)
		abort();
	va_end(args);
	arguments->list[++arguments->count] = NULL;
}

static void free_arguments(struct arguments *arguments)
{
	while (arguments->count > 0)
		free(arguments->list[--arguments->count]);
}

static void peer_arguments(const struct backend *backend,
			   struct arguments *arguments)
{
	uint32_t i;

	add(arguments, "qemu-storage-daemon");
	for (i = 0; i < backend->export_count; i++) {
		const struct backend_export *export = &backend->exports[i];
		const char *only = export->read_only ? "on" : "off";

		add(arguments, "--blockdev");
		if (export->file)
			add(arguments,
			    "driver=file,node-name=n%u,filename=%s,"
			    "read-only=%s,cache.direct=%s",
			    i, export->file, only,
			    export->direct ? "on" : "off");
		else
			add(arguments,
			    "driver=null-co,node-name=n%u,size=%llu,"
			    "read-zeroes=on,read-only=%s",
			    i, (unsigned long long)export->size, only);
		add(arguments, "--export");
		add(arguments,
		    "type=vhost-user-blk,id=e%u,node-name=n%u,"
		    "addr.type=unix,addr.path=%s,writable=%s,num-queues=%u",
		    i, i, export->socket_path, export->read_only ? "off" : "on",
		    export->queue_count);
	}
}

static void our_arguments(const struct backend *backend,
			  struct arguments *arguments)
{
	const char *program = getenv("PRECARIUM");
	const char *number = getenv("PRECARIUM_WORKERS_PER_CLIENT");
	const char *key = number ? ",workers-per-client=" : "";
	uint32_t i;

	number = number ? number : "";
	add(arguments, "%s", program ? program : "build/program/precarium");
	add(arguments, "serve");
	for (i = 0; i < backend->export_count; i++) {
		const struct backend_export *export = &backend->exports[i];
		const char *only = export->read_only ? ",read-only" : "";
		const char *keys = export->keys ? export->keys : "";

		add(arguments, "--export");
		if (export->file)
			add(arguments, "socket=%s,file=%s%s%s%s%s%s%s",
			    export->socket_path, export->file, only,
			    export->direct ? ",direct" : "",
			    export->shared ? ",shared" : "", keys, key, number);
		else
			add(arguments, "socket=%s,null=%llu%s%s%s%s",
			    export->socket_path,
			    (unsigned long long)export->size, only, keys, key,
			    number);
	}
	add(arguments, "--workers");
	add(arguments, "%u", backend->workers ? backend->workers : 2);
	if (backend->clients) {
		add(arguments, "--max-clients");
		add(arguments, "%u", backend->clients);
	}
	if (backend->drain_timeout_ms) {
		add(arguments, "--drain-timeout");
		add(arguments, "%u", backend->drain_timeout_ms);
	}
	if (backend->max_in_flight) {
		add(arguments, "--max-in-flight");
		add(arguments, "%llu",
		    (unsigned long long)backend->max_in_flight);
	}
	if (backend->max_sparse) {
		add(arguments, "--max-sparse");
		add(arguments, "%llu", (unsigned long long)backend->max_sparse);
	}
	if (backend->max_sparse_all) {
		add(arguments, "--max-sparse-all");
		add(arguments, "%llu",
		    (unsigned long long)backend->max_sparse_all);
	}
	if (backend->config) {
		add(arguments, "--config");
		add(arguments, "%s", backend->config);
	}
	if (backend->polling) {
		add(arguments, "--polling");
		add(arguments, "%s", backend->polling);
	}
	add(arguments, "--control");
	add(arguments, "%s", backend->control_path);
	add(arguments, "--stats-json");
	add(arguments, "%s", backend->stats_path);
}

/* In the child: no way back. */
static void become(const struct backend *backend, struct arguments *arguments,
		   pid_t parent)
{
	char path[100];
	sigset_t none;
	int log, in;

	/* The server must not outlive the process that started it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(path, sizeof(path), "%s/log", backend->directory);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (log < 0 || in < 0 || dup2(in, 0) < 0 || dup2(log, 1) < 0 ||
	    dup2(log, 2) < 0)
		_exit(127);
	execvp(arguments->list[0], arguments->list);
	dprintf(2, "%s: %s\n", arguments->list[0], strerror(errno));
	_exit(127);
}

/* A socket that is bound but does not listen yet refuses; asking by a
 * connection would be one client more in the server's books.  So ask the
 * kernel: flag 00010000 of its table says that it listens. */
static uint32_t count_listening(const struct backend *backend)
{
	FILE *table = fopen("/proc/net/unix", "re");
	uint32_t found = 0, i;
	char line[400];

	if (!table)
		return 0;
	while (fgets(line, sizeof(line), table)) {
		char *path = strchr(line, '/');

		if (!path || !strstr(line, " 00010000 "))
			continue;
		path[strcspn(path, "\n")] = '\0';
		for (i = 0; i < backend->export_count; i++)
			found += !strcmp(path, backend->exports[i].socket_path);
	}
	fclose(table);
	return found;
}

/* Wait for the end of the process, at most so long: a pidfd is readable. */
static bool wait_end(struct backend *backend, int timeout_ms)
{
	struct pollfd poller = { .events = POLLIN };

	if (backend->pid <= 0)
		return true;
	poller.fd = (int)syscall(SYS_pidfd_open, backend->pid, 0);
	if (poller.fd >= 0) {
		poll(&poller, 1, timeout_ms);
		close(poller.fd);
	}
	if (waitpid(backend->pid, &backend->exit_status, WNOHANG) !=
	    backend->pid)
		return false;
	backend->pid = 0;
	return true;
}

bool backend_alive(struct backend *backend)
{
	return backend->pid > 0 && !wait_end(backend, 0);
}

/* The last thing that it said, because the log goes with the directory. */
static int fail_start(struct backend *backend)
{
	char path[100], line[300] = "", last[300] = "it said nothing";
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", backend->directory);
	log = fopen(path, "re");
	while (log && fgets(line, sizeof(line), log))
		snprintf(last, sizeof(last), "%.*s", (int)strcspn(line, "\n"),
			 line);
	if (log)
		fclose(log);
	return fail(backend, "the server %s at its start: %s",
		    backend_fate(backend), last);
}

int backend_start(struct backend *backend)
{
	uint64_t end = client_now_ns() + START_MS * 1000000ull;
	struct arguments arguments = { .count = 0 };
	pid_t parent = getpid();
	uint32_t i;

	for (i = 0; i < backend->export_count; i++)
		unlink(backend->exports[i].socket_path);
	if (backend->peer)
		peer_arguments(backend, &arguments);
	else
		our_arguments(backend, &arguments);
	backend->pid = fork();
	if (backend->pid == 0)
		become(backend, &arguments, parent);
	free_arguments(&arguments);
	if (backend->pid < 0) {
		backend->pid = 0;
		return fail(backend, "fork: %s", strerror(errno));
	}
	/* Nothing tells that a socket listens: look every few milliseconds,
	 * while the process lives. */
	while (count_listening(backend) < backend->export_count) {
		if (wait_end(backend, 2))
			return fail_start(backend);
		if (client_now_ns() > end)
			return fail(backend,
				    "the server does not listen "
				    "after %d ms",
				    START_MS);
	}
	return 0;
}

int backend_stop(struct backend *backend)
{
	if (!backend_alive(backend))
		return fail(backend, "the server had %s",
			    backend_fate(backend));
	kill(backend->pid, SIGTERM);
	return backend_end(backend, STOP_MS);
}

int backend_end(struct backend *backend, int timeout_ms)
{
	if (!wait_end(backend, timeout_ms)) {
		backend_kill(backend);
		return fail(backend, "the server did not end within %d ms",
			    timeout_ms);
	}
	if (!WIFEXITED(backend->exit_status) ||
	    WEXITSTATUS(backend->exit_status) != 0)
		return fail(backend, "the server %s", backend_fate(backend));
	return 0;
}

void backend_kill(struct backend *backend)
{
	if (backend->pid <= 0)
		return;
	kill(backend->pid, SIGKILL);
	waitpid(backend->pid, &backend->exit_status, 0);
	backend->pid = 0;
}

static int remove_one(const char *path, const struct stat *about, int type,
		      struct FTW *place)
{
	(void)about;
	(void)type;
	(void)place;
	remove(path);
	return 0;
}

void backend_free(struct backend *backend)
{
	backend_kill(backend);
	if (backend->directory[0])
		nftw(backend->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	backend->directory[0] = '\0';
}

const char *backend_fate(const struct backend *backend)
{
	static char text[60];

	if (backend->pid > 0)
		return "is alive";
	if (WIFSIGNALED(backend->exit_status))
		snprintf(text, sizeof(text), "died of signal %d (%s)",
			 WTERMSIG(backend->exit_status),
			 strsignal(WTERMSIG(backend->exit_status)));
	else
		snprintf(text, sizeof(text), "ended with status %d",
			 WEXITSTATUS(backend->exit_status));
	return text;
}

uint32_t backend_descriptors(const struct backend *backend)
{
	uint32_t count = 0;
	char path[40];
	DIR *list;

	snprintf(path, sizeof(path), "/proc/%d/fd", backend->pid);
	list = opendir(path);
	if (!list)
		return 0;
	while (readdir(list))
		count++;
	closedir(list);
	return count - 2;
}

/* Call `look` for each line of a file of /proc/PID. */
static void each_line(const struct backend *backend, const char *name,
		      void (*look)(const char *line, void *sum), void *sum)
{
	char path[40], line[512];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", backend->pid, name);
	file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		look(line, sum);
	fclose(file);
}

static void count_line(const char *line, void *sum)
{
	(void)line;
	++*(uint32_t *)sum;
}

static void find_resident(const char *line, void *sum)
{
	if (!strncmp(line, "VmRSS:", 6))
		*(uint64_t *)sum = strtoull(line + 6, NULL, 10);
}

uint32_t backend_mappings(const struct backend *backend)
{
	uint32_t count = 0;

	each_line(backend, "maps", count_line, &count);
	return count;
}

uint64_t backend_resident_kib(const struct backend *backend)
{
	uint64_t size = 0;

	each_line(backend, "status", find_resident, &size);
	return size;
}
