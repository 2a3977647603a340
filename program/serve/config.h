/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_CONFIG_H
#define PRECARIUM_PROGRAM_SERVE_CONFIG_H

#include "program/serve/settings.h"

/*
 * Read the file into options that are empty.  It is YAML: a mapping of settings
 * to scalars, and of `exports` to a sequence of mappings of their settings.
 * All scalars are text until the setting's own parser takes them, as on the
 * command line.  False: *error names file, line and column, and what was
 * expected.
 *
 * YAML, by libyaml, for two reasons: each value keeps its line and column, so
 * that a wrong value is told as exactly as wrong syntax; and people comment
 * what they configure, which JSON does not let them.
 */
bool serve_config_read(const char *path, struct serve_options *options,
		       struct vhost_error *error);

void serve_config_free(struct serve_document *document);

#endif
