/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_STORES_H
#define PRECARIUM_STORE_STORES_H

#include "store/options.h"
#include "store/store.h"

/*
 * The kinds of stores that there are, and how one of any kind is opened.  A new
 * kind is a file or a folder beside these, and a row in stores.c.
 */
struct store_kind {
	/* The first one picks the kind: file=PATH.  Ends with a name of NULL. */
	const struct store_key *keys;
	/* NULL: *error says why, and nothing is held. */
	struct store *(*open)(const struct store_options *options,
			      struct store_error *error);
};

/* Ends with NULL. */
extern const struct store_kind *const store_kinds[];

/* Do the options pick one kind, and does it take all that is given?  False:
 * *error says what is missing, or too much. */
bool store_options_check(const struct store_options *options,
			 struct store_error *error);

/* What picks the kind, as it was given: the path of an image.  NULL: it is not
 * a text. */
const char *store_options_image(const struct store_options *options);

/*
 * Open the store that the options describe.  May wait for the disk, and for the
 * locks of an image; see the kind.  The store ends with store_close.  NULL:
 * *error says why, and nothing is held.
 */
struct store *store_open(const struct store_options *options,
			 struct store_error *error);

/* As store_ops.resize does it.  May wait for the disk. */
bool store_resize(struct store *store, uint64_t capacity,
		  struct store_error *error);

/* Close a store of any kind.  No lane may be open.  NULL is nothing. */
void store_close(struct store *store);

/* Are the blocks of both the same ones? */
bool store_same_image(const struct store *a, const struct store *b);

#endif
