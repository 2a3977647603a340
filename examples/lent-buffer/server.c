// SPDX-License-Identifier: MIT
/*
 * A server that reads a lent buffer.
 *
 * Clients connect, send a memfd and its size, and receive a checksum of the
 * bytes.  One of them takes its memory back while the server reads: it receives
 * an error that says how far the server came, and the next client is served.
 *
 * Here the clients are children of the server, so that the example runs by
 * itself:  make && ./server
 */
#include <precarium/precarium.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (64u << 20)

struct answer {
	enum prec_status status;
	uint32_t sum;
	uint64_t bytes;
};

static void send_fd(int socket, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 };
	uint64_t size = SIZE;
	struct iovec iov = { &size, sizeof(size) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = room,
				  .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)CMSG_DATA(c) = fd;
	if (sendmsg(socket, &message, 0) < 0)
		exit(1);
}

static int receive_fd(int socket, uint64_t *size)
{
	char room[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { size, sizeof(*size) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = room,
				  .msg_controllen = sizeof(room) };
	struct cmsghdr *c;

	if (recvmsg(socket, &message, 0) != (ssize_t)sizeof(*size))
		return -1;
	c = CMSG_FIRSTHDR(&message);
	return c && c->cmsg_type == SCM_RIGHTS ? *(int *)CMSG_DATA(c) : -1;
}

/* The client lends memory, may take it back, and prints the reply. */
static int client(int socket, int takes_back)
{
	int fd = memfd_create("lent", MFD_ALLOW_SEALING);
	struct answer answer;

	if (fd < 0 || ftruncate(fd, SIZE) != 0 ||
	    posix_fallocate(fd, 0, SIZE) != 0)
		return 1;
	send_fd(socket, fd);
	if (takes_back && ftruncate(fd, SIZE / 4) != 0)
		return 1;
	if (read(socket, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		return 1;
	printf("client %s: %s after %" PRIu64 " of %u bytes\n",
	       takes_back ? "that takes back" : "that stays",
	       prec_status_name(answer.status), answer.bytes, SIZE);
	return 0;
}

/* The server's work.  It sums copies of the pieces, never the lent bytes
 * themselves; each copy reports to the byte how far it came. */
static struct answer checksum(const struct prec_region *region)
{
	static unsigned char piece[65536];
	struct answer answer = { PREC_OK, 0, 0 };

	while (answer.bytes < region->span.size && answer.status == PREC_OK) {
		uint64_t left = region->span.size - answer.bytes, i;
		struct prec_result r = prec_copy_in(
			piece, region->span, answer.bytes,
			left < sizeof(piece) ? left : sizeof(piece));

		for (i = 0; i < r.done; i++)
			answer.sum = answer.sum * 31 + piece[i];
		answer.bytes += r.done;
		answer.status = r.status;
	}
	return answer;
}

static struct answer serve(int socket)
{
	struct answer answer = { PREC_REFUSED, 0, 0 };
	struct prec_lending lending = { .rights = PREC_READ };
	enum prec_refusal why;
	struct prec_region region;

	lending.fd = receive_fd(socket, &lending.size);
	if (lending.fd < 0)
		return answer;
	answer.status = prec_region_map(&region, &lending, &why);
	if (answer.status == PREC_REFUSED)
		fprintf(stderr, "refused: %s\n", prec_refusal_text(why));
	if (answer.status == PREC_OK) {
		answer = checksum(&region);
		if (prec_region_unmap(&region) != PREC_OK)
			abort();
	}
	close(lending.fd);
	return answer;
}

int main(void)
{
	int takes_back, pair[2], told, bad = 0;

	for (takes_back = 1; takes_back >= 0; takes_back--) {
		struct answer answer;

		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
			return 1;
		if (fork() == 0)
			_exit(client(pair[1], takes_back) ||
			      fflush(stdout) != 0);
		answer = serve(pair[0]);
		if (write(pair[0], &answer, sizeof(answer)) < 0)
			return 1;
		wait(&told);
		bad |= told != 0;
		close(pair[0]);
		close(pair[1]);
	}
	printf("server: still here\n");
	return bad;
}
