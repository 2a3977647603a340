// SPDX-License-Identifier: MIT
#include "program/ask/ask.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "program/command.h"

int ask_options(struct arguments *arguments, const char *command, int argc,
		char **argv, const char *help, const char **path)
{
	static const struct argument_option options[] = {
		{ "control", true, 'c' },
		{ "help", false, 'h' },
		{ NULL, false, 0 },
	};
	int option;

	*path = CONTROL_PATH;
	arguments_begin(arguments, command, argc, argv, options);
	while ((option = arguments_next(arguments)) != ARGUMENTS_END) {
		if (option == 'h') {
			fputs(help, stdout);
			return finish_output();
		}
		if (option != 'c')
			return EXIT_USAGE;
		*path = arguments->value;
	}
	return -1;
}

/* The server answers at once, unless its storage keeps it from ending. */
#define PATIENCE_S 10

int control_connect(const char *path, struct ask_error *error)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	size_t length = strlen(path);
	int fd;

	if (length == 0 || length >= sizeof(name.sun_path)) {
		snprintf(error->text, sizeof(error->text),
			 "%.200s: expected the path of a control socket, at "
			 "most %zu bytes",
			 path, sizeof(name.sun_path) - 1);
		return -1;
	}
	memcpy(name.sun_path, path, length + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)) == 0 &&
	    connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	snprintf(error->text, sizeof(error->text),
		 "%s: %s; expected the control socket of a server that runs, "
		 "see precarium serve --control",
		 path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool send_line(int fd, const char *line)
{
	size_t left = strlen(line);

	while (left > 0) {
		ssize_t done = send(fd, line, left, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		line += done;
		left -= (size_t)done;
	}
	return send(fd, "\n", 1, MSG_NOSIGNAL) == 1;
}

/* Receives a line; drops its end.  NULL: errno says why; 0: the connection was
 * closed. */
static char *receive_line(int fd)
{
	size_t size = 0, room = 0;
	char *line = NULL;

	for (;;) {
		char *more =
			room - size < 4096 ? realloc(line, room + 65536) : line;
		ssize_t done;

		if (!more)
			break;
		if (more != line || room == 0)
			room += 65536;
		line = more;
		done = recv(fd, line + size, room - size, 0);
		if (done < 0 && errno == EINTR)
			continue;
		if (done == 0)
			errno = 0;
		if (done <= 0)
			break;
		size += (size_t)done;
		if (line[size - 1] == '\n') {
			line[size - 1] = 0;
			return line;
		}
	}
	free(line);
	return NULL;
}

/* Takes the result from an answer; NULL: a line on standard error says why. */
static json_t *take_result(const char *line)
{
	json_error_t error;
	json_t *answer = json_loads(line, 0, &error);
	json_t *result = json_incref(json_object_get(answer, "result"));

	if (!result) {
		const char *why =
			json_string_value(json_object_get(answer, "error"));

		complain("the server answered: %s",
			 why	  ? why
			 : answer ? "neither a result nor an error"
				  : error.text);
	}
	json_decref(answer);
	return result;
}

json_t *control_ask(int fd, json_t *request)
{
	json_t *result = NULL;
	char *text = NULL, *line = NULL;

	if (json_object_set_new(request, "protocol",
				json_integer(CONTROL_PROTOCOL)) == 0)
		text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (text && send_line(fd, text))
		line = receive_line(fd);
	if (line)
		result = take_result(line);
	else
		complain("control socket: %s; expected an answer",
			 !text		   ? "out of memory"
			 : errno == 0	   ? "the server closed it"
			 : errno == EAGAIN ? "the server does not answer"
					   : strerror(errno));
	free(text);
	free(line);
	return result;
}

json_t *control_ask_once(const char *path, json_t *request)
{
	struct ask_error error;
	int fd = control_connect(path, &error);
	json_t *result;

	if (fd < 0) {
		complain("%s", error.text);
		json_decref(request);
		return NULL;
	}
	result = control_ask(fd, request);
	close(fd);
	return result;
}
