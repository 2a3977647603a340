/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SERVER_ON_HELD_DISK_H
#define PRECARIUM_TESTS_SERVER_ON_HELD_DISK_H

#include "serve.h"

#include "held-disk.h"

/*
 * Begin a test of the first export on a disk that can be held, of `size` bytes.
 * With `data` it has the data of another file, which is then open as *data.
 * Returns the path of the disk, which `backend` names, too.  Where there is no
 * such disk the program ends as skipped.
 */
__attribute__((unused)) static char *begin_on_held_disk(uint64_t size,
							int *data)
{
	char *disk, *file;

	if (!held_disk_prepare()) {
		puts("skipped: no /dev/fuse, or no mount namespace");
		exit(SKIP);
	}
	serve_init(60);
	disk = make_image("held", size);
	if (data) {
		file = make_image("data", size);
		*data = open(file, O_RDWR | O_CLOEXEC);
		free(file);
	}
	if (!(data ? held_disk_start_file(disk, size, *data)
		   : held_disk_start(disk, size))) {
		puts("skipped: FUSE cannot be mounted");
		backend_free(&backend);
		exit(SKIP);
	}
	let_go = held_disk_stop;
	backend_add(&backend, disk, 0);
	return disk;
}

#endif
