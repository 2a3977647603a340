// SPDX-License-Identifier: MIT
#include "program/torture/case.h"

#include <errno.h>
#include <fnmatch.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "program/command.h"

#define START_TRIES	 3u
#define DESCRIPTORS_MANY 300u

static volatile sig_atomic_t interrupted;

static void interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* Selects cases by group and by a pattern for GROUP/NAME. */
static bool is_wanted(const struct torture_options *options,
		      const struct torture_case *one)
{
	char name[100];

	snprintf(name, sizeof(name), "%s/%s", one->group, one->name);
	if (options->case_name && fnmatch(options->case_name, name, 0) != 0)
		return false;
	if (options->group_name && strcmp(options->group_name, one->group) != 0)
		return false;
	return !(options->fast && one->slow);
}

static int list_cases(const struct torture_options *options,
		      const struct case_list *all)
{
	const struct torture_case *one;

	for (one = all->cases; one < all->cases + all->count; one++)
		if (is_wanted(options, one))
			printf("%s/%s%s\n", one->group, one->name,
			       one->slow ? " (slow)" : "");
	return finish_output();
}

static bool select_cases(struct torture *torture, const struct case_list *all)
{
	uint32_t i;

	torture->cases = calloc(all->count, sizeof(struct torture_case *));
	torture->results = calloc(all->count, sizeof(*torture->results));
	if (!torture->cases || !torture->results) {
		complain("torture: out of memory");
		return false;
	}
	for (i = 0; i < all->count; i++)
		if (is_wanted(&torture->options, &all->cases[i]))
			torture->cases[torture->count++] = &all->cases[i];
	if (torture->count > 0)
		return true;
	complain("torture: no such attack: %s; expected one of precarium "
		 "torture --list",
		 torture->options.case_name    ? torture->options.case_name
		 : torture->options.group_name ? torture->options.group_name
					       : "--fast");
	return false;
}

/* After a failure, the next verdict would say nothing: start the server again,
 * if we can; else go on while it answers.  A leak disturbs no verdict until
 * descriptors become scarce. */
static bool make_ready(struct torture *torture, enum verdict last)
{
	bool lost = last == VERDICT_DIED || last == VERDICT_HUNG;
	uint32_t tries;

	if (last == VERDICT_SURVIVED || last == VERDICT_NOT_APPLICABLE ||
	    (last == VERDICT_LEAKED &&
	     server_holds(torture).descriptors < DESCRIPTORS_MANY))
		return true;
	if (!torture->options.restart)
		return !lost && watch_begin(torture) == 0;
	for (tries = 0; tries < START_TRIES; tries++)
		if (server_again(torture) == 0 && watch_begin(torture) == 0) {
			torture->error[0] = '\0';
			return true;
		}
	return false;
}

static void run_all(struct torture *torture)
{
	bool ready = true;
	uint32_t i;

	for (i = 0; i < torture->count; i++) {
		struct result *result = &torture->results[i];

		if (!ready || interrupted) {
			result->finding.verdict = VERDICT_NOT_RUN;
			continue;
		}
		run_case(torture, torture->cases[i], result);
		report_case(torture, i);
		ready = make_ready(torture, result->finding.verdict);
	}
}

static int run(struct torture *torture)
{
	struct result warm = { .taken_ns = 0 };
	int status;

	if (server_begin(torture) || watch_begin(torture)) {
		complain("torture: %s", torture->error);
		server_end(torture);
		return EXIT_FAILED;
	}
	report_begin(torture);
	/* Let the server allocate what it allocates at first use. */
	run_case(torture, &(struct torture_case){ .run = torture_nothing },
		 &warm);
	run_all(torture);
	watch_end(torture);
	status = report_end(torture);
	server_end(torture);
	return status;
}

static bool prepare(struct torture *torture)
{
	struct sigaction action = { .sa_handler = interrupt };
	struct rlimit files;

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* Attacks open hundreds of descriptors. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	torture->start_ns = client_now_ns();
	torture->shared =
		mmap(NULL, sizeof(*torture->shared), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (torture->shared != MAP_FAILED)
		return true;
	complain("torture: memory: %s", strerror(errno));
	return false;
}

int command_torture(int argc, char **argv)
{
	struct torture torture = { .count = 0 };
	int status = torture_parse(&torture.options, argc, argv);
	struct case_list all;

	if (status >= 0) {
		json_decref(torture.options.beside);
		return status;
	}
	all = cases_make();
	if (!all.cases)
		complain("torture: out of memory");
	status = EXIT_USAGE;
	if (all.cases && select_cases(&torture, &all)) {
		if (torture.options.list)
			status = list_cases(&torture.options, &all);
		else
			status =
				prepare(&torture) ? run(&torture) : EXIT_FAILED;
	}
	json_decref(torture.options.beside);
	free(torture.cases);
	free(torture.results);
	free(all.cases);
	return status;
}
