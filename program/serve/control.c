// SPDX-License-Identifier: MIT
#include "program/serve/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program/ask/ask.h"
#include "program/serve/takeover.h"
#include "vhost/listen.h"
#include "device/log.h"

#define CALLERS 8

struct caller {
	int fd;		/* -1: free */
	uint64_t heard; /* when, on the control's own clock */
	size_t received;
	char request[CONTROL_REQUEST_SIZE];
	char *answer; /* NULL: a request is awaited */
	size_t size;
	size_t sent;
	bool last;   /* closed when it has its answer */
	bool leaves; /* it goes on for this server, when it has its answer */
	int passed[PASSED_MAX]; /* goes with the first byte of it */
	uint32_t passed_count;
};

struct control {
	struct context *context;
	char *path;
	struct vhost_socket_file file;
	int listen_fd;
	int epoll_fd;	/* of all the above: readable when there is work */
	uint64_t clock; /* counts requests and connections */
	struct caller callers[CALLERS];
};

static void close_passed(struct caller *caller)
{
	while (caller->passed_count > 0)
		close(caller->passed[--caller->passed_count]);
}

static void hang_up(struct caller *caller)
{
	close_passed(caller);
	if (caller->fd >= 0)
		close(caller->fd);
	free(caller->answer);
	caller->answer = NULL;
	caller->fd = -1;
}

/* What ends it is not the caller's doing: it will ask why. */
static void drop(struct caller *caller, const char *what, int error)
{
	log_print("control socket: %s: %s; a program that asks is left without "
		  "an answer",
		  what, strerror(error));
	hang_up(caller);
}

/* Waits for room to send an answer or for a request, never for both. */
static void await(struct control *control, struct caller *caller)
{
	struct epoll_event event = {
		.events = caller->answer ? EPOLLOUT : EPOLLIN,
		.data.ptr = caller,
	};

	if (epoll_ctl(control->epoll_fd, EPOLL_CTL_MOD, caller->fd, &event) < 0)
		drop(caller, "it could not be watched", errno);
}

static void answer(struct control *control, struct caller *caller,
		   json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (!text) {
		drop(caller, "an answer could not be made", ENOMEM);
		return;
	}
	/* The null byte becomes the end of the line. */
	caller->size = strlen(text) + 1;
	text[caller->size - 1] = '\n';
	caller->answer = text;
	caller->sent = 0;
	await(control, caller);
}

/* Its own: what the answer names may be closed before it is sent.  False: no
 * descriptor is left. */
static bool keep_passed(struct caller *caller, struct context *context)
{
	uint32_t count = context->passed_count;

	context->passed_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		int fd = fcntl(context->passed[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return false;
		caller->passed[caller->passed_count++] = fd;
	}
	return true;
}

/* Runs the request in the first `size` bytes received, which are a line. */
static void carry_out(struct control *control, struct caller *caller,
		      size_t size)
{
	json_error_t error;
	char why[JSON_ERROR_TEXT_LENGTH + 50];
	json_t *request = json_loadb(caller->request, size,
				     JSON_REJECT_DUPLICATES, &error);
	json_t *object;

	memmove(caller->request, caller->request + size + 1,
		caller->received - size - 1);
	caller->received -= size + 1;
	if (request) {
		object = run_command(control->context, request);
	} else {
		snprintf(why, sizeof(why),
			 "no JSON: %s; expected an object in one line",
			 error.text);
		object = control_error(why);
	}
	json_decref(request);
	caller->leaves = control->context->asked_to_leave;
	control->context->asked_to_leave = false;
	if (!keep_passed(caller, control->context)) {
		json_decref(object);
		object = control_error("no file descriptor is left, see "
				       "ulimit -n");
		close_passed(caller);
	}
	answer(control, caller, object);
}

static void look_for_request(struct control *control, struct caller *caller)
{
	const char *end = memchr(caller->request, '\n', caller->received);

	if (end) {
		carry_out(control, caller, (size_t)(end - caller->request));
	} else if (caller->received == sizeof(caller->request)) {
		caller->last = true;
		answer(control, caller,
		       control_error("the request is too long; expected a line "
				     "of less than 4096 bytes"));
	}
}

static void receive(struct control *control, struct caller *caller)
{
	ssize_t done =
		recv(caller->fd, caller->request + caller->received,
		     sizeof(caller->request) - caller->received, MSG_DONTWAIT);

	if (done < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (done < 0 && errno != ECONNRESET) {
		drop(caller, "a request could not be received", errno);
		return;
	}
	if (done <= 0) {
		hang_up(caller);
		return;
	}
	caller->received += (size_t)done;
	caller->heard = ++control->clock;
	look_for_request(control, caller);
}

/* What is left of the answer, with what is passed. */
static ssize_t send_some(struct caller *caller)
{
	const size_t size = caller->passed_count * sizeof(int);
	struct iovec part = { caller->answer + caller->sent,
			      caller->size - caller->sent };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(PASSED_MAX * sizeof(int))];
	} passed;
	ssize_t done;

	if (size > 0) {
		memset(&passed, 0, sizeof(passed));
		passed.header.cmsg_level = SOL_SOCKET;
		passed.header.cmsg_type = SCM_RIGHTS;
		passed.header.cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(&passed.header), caller->passed, size);
		message.msg_control = &passed;
		message.msg_controllen = CMSG_SPACE(size);
	}
	done = sendmsg(caller->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (done > 0)
		close_passed(caller);
	return done;
}

