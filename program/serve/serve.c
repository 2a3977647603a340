// SPDX-License-Identifier: MIT
#include "program/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "program/serve/control.h"
#include "program/serve/log.h"
#include "program/serve/manager.h"
#include "program/serve/opener.h"
#include "program/serve/runtime.h"
#include "program/serve/sandbox.h"
#include "program/serve/stats.h"
#include "program/serve/takeover.h"
#include "store/stores.h"

/* What signals have asked for, and the server that handlers interrupt. */
static struct vhost_server *running;
static volatile sig_atomic_t asked_to_stop;
static volatile sig_atomic_t asked_to_tell;
static volatile sig_atomic_t asked_to_reload;
/* How long the end waits for who reads the log. */
#define LOG_END_MS 1000

static bool has_config; /* else SIGHUP ends it: the terminal has gone */

static void on_signal(int number)
{
	if (number == SIGUSR1)
		asked_to_tell = 1;
	else if (number == SIGHUP && has_config)
		asked_to_reload = 1;
	else
		asked_to_stop = 1;
	vhost_server_interrupt(running);
}

static void take_signals(struct context *context)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	sigemptyset(&action.sa_mask);
	action.sa_handler = on_signal;
	running = context->server;
	has_config = context->command_line->config;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	/* A write beyond a file size limit must fail, and not end the
	 * process. */
	action.sa_handler = SIG_IGN;
	sigaction(SIGXFSZ, &action, NULL);
	sigaction(SIGPIPE, &action, NULL);
}

/* A second SIGTERM ends the process at once. */
static void release_signals(void)
{
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
}

static void reload(struct context *context)
{
	struct changes changes;
	struct vhost_error error;

	exports_reload(context, &changes, &error);
}

static void act_on_signals(struct context *context)
{
	if (asked_to_tell) {
		asked_to_tell = 0;
		stats_tell(context->server,
			   context->options.general.stats_json);
	}
	if (asked_to_reload) {
		asked_to_reload = 0;
		reload(context);
	}
}

static void leave_sockets(struct context *context)
{
	for (uint32_t i = 0; i < context->options.export_count; i++) {
		struct vhost_export *served =
			context->options.exports[i].served;

		if (served)
			vhost_export_leave_socket(served);
	}
	log_info(NULL, "another server goes on");
}

static int run(struct context *context)
{
	manager_tell_ready();
	while (!asked_to_stop && !context->leaving &&
	       vhost_server_run(context->server))
		act_on_signals(context);
	release_signals();
	if (context->leaving)
		leave_sockets(context);
	manager_tell_stopping();
	vhost_server_stop(context->server);
	log_end(LOG_END_MS);
	return stats_end(context->server, context->options.general.stats_json)
		       ? EXIT_GOOD
		       : EXIT_FAILED;
}

/* An unwritable path is an error at the start, not at the end. */
static bool try_stats_path(struct context *context)
{
	const char *path = context->options.general.stats_json;

	return !path || strcmp(path, "-") == 0 ||
	       stats_write(context->server, path);
}

static bool is_filtered(const struct general *general)
{
	return general->filter == FILTER_ON ||
	       (general->filter == FILTER_IF_BUILT && sandbox_has_filter);
}

/* What the filter refuses to a running server it gets now: rings of io_uring,
 * and a process that opens files for writing. */
static bool prepare_filter(const struct general *general,
			   struct vhost_error *error)
{
	uint32_t workers = general->limits.workers;
	struct store_error why;

	if (!store_prepare(workers ? workers : 1, &why)) {
		snprintf(error->text, sizeof(error->text), "%s", why.text);
		return false;
	}
	return opener_start(general->stats_json, error);
}

static bool start_log(struct vhost_error *error)
{
	if (log_start())
		return true;
	snprintf(error->text, sizeof(error->text), "no thread for the log");
	return false;
}

/* Whatever lacks descriptors, the remedy is the same. */
static void complain_of(const struct vhost_error *error)
{
	const char *text = error->text;

	if (strstr(text, strerror(EMFILE)))
		complain("%s%s room for more descriptors, see ulimit -n", text,
			 strstr(text, "expected") ? ", and" : "; expected");
	else
		complain("%s", text);
}

/* First what needs the rights of the start; the server's threads before the
 * filter. */
static bool start(struct context *context, struct control **control,
		  struct vhost_error *error)
{
	const struct general *general = &context->options.general;

	if (general->control) {
		*control = control_open(context, error);
		if (!*control)
			return false;
	}
	if (general->user && !sandbox_become(general->user, error))
		return false;
	if (is_filtered(general) && !prepare_filter(general, error))
		return false;
	return start_log(error) && vhost_server_start(context->server, error) &&
	       (!is_filtered(general) || sandbox_filter(error));
}

/* Those of the server for which this one goes on. */
static void own_sockets(struct context *context)
{
	for (uint32_t i = 0; i < context->options.export_count; i++) {
		const struct export *export = &context->options.exports[i];

		if (export->served && takeover_owns(export->socket_path))
			vhost_export_own_socket(export->served);
	}
}

static int serve_with(struct context *context)
{
	struct control *control = NULL;
	struct vhost_error error;
	int status = EXIT_FAILED;

	stats_begin();
	if (!try_stats_path(context))
		return EXIT_FAILED;
	if (start(context, &control, &error) &&
	    takeover_finish(&asked_to_stop, &error)) {
		own_sockets(context);
		control_own(control);
		takeover_end();
		status = run(context);
	} else
		complain_of(&error);
	release_signals();
	control_close(control);
	return status;
}

/* Takes the options over. */
static int serve(struct context *context, struct options *options)
{
	struct changes changes;
	struct vhost_error error;
	int status = EXIT_FAILED;

	context->server = vhost_server_new(&options->general.limits, &error);
	if (!context->server) {
		complain_of(&error);
		options_free(options);
		return EXIT_FAILED;
	}
	/* Before the first socket exists, so that a signal leaves none
	 * behind. */
	take_signals(context);
	store_go_by(options->general.io);
	log_set_level(options->general.log);
	if (!manager_take_sockets(&error)) {
		options_free(options);
		complain_of(&error);
	} else if (exports_apply(context, options, true, &changes, &error)) {
		status = serve_with(context);
	} else {
		complain_of(&error);
	}
	release_signals();
	vhost_server_free(context->server);
	return status;
}

static int serve_as(struct context *context)
{
	struct options *command_line = context->command_line, options;
	struct vhost_error error = { "" };

	if (command_line->take_over &&
	    !takeover_begin(command_line->take_over, command_line, &error)) {
		complain_of(&error);
		return EXIT_FAILED;
	}
	if (options_complete(command_line, &options, &error))
		return serve(context, &options);
	complain_of(&error);
	return EXIT_USAGE;
}

int command_serve(int argc, char **argv)
{
	struct context context = { .server = NULL };
	struct options command_line;
	int status = EXIT_USAGE;

	log_begin();
	manager_take_log();
	switch (options_parse(argc, argv, &command_line)) {
	case PARSED_RUN:
		context.command_line = &command_line;
		status = serve_as(&context);
		break;
	case PARSED_DONE:
		status = finish_output();
		break;
	case PARSED_USAGE:
		break;
	}
	options_free(&context.options);
	runtime_free(&command_line);
	options_free(&command_line);
	log_end(LOG_END_MS);
	return status;
}
