/* SPDX-License-Identifier: MIT */
/*
 * `resize` while clients are attached: they are told on the back-end's own
 * channel and find the new size in the configuration; what a disk has grown by
 * can be used, what it has shrunk by cannot, and no image is cut.  A client
 * that does not read its channel, or closes it, stops nobody; and no channel
 * keeps a client that is gone.
 */
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "client/protocol.h"

#define MIB	  (1ull << 20)
#define SIZE	  4096u
#define CHANGES	  1500
#define SEED	  3u
#define SECTOR(b) ((b) / CLIENT_SECTOR)

static int control = -1;
static const char *image;

static void connect_control(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	snprintf(name.sun_path, sizeof(name.sun_path), "%s",
		 backend.control_path);
	control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(control >= 0 && connect(control, (struct sockaddr *)&name,
				      sizeof(name)) == 0,
	      "%s: %s", name.sun_path, strerror(errno));
}

/* The answer to a resize; size 0: none is given. */
static const char *resize(const char *name, uint64_t size)
{
	static char line[1024];
	size_t got = 0;
	char rest[40] = "";

	if (size)
		snprintf(rest, sizeof(rest), ",\"size\":%llu",
			 (unsigned long long)size);
	snprintf(line, sizeof(line),
		 "{\"command\":\"resize\",\"export\":\"%s\"%s}\n", name, rest);
	CHECK(send(control, line, strlen(line), MSG_NOSIGNAL) > 0, "control");
	do {
		ssize_t more =
			recv(control, line + got, sizeof(line) - 1 - got, 0);

		CHECK(more > 0, "the control socket is silent");
		got += (size_t)more;
	} while (line[got - 1] != '\n');
	line[got] = 0;
	return line;
}

static void resized(const char *name, uint64_t size, uint64_t to)
{
	const char *said = resize(name, size);
	char wanted[60];

	snprintf(wanted, sizeof(wanted), "\"size\":%llu",
		 (unsigned long long)to);
	CHECK(strstr(said, wanted), "resize to %llu: %s",
	      (unsigned long long)size, said);
}

static void refused(const char *name, uint64_t size, const char *word)
{
	const char *said = resize(name, size);

	CHECK(strstr(said, "\"error\"") && strstr(said, word),
	      "resize of %s to %llu: %s", name, (unsigned long long)size, said);
}

static void open_client(struct client *client, uint32_t export, bool channel)
{
	struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.buffer_size = SIZE,
		.channel = channel,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
}

static void told(struct client *client, uint64_t size)
{
	CHECK(client_await_change(client, 20000) == 1, "not told of %llu: %s",
	      (unsigned long long)size, client->error);
	DO(client, client_read_config(client));
	CHECK(client->capacity == SECTOR(size), "%llu sectors, not %llu",
	      (unsigned long long)client->capacity,
	      (unsigned long long)SECTOR(size));
}

static void has_image(uint64_t size)
{
	struct stat st;

	CHECK(stat(image, &st) == 0 && (uint64_t)st.st_size == size,
	      "the image has %lld bytes", (long long)st.st_size);
}

static void write_at(struct client *client, uint64_t at, int status)
{
	client_pattern(client_data(client, 0, 0), SIZE, SEED, SECTOR(at));
	CHECK(client_io(client, 0, VIRTIO_BLK_T_OUT, SECTOR(at), SIZE) ==
		      status,
	      "write at %llu is not answered by %d", (unsigned long long)at,
	      status);
}

static void read_at(struct client *client, uint64_t at)
{
	memset(client_data(client, 0, 0), 0, SIZE);
	CHECK(client_io(client, 0, VIRTIO_BLK_T_IN, SECTOR(at), SIZE) == 0 &&
		      client_verify(client_data(client, 0, 0), SIZE, SEED,
				    SECTOR(at)) == SIZE,
	      "read at %llu", (unsigned long long)at);
}

static void grows_and_shrinks(void)
{
	struct client client;

	open_client(&client, 0, true);
	connect_control();
	write_at(&client, 8 * MIB - SIZE, 0);
	write_at(&client, 8 * MIB, VIRTIO_BLK_S_IOERR);
	resized("0.sock", 16 * MIB, 16 * MIB);
	told(&client, 16 * MIB);
	has_image(16 * MIB);
	write_at(&client, 8 * MIB, 0);
	write_at(&client, 16 * MIB - SIZE, 0);
	read_at(&client, 8 * MIB - SIZE);
	resized("0.sock", 4 * MIB, 4 * MIB);
	told(&client, 4 * MIB);
	write_at(&client, 4 * MIB - SIZE, 0);
	write_at(&client, 4 * MIB - SIZE / 2, VIRTIO_BLK_S_IOERR);
	write_at(&client, 8 * MIB, VIRTIO_BLK_S_IOERR);
	has_image(16 * MIB);
	/* What its owner did to it is found. */
	CHECK(truncate(image, 12 * MIB) == 0, "truncate");
	resized("0.sock", 0, 12 * MIB);
	told(&client, 12 * MIB);
	read_at(&client, 8 * MIB);
	write_at(&client, 12 * MIB - SIZE, 0);
	client_close(&client);
}

