/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_OPTIONS_H
#define PRECARIUM_STORE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The options that a store is opened with.  A kind of store lists the keys that
 * it takes.  The program parses their values by the types of the keys, from a
 * command line or a file, and knows no kind by name.
 */

/* How a value is written. */
enum store_key_type {
	STORE_KEY_FLAG,	  /* no value: the key is given or not */
	STORE_KEY_PATH,	  /* any text that is not empty */
	STORE_KEY_SIZE,	  /* bytes, not 0 */
	STORE_KEY_NUMBER, /* from 1 to 4294967294 */
	STORE_KEY_WORD,	  /* one of the words in `value`, with | between */
};

struct store_key {
	const char *name; /* kinds that share a key share its type */
	enum store_key_type type;
	const char *value;    /* as help shows it; NULL: a flag */
	const char *help;     /* at most 50 columns */
	const char *expected; /* of a word that is another; else NULL */
};

/* A key that was given. */
struct store_setting {
	const char *key;
	const char *text; /* of a path or a word; else NULL */
	uint64_t size;	  /* of a size or a number; else 0 */
};

#define STORE_SETTINGS_MAX 8

/* Zeroed, nothing is given.  The caller owns all texts; a store does not read
 * them once it is open. */
struct store_options {
	bool read_only; /* of any kind: nothing that writes is added */
	/* Of any kind: its logical blocks, a power of 2.  0: as they are. */
	uint32_t block_size;
	uint32_t count;
	struct store_setting settings[STORE_SETTINGS_MAX];
};

/* Add a setting, or replace the earlier one of its key.  There must not be more
 * than STORE_SETTINGS_MAX keys. */
void store_options_set(struct store_options *options,
		       const struct store_setting *setting);

/* Return the setting of this key, valid until the next set.  NULL: not
 * given. */
const struct store_setting *
store_options_get(const struct store_options *options, const char *key);

/* Do both give the same settings, in any order? */
bool store_options_same(const struct store_options *a,
			const struct store_options *b);

#endif
