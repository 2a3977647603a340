/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_FILE_URING_H
#define PRECARIUM_STORE_FILE_URING_H

#include <liburing.h>

#include "store/error.h"

/* A ring with the operations a file store needs.  False: *error says what is
 * missing, and nothing is held. */
bool file_uring_open(struct io_uring *ring, unsigned int entries,
		     struct store_error *error);

/*
 * Requests that wait do so in threads of the kernel, of which all rings of a
 * thread together have but a few (four a processor): requests that are stuck
 * in one ring take them from the others.  Let there be `count` more, or, when
 * the ring goes, so many fewer; they are made when they are needed.  Kernels
 * before 5.15 cannot.
 */
void file_uring_add_threads(struct io_uring *ring, int count);

#endif
