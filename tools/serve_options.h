/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TOOLS_SERVE_OPTIONS_H
#define PRECARIUM_TOOLS_SERVE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/server.h"

/* What `precarium serve` was asked for.  Strings point into argv. */
struct serve_export {
	const char *name;
	const char *socket_path; /* NULL: fd */
	int fd;			 /* -1: socket_path */
	const char *file;	 /* NULL: null_size */
	uint64_t null_size;
	bool read_only;
	bool direct;
	enum vhost_on_loss on_loss;
	uint64_t sparse_max;
	uint32_t admit;
};

struct serve_options {
	struct serve_export *exports;
	uint32_t export_count;
	struct vhost_limits limits;
	const char *stats_json; /* NULL: none; "-": standard output */
	const char *control;	/* path of the control socket, or NULL */
};

enum serve_parsed {
	SERVE_RUN,   /* options are complete */
	SERVE_DONE,  /* help or capabilities were printed */
	SERVE_USAGE, /* a line on standard error says what is wrong */
};

enum serve_parsed serve_options_parse(int argc, char **argv,
				      struct serve_options *options);
void serve_options_free(struct serve_options *options);

#endif
