/* SPDX-License-Identifier: MIT */
#include "client/driver.h"

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

#define ARGUMENTS_MAX (10 + DRIVER_EXPORTS_MAX * 4)
#define START_MS      10000
#define STOP_MS	      10000

static int fail(struct driver *driver, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int fail(struct driver *driver, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(driver->error, sizeof(driver->error), format, args);
	va_end(args);
	return -1;
}

int driver_init(struct driver *driver)
{
	const char *peer = getenv("PRECARIUM_PEER");
	const char *parent = getenv("TMPDIR");

	memset(driver, 0, sizeof(*driver));
	driver->peer = peer && !strcmp(peer, "qemu");
	/* Socket names are short: at most 107 bytes. */
	if (!parent || strlen(parent) > 30)
		parent = "/tmp";
	snprintf(driver->directory, sizeof(driver->directory),
		 "%s/precarium-XXXXXX", parent);
	if (!mkdtemp(driver->directory)) {
		fail(driver, "%s: %s", driver->directory, strerror(errno));
		driver->directory[0] = '\0';
		return -1;
	}
	snprintf(driver->stats_path, sizeof(driver->stats_path),
		 "%s/stats.json", driver->directory);
	snprintf(driver->control_path, sizeof(driver->control_path),
		 "%s/control", driver->directory);
	return 0;
}

uint32_t driver_add(struct driver *driver, const char *file, uint64_t size)
{
	struct driver_export *export = &driver->exports[driver->export_count];

	snprintf(export->socket_path, sizeof(export->socket_path), "%s/%u.sock",
		 driver->directory, driver->export_count);
	export->file = file;
	export->size = size;
	export->queue_count = 1;
	return driver->export_count++;
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

static void peer_arguments(const struct driver *driver,
			   struct arguments *arguments)
{
	uint32_t i;

	add(arguments, "qemu-storage-daemon");
	for (i = 0; i < driver->export_count; i++) {
		const struct driver_export *export = &driver->exports[i];
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

static void our_arguments(const struct driver *driver,
			  struct arguments *arguments)
{
	const char *program = getenv("PRECARIUM");
	uint32_t i;

	add(arguments, "%s", program ? program : "build/program/precarium");
	add(arguments, "serve");
	for (i = 0; i < driver->export_count; i++) {
		const struct driver_export *export = &driver->exports[i];
		const char *only = export->read_only ? ",read-only" : "";

		add(arguments, "--export");
		if (export->file)
			add(arguments, "socket=%s,file=%s%s%s",
			    export->socket_path, export->file, only,
			    export->direct ? ",direct" : "");
		else
			add(arguments, "socket=%s,null=%llu%s",
			    export->socket_path,
			    (unsigned long long)export->size, only);
	}
	add(arguments, "--workers");
	add(arguments, "%u", driver->workers ? driver->workers : 2);
	if (driver->clients) {
		add(arguments, "--max-clients");
		add(arguments, "%u", driver->clients);
	}
	if (driver->drain_timeout_ms) {
		add(arguments, "--drain-timeout");
		add(arguments, "%u", driver->drain_timeout_ms);
	}
	if (driver->max_in_flight) {
		add(arguments, "--max-in-flight");
		add(arguments, "%llu",
		    (unsigned long long)driver->max_in_flight);
	}
	if (driver->max_sparse) {
		add(arguments, "--max-sparse");
		add(arguments, "%llu", (unsigned long long)driver->max_sparse);
	}
	if (driver->max_sparse_all) {
		add(arguments, "--max-sparse-all");
		add(arguments, "%llu",
		    (unsigned long long)driver->max_sparse_all);
	}
	if (driver->polling) {
		add(arguments, "--polling");
		add(arguments, "%s", driver->polling);
	}
	add(arguments, "--control");
	add(arguments, "%s", driver->control_path);
	add(arguments, "--stats-json");
	add(arguments, "%s", driver->stats_path);
}

/* In the child: no way back. */
static void become(const struct driver *driver, struct arguments *arguments,
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
	snprintf(path, sizeof(path), "%s/log", driver->directory);
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
static uint32_t count_listening(const struct driver *driver)
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
		for (i = 0; i < driver->export_count; i++)
			found += !strcmp(path, driver->exports[i].socket_path);
	}
	fclose(table);
	return found;
}

/* Wait for the end of the process, at most so long: a pidfd is readable. */
static bool wait_end(struct driver *driver, int timeout_ms)
{
	struct pollfd poller = { .events = POLLIN };

	if (driver->pid <= 0)
		return true;
	poller.fd = (int)syscall(SYS_pidfd_open, driver->pid, 0);
	if (poller.fd >= 0) {
		poll(&poller, 1, timeout_ms);
		close(poller.fd);
	}
	if (waitpid(driver->pid, &driver->exit_status, WNOHANG) != driver->pid)
		return false;
	driver->pid = 0;
	return true;
}

bool driver_alive(struct driver *driver)
{
	return driver->pid > 0 && !wait_end(driver, 0);
}

/* The last thing that it said, because the log goes with the directory. */
static int fail_start(struct driver *driver)
{
	char path[100], line[300] = "", last[300] = "it said nothing";
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", driver->directory);
	log = fopen(path, "re");
	while (log && fgets(line, sizeof(line), log))
		snprintf(last, sizeof(last), "%.*s", (int)strcspn(line, "\n"),
			 line);
	if (log)
		fclose(log);
	return fail(driver, "the server %s at its start: %s",
		    driver_fate(driver), last);
}

int driver_start(struct driver *driver)
{
	uint64_t end = client_now_ns() + START_MS * 1000000ull;
	struct arguments arguments = { .count = 0 };
	pid_t parent = getpid();
	uint32_t i;

	for (i = 0; i < driver->export_count; i++)
		unlink(driver->exports[i].socket_path);
	if (driver->peer)
		peer_arguments(driver, &arguments);
	else
		our_arguments(driver, &arguments);
	driver->pid = fork();
	if (driver->pid == 0)
		become(driver, &arguments, parent);
	free_arguments(&arguments);
	if (driver->pid < 0) {
		driver->pid = 0;
		return fail(driver, "fork: %s", strerror(errno));
	}
	/* Nothing tells that a socket listens: look every few milliseconds,
	 * while the process lives. */
	while (count_listening(driver) < driver->export_count) {
		if (wait_end(driver, 2))
			return fail_start(driver);
		if (client_now_ns() > end)
			return fail(driver,
				    "the server does not listen "
				    "after %d ms",
				    START_MS);
	}
	return 0;
}

int driver_stop(struct driver *driver)
{
	if (!driver_alive(driver))
		return fail(driver, "the server had %s", driver_fate(driver));
	kill(driver->pid, SIGTERM);
	return driver_end(driver, STOP_MS);
}

int driver_end(struct driver *driver, int timeout_ms)
{
	if (!wait_end(driver, timeout_ms)) {
		driver_kill(driver);
		return fail(driver, "the server did not end within %d ms",
			    timeout_ms);
	}
	if (!WIFEXITED(driver->exit_status) ||
	    WEXITSTATUS(driver->exit_status) != 0)
		return fail(driver, "the server %s", driver_fate(driver));
	return 0;
}

void driver_kill(struct driver *driver)
{
	if (driver->pid <= 0)
		return;
	kill(driver->pid, SIGKILL);
	waitpid(driver->pid, &driver->exit_status, 0);
	driver->pid = 0;
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

void driver_free(struct driver *driver)
{
	driver_kill(driver);
	if (driver->directory[0])
		nftw(driver->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	driver->directory[0] = '\0';
}

const char *driver_fate(const struct driver *driver)
{
	static char text[60];

	if (driver->pid > 0)
		return "is alive";
	if (WIFSIGNALED(driver->exit_status))
		snprintf(text, sizeof(text), "died of signal %d (%s)",
			 WTERMSIG(driver->exit_status),
			 strsignal(WTERMSIG(driver->exit_status)));
	else
		snprintf(text, sizeof(text), "ended with status %d",
			 WEXITSTATUS(driver->exit_status));
	return text;
}

uint32_t driver_descriptors(const struct driver *driver)
{
	uint32_t count = 0;
	char path[40];
	DIR *list;

	snprintf(path, sizeof(path), "/proc/%d/fd", driver->pid);
	list = opendir(path);
	if (!list)
		return 0;
	while (readdir(list))
		count++;
	closedir(list);
	return count - 2;
}

/* Call `look` for each line of a file of /proc/PID. */
static void each_line(const struct driver *driver, const char *name,
		      void (*look)(const char *line, void *sum), void *sum)
{
	char path[40], line[512];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", driver->pid, name);
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

uint32_t driver_mappings(const struct driver *driver)
{
	uint32_t count = 0;

	each_line(driver, "maps", count_line, &count);
	return count;
}

uint64_t driver_resident_kib(const struct driver *driver)
{
	uint64_t size = 0;

	each_line(driver, "status", find_resident, &size);
	return size;
}
