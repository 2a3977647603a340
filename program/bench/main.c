// SPDX-License-Identifier: MIT
#include "program/bench/bench.h"

#include <string.h>

#include "program/command.h"

/* An error of the socket begins with its path already. */
static void say_error(const struct load *load)
{
	const char *path = load->options->socket_path;

	if (strncmp(load->error, path, strlen(path)) == 0)
		complain("bench: %s; expected the socket of a vhost-user "
			 "server",
			 load->error);
	else
		complain("bench: %s: %s", path, load->error);
}

int command_bench(int argc, char **argv)
{
	static struct load load = { .epoll_fd = -1 };
	struct bench_options options;
	int status = bench_parse(&options, argc, argv);

	if (status >= 0)
		return status;
	if (load_open(&load, &options) || load_run(&load)) {
		say_error(&load);
		status = EXIT_FAILED;
	} else {
		status = report(&load);
	}
	load_close(&load);
	return status;
}
