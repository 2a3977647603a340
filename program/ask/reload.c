// SPDX-License-Identifier: MIT
#include "program/command.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "program/ask/ask.h"
#include "program/ask/stats.h"

static const char help[] =
	"Usage: precarium reload [--control=PATH]\n"
	"Make a server read its configuration file again.  Exports that are "
	"new "
	"are\n"
	"opened, those that are not there any more take no more clients, "
	"others "
	"are\n"
	"not touched.  On an error all stays as it was.\n"
	"\n"
	"  --control=PATH  its control socket (default " CONTROL_PATH ")\n"
	"  --help          this text\n";

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
	static const struct option options[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = CONTROL_PATH;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'h') {
			fputs(help, stdout);
			return finish_output();
		}
		if (option != 'c') {
			fputs("precarium: see precarium reload --help\n",
			      stderr);
			return EXIT_USAGE;
		}
		path = optarg;
	}
	if (optind == argc)
		return reload(path);
	complain("%s: unexpected argument; expected options only",
		 argv[optind]);
	return EXIT_USAGE;
}
