// SPDX-License-Identifier: MIT
#include "command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blk/backend.h"
#include "serve_control.h"
#include "serve_options.h"
#include "serve_stats.h"
#include "vhost/server.h"

/* What signals asked for.  The handlers see the server by this. */
static struct vhost_server *running;
static volatile sig_atomic_t asked_to_stop;
static volatile sig_atomic_t asked_to_tell;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		asked_to_tell = 1;
	else
		asked_to_stop = 1;
	vhost_server_interrupt(running);
}

static void take_signals(struct vhost_server *server)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	sigemptyset(&action.sa_mask);
	action.sa_handler = on_signal;
	running = server;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	/* An image beyond a file size limit is an error of one write. */
	action.sa_handler = SIG_IGN;
	sigaction(SIGXFSZ, &action, NULL);
	sigaction(SIGPIPE, &action, NULL);
}

/* Whoever is in a hurry may ask twice. */
static void release_signals(void)
{
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
}

static struct store *open_store(const struct serve_export *export,
				struct store_error *error)
{
	const struct blk_file_options options = {
		.read_only = export->read_only,
		.direct = export->direct,
	};
	struct store *store;

	if (export->file)
		return blk_file_open(export->file, &options, error);
	store = blk_null_open(export->null_size, error);
	if (store)
		store->read_only = export->read_only;
	return store;
}

static bool add_export(struct vhost_server *server,
		       const struct serve_export *export, struct store **store)
{
	struct vhost_export_options options = {
		.name = export->name,
		.socket_path = export->socket_path,
		.fd = export->fd,
		.on_loss = export->on_loss,
		.sparse_max = export->sparse_max,
		.admit = export->admit,
	};
	struct store_error store_error;
	struct vhost_error error;

	*store = open_store(export, &store_error);
	if (!*store) {
		complain("%s", store_error.text);
		return false;
	}
	options.store = *store;
	if (vhost_server_add(server, &options, &error))
		return true;
	complain("%s", error.text);
	return false;
}

static bool set_up(struct vhost_server *server,
		   const struct serve_options *options, struct store **stores)
{
	struct vhost_error error;

	for (uint32_t i = 0; i < options->export_count; i++) {
		if (!add_export(server, &options->exports[i], &stores[i]))
			return false;
	}
	/* A path that cannot be written is better told now than at the end. */
	if (options->stats_json && strcmp(options->stats_json, "-") != 0 &&
	    !serve_stats_write(server, options->stats_json))
		return false;
	if (vhost_server_start(server, &error))
		return true;
	complain("%s", error.text);
	return false;
}

static bool tell(struct vhost_server *server,
		 const struct serve_options *options)
{
	const char *path = options->stats_json;

	if (!path || strcmp(path, "-") != 0)
		serve_stats_print(server);
	return !path || serve_stats_write(server, path);
}

static struct serve_control *listen_for_commands(struct serve_context *context,
						 const char *path)
{
	struct vhost_error error;
	struct serve_control *control =
		serve_control_open(path, context, &error);

	if (!control)
		complain("%s", error.text);
	return control;
}

static int run(struct vhost_server *server, const struct serve_options *options)
{
	while (!asked_to_stop && vhost_server_run(server)) {
		if (asked_to_tell) {
			asked_to_tell = 0;
			tell(server, options);
		}
	}
	release_signals();
	vhost_server_stop(server);
	return tell(server, options) ? EXIT_GOOD : EXIT_FAILED;
}

static int serve(const struct serve_options *options)
{
	struct store **stores =
		calloc(options->export_count, sizeof(struct store *));
	struct vhost_error error = { "out of memory" };
	struct vhost_server *server = NULL;
	struct serve_control *control = NULL;
	struct serve_context context;
	int status = EXIT_FAILED;

	if (stores)
		server = vhost_server_new(&options->limits, &error);
	if (!server) {
		complain("%s", error.text);
		free(stores);
		return EXIT_FAILED;
	}
	/* Before the first socket is there: none is left behind. */
	take_signals(server);
	context.server = server;
	if (set_up(server, options, stores)) {
		if (options->control)
			control =
				listen_for_commands(&context, options->control);
		if (control || !options->control)
			status = run(server, options);
	}
	release_signals();
	serve_control_close(control);
	vhost_server_free(server);
	for (uint32_t i = 0; i < options->export_count; i++)
		blk_close(stores[i]);
	free(stores);
	return status;
}

int command_serve(int argc, char **argv)
{
	struct serve_options options;
	int status = EXIT_USAGE;

	switch (serve_options_parse(argc, argv, &options)) {
	case SERVE_RUN:
		status = serve(&options);
		break;
	case SERVE_DONE:
		status = finish_output();
		break;
	case SERVE_USAGE:
		break;
	}
	serve_options_free(&options);
	return status;
}
