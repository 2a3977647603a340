// SPDX-License-Identifier: MIT
/* Output: a line for each case, or a status line on a terminal; at the end
 * counts, and files for programs and for people. */
#include "program/torture/case.h"

#include <jansson.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program/command.h"
#include "program/escape.h"
#include "program/json_text.h"
#include "program/torture/page.h"

static const char *const names[VERDICTS] = {
	[VERDICT_SURVIVED] = "survived",
	[VERDICT_DIED] = "died",
	[VERDICT_HUNG] = "hung",
	[VERDICT_STALLED] = "stalled",
	[VERDICT_LEAKED] = "leaked",
	[VERDICT_CORRUPTED] = "corrupted",
	[VERDICT_NOT_APPLICABLE] = "not applicable",
	[VERDICT_NOT_RUN] = "not run",
};

#define GROUPS_MAX 16u

/* How many of each verdict. */
struct tally {
	const char *group;
	uint32_t of[VERDICTS];
	uint32_t all;
};

const char *verdict_name(enum verdict verdict)
{
	return names[verdict];
}

/* Prints ": " and the text of the finding, if there is one. */
static void put_finding(FILE *to, const struct finding *finding)
{
	if (finding->text[0])
		fputs(": ", to);
	escape_put(to, finding->text);
	fputc('\n', to);
}

static bool is_bad(enum verdict verdict)
{
	return verdict != VERDICT_SURVIVED && verdict != VERDICT_NOT_APPLICABLE;
}

void report_begin(struct torture *torture)
{
	const struct watch *watch = &torture->watch;
	const char *term = getenv("TERM");

	torture->terminal = isatty(1) && term && strcmp(term, "dumb") != 0;
	printf("%u attacks on ", torture->count);
	escape_put(stdout, torture->options.socket_path);
	putchar('\n');
	if (watch->pid > 0) {
		fputs("neighbour on ", stdout);
		escape_put(stdout, torture->options.neighbour_path);
		printf(": quiet, median %llu us, p99 %llu us\n",
		       (unsigned long long)watch->quiet_median_ns / 1000,
		       (unsigned long long)watch->quiet_p99_ns / 1000);
	}
	fflush(stdout);
}

void report_case(struct torture *torture, uint32_t number)
{
	const struct torture_case *one = torture->cases[number];
	const struct result *result = &torture->results[number];
	enum verdict verdict = result->finding.verdict;

	if (torture->terminal)
		printf("\r\033[K");
	/* On a terminal only failures keep a line. */
	if (!torture->terminal || is_bad(verdict)) {
		printf("%-14s %s/%s", names[verdict], one->group, one->name);
		put_finding(stdout, &result->finding);
	}
	if (torture->terminal && number + 1 < torture->count)
		printf("%4u of %u  %s/%s", number + 2, torture->count,
		       torture->cases[number + 1]->group,
		       torture->cases[number + 1]->name);
	fflush(stdout);
}

/* The cases of a group are neighbours. */
static uint32_t count_groups(const struct torture *torture,
			     struct tally *tallies)
{
	uint32_t count = 0, i;

	memset(tallies, 0, (GROUPS_MAX + 1) * sizeof(*tallies));
	for (i = 0; i < torture->count; i++) {
		const char *group = torture->cases[i]->group;

		if ((count == 0 || tallies[count - 1].group != group) &&
		    count < GROUPS_MAX)
			tallies[count++].group = group;
		tallies[count - 1].of[torture->results[i].finding.verdict]++;
		tallies[count - 1].all++;
	}
	tallies[count].group = "all";
	for (i = 0; i < torture->count; i++)
		tallies[count].of[torture->results[i].finding.verdict]++;
	tallies[count].all = torture->count;
	return count + 1;
}

static void print_tallies(FILE *to, const struct torture *torture, bool table)
{
	struct tally tallies[GROUPS_MAX + 1];
	uint32_t count = count_groups(torture, tallies), i, j;

	fprintf(to, table ? "| kind of attack |" : "%-16s", table ? "" : "");
	for (j = 0; j < VERDICTS; j++)
		fprintf(to, table ? " %s |" : "%15s", names[j]);
	fputc('\n', to);
	for (j = 0; table && j <= VERDICTS; j++)
		fputs(j ? "---:|" : "|---|", to);
	if (table)
		fputc('\n', to);
	for (i = 0; i < count; i++) {
		fprintf(to, table ? "| %s |" : "%-16s", tallies[i].group);
		for (j = 0; j < VERDICTS; j++)
			fprintf(to, table ? " %u |" : "%15u", tallies[i].of[j]);
		fputc('\n', to);
	}
}

