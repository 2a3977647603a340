// SPDX-License-Identifier: MIT
#include "program/serve/manager.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "program/escape.h"
#include "program/serve/log.h"
#include "device/clock.h"

/* The fields are for `journalctl EXPORT=… CLIENT=…`, so EXPORT is as it was
 * given.  What people read is escaped: the journal does not show a text with
 * control characters at all. */
static void to_journal(const struct log_line *line)
{
	char message[LOG_LINE_SIZE] = "MESSAGE=", text[LOG_LINE_SIZE];
	char export[200], client[40], pid[40], uid[40];
	size_t used = strlen(message);
	/* Warning, informational, debugging: as sd-daemon(3) counts them. */
	static const char *const priorities[] = { "PRIORITY=4", "PRIORITY=6",
						  "PRIORITY=7" };
	char priority[sizeof("PRIORITY=4")];
	struct iovec fields[7];
	int count = 0;

	memcpy(priority, priorities[line->level], sizeof(priority));
	log_text(message + used, sizeof(message) - used, line);
	used = (size_t)snprintf(text, sizeof(text), "REASON=");
	escape(text + used, sizeof(text) - used, line->text);
	fields[count++].iov_base = message;
	fields[count++].iov_base = text;
	if (line->export) {
		snprintf(export, sizeof(export), "EXPORT=%s", line->export);
		fields[count++].iov_base = export;
	}
	if (line->client) {
		snprintf(client, sizeof(client), "CLIENT=%" PRIu32,
			 line->client);
		fields[count++].iov_base = client;
	}
	if (line->client && line->pid) {
		snprintf(pid, sizeof(pid), "CLIENT_PID=%d", (int)line->pid);
		snprintf(uid, sizeof(uid), "CLIENT_UID=%u",
			 (unsigned int)line->uid);
		fields[count++].iov_base = pid;
		fields[count++].iov_base = uid;
	}
	fields[count++].iov_base = priority;
	for (int i = 0; i < count; i++)
		fields[i].iov_len = strlen(fields[i].iov_base);
	sd_journal_sendv(fields, count);
}

/* systemd.exec: JOURNAL_STREAM has the device and inode of the stream.  If
 * standard error is another file, it was redirected on purpose. */
void manager_take_log(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char here[64];

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return;
	snprintf(here, sizeof(here), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	if (strcmp(stream, here) == 0)
		log_write_by(to_journal);
}

#define SOCKETS_MAX 256

static struct handed {
	int fd;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
} sockets[SOCKETS_MAX];
static int socket_count;

static bool learn_path(struct handed *handed)
{
	struct sockaddr_un name = { .sun_family = AF_UNSPEC };
	socklen_t size = sizeof(name);

	if (sd_is_socket(handed->fd, AF_UNIX, SOCK_STREAM, 1) <= 0 ||
	    getsockname(handed->fd, (struct sockaddr *)&name, &size) < 0 ||
	    name.sun_path[0] != '/')
		return false;
	memcpy(handed->path, name.sun_path, sizeof(name.sun_path));
	return true;
}

bool manager_take_sockets(struct vhost_error *error)
{
	int count = sd_listen_fds(1);

	if (count > SOCKETS_MAX) {
		snprintf(error->text, sizeof(error->text),
			 "LISTEN_FDS: %d sockets; expected at most %d", count,
			 SOCKETS_MAX);
		return false;
	}
	for (socket_count = 0; socket_count < count; socket_count++) {
		struct handed *handed = &sockets[socket_count];

		handed->fd = SD_LISTEN_FDS_START + socket_count;
		if (learn_path(handed))
			continue;
		snprintf(error->text, sizeof(error->text),
			 "LISTEN_FDS: file descriptor %d: expected a Unix "
			 "stream socket that listens at a path",
			 handed->fd);
		return false;
	}
	return true;
}

int manager_socket_at(const char *path)
{
	for (int i = 0; i < socket_count; i++) {
		if (strcmp(sockets[i].path, path) != 0)
			continue;
		return fcntl(sockets[i].fd, F_DUPFD_CLOEXEC, 0);
	}
	return -1;
}

const char *manager_socket_path(int number)
{
	return number < socket_count ? sockets[number].path : NULL;
}

void manager_tell_ready(void)
{
	sd_notify(0, "READY=1");
}

/* With the time, as Type=notify-reload wants it. */
void manager_tell_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
		   clock_now_ms() * 1000);
}

void manager_tell_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}
