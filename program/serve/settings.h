/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_SETTINGS_H
#define PRECARIUM_PROGRAM_SERVE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/server.h"

/*
 * The settings of `precarium serve`: one table for the command line and the
 * configuration file.  Values are text and point into argv or into the document
 * of the file.
 */
struct serve_export {
	const char *name;
	const char *socket_path; /* NULL: fd */
	int fd;			 /* -1: socket_path */
	const char *file;	 /* NULL: null_size */
	uint64_t null_size;
	bool read_only;
	bool direct;
	bool shared;
	enum vhost_on_loss on_loss;
	uint64_t sparse_max;
	uint32_t admit;
	struct vhost_export *served; /* NULL: not yet */
	struct store *store;	     /* … on this store, which it owns */
	bool single; /* described by --socket-path or --fd, and --blk-file */
	/* Its place in the file, from 1; 0: it is on the command line. */
	unsigned int line;
	unsigned int column;
};

struct serve_general {
	struct vhost_limits limits;
	const char *stats_json; /* NULL: none; "-": standard output */
	const char *control;	/* path of the control socket, or NULL */
	const char *user;	/* to change to, or NULL */
	enum { FILTER_IF_BUILT, FILTER_ON, FILTER_OFF } filter;
};

/* `set` returns NULL, or what was expected; a flag gets NULL as its value. */
struct serve_setting {
	const char *name;
	const char *(*set)(struct serve_general *general, const char *value);
};

struct serve_export_setting {
	const char *name;
	bool flag; /* alone on the command line, true or false in a file */
	const char *(*set)(struct serve_export *export, const char *value);
};

/* Both end with a name of NULL. */
extern const struct serve_setting serve_settings[];
extern const struct serve_export_setting serve_export_settings[];

#define SERVE_SETTINGS_MAX 16

/* The keys of either table as "a, b or c", for a message; cut to `size`. */
void serve_setting_names(char *text, size_t size);
void serve_export_setting_names(char *text, size_t size);

/* NULL: the export is complete and consistent; else what is wrong, and what was
 * expected. */
const char *serve_export_check(const struct serve_export *export);

struct serve_document;

/*
 * What `precarium serve` was asked for: by the command line alone, or, when
 * completed, together with the configuration file.
 */
struct serve_options {
	struct serve_export *exports;
	uint32_t export_count;
	const char *config; /* path of the file, or NULL */
	/* The text of each setting, by its index; NULL: not given. */
	const char *values[SERVE_SETTINGS_MAX];
	struct serve_document *document; /* holds the texts from the file */
	struct serve_general general;	 /* parsed from the values */
};

/* Appends an export with default settings, which the options own; lowering the
 * count takes it back.  NULL: out of memory. */
struct serve_export *serve_options_add(struct serve_options *options);

#define WHERE_SIZE 160

/* Where the export is described, for a message: "FILE:LINE:COLUMN", "--export",
 * or, for the single device, the `option` at fault. */
void serve_export_where(char *text, size_t size,
			const struct serve_options *options,
			const struct serve_export *export, const char *option);

#endif
