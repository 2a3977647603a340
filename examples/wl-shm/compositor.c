// SPDX-License-Identifier: MIT
/*
 * A compositor in the manner of wl_shm: clients send a pool of memory over a
 * socket, enlarge it, and draw in it; the compositor lets pixman, which knows
 * nothing of this, read their pixels in place.
 *
 * The pool is lent with PREC_TOLERATE, so there is nothing to enter or leave
 * around pixman: if a client takes the pool away meanwhile, pixman reads
 * zeroes, and the epoch tells afterwards.  Its window is as large as a pool may
 * become, so that a resize moves nothing and no image has to be made anew.
 *
 *   make && ./compositor
 */
#include "wire.h"

#include <precarium/precarium.h>

#include <pixman.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define POOL_MAX (64u << 20)

static pixman_image_t *screen;

static int receive_pool(int socket)
{
	char room[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = room,
				  .msg_controllen = sizeof(room) };

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 ||
	    !CMSG_FIRSTHDR(&message))
		return -1;
	return *(int *)(void *)CMSG_DATA(CMSG_FIRSTHDR(&message));
}

static enum prec_status show(struct prec_region *pool, uint32_t offset)
{
	uint64_t epoch = prec_region_epoch(pool);
	pixman_image_t *image;
	struct prec_span buffer;

	/* What the client says is a claim until it is checked. */
	if (offset % 4 ||
	    prec_span_part(pool->span, offset, BUFFER, &buffer) != PREC_OK)
		return PREC_RANGE;
	image = pixman_image_create_bits(PIXMAN_a8r8g8b8, SIDE, SIDE,
					 prec_plain(prec_span_lent(buffer)),
					 SIDE * 4);
	pixman_image_composite32(PIXMAN_OP_SRC, image, NULL, screen, 0, 0, 0, 0,
				 0, 0, SIDE, SIDE);
	pixman_image_unref(image);
	return prec_region_epoch(pool) == epoch ? PREC_OK : PREC_GONE;
}

static enum prec_status serve(int socket, struct prec_region *pool)
{
	enum prec_status status = PREC_OK;
	struct request request;

	while (status == PREC_OK &&
	       read(socket, &request, sizeof(request)) == sizeof(request)) {
		if (request.what == RESIZE)
			status = prec_region_grow(pool, request.value);
		else
			status = show(pool, request.value);
		printf("  %s %u: %s, screen %08x\n",
		       request.what == RESIZE ? "resize to" : "show",
		       request.value, prec_status_name(status),
		       *pixman_image_get_data(screen));
		if (status == PREC_OK && write(socket, "k", 1) != 1)
			break;
	}
	return status;
}

static enum prec_status run(int hostile)
{
	struct prec_lending lending = { .rights = PREC_READ,
					.size = BUFFER,
					.window = POOL_MAX,
					.options = PREC_TOLERATE };
	enum prec_status status = PREC_REFUSED;
	struct prec_region pool;
	int ends[2];

	printf("%s client\n", hostile ? "hostile" : "good");
	fflush(stdout);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		exit(1);
	if (fork() == 0) {
		close(ends[0]);
		_exit(client(ends[1], hostile));
	}
	close(ends[1]);
	lending.fd = receive_pool(ends[0]);
	if (prec_region_map(&pool, &lending, NULL) == PREC_OK) {
		status = serve(ends[0], &pool);
		if (prec_region_unmap(&pool) != PREC_OK)
			abort();
	}
	close(lending.fd);
	close(ends[0]);
	wait(NULL);
	return status;
}

int main(void)
{
	screen = pixman_image_create_bits(PIXMAN_a8r8g8b8, SIDE, SIDE, NULL, 0);
	if (!screen || run(1) != PREC_GONE || run(0) != PREC_OK)
		return 1;
	return *pixman_image_get_data(screen) == 0xff00ff00 ? 0 : 1;
}