static bool write_markdown(FILE *to, const struct torture *torture)
{
	const struct watch *watch = &torture->watch;
	bool any = false;
	uint32_t i;

	fputs("# Attacks on ", to);
	escape_put(to, torture->options.socket_path);
	fprintf(to, "\n\n%u attacks in %llu s.\n\n", torture->count,
		(unsigned long long)(client_now_ns() - torture->start_ns) /
			1000000000u);
	print_tallies(to, torture, true);
	if (watch->quiet_median_ns)
		fprintf(to,
			"\nThe neighbour, undisturbed: median %llu us, "
			"p99 %llu us.\n",
			(unsigned long long)watch->quiet_median_ns / 1000,
			(unsigned long long)watch->quiet_p99_ns / 1000);
	fputs("\n## Not survived\n\n", to);
	for (i = 0; i < torture->count; i++) {
		const struct finding *finding = &torture->results[i].finding;

		if (!is_bad(finding->verdict))
			continue;
		fprintf(to, "- %s: %s/%s", names[finding->verdict],
			torture->cases[i]->group, torture->cases[i]->name);
		put_finding(to, finding);
		any = true;
	}
	if (!any)
		fputs("None.\n", to);
	return true;
}

static json_t *count_of(uint64_t number)
{
	return json_integer((json_int_t)number);
}

static json_t *case_json(const struct torture_case *one,
			 const struct result *result)
{
	return json_pack(
		"{ss ss ss so so so so so}", "group", one->group, "name",
		one->name, "verdict", names[result->finding.verdict], "text",
		json_text(result->finding.text), "milliseconds",
		count_of(result->taken_ns / 1000000u), "neighbour-median-us",
		count_of(result->median_ns / 1000u), "neighbour-p99-us",
		count_of(result->p99_ns / 1000u), "neighbour-slowest-us",
		count_of(result->slowest_ns / 1000u));
}

/* The caller's; NULL: out of memory. */
static json_t *results_json(const struct torture *torture)
{
	const struct watch *watch = &torture->watch;
	struct tally tallies[GROUPS_MAX + 1];
	uint32_t last = count_groups(torture, tallies) - 1, i;
	json_t *counts = json_object(), *cases = json_array();

	for (i = 0; i < VERDICTS; i++)
		json_object_set_new(counts, names[i],
				    count_of(tallies[last].of[i]));
	for (i = 0; i < torture->count; i++)
		json_array_append_new(cases, case_json(torture->cases[i],
						       &torture->results[i]));
	return json_pack("{ss so so so so so}", "version", PRECARIUM_VERSION,
			 "socket", json_text(torture->options.socket_path),
			 "quiet-median-us",
			 count_of(watch->quiet_median_ns / 1000u),
			 "quiet-p99-us", count_of(watch->quiet_p99_ns / 1000u),
			 "counts", counts, "cases", cases);
}

static bool write_json(FILE *to, const struct torture *torture)
{
	json_t *root = results_json(torture);
	bool good = root && json_dumpf(root, to, JSON_INDENT(2)) == 0;

	json_decref(root);
	return good && fputc('\n', to) != EOF;
}

static bool write_page(FILE *to, const struct torture *torture)
{
	json_t *root = results_json(torture);
	bool good = root != NULL;

	if (good)
		page_write(to, root, torture->options.beside);
	json_decref(root);
	return good;
}

static bool write_file(const struct torture *torture, const char *path,
		       bool (*write)(FILE *to, const struct torture *torture))
{
	FILE *to = fopen(path, "we");
	bool good = to != NULL;

	if (to) {
		good = write(to, torture) && !ferror(to);
		good = fclose(to) == 0 && good;
	}
	if (!good)
		complain("torture: %s: cannot be written: %s; expected a file "
			 "that can be made",
			 path, strerror(errno));
	return good;
}

int report_end(struct torture *torture)
{
	const struct torture_options *options = &torture->options;
	int status = EXIT_GOOD;
	uint32_t i;

	putchar('\n');
	print_tallies(stdout, torture, false);
	if (torture->error[0]) {
		fputs("\nNot all were run: ", stdout);
		escape_put(stdout, torture->error);
		putchar('\n');
	}
	for (i = 0; i < torture->count; i++)
		if (is_bad(torture->results[i].finding.verdict))
			status = EXIT_FAILED;
	if (options->json_path &&
	    !write_file(torture, options->json_path, write_json))
		status = EXIT_FAILED;
	if (options->report_path &&
	    !write_file(torture, options->report_path, write_markdown))
		status = EXIT_FAILED;
	if (options->html_path &&
	    !write_file(torture, options->html_path, write_page))
		status = EXIT_FAILED;
	return finish_output() == EXIT_GOOD ? status : EXIT_FAILED;
}
