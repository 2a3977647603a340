/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_OPTIONS_H
#define PRECARIUM_PROGRAM_SERVE_OPTIONS_H

#include "program/serve/settings.h"

enum serve_parsed {
	SERVE_RUN,   /* options hold the command line */
	SERVE_DONE,  /* help or capabilities were printed */
	SERVE_USAGE, /* *error says what is wrong */
};

/* Whatever the result, free the options.  Texts stay in argv. */
enum serve_parsed serve_options_parse(int argc, char **argv,
				      struct serve_options *options);

/*
 * Read the file that the command line names, if any, and put the command line
 * over it: its settings win, and an export of it replaces that of the same name.
 * Once at the start, and again at each reload: the command line is not changed.
 * False: *error says what is wrong, in one line; *full need not be freed.
 */
bool serve_options_complete(const struct serve_options *command_line,
			    struct serve_options *full,
			    struct vhost_error *error);

void serve_options_free(struct serve_options *options);

#endif
