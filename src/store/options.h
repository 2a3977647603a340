/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_OPTIONS_H
#define PRECARIUM_STORE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What a store is opened with.  A kind of store lists the keys that it takes;
 * whoever reads a command line or a file parses the values by the types of the
 * keys, and knows no kind by name.
 */

/* How a value is written. */
enum store_key_type {
	STORE_KEY_FLAG, /* no value: the key is given, or is not */
	STORE_KEY_PATH,
	STORE_KEY_SIZE, /* bytes, not 0 */
	STORE_KEY_WORD, /* the one that `value` shows */
};

struct store_key {
	const char *name; /* kinds that share a name share its type */
	enum store_key_type type;
	const char *value;    /* as help shows it; NULL: a flag */
	const char *help;     /* at most 50 columns */
	const char *expected; /* of a word that is another; else NULL */
};

/* A key that was given. */
struct store_setting {
	const char *key;
	const char *text; /* of a path or a word; else NULL */
	uint64_t size;	  /* of a size; else 0 */
};

#define STORE_SETTINGS_MAX 8

/* Zeroed: nothing is given.  All texts are the caller's, and are read while a
 * store is opened only. */
struct store_options {
	bool read_only; /* any kind: nothing that writes is ever added */
	uint32_t count;
	struct store_setting settings[STORE_SETTINGS_MAX];
};

/* Add a setting, in place of an earlier one of the same key.  There is room for
 * all keys of any kind, no more. */
void store_options_set(struct store_options *options,
		       const struct store_setting *setting);

/* The setting of this key; NULL: not given.  Valid until the next set. */
const struct store_setting *
store_options_get(const struct store_options *options, const char *key);

/* Is the same given, in any order? */
bool store_options_same(const struct store_options *a,
			const struct store_options *b);

#endif
