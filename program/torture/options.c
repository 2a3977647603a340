// SPDX-License-Identifier: MIT
#include "program/torture/torture.h"

#include <stdio.h>

#include "program/arguments.h"
#include "program/command.h"
#include "program/number.h"

#define CASE_MS	  10000u
#define ANSWER_MS 3000u
#define STALL_MS  2000u
#define MS_MAX	  600000u

static const char help[] =
	"Usage: precarium torture SOCKET [OPTION]...\n"
	"       precarium torture --list\n"
	"Play attacks of a client on a vhost-user block server, one after the\n"
	"other, and say what came of each.  Whatever is on the server's disks\n"
	"is overwritten.\n"
	"\n"
	"  --case PATTERN      attacks by GROUP/NAME, as --list has it; * and "
	"?\n"
	"                      are what they are to a shell\n"
	"  --group NAME        the attacks of a group\n"
	"  --fast              without those that take a second or more\n"
	"  --neighbour SOCKET  another socket of the same server, on which a\n"
	"                      good client verifies its data all the time; "
	"its\n"
	"                      disk has to keep what is written\n"
	"  --pid PID           the server, to see whether it leaks\n"
	"  --restart COMMAND   starts the server, in the foreground: at "
	"first,\n"
	"                      if nobody listens, and after each attack that\n"
	"                      it did not survive\n"
	"  --timeout MS        for an attack (10000); then it is cut short\n"
	"  --answer MS         for the answer to a new client (3000)\n"
	"  --stall MS          for a request of the neighbour (2000)\n"
	"  --json PATH         write the results as JSON\n"
	"  --report PATH       write them as Markdown\n"
	"  --list              print the attacks\n"
	"\n"
	"Verdicts:\n"
	"  survived            none of the following\n"
	"  died                the process is gone, refuses connections, or "
	"has\n"
	"                      hung up on the neighbour\n"
	"  hung                a new client gets no answer in time\n"
	"  stalled             a request of the neighbour is not answered in "
	"time\n"
	"  leaked              descriptors, mappings or memory grew, each\n"
	"                      time of three\n"
	"  corrupted           the neighbour's data was wrong or its request\n"
	"                      failed; or a request was told a success that\n"
	"                      cannot be; or memory was written into after it\n"
	"                      was acknowledged to be the client's again\n"
	"  not applicable      the server does not offer what would be "
	"attacked\n"
	"  not run             there was no server any more\n"
	"\n"
	"Exit status: 0 all survived; 1 not all; 2 wrong usage.\n";

enum torture_option {
	OPT_CASE,
	OPT_GROUP,
	OPT_NEIGHBOUR,
	OPT_RESTART,
	OPT_JSON,
	OPT_REPORT,
	OPT_PID,
	OPT_TIMEOUT,
	OPT_ANSWER,
	OPT_STALL,
	OPT_FAST,
	OPT_LIST,
	OPT_HELP,
};

static const struct argument_option long_options[] = {
	{ "case", true, OPT_CASE },
	{ "group", true, OPT_GROUP },
	{ "neighbour", true, OPT_NEIGHBOUR },
	{ "restart", true, OPT_RESTART },
	{ "json", true, OPT_JSON },
	{ "report", true, OPT_REPORT },
	{ "pid", true, OPT_PID },
	{ "timeout", true, OPT_TIMEOUT },
	{ "answer", true, OPT_ANSWER },
	{ "stall", true, OPT_STALL },
	{ "fast", false, OPT_FAST },
	{ "list", false, OPT_LIST },
	{ "help", false, OPT_HELP },
	{ NULL, false, 0 },
};

static bool number_option(const char *name, const char *text, uint32_t max,
			  uint32_t *number)
{
	if (parse_small(text, 1, max, number))
		return true;
	complain("torture: %s=%s: expected a number from 1 to %u", name, text,
		 max);
	return false;
}

static bool take_number(struct torture_options *options, int option,
			const char *text)
{
	uint32_t pid;

	switch (option) {
	case OPT_PID:
		if (!number_option("--pid", text, INT32_MAX, &pid))
			return false;
		options->pid = (pid_t)pid;
		return true;
	case OPT_TIMEOUT:
		return number_option("--timeout", text, MS_MAX,
				     &options->case_ms);
	case OPT_ANSWER:
		return number_option("--answer", text, MS_MAX,
				     &options->answer_ms);
	case OPT_STALL:
		return number_option("--stall", text, MS_MAX,
				     &options->stall_ms);
	case OPT_FAST:
		options->fast = true;
		return true;
	case OPT_LIST:
		options->list = true;
		return true;
	default:
		return false;
	}
}

static bool take_option(struct torture_options *options, int option,
			const char *text)
{
	const char **texts[] = {
		[OPT_CASE] = &options->case_name,
		[OPT_GROUP] = &options->group_name,
		[OPT_NEIGHBOUR] = &options->neighbour_path,
		[OPT_RESTART] = &options->restart,
		[OPT_JSON] = &options->json_path,
		[OPT_REPORT] = &options->report_path,
	};

	if (option < 0)
		return false;
	if (option > OPT_REPORT)
		return take_number(options, option, text);
	*texts[option] = text;
	return true;
}

int torture_parse(struct torture_options *options, int argc, char **argv)
{
	struct arguments arguments;
	int option;

	*options = (struct torture_options){ .case_ms = CASE_MS,
					     .answer_ms = ANSWER_MS,
					     .stall_ms = STALL_MS };
	arguments_begin(&arguments, "torture", argc, argv, long_options);
	while ((option = arguments_next(&arguments)) != ARGUMENTS_END) {
		if (option == OPT_HELP) {
			fputs(help, stdout);
			return finish_output();
		}
		if (!take_option(options, option, arguments.value))
			return EXIT_USAGE;
	}
	if (options->list)
		return -1;
	if (arguments.operand_count != 1) {
		complain("torture: %s; expected the path of one socket",
			 arguments.operand_count ? "more than one argument"
						 : "no socket");
		return EXIT_USAGE;
	}
	options->socket_path = arguments.operands[0];
	return -1;
}
