/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_SETTINGS_H
#define PRECARIUM_PROGRAM_SERVE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/log.h"
#include "store/stores.h"
#include "vhost/server.h"

/*
 * The settings of `precarium serve`: one table for the command line and the
 * configuration file.  Values are text and point into argv or into the document
 * of the file.
 */
struct json_t;

/* More than there are keys of exports. */
#define EXPORT_KEYS_MAX 64u

struct export
{
	const char *name;
	const char *serial;	 /* NULL: the name */
	const char *socket_path; /* NULL: fd */
	int fd;			 /* -1: socket_path */
	struct vhost_access access;
	struct store_options storing;
	enum device_on_loss on_loss;
	uint32_t workers_per_client; /* 0: 1 */
	uint64_t sparse_max;
	uint32_t admit;
	struct rates_limits limits;
	struct vhost_export *served; /* NULL: not yet, or left out */
	char left_out[360];	     /* why it is; "": it is not */
	struct store *store;	     /* … on this store, which it owns */
	bool single; /* described by --socket-path or --fd, and --blk-file */
	/* The texts of the keys that were given, by their numbers; "": without
	 * a value.  Not those of limits, which `limits` has. */
	const char *given[EXPORT_KEYS_MAX];
	/* What holds the texts of one that was added while the server runs: it
	 * belongs to the options of the command line.  Else NULL. */
	struct json_t *source;
	/* Its place in the file, from 1; 0: it is on the command line. */
	unsigned int line;
	unsigned int column;
};

struct general {
	struct vhost_limits limits;
	const char *stats_json; /* NULL: none; "-": standard output */
	const char *control;	/* path of the control socket, or NULL */
	struct vhost_access control_access;
	const char *user; /* to change to, or NULL */
	enum { FILTER_IF_BUILT, FILTER_ON, FILTER_OFF } filter;
	enum store_way io;
	enum log_level log;
};

/* `set` returns NULL, or what was expected; a flag gets NULL as its value. */
struct setting {
	const char *name;
	const char *(*set)(struct general *general, const char *value);
	bool changes; /* also while the server runs */
};

/* A key of an export: one of a table, or one that a kind of store takes. */
struct export_setting {
	const char *name;
	bool flag; /* alone on the command line, true or false in a file */
	const char *(*set)(struct export *export, const char *value);
	const struct store_key *of_store; /* instead of set */
	bool limit;	     /* may change while the export is served */
	unsigned int number; /* less than EXPORT_KEYS_MAX, not another key's */
};

/* Ends with a name of NULL. */
extern const struct setting settings[];

/* By their numbers; ends with NULL. */
extern const char *const log_level_names[];
#define LOG_LEVEL_EXPECTED "expected warning, info or debug"

/* False: there is no such level. */
bool log_level_find(const char *name, enum log_level *level);

/* False: there is no key of that name. */
bool export_setting_find(const char *name, struct export_setting *setting);
/* The key of this number.  False: no kind has that many. */
bool export_setting_at(unsigned int number, struct export_setting *setting);

/* Of limits, a number as people write it; 0: not limited. */
uint64_t export_limit(const struct export *export,
		      const struct export_setting *setting);

/* NULL, or what was expected. */
const char *export_set(struct export *export,
		       const struct export_setting *setting, const char *value);

/* Set a key that was not given before, by its name; `value` is NULL if it has
 * none.  False: *error says "KEY=VALUE: what was expected". */
bool export_take(struct export *export, const char *key, const char *value,
		 struct vhost_error *error);

#define SETTINGS_MAX 24

/* The keys of either table as "a, b or c", for a message; cut to `size`. */
void setting_names(char *text, size_t size);
void export_setting_names(char *text, size_t size);
void export_limit_names(char *text, size_t size);

/* Is the export complete and consistent?  False: *error says what is wrong, and
 * what was expected. */
bool export_check(const struct export *export, struct store_error *error);

struct document;

/*
 * What `precarium serve` was asked for: by the command line alone, or, when
 * completed, together with the configuration file.
 */
struct options {
	struct export *exports;
	uint32_t export_count;
	const char *config;    /* path of the file, or NULL */
	const char *take_over; /* control socket of another server, or NULL */
	/* The text of each setting, by its index; NULL: not given. */
	const char *values[SETTINGS_MAX];
	struct document *document; /* holds the texts from the file */
	struct general general;	   /* parsed from the values */
};

/* Appends an export with default settings, which the options own; lowering the
 * count takes it back.  NULL: out of memory. */
struct export *options_add(struct options *options);

#define WHERE_SIZE 160

/* Where the export is described, for a message: "FILE:LINE:COLUMN", "--export",
 * "export add", or, for the single device, the `option` at fault. */
void export_where(char *text, size_t size, const struct options *options,
		  const struct export *export, const char *option);

#endif
