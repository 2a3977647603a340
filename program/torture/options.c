// SPDX-License-Identifier: MIT
#include "program/torture/torture.h"

#include <getopt.h>
#include <stdio.h>

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

static const struct option long_options[] = {
	{ "case", required_argument, NULL, OPT_CASE },
	{ "group", required_argument, NULL, OPT_GROUP },
	{ "neighbour", required_argument, NULL, OPT_NEIGHBOUR },
	{ "restart", required_argument, NULL, OPT_RESTART },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "report", required_argument, NULL, OPT_REPORT },
	{ "pid", required_argument, NULL, OPT_PID },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "answer", required_argument, NULL, OPT_ANSWER },
	{ "stall", required_argument, NULL, OPT_STALL },
	{ "fast", no_argument, NULL, OPT_FAST },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static bool number_option(const char *name, uint32_t max, uint32_t *number)
{
	if (parse_small(optarg, 1, max, number))
		return true;
	complain("torture: %s=%s: expected a number from 1 to %u", name, optarg,
		 max);
	return false;
}

static bool take_number(struct torture_options *options, int option)
{
	uint32_t pid;

	switch (option) {
	case OPT_PID:
		if (!number_option("--pid", INT32_MAX, &pid))
			return false;
		options->pid = (pid_t)pid;
		return true;
	case OPT_TIMEOUT:
		return number_option("--timeout", MS_MAX, &options->case_ms);
	case OPT_ANSWER:
		return number_option("--answer", MS_MAX, &options->answer_ms);
	case OPT_STALL:
		return number_option("--stall", MS_MAX, &options->stall_ms);
	case OPT_FAST:
		options->fast = true;
		return true;
	case OPT_LIST:
		options->list = true;
		return true;
	default: /* getopt has said what it did not understand */
		fputs("precarium: see precarium torture --help\n", stderr);
		return false;
	}
}

static bool take_option(struct torture_options *options, int option)
{
	const char **texts[] = {
		[OPT_CASE] = &options->case_name,
		[OPT_GROUP] = &options->group_name,
		[OPT_NEIGHBOUR] = &options->neighbour_path,
		[OPT_RESTART] = &options->restart,
		[OPT_JSON] = &options->json_path,
		[OPT_REPORT] = &options->report_path,
	};

	if (option > OPT_REPORT)
		return take_number(options, option);
	*texts[option] = optarg;
	return true;
}

int torture_parse(struct torture_options *options, int argc, char **argv)
{
	int option;

	*options = (struct torture_options){ .case_ms = CASE_MS,
					     .answer_ms = ANSWER_MS,
					     .stall_ms = STALL_MS };
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) >=
	       0) {
		if (option == OPT_HELP) {
			fputs(help, stdout);
			return finish_output();
		}
		if (!take_option(options, option))
			return EXIT_USAGE;
	}
	if (options->list)
		return -1;
	if (optind + 1 != argc) {
		complain("torture: %s; expected the path of one socket",
			 optind < argc ? "more than one argument"
				       : "no socket");
		return EXIT_USAGE;
	}
	options->socket_path = argv[optind];
	return -1;
}
