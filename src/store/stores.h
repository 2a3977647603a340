/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_STORES_H
#define PRECARIUM_STORE_STORES_H

#include "store/options.h"
#include "store/store.h"

/*
 * The kinds of stores, and how to open one of any kind.  A new kind is a file
 * or a folder beside this one, and a row in stores.c.
 */
struct store_kind {
	/* Ends with a name of NULL.  The first key selects the kind, as
	 * file=PATH does. */
	const struct store_key *keys;
	/* Called with options that select this kind and contain only its keys.
	 * NULL: *error says why. */
	struct store *(*open)(const struct store_options *options,
			      struct store_error *error);
};

/* Ends with NULL. */
extern const struct store_kind *const store_kinds[];

/* Do the options select one kind, and does it take all keys that are given?
 * False: *error says what is missing or superfluous. */
bool store_options_check(const struct store_options *options,
			 struct store_error *error);

/* Return the value of the key that selects the kind, which is the path of an
 * image.  NULL: the value is not a text. */
const char *store_options_image(const struct store_options *options);

/*
 * Open the store that the options describe; the caller closes it with
 * store_close.  May wait for the disk, and for the lock of an image.  NULL:
 * *error says why.
 */
struct store *store_open(const struct store_options *options,
			 struct store_error *error);

/*
 * Let images be opened for writing by this function from now on, in place of
 * open(2): for a program whose filter of system calls refuses that.  -1: errno.
 * Called on the threads that open stores, and before there are several.
 */
typedef int store_opener(const char *path, int flags);
void store_open_by(store_opener *opener);

/* How transfers are made without making a worker wait. */
enum store_way {
	STORE_WAY_AUTO, /* by io_uring, where the system permits it */
	STORE_WAY_URING,
	STORE_WAY_THREADS, /* of this process */
};

/* Make them this way from now on.  Called before the first store is opened. */
void store_go_by(enum store_way way);

/* With STORE_WAY_AUTO: why threads are used, or NULL.  Any thread; the text
 * stays. */
const char *store_why_threads(void);

/*
 * Make what so many threads with lanes need of the kernel, before a filter of
 * system calls refuses it.  Later calls of this module then need no system call
 * that makes something which the filter does not see (a ring of io_uring).
 * False: *error says what is missing.
 */
bool store_prepare(uint32_t threads, struct store_error *error);

/* Open images also while the process `pid` has them alone, and writes to them:
 * it ends before anything is read or written here.  0: no more. */
void store_succeed(int pid);

/* As store_ops.resize.  May wait for the disk. */
bool store_resize(struct store *store, uint64_t capacity,
		  struct store_error *error);

/* Close a store of any kind, when no lane is open.  NULL is ignored. */
void store_close(struct store *store);

/* Do both stores, of this process, have the same blocks? */
bool store_same_image(const struct store *a, const struct store *b);

#endif
