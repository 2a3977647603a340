// SPDX-License-Identifier: MIT
#include "program/command.h"

#include <stdio.h>

#include "program/ask/ask.h"
#include "program/ask/stats.h"

static const char help[] =
	"Usage: precarium reload [--control=PATH]\n"
	"Make a server read its configuration file again.  New exports are\n"
	"opened, removed ones accept no more clients, others are untouched.\n"
	"After an error nothing has changed.\n"
	"\n" ASK_OPTIONS_HELP;

static int reload(const char *path)
{
	json_t *result =
		control_ask_once(path, json_pack("{ss}", "command", "reload"));

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
	struct arguments arguments;
	const char *path;
	int status = ask_options(&arguments, "reload", argc, argv, help, &path);

	if (status >= 0)
		return status;
	if (!arguments_no_operands(&arguments))
		return EXIT_USAGE;
	return reload(path);
}
