// SPDX-License-Identifier: MIT
#include "program/command.h"
#include "program/arguments.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "program/ask/ask.h"
#include "program/ask/http.h"
#include "program/ask/stats.h"

static const char help[] =
	"Usage: precarium stat [--control=PATH] [--watch]\n"
	"                      [--json|--openmetrics|--prometheus]\n"
	"Print the statistics of a server, for each export and client.\n"
	"\n"
	"  --control=PATH  its control socket (default " CONTROL_PATH ")\n"
	"  --json          print JSON\n"
	"  --openmetrics   print the OpenMetrics text format\n"
	"  --prometheus    print the text format of Prometheus, as its node\n"
	"                  exporter reads it from files\n"
	"  --http          answer an HTTP request for /metrics on standard "
	"input,\n"
	"                  as precarium-metrics.socket starts it; with one of "
	"the\n"
	"                  two above\n"
	"  --watch         print again every second, with rates, until it is\n"
	"                  interrupted or the server ends\n"
	"  --help          print this text\n";

struct wanted {
	const char *path;
	enum { AS_TEXT, AS_JSON, AS_OPENMETRICS, AS_PROMETHEUS } form;
	bool watch;
	bool http;
};

/* How long one who connects may take to ask. */
#define HTTP_S 10

static int print(const struct wanted *wanted, const json_t *stats,
		 const json_t *before)
{
	if (wanted->form == AS_JSON) {
		json_dumpf(stats, stdout, wanted->watch ? 0 : JSON_INDENT(2));
		putchar('\n');
	} else if (wanted->form == AS_OPENMETRICS) {
		stats_metrics(stdout, stats, METRICS_OPEN);
	} else if (wanted->form == AS_PROMETHEUS) {
		stats_metrics(stdout, stats, METRICS_PROMETHEUS);
	} else if (wanted->watch) {
		/* Move to the top left corner and clear the screen. */
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[J", stdout);
		stats_watch(stdout, stats, before);
	} else {
		stats_text(stdout, stats);
	}
	return finish_output();
}

static int watch(const struct wanted *wanted, int fd)
{
	const struct timespec second = { .tv_sec = 1 };
	json_t *before = NULL;
	int status = EXIT_GOOD;

	while (status == EXIT_GOOD) {
		json_t *stats =
			control_ask(fd, json_pack("{ss}", "command", "stat"));

		if (!stats) {
			status = EXIT_FAILED;
			break;
		}
		status = print(wanted, stats, before);
		json_decref(before);
		before = stats;
		nanosleep(&second, NULL);
	}
	json_decref(before);
	return status;
}

static int stat_once(const struct wanted *wanted, int fd)
{
	json_t *stats = control_ask(fd, json_pack("{ss}", "command", "stat"));
	int status = stats ? print(wanted, stats, NULL) : EXIT_FAILED;

	json_decref(stats);
	return status;
}

static int put_metrics(const struct wanted *wanted, const json_t *stats)
{
	bool open = wanted->form == AS_OPENMETRICS;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool good;
	int status;

	if (out)
		stats_metrics(out, stats,
			      open ? METRICS_OPEN : METRICS_PROMETHEUS);
	/* Only then text and size are there. */
	good = out && fclose(out) == 0 && text;
	status = http_answer(
		good ? 200 : 503,
		open ? "application/openmetrics-text; version=1.0.0; "
		       "charset=utf-8"
		     : "text/plain; version=0.0.4; charset=utf-8",
		text, size);
	free(text);
	return status;
}

static int serve_http(const struct wanted *wanted)
{
	int status = http_read(STDIN_FILENO, HTTP_S);
	json_t *stats = NULL;

	if (status == 200) {
		stats = control_ask_once(wanted->path,
					 json_pack("{ss}", "command", "stat"));
		status = stats ? 200 : 503;
	}
	if (status == 200)
		status = put_metrics(wanted, stats);
	else
		status = http_answer(status, NULL, NULL, 0);
	json_decref(stats);
	return status;
}

static int ask(const struct wanted *wanted)
{
	struct ask_error error;
	int fd = control_connect(wanted->path, &error);
	int status;

	if (fd < 0) {
		complain("%s", error.text);
		return EXIT_FAILED;
	}
	status = wanted->watch ? watch(wanted, fd) : stat_once(wanted, fd);
	close(fd);
	return status;
}

int command_stat(int argc, char **argv)
{
	static const struct argument_option options[] = {
		{ "control", true, 'c' },      { "json", false, 'j' },
		{ "openmetrics", false, 'o' }, { "prometheus", false, 'p' },
		{ "watch", false, 'w' },       { "http", false, 't' },
		{ "help", false, 'h' },	       { NULL, false, 0 },
	};
	struct wanted wanted = { .path = CONTROL_PATH };
	struct arguments arguments;
	int option;

	arguments_begin(&arguments, "stat", argc, argv, options);
	while ((option = arguments_next(&arguments)) != ARGUMENTS_END) {
		switch (option) {
		case 'c':
			wanted.path = arguments.value;
			break;
		case 'j':
			wanted.form = AS_JSON;
			break;
		case 'o':
			wanted.form = AS_OPENMETRICS;
			break;
		case 'p':
			wanted.form = AS_PROMETHEUS;
			break;
		case 'w':
			wanted.watch = true;
			break;
		case 't':
			wanted.http = true;
			break;
		case 'h':
			fputs(help, stdout);
			return finish_output();
		default:
			return EXIT_USAGE;
		}
	}
	if (!arguments_no_operands(&arguments))
		return EXIT_USAGE;
	if (!wanted.http)
		return ask(&wanted);
	if (wanted.watch ||
	    (wanted.form != AS_OPENMETRICS && wanted.form != AS_PROMETHEUS)) {
		complain("stat: --http: expected --openmetrics or "
			 "--prometheus, too, and no --watch");
		return EXIT_USAGE;
	}
	return serve_http(&wanted);
}
