// SPDX-License-Identifier: MIT
#include "program/serve/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device/log.h"
#include "program/ask/ask.h"
#include "program/serve/exports_json.h"
#include "program/serve/exports.h"
#include "program/serve/options.h"
#include "vhost/listen.h"

#define ANSWER_MAX (1u << 20)

struct handed {
	int fd;
	bool made;
	bool used;
	char path[108]; /* as in sockaddr_un */
};

/* The connection to the other server; -1: there is none. */
static int other_fd = -1;
static struct handed sockets[PASSED_MAX];
static uint32_t socket_count;

__attribute__((format(printf, 2, 3))) static bool
fail(struct vhost_error *error, const char *format, ...)
{
	size_t used;
	va_list args;

	snprintf(error->text, sizeof(error->text), "--take-over: ");
	used = strlen(error->text);
	va_start(args, format);
	vsnprintf(error->text + used, sizeof(error->text) - used, format, args);
	va_end(args);
	return false;
}

static void take_fds(struct msghdr *message)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	size_t count;

	if (!header || header->cmsg_type != SCM_RIGHTS)
		return;
	count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < count && socket_count < PASSED_MAX; i++)
		memcpy(&sockets[socket_count++].fd,
		       CMSG_DATA(header) + i * sizeof(int), sizeof(int));
}

/* Receives a line, and what is passed with it.  0: the connection ended; -1:
 * errno. */
static ssize_t receive_line(char *line)
{
	size_t size = 0;

	while (size < ANSWER_MAX) {
		struct iovec part = { line + size, ANSWER_MAX - size };
		union {
			struct cmsghdr header;
			char room[CMSG_SPACE(PASSED_MAX * sizeof(int))];
		} passed;
		struct msghdr message = {
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = &passed,
			.msg_controllen = sizeof(passed),
		};
		ssize_t done = recvmsg(other_fd, &message, MSG_CMSG_CLOEXEC);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done;
		take_fds(&message);
		size += (size_t)done;
		if (line[size - 1] == '\n')
			return (ssize_t)size;
	}
	errno = EMSGSIZE;
	return -1;
}

/* What an answer without a result says. */
static const char *why_none(const json_t *answer)
{
	const char *why = json_string_value(json_object_get(answer, "error"));

	return why ? why : "neither a result nor an error";
}

/* The result of a command without arguments; NULL: *error says why. */
static json_t *ask(const char *command, struct vhost_error *error)
{
	static char line[ANSWER_MAX];
	json_t *answer, *result;
	json_error_t wrong;
	ssize_t size;
	int length = snprintf(line, sizeof(line),
			      "{\"command\": \"%s\", \"protocol\": %d}\n",
			      command, CONTROL_PROTOCOL);

	if (send(other_fd, line, (size_t)length, MSG_NOSIGNAL) != length ||
	    (size = receive_line(line)) <= 0) {
		fail(error,
		     "%s: no answer; expected the control socket of a server "
		     "that runs",
		     command);
		return NULL;
	}
	answer = json_loadb(line, (size_t)size, 0, &wrong);
	result = json_incref(json_object_get(answer, "result"));
	if (!result)
		fail(error, "%s: the server answered: %.400s", command,
		     answer ? why_none(answer) : wrong.text);
	json_decref(answer);
	return result;
}

/* The other one's process, beside whose locks we set ours.  The socket tells
 * that of the first server that listened there. */
static bool take_process(struct vhost_error *error)
{
	json_t *result = ask("version", error);

	if (result)
		store_succeed((int)json_integer_value(
			json_object_get(result, "pid")));
	json_decref(result);
	return result != NULL;
}

static bool take_sockets(struct vhost_error *error)
{
	json_t *result = ask("hand-over", error), *one;
	const json_t *list = json_object_get(result, "sockets");
	size_t i;

	if (!result)
		return false;
	if (json_array_size(list) != socket_count) {
		json_decref(result);
		return fail(error,
			    "%u of %zu sockets arrived; expected room for all "
			    "of them, see ulimit -n",
			    socket_count, json_array_size(list));
	}
	json_array_foreach(list, i, one)
	{
		const char *path =
			json_string_value(json_object_get(one, "path"));

		snprintf(sockets[i].path, sizeof(sockets[i].path), "%s",
			 path ? path : "");
		sockets[i].made = json_is_true(json_object_get(one, "made"));
	}
	json_decref(result);
	return true;
}

static bool has(const struct options *options, const struct export *export)
{
	for (uint32_t i = 0; i < options->export_count; i++) {
		if (strcmp(export_name(&options->exports[i]),
			   export_name(export)) == 0)
			return true;
	}
	return false;
}

/* An export that a command has added to the other one. */
static bool take_export(struct options *command_line, json_t *keys,
			struct vhost_error *error)
{
	struct vhost_error why;
	struct export export, *place;

	if (!export_from_json(&export, keys, &why))
		return fail(error, "%.400s", why.text);
	if (has(command_line, &export))
		return true;
	place = options_add(command_line);
	if (!place)
		return fail(error, "out of memory");
	*place = export;
	place->source = json_incref(keys);
	return true;
}

static bool take_exports(struct options *command_line,
			 struct vhost_error *error)
{
	json_t *result = ask("export-list", error), *one;
	bool good = result != NULL;
	size_t i;

	json_array_foreach(json_object_get(result, "exports"), i, one)
	{
		const char *from =
			json_string_value(json_object_get(one, "from"));

		if (good && from && strcmp(from, "export add") == 0)
			good = take_export(command_line,
					   json_object_get(one, "keys"), error);
	}
	json_decref(result);
	return good;
}

bool takeover_begin(const char *path, struct options *command_line,
		    struct vhost_error *error)
{
	struct ask_error why;

	other_fd = control_connect(path, &why);
	if (other_fd < 0)
		return fail(error, "%s", why.text);
	return take_process(error) && take_exports(command_line, error) &&
	       take_sockets(error);
}

int takeover_socket_at(const char *path)
{
	for (uint32_t i = 0; i < socket_count; i++) {
		if (strcmp(sockets[i].path, path) != 0)
			continue;
		sockets[i].used = true;
		return fcntl(sockets[i].fd, F_DUPFD_CLOEXEC, 0);
	}
	return -1;
}

bool takeover_owns(const char *path)
{
	for (uint32_t i = 0; path && i < socket_count; i++) {
		if (strcmp(sockets[i].path, path) == 0)
			return sockets[i].made;
	}
	return false;
}

void takeover_end(void)
{
	for (uint32_t i = 0; i < socket_count; i++) {
		struct vhost_socket_file file;

		if (!sockets[i].used && sockets[i].made) {
			vhost_listen_know(sockets[i].path, &file);
			vhost_unlisten(sockets[i].path, sockets[i].fd, &file,
				       NULL);
		} else {
			close(sockets[i].fd);
		}
	}
	socket_count = 0;
}

/* Its connection ends with the process, after the last request. */
static void await_end(const volatile sig_atomic_t *stop)
{
	struct pollfd other = { .fd = other_fd, .events = POLLIN };
	char rest[16];

	while (!*stop) {
		if (poll(&other, 1, 100) > 0 &&
		    recv(other_fd, rest, sizeof(rest), 0) <= 0)
			return;
	}
}

bool takeover_finish(const volatile sig_atomic_t *stop,
		     struct vhost_error *error)
{
	json_t *result;

	if (other_fd < 0)
		return true;
	result = ask("leave", error);
	json_decref(result);
	if (!result)
		return false;
	await_end(stop);
	store_succeed(0);
	close(other_fd);
	other_fd = -1;
	log_info(NULL, "goes on where another server has ended");
	return true;
}
