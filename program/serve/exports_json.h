/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_SERVE_EXPORTS_JSON_H
#define PRECARIUM_PROGRAM_SERVE_EXPORTS_JSON_H

#include <jansson.h>

#include "program/serve/settings.h"

/* Exports as commands of the control socket have them: an object of keys, whose
 * values are texts as in the configuration, numbers, or true and false. */

/* Reads an export, whose texts point into `object`; that holds numbers as texts
 * afterwards.  False: *error says what is wrong, and what was expected. */
bool export_from_json(struct export *export, json_t *object,
		      struct vhost_error *error);

/* Changes only the limits that `object` names.  False: likewise. */
bool limits_from_json(struct export *export, json_t *object,
		      struct vhost_error *error);

/* The keys that were given, and limits as numbers.  NULL: out of memory. */
json_t *export_to_json(const struct export *export);

/* All limits, as numbers; 0: none.  NULL: out of memory. */
json_t *limits_to_json(const struct export *export);

#endif
