/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_CONFIG_H
#define PRECARIUM_PROGRAM_SERVE_CONFIG_H

#include "program/serve/settings.h"

/*
 * Reads the configuration file into empty options.  The file is YAML: a mapping
 * of settings to scalars, and of `exports` to a sequence of mappings of their
 * settings.  A scalar stays text until the setting's own parser takes it, as on
 * the command line.  Texts point into the document, which the options own from
 * then on; options_free frees it, also after a failure.
 * False: *error has file, line and column, and what was expected.
 *
 * Why YAML, by libyaml: each value keeps its line and column, so that an error
 * in a value is reported as precisely as one in the syntax; and people comment
 * what they configure, which JSON does not allow.
 */
bool config_read(const char *path, struct options *options,
		 struct vhost_error *error);

/* Another user of the texts of the file.  NULL is nothing, here as below. */
void config_hold(struct document *document);

/* One user less; the last one frees the texts. */
void config_free(struct document *document);

#endif
