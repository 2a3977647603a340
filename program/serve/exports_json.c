// SPDX-License-Identifier: MIT
#include "program/serve/exports_json.h"

#include <stdio.h>
#include <string.h>

#include "program/json_text.h"

/* The value as the configuration has it, which for a number replaces it.
 * False: it is neither a text nor a number, or there is no memory. */
static bool text_of(json_t *object, void *place, const char **text)
{
	json_t *value = json_object_iter_value(place);
	json_t *number;

	if (json_is_integer(value)) {
		number = json_sprintf("%" JSON_INTEGER_FORMAT,
				      json_integer_value(value));
		if (!number ||
		    json_object_iter_set_new(object, place, number) < 0)
			return false;
		value = number;
	}
	*text = json_string_value(value);
	return *text != NULL;
}

/* A key that is false is as one that is not there. */
static bool take_key(struct export *export, json_t *object, void *place,
		     struct vhost_error *error)
{
	const char *key = json_object_iter_key(place);
	const json_t *value = json_object_iter_value(place);
	struct export_setting setting;
	const char *text;
	bool flag = export_setting_find(key, &setting) && setting.flag;

	if (json_is_false(value) && flag)
		return true;
	if (!json_is_boolean(value) && flag)
		return vhost_fail(
			error,
			"%.100s: expected true or false, or the key alone",
			key);
	if (json_is_boolean(value))
		return export_take(export, key, NULL, error);
	if (text_of(object, place, &text))
		return export_take(export, key, text, error);
	return vhost_fail(
		error, "%.100s: expected a text, a whole number, true or false",
		key);
}

bool export_from_json(struct export *export, json_t *object,
		      struct vhost_error *error)
{
	struct store_error missing = { .text = "" };

	memset(export, 0, sizeof(*export));
	export->fd = -1;
	for (void *place = json_object_iter(object); place;
	     place = json_object_iter_next(object, place)) {
		if (!take_key(export, object, place, error))
			return false;
	}
	return export_check(export, &missing) ||
	       vhost_fail(error, "%s", missing.text);
}

bool limits_from_json(struct export *export, json_t *object,
		      struct vhost_error *error)
{
	struct store_error wrong = { .text = "" };

	for (void *place = json_object_iter(object); place;
	     place = json_object_iter_next(object, place)) {
		const char *key = json_object_iter_key(place);
		struct export_setting setting;
		char names[200];

		export_limit_names(names, sizeof(names));
		if (!export_setting_find(key, &setting) || !setting.limit)
			return vhost_fail(error,
					  "%.100s: is no limit; expected %s",
					  key, names);
		if (!take_key(export, object, place, error))
			return false;
	}
	return export_check(export, &wrong) ||
	       vhost_fail(error, "%s", wrong.text);
}

/* The text, true for a flag, or the number of a limit; NULL: not given. */
static json_t *value_of(const struct export *export,
			const struct export_setting *setting)
{
	const char *text = export->given[setting->number];

	if (setting->limit && export_limit(export, setting))
		return json_integer((json_int_t)export_limit(export, setting));
	if (setting->limit || !text)
		return NULL;
	return setting->flag ? json_true() : json_text(text);
}

json_t *export_to_json(const struct export *export)
{
	json_t *object = json_object();
	struct export_setting setting;

	for (unsigned int i = 0; object && export_setting_at(i, &setting);
	     i++) {
		bool given = setting.limit ? export_limit(export, &setting) > 0
					   : export->given[i] != NULL;

		if (!given ||
		    json_object_set_new(object, setting.name,
					value_of(export, &setting)) == 0)
			continue;
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *limits_to_json(const struct export *export)
{
	json_t *object = json_object();
	struct export_setting setting;

	for (unsigned int i = 0; object && export_setting_at(i, &setting);
	     i++) {
		if (!setting.limit ||
		    json_object_set_new(object, setting.name,
					json_integer((json_int_t)export_limit(
						export, &setting))) == 0)
			continue;
		json_decref(object);
		return NULL;
	}
	return object;
}
