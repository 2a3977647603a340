// SPDX-License-Identifier: MIT
/* A client of the compositor, in a process of its own. */
#include "wire.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_pool(int socket, int pool)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { (char[]){ 'p' }, 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = room,
				  .msg_controllen = sizeof(room) };
	struct cmsghdr *with = CMSG_FIRSTHDR(&message);

	with->cmsg_level = SOL_SOCKET;
	with->cmsg_type = SCM_RIGHTS;
	with->cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)(void *)CMSG_DATA(with) = pool;
	if (sendmsg(socket, &message, 0) != 1)
		_exit(1);
}

/* False: the compositor has turned us out. */
static int ask(int socket, uint32_t what, uint32_t value)
{
	struct request request = { what, value };
	char answer;

	return write(socket, &request, sizeof(request)) == sizeof(request) &&
	       read(socket, &answer, 1) == 1;
}

int client(int socket, int hostile)
{
	int pool = memfd_create("pool", MFD_CLOEXEC);
	uint32_t *pixels, i;

	if (pool < 0 || ftruncate(pool, BUFFER) != 0)
		return 1;
	pixels = mmap(NULL, 2 * BUFFER, PROT_READ | PROT_WRITE, MAP_SHARED,
		      pool, 0);
	for (i = 0; i < SIDE * SIDE; i++)
		pixels[i] = 0xff0000ff;
	send_pool(socket, pool);
	ask(socket, SHOW, 0);
	if (ftruncate(pool, 2 * BUFFER) != 0 ||
	    !ask(socket, RESIZE, 2 * BUFFER))
		return 1;
	for (i = 0; i < SIDE * SIDE; i++)
		pixels[SIDE * SIDE + i] = 0xff00ff00;
	if (hostile && ftruncate(pool, 0) != 0)
		return 1;
	return !ask(socket, SHOW, BUFFER);
}