static void send_on(struct control *control, struct caller *caller)
{
	ssize_t done = send_some(caller);

	if (done < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (done < 0 && errno != EPIPE && errno != ECONNRESET) {
		drop(caller, "an answer could not be sent", errno);
		return;
	}
	if (done < 0) {
		hang_up(caller);
		return;
	}
	caller->sent += (size_t)done;
	if (caller->sent < caller->size)
		return;
	free(caller->answer);
	caller->answer = NULL;
	if (caller->leaves) {
		control->context->leaving = true;
		vhost_server_interrupt(control->context->server);
		return;
	}
	if (caller->last) {
		hang_up(caller);
		return;
	}
	await(control, caller);
	/* The next request may have arrived with the last one. */
	if (caller->fd >= 0)
		look_for_request(control, caller);
}

static struct caller *oldest(struct control *control)
{
	struct caller *found = &control->callers[0];

	for (size_t i = 1; i < CALLERS; i++) {
		struct caller *caller = &control->callers[i];

		if (caller->fd >= 0 &&
		    (found->fd < 0 || caller->heard < found->heard))
			found = caller;
	}
	return found;
}

static struct caller *free_place(struct control *control)
{
	struct caller *caller;

	for (size_t i = 0; i < CALLERS; i++) {
		if (control->callers[i].fd < 0)
			return &control->callers[i];
	}
	caller = oldest(control);
	hang_up(caller);
	return caller;
}

static void take_caller(struct control *control)
{
	int fd = accept4(control->listen_fd, NULL, NULL,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct epoll_event event = { .events = EPOLLIN };
	struct caller *caller;

	if (fd < 0) {
		/* No descriptor is left: close one of our own. */
		if (errno == EMFILE || errno == ENFILE)
			hang_up(oldest(control));
		return;
	}
	caller = free_place(control);
	event.data.ptr = caller;
	caller->fd = fd;
	caller->heard = ++control->clock;
	caller->passed_count = 0;
	caller->leaves = false;
	caller->received = 0;
	caller->last = false;
	if (epoll_ctl(control->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		drop(caller, "it could not be watched", errno);
}

/* Handles one event at a time: of a batch, a later event could belong to a
 * caller that an earlier one has replaced. */
static void turn(void *argument)
{
	struct control *control = argument;
	struct epoll_event event;
	struct caller *caller;

	if (epoll_wait(control->epoll_fd, &event, 1, 0) != 1)
		return;
	caller = event.data.ptr;
	if (!caller)
		take_caller(control);
	else if (caller->answer)
		send_on(control, caller);
	else
		receive(control, caller);
}

static bool set_up(struct control *control, const char *path,
		   const struct vhost_access *access, struct vhost_error *error)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	/* Who listens has a path, by which the socket is removed. */
	control->path = strdup(path);
	control->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (control->path && control->epoll_fd >= 0) {
		control->listen_fd = takeover_socket_at(path);
		if (control->listen_fd < 0)
			control->listen_fd = vhost_listen(
				path, access, &control->file, error);
		if (control->listen_fd < 0)
			return false;
	}
	if (control->listen_fd >= 0 &&
	    epoll_ctl(control->epoll_fd, EPOLL_CTL_ADD, control->listen_fd,
		      &event) == 0)
		return true;
	snprintf(error->text, sizeof(error->text), "%.200s: %s", path,
		 strerror(errno));
	return false;
}

struct control *control_open(struct context *context, struct vhost_error *error)
{
	const char *path = context->options.general.control;
	struct vhost_access access = context->options.general.control_access;
	struct control *control = calloc(1, sizeof(*control));
	struct vhost_watched watched = { .ready = turn, .argument = control };

	if (!control) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return NULL;
	}
	control->context = context;
	control->listen_fd = -1;
	control->epoll_fd = -1;
	for (size_t i = 0; i < CALLERS; i++)
		control->callers[i].fd = -1;
	if (!access.mode)
		access.mode = 0600;
	if (!set_up(control, path, &access, error)) {
		control_close(control);
		return NULL;
	}
	context->control_fd = control->listen_fd;
	watched.fd = control->epoll_fd;
	vhost_server_watch(context->server, &watched);
	return control;
}

void control_own(struct control *control)
{
	if (control)
		vhost_listen_know(control->path, &control->file);
}

void control_close(struct control *control)
{
	const struct vhost_watched none = { .fd = -1 };

	if (!control)
		return;
	vhost_server_watch(control->context->server, &none);
	/* Who goes on for this server has the file, and waits for the end of
	 * the process, which closes its connection. */
	if (control->context->leaving)
		memset(&control->file, 0, sizeof(control->file));
	for (size_t i = 0; i < CALLERS; i++) {
		if (!control->callers[i].leaves)
			hang_up(&control->callers[i]);
	}
	if (control->listen_fd >= 0 && control->path)
		vhost_unlisten(control->path, control->listen_fd,
			       &control->file, NULL);
	else if (control->listen_fd >= 0)
		close(control->listen_fd);
	if (control->epoll_fd >= 0)
		close(control->epoll_fd);
	free(control->path);
	free(control);
}
