// SPDX-License-Identifier: MIT
#include "program/command.h"

#include <stdio.h>

#include "program/ask/ask.h"
#include "program/ask/stats.h"

static const char help[] =
	"Usage: precarium version [--control=PATH]\n"
	"Print the version of a server that runs, which may be older than "
	"this\n"
	"program, and that of the protocol of its control socket.\n"
	"\n" //
	ASK_OPTIONS_HELP;

int command_version(int argc, char **argv)
{
	struct arguments arguments;
	const char *path;
	json_t *result;
	int status =
		ask_options(&arguments, "version", argc, argv, help, &path);

	if (status >= 0)
		return status;
	if (!arguments_no_operands(&arguments))
		return EXIT_USAGE;
	result =
		control_ask_once(path, json_pack("{ss}", "command", "version"));
	if (!result)
		return EXIT_FAILED;
	printf("precarium %s, protocol %d, process %d\n",
	       stats_string(result, "version"),
	       (int)stats_number(result, "protocol"),
	       (int)stats_number(result, "pid"));
	json_decref(result);
	return finish_output();
}
