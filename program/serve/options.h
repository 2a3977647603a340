/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_OPTIONS_H
#define PRECARIUM_PROGRAM_SERVE_OPTIONS_H

#include "program/serve/settings.h"

enum parsed {
	PARSED_RUN,   /* options hold the command line */
	PARSED_DONE,  /* help or capabilities were printed */
	PARSED_USAGE, /* a line on standard error says what is wrong */
};

/* Reads the command line.  Texts point into argv, which is cut up in place.
 * The caller frees the options, whatever the result. */
enum parsed options_parse(int argc, char **argv, struct options *options);

/*
 * Reads the file that the command line names, if any, and merges the two:
 * settings of the command line win, and an export of the command line replaces
 * that of the same name.  At the start, and again at each reload; does not
 * change *command_line.  On success the caller frees *full.
 * False: *error has one line that says what is wrong; *full needs no freeing.
 */
bool options_complete(const struct options *command_line, struct options *full,
		      struct vhost_error *error);

/* The name of an export in logs and statistics, be it given or not. */
const char *export_name(const struct export *export);

/* Gives names to exports that have none, and looks for names and sockets that
 * are used twice.  False: *error says which. */
bool options_name(struct options *options, struct vhost_error *error);

/* A copy, which has the same exports and shares the texts; to be freed like the
 * original, which may go first.  False: out of memory, and there is none. */
bool options_copy(const struct options *options, struct options *copy);

/* Frees exports and the document of the file; exports that are served are not
 * touched. */
void options_free(struct options *options);

#endif
