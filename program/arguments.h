/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_ARGUMENTS_H
#define PRECARIUM_PROGRAM_ARGUMENTS_H

#include <stdbool.h>

/*
 * The arguments of a command: long options, as --name, --name=value or
 * --name value, before, between and behind operands; after "--" there are
 * operands only.
 *
 * This is not getopt_long, which takes abbreviations, so that an option added
 * later changes what a script means, and whose messages do not say what was
 * expected.
 */
struct argument_option {
	const char *name; /* without the dashes; NULL ends a table */
	bool has_value;
	int number; /* not negative; what arguments_next returns */
};

struct arguments {
	const char *command; /* for messages: see precarium COMMAND --help */
	const struct argument_option *options;
	int count;
	char **argv;
	int next;
	bool options_over; /* "--" was there */

	char *value; /* of the option returned last; NULL: it takes none */

	/* When all options are read.  Order as given; they stay in argv. */
	int operand_count;
	char **operands;
};

enum {
	ARGUMENTS_END = -1,
	ARGUMENTS_WRONG = -2, /* one line on standard error says what */
};

/* argv[0] is skipped.  Everything stays the caller's; argv is reordered. */
void arguments_begin(struct arguments *arguments, const char *command, int argc,
		     char **argv, const struct argument_option *options);

/* The number of the next option, or one of the above. */
int arguments_next(struct arguments *arguments);

/* For commands without operands.  False, and a line, if there is one. */
bool arguments_no_operands(const struct arguments *arguments);

#endif
