// SPDX-License-Identifier: MIT
#include "program/command.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
	"Usage: precarium COMMAND [OPTION]...\n"
	"Work on memory that untrusted clients lend and may take back at any\n"
	"instant.\n"
	"\n"
	"Commands:\n"
	"  serve        serve block devices by vhost-user\n"
	"  stat         print the statistics of a server\n"
	"  export       add, remove and list what a server exports\n"
	"  limit        limit what the clients of an export may ask for\n"
	"  resize       change the size of an export\n"
	"  reload       make a server read its configuration again\n"
	"  log          change how much a server logs\n"
	"  version      print the version of a server\n"
	"  check-host   check whether this machine has what is needed\n"
	"  bench        measure any vhost-user block server\n"
	"  torture      attack any vhost-user block server as clients could\n"
	"\n"
	"  precarium COMMAND --help   describes a command\n"
	"  precarium --version        prints the version\n"
	"\n"
	"Options without a command are those of serve, as programs that start\n"
	"vhost-user back-ends expect.\n";

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "serve", command_serve },
	{ "stat", command_stat },
	{ "export", command_export },
	{ "limit", command_limit },
	{ "resize", command_resize },
	{ "reload", command_reload },
	{ "log", command_log },
	{ "version", command_version },
	{ "check-host", command_check_host },
	{ "bench", command_bench },
	{ "torture", command_torture },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* "a, b or c" */
static void name_commands(char *text, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < COMMANDS && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s",
					 i == 0		     ? ""
					 : i == COMMANDS - 1 ? " or "
							     : ", ",
					 commands[i].name);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	char names[200];

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		fputs(help, stdout);
		return finish_output();
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		printf("precarium %s\n", PRECARIUM_VERSION);
		return finish_output();
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	if (name[0] == '-')
		return command_serve(argc, argv);
	name_commands(names, sizeof(names));
	if (name[0])
		complain("%s: no such command; expected %s, see precarium "
			 "--help",
			 name, names);
	else
		complain("a command is missing; expected %s, see precarium "
			 "--help",
			 names);
	return EXIT_USAGE;
}
