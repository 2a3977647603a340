// SPDX-License-Identifier: MIT
#include "program/command.h"

#include <stdio.h>

#include "program/ask/ask.h"
#include "program/ask/stats.h"
#include "program/json_text.h"

static const char help[] =
	"Usage: precarium log [--control=PATH] [LEVEL]\n"
	"Change how much a server logs from now on, and print the level.\n"
	"\n"
	"Levels:\n"
	"  warning      what may need attention\n"
	"  info         also clients that come and go, and reloads\n"
	"  debug        also each message of clients\n"
	"\n" //
	ASK_OPTIONS_HELP;

int command_log(int argc, char **argv)
{
	struct arguments arguments;
	json_t *request, *result;
	const char *path;
	int status = ask_options(&arguments, "log", argc, argv, help, &path);

	if (status >= 0)
		return status;
	if (arguments.operand_count > 1) {
		complain("log: expected one level: warning, info or debug");
		return EXIT_USAGE;
	}
	request = json_pack("{ss}", "command", "log");
	if (arguments.operand_count == 1)
		json_object_set_new(request, "level",
				    json_text(arguments.operands[0]));
	result = control_ask_once(path, request);
	if (!result)
		return EXIT_FAILED;
	puts(stats_string(result, "level"));
	json_decref(result);
	return finish_output();
}