static void bad_sizes(void)
{
	refused("3.sock", 4 * MIB + 512, "multiple of 4096");
	refused("4.sock", 4 * MIB + 512, "multiple of 4096");
	refused("nobody", MIB, "no such export");
	refused("0.sock", MIB + 1, "multiple of 512");
	refused("1.sock", 64 * MIB, "read-only");
	refused("2.sock", 0, "multiple of 512");
	resized("2.sock", 64 * MIB, 64 * MIB);
	resized("1.sock", MIB, MIB);
}

/* A thousand messages that nobody reads, and a channel that is closed. */
static void deaf(void)
{
	struct client silent, closed, plain, good;

	open_client(&silent, 2, true);
	open_client(&closed, 2, true);
	open_client(&plain, 2, false);
	open_client(&good, 2, true);
	close(closed.channel);
	closed.channel = -1;
	for (uint64_t i = 1; i <= CHANGES; i++) {
		resized("2.sock", i * MIB, i * MIB);
		if (i % 100 == 0)
			CHECK(client_io(&good, 0, VIRTIO_BLK_T_IN, 0, SIZE) ==
				      0,
			      "beside a deaf client: %s", good.error);
	}
	told(&silent, CHANGES * MIB);
	/* Who has read all of them is told of the next. */
	while (client_await_change(&silent, 0) == 1)
		continue;
	resized("2.sock", MIB, MIB);
	told(&silent, MIB);
	resized("2.sock", CHANGES * MIB, CHANGES * MIB);
	CHECK(client_io(&closed, 0, VIRTIO_BLK_T_IN, 0, SIZE) == 0, "%s",
	      closed.error);
	DO(&plain, client_read_config(&plain));
	CHECK(plain.capacity == SECTOR(CHANGES * MIB), "no channel: %llu",
	      (unsigned long long)plain.capacity);
	client_close(&silent);
	client_close(&closed);
	client_close(&plain);
	client_close(&good);
}

/* Only a Unix stream socket, and only when it was agreed on. */
static void wrong_channels(void)
{
	struct client client, other;
	int fds[4], pair[2];

	open_client(&client, 2, true);
	open_client(&other, 2, false);
	CHECK(pipe(fds) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0,
	      "descriptors");
	fds[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[3] = pair[0];
	for (int i = 0; i < 4; i++) {
		CHECK(client_tell(&client, VHOST_USER_SET_BACKEND_REQ_FD, NULL,
				  0, fds[i]) != 0 &&
			      !client.lost,
		      "descriptor %d was taken", i);
		close(fds[i]);
	}
	close(pair[1]);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
	CHECK(client_tell(&other, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0,
			  pair[0]) != 0,
	      "a channel that was not agreed on was taken");
	close(pair[0]);
	close(pair[1]);
	/* The first one is still good. */
	resized("2.sock", 5 * MIB, 5 * MIB);
	told(&client, 5 * MIB);
	client_close(&client);
	client_close(&other);
}

/* Send it, with one of our own descriptors. */
static void post(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} rights = { .header = { .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_RIGHTS,
				 .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec part = { &fd, 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = rights.bytes,
				  .msg_controllen = sizeof(rights) };

	memcpy(CMSG_DATA(&rights.header), &fd, sizeof(fd));
	CHECK(sendmsg(socket, &message, MSG_NOSIGNAL) == 1 || errno == EPIPE,
	      "post: %s", strerror(errno));
}

/* A client's own end of its connection is no channel, and if it is sent on one
 * the connection ends all the same when the client is gone: the server lets
 * go of the channel then. */
static void channels_keep_nobody(void)
{
	struct pollfd witness = { .events = POLLIN };
	struct client client;
	int pair[2];

	for (int late = 0; late < 2; late++) {
		open_client(&client, 2, true);
		CHECK(client_tell(&client, VHOST_USER_SET_BACKEND_REQ_FD, NULL,
				  0, client.socket) != 0 &&
			      !client.lost,
		      "its own connection was taken");
		CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				 pair) == 0,
		      "socketpair");
		if (!late)
			post(pair[0], client.socket);
		DO(&client, client_tell(&client, VHOST_USER_SET_BACKEND_REQ_FD,
					NULL, 0, pair[1]));
		if (late)
			post(pair[0], client.socket);
		close(pair[1]);
		client_hang_up(&client);
		witness.fd = pair[0];
		CHECK(poll(&witness, 1, 20000) == 1 &&
			      witness.revents & POLLHUP,
		      "a client that is gone is kept by its channel");
		close(pair[0]);
		client_close(&client);
	}
}

int main(void)
{
	serve_init(60);
	image = make_image("disk", 8 * MIB);
	backend_add(&backend, image, 0);
	backend_add(&backend, image, 0);
	backend.exports[1].read_only = true;
	backend_add(&backend, NULL, 8 * MIB);
	for (uint32_t i = 3; i < 5; i++) {
		backend_add(&backend,
			    i == 3 ? make_image("blocks", 8 * MIB) : NULL,
			    8 * MIB);
		backend.exports[i].keys = ",block-size=4096";
	}
	serve_start();
	grows_and_shrinks();
	bad_sizes();
	deaf();
	wrong_channels();
	channels_keep_nobody();
	close(control);
	return serve_end();
}
