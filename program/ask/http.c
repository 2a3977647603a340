// SPDX-License-Identifier: MIT
#include "program/ask/http.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "program/command.h"

#define HEAD_MAX 8192

static const struct status {
	int number;
	const char *text;
} statuses[] = {
	{ 200, "OK" },
	{ 400, "Bad Request" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 431, "Request Header Fields Too Large" },
	{ 503, "Service Unavailable" },
	{ 0, "" },
};

static const char *text_of(int number)
{
	const struct status *status = statuses;

	while (status->number && status->number != number)
		status++;
	return status->text;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* The first line of a head that is whole: METHOD PATH VERSION. */
static int judge(const char *head)
{
	char method[16], path[256], version[16];

	if (sscanf(head, "%15s %255s %15s", method, path, version) != 3 ||
	    strncmp(version, "HTTP/1.", 7) != 0)
		return 400;
	if (strcmp(method, "GET") != 0)
		return 405;
	path[strcspn(path, "?")] = 0;
	return strcmp(path, "/metrics") == 0 ? 200 : 404;
}

int http_read(int fd, unsigned int seconds)
{
	int64_t end = now_ms() + seconds * INT64_C(1000);
	char head[HEAD_MAX + 1];
	size_t size = 0;

	while (size < HEAD_MAX) {
		struct pollfd input = { .fd = fd, .events = POLLIN };
		int64_t left = end - now_ms();
		ssize_t done;

		if (left <= 0 || poll(&input, 1, (int)left) == 0)
			return 408;
		done = read(fd, head + size, HEAD_MAX - size);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return 400;
		size += (size_t)done;
		head[size] = 0;
		if (strlen(head) < size)
			return 400;
		if (strstr(head, "\r\n\r\n") || strstr(head, "\n\n"))
			return judge(head);
	}
	return 431;
}

int http_answer(int status, const char *type, const char *text, size_t size)
{
	const char *words = text_of(status);

	if (status != 200) {
		type = "text/plain; charset=utf-8";
		text = words;
		size = strlen(words);
	}
	printf("HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	       "%sConnection: close\r\n\r\n",
	       status, words, type, size,
	       status == 405 ? "Allow: GET\r\n" : "");
	fwrite(text, 1, size, stdout);
	return finish_output();
}
