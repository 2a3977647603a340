// SPDX-License-Identifier: MIT
#include "program/torture/torture.h"

#include <jansson.h>
#include <stdio.h>

#include "program/arguments.h"
#include "program/command.h"
#include "program/number.h"
#include "program/torture/page.h"

#define CASE_MS	  10000u
#define ANSWER_MS 3000u
#define STALL_MS  2000u
#define MS_MAX	  600000u

static const char help[] =
	"Usage: precarium torture SOCKET [OPTION]...\n"
	"       precarium torture --list\n"
	"Attack a vhost-user block server as a client could, one attack after\n"
	"the other, and print a verdict on each.  The contents of the "
	"server's\n"
	"disks are overwritten.\n"
	"\n"
	"  --case PATTERN      attacks by GROUP/NAME, see --list; * and ? as "
	"in "
	"a\n"
	"                      shell\n"
	"  --group NAME        the attacks of a group\n"
	"  --fast              without attacks that take a second or more\n"
	"  --neighbour SOCKET  another socket of the same server, on which a\n"
	"                      good client verifies its data all the time; "
	"its\n"
	"                      disk must keep what is written\n"
	"  --pid PID           process of the server, to look for leaks\n"
	"  --restart COMMAND   starts the server in the foreground: at first, "
	"and\n"
	"                      after each attack that it did not survive\n"
	"  --timeout MS        for an attack, which then is cut short (10000)\n"
	"  --answer MS         for the answer to a new client (3000)\n"
	"  --stall MS          for a request of the neighbour (2000)\n"
	"  --json PATH         write the results as JSON\n"
	"  --report PATH       write the results as Markdown\n"
	"  --html PATH         write each case with its verdict as one page\n"
	"  --beside PATH       in the page beside it, what --json wrote for "
	"another\n"
	"                      server; may be given many times\n"
	"  --list              print the attacks\n"
	"  --help              print this text\n"
	"\n"
	"Verdicts:\n"
	"  survived            none of the following\n"
	"  died                the process is gone, refuses connections, or "
	"has\n"
	"                      closed the neighbour's connection\n"
	"  hung                a new client gets no answer in time\n"
	"  stalled             a request of the neighbour is not completed in "
	"time\n"
	"  leaked              descriptors, mappings or memory grew, three "
	"times\n"
	"                      of three\n"
	"  corrupted           the neighbour's data was wrong or its request\n"
	"                      failed; or the server reported success for a\n"
	"                      request that cannot succeed; or it wrote to\n"
	"                      memory after acknowledging that it was the\n"
	"                      client's again\n"
	"  not applicable      the server does not offer what would be "
	"attacked\n"
	"  not run             no server was left\n"
	"\n"
	"Exit status: 0 all survived; 1 not all; 2 wrong usage.\n";

enum torture_option {
	OPT_CASE,
	OPT_GROUP,
	OPT_NEIGHBOUR,
	OPT_RESTART,
	OPT_JSON,
	OPT_REPORT,
	OPT_HTML,
	OPT_BESIDE,
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
	{ "html", true, OPT_HTML },
	{ "beside", true, OPT_BESIDE },
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
		[OPT_HTML] = &options->html_path,
	};

	if (option < 0)
		return false;
	if (option == OPT_BESIDE) {
		if (!options->beside)
			options->beside = json_object();
		return page_read(options->beside, text);
	}
	if (option > OPT_HTML)
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
	if (options->beside && !options->html_path) {
		complain("torture: --beside: expected --html, too");
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
