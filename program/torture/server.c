// SPDX-License-Identifier: MIT
/* The server under attack: whether it lives, what it holds, and starting it
 * again. */
#include "program/torture/torture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS  15000u
#define LINGER_MS 1000u

bool server_listens(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	bool there;
	int fd;

	if (strlen(path) >= sizeof(name.sun_path))
		return false;
	memcpy(name.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	/* EAGAIN: it listens, but its backlog is full. */
	there = connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0 ||
		errno == EAGAIN;
	close(fd);
	return there;
}

bool server_gone(struct torture *torture)
{
	struct pollfd poller = { .events = POLLIN };
	pid_t pid = torture->server.pid;
	bool gone;

	if (torture->started)
		return !backend_alive(&torture->server);
	if (pid <= 0)
		return !server_listens(torture->options.socket_path);
	poller.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (poller.fd < 0)
		return errno == ESRCH;
	gone = poll(&poller, 1, 0) > 0;
	close(poller.fd);
	return gone;
}

const char *server_fate(struct torture *torture)
{
	if (!torture->started || backend_alive(&torture->server))
		return "";
	return backend_fate(&torture->server);
}

/* Those of files, as lent memory is: "address rwxs offset device inode path".
 * Stacks and heaps come and go, and what they cost is seen as memory. */
static uint32_t shared_mappings(pid_t pid)
{
	char path[40], line[512], shared;
	uint32_t count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		count += sscanf(line, "%*s %*3c%c", &shared) == 1 &&
			 shared == 's';
	if (file)
		fclose(file);
	return count;
}

struct holdings server_holds(const struct torture *torture)
{
	if (torture->server.pid <= 0)
		return (struct holdings){ 0, 0, 0 };
	return (struct holdings){
		backend_descriptors(&torture->server),
		shared_mappings(torture->server.pid),
		backend_resident_kib(&torture->server),
	};
}

/* In the child.  Does not return. */
static void become(const char *command, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char line[4096];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	/* Away from the signals of our terminal. */
	setsid();
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(null, 2) < 0)
		_exit(127);
	/* The shell's process becomes the server's: its pid is known. */
	snprintf(line, sizeof(line), "exec %s", command);
	execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	_exit(127);
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Does the server hold this socket? */
static bool holds_socket(const struct torture *torture, const char *inode)
{
	char folder[40], path[300], wanted[32], target[40];
	const struct dirent *entry;
	bool found = false;
	DIR *list;

	snprintf(wanted, sizeof(wanted), "socket:[%s]", inode);
	snprintf(folder, sizeof(folder), "/proc/%d/fd", torture->server.pid);
	list = opendir(folder);
	while (list && !found && (entry = readdir(list))) {
		ssize_t size;

		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		size = readlink(path, target, sizeof(target) - 1);
		target[size < 0 ? 0 : size] = '\0';
		found = !strcmp(target, wanted);
	}
	if (list)
		closedir(list);
	return found;
}

/* Checks without connecting, as a connection is one more client, and some
 * servers take one at a time.  The table has paths as servers wrote them, so
 * only the last component is compared.  Flag 00010000: it listens. */
static bool is_bound(const struct torture *torture, const char *path)
{
	FILE *table = fopen("/proc/net/unix", "re");
	char line[400], inode[21], name[200];
	bool found = false;

	while (table && !found && fgets(line, sizeof(line), table))
		found = sscanf(line, "%*s %*s %*s 00010000 %*s %*s %20s %199s",
			       inode, name) == 2 &&
			!strcmp(last_part(name), last_part(path)) &&
			holds_socket(torture, inode);
	if (table)
		fclose(table);
	return found;
}

static bool both_listen(const struct torture *torture)
{
	const struct torture_options *options = &torture->options;

	return is_bound(torture, options->socket_path) &&
	       (!options->neighbour_path ||
		is_bound(torture, options->neighbour_path));
}

/* Removes a socket that our server left when it was killed or died, but none
 * where another server listens.  Processes that the server had started die a
 * little later and may hold the socket until then. */
static void remove_socket(const struct torture *torture, const char *path)
{
	uint64_t end = client_now_ns() + LINGER_MS * 1000000ull;
	struct stat about;

	if (!path || lstat(path, &about) < 0 || !S_ISSOCK(about.st_mode))
		return;
	while (server_listens(path)) {
		if (!torture->bound || client_now_ns() > end)
			return;
		poll(NULL, 0, 5);
	}
	unlink(path);
}

void server_end(struct torture *torture)
{
	if (!torture->started)
		return;
	backend_kill(&torture->server);
	/* And what it may have started. */
	kill(-torture->group, SIGKILL);
	remove_socket(torture, torture->options.socket_path);
	remove_socket(torture, torture->options.neighbour_path);
	torture->started = false;
	torture->bound = false;
}

static int fail(struct torture *torture, const char *what)
{
	snprintf(torture->error, sizeof(torture->error), "%s", what);
	return -1;
}

int server_again(struct torture *torture)
{
	uint64_t end = client_now_ns() + START_MS * 1000000ull;
	pid_t parent = getpid();

	if (!torture->options.restart)
		return fail(torture,
			    "the server is lost; expected --restart to "
			    "start it again");
	server_end(torture);
	torture->server.pid = fork();
	if (torture->server.pid == 0)
		become(torture->options.restart, parent);
	if (torture->server.pid < 0) {
		torture->server.pid = 0;
		return fail(torture, strerror(errno));
	}
	torture->group = torture->server.pid;
	torture->started = true;
	torture->warm = false;
	/* Nothing tells that a socket listens: look every few milliseconds. */
	while (!both_listen(torture)) {
		if (!backend_alive(&torture->server))
			return fail(torture, "the command to start the server "
					     "ended; expected it to stay in "
					     "the foreground");
		if (client_now_ns() > end)
			return fail(torture, "the server that was started "
					     "does not listen");
		poll(NULL, 0, 5);
	}
	torture->bound = true;
	return 0;
}

int server_begin(struct torture *torture)
{
	torture->server.pid = torture->options.pid;
	if (torture->options.restart)
		return server_again(torture);
	if (server_listens(torture->options.socket_path))
		return 0;
	snprintf(torture->error, sizeof(torture->error),
		 "%.80s: nobody listens there; expected the socket of a "
		 "vhost-user server",
		 torture->options.socket_path);
	return -1;
}
