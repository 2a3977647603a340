// SPDX-License-Identifier: MIT
#include "program/command.h"
#include "program/arguments.h"

#include <stdio.h>
#include <unistd.h>

#include "program/ask/ask.h"
#include "program/ask/stats.h"

static const char help[] =
	"Usage: precarium reload [--control=PATH]\n"
	"Make a server read its configuration file again.  New exports are\n"
	"opened, removed ones accept no more clients, others are untouched.\n"
	"After an error nothing has changed.\n"
	"\n"
	"  --control=PATH  its control socket (default " CONTROL_PATH ")\n"
	"  --help          print this text\n";

static int reload(const char *path)
{
	int fd = control_connect(path);
	json_t *result;

	if (fd < 0)
		return EXIT_FAILED;
	result = control_ask(fd, json_pack("{ss}", "command", "reload"));
	close(fd);
	if (!result)
		return EXIT_FAILED;
	printf("exports: %d added, %d changed, %d removed, %d kept\n",
	       (int)stats_number(result, "added"),
	       (int)stats_number(result, "changed"),
	       (int)stats_number(result, "removed"),
	       (int)stats_number(result, "kept"));
	json_decref(result);
	return finish_output();
}

int command_reload(int argc, char **argv)
{
	static const struct argument_option options[] = {
		{ "control", true, 'c' },
		{ "help", false, 'h' },
		{ NULL, false, 0 },
	};
	const char *path = CONTROL_PATH;
	struct arguments arguments;
	int option;

	arguments_begin(&arguments, "reload", argc, argv, options);
	while ((option = arguments_next(&arguments)) != ARGUMENTS_END) {
		if (option == 'h') {
			fputs(help, stdout);
			return finish_output();
		}
		if (option != 'c')
			return EXIT_USAGE;
		path = arguments.value;
	}
	if (!arguments_no_operands(&arguments))
		return EXIT_USAGE;
	return reload(path);
}
