// SPDX-License-Identifier: MIT
/*
 * A server whose disk can be held.
 *
 *     held IMAGE FIFO COMMAND...
 *
 * COMMAND finds at the path of IMAGE what is in the file, but by way of FUSE;
 * everybody else finds the file itself.  After an `h` in FIFO no read, write or
 * sync is answered before an `r`.  Without FUSE there is no FIFO, and COMMAND
 * has the file itself.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/server/held-disk.h"

/* Which ends with the one that is told. */
static void take_orders(int fifo)
{
	char order;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(fifo, &order, 1) == 1) {
		if (order == 'h')
			held_disk_hold();
		else
			held_disk_release();
	}
	_exit(0);
}

static void hold(const char *image, const char *path)
{
	int file = open(image, O_RDWR | O_CLOEXEC);
	struct stat st;
	int fifo;

	if (file < 0 || fstat(file, &st) < 0 || !held_disk_prepare() ||
	    !held_disk_start_file(image, (uint64_t)st.st_size, file) ||
	    mkfifo(path, 0600) < 0)
		return;
	/* For writing, too: so there is always a writer, and no end. */
	fifo = open(path, O_RDWR | O_CLOEXEC);
	if (fifo >= 0 && fork() == 0)
		take_orders(fifo);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: held IMAGE FIFO COMMAND...\n");
		return 2;
	}
	hold(argv[1], argv[2]);
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 1;
}
