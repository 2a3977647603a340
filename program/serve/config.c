// SPDX-License-Identifier: MIT
#include "program/serve/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define FILE_MAX (1u << 20)

struct document {
	unsigned int users;
	yaml_document_t yaml;
};

/* The file being read, and where to report errors. */
struct reading {
	const char *path;
	yaml_document_t *yaml;
	struct options *options;
	struct vhost_error *error;
};

__attribute__((format(printf, 3, 4))) static bool
wrong(const struct reading *reading, const yaml_mark_t *mark,
      const char *format, ...)
{
	struct vhost_error *error = reading->error;
	va_list args;
	int used;

	/* Marks count from 0, people and editors from 1. */
	used = snprintf(error->text, sizeof(error->text),
			"%.200s:%zu:%zu: ", reading->path, mark->line + 1,
			mark->column + 1);
	va_start(args, format);
	vsnprintf(error->text + used, sizeof(error->text) - (size_t)used,
		  format, args);
	va_end(args);
	return false;
}

static const char *scalar(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	return node->type == YAML_SCALAR_NODE &&
			       strlen(text) == node->data.scalar.length
		       ? text
		       : NULL;
}

/* The key of a pair, which must be the only one of its name in the mapping;
 * NULL: the error is reported. */
static const char *take_key(const struct reading *reading,
			    const yaml_node_t *mapping,
			    const yaml_node_pair_t *pair)
{
	const yaml_node_t *node =
		yaml_document_get_node(reading->yaml, pair->key);
	const char *key = scalar(node);

	if (!key) {
		wrong(reading, &node->start_mark, "expected the name of a key");
		return NULL;
	}
	for (const yaml_node_pair_t *other = mapping->data.mapping.pairs.start;
	     other < pair; other++) {
		const char *text = scalar(
			yaml_document_get_node(reading->yaml, other->key));

		if (strcmp(text, key) != 0)
			continue;
		wrong(reading, &node->start_mark,
		      "%.60s: given before; expected each key once", key);
		return NULL;
	}
	return key;
}

static const char *take_value(const struct reading *reading, const char *key,
			      const yaml_node_t *node)
{
	const char *value = scalar(node);

	if (value && *value)
		return value;
	wrong(reading, &node->start_mark, "%.60s: expected a value", key);
	return NULL;
}

static bool take_setting(const struct reading *reading, const char *key,
			 const yaml_node_t *key_node, const yaml_node_t *node)
{
	const char *value, *expected;
	char names[300];
	size_t i = 0;

	while (settings[i].name && strcmp(settings[i].name, key) != 0)
		i++;
	if (!settings[i].name) {
		setting_names(names, sizeof(names));
		return wrong(reading, &key_node->start_mark,
			     "%.60s: unknown key; expected %s", key, names);
	}
	value = take_value(reading, key, node);
	if (!value)
		return false;
	expected = settings[i].set(&reading->options->general, value);
	if (expected)
		return wrong(reading, &node->start_mark, "%s: %.60s: %s", key,
			     value, expected);
	reading->options->values[i] = value;
	return true;
}

static bool set_in_export(const struct reading *reading, struct export *export,
			  const struct export_setting *setting,
			  const yaml_node_t *node)
{
	const char *value = take_value(reading, setting->name, node);
	const char *expected = "expected true or false";

	if (!value)
		return false;
	if (!setting->flag)
		expected = export_set(export, setting, value);
	else if (strcmp(value, "true") == 0)
		expected = export_set(export, setting, NULL);
	else if (strcmp(value, "false") == 0)
		expected = NULL;
	if (!expected)
		return true;
	return wrong(reading, &node->start_mark, "%s: %.60s: %s", setting->name,
		     value, expected);
}

static bool take_export_setting(const struct reading *reading,
				struct export *export, const char *key,
				const yaml_node_t *key_node,
				const yaml_node_t *node)
{
	struct export_setting setting;
	char names[300];

	if (export_setting_find(key, &setting))
		return set_in_export(reading, export, &setting, node);
	export_setting_names(names, sizeof(names));
	return wrong(reading, &key_node->start_mark,
		     "%.60s: unknown key; expected %s", key, names);
}

static bool take_export(const struct reading *reading, const yaml_node_t *node)
{
	const yaml_node_pair_t *pair;
	struct export *export;
	struct store_error missing;

	if (node->type != YAML_MAPPING_NODE)
		return wrong(reading, &node->start_mark,
			     "expected the keys of an export");
	export = options_add(reading->options);
	if (!export)
		return wrong(reading, &node->start_mark, "out of memory");
	export->line = (unsigned int)node->start_mark.line + 1;
	export->column = (unsigned int)node->start_mark.column + 1;
	for (pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++) {
		const char *key = take_key(reading, node, pair);

		if (!key ||
		    !take_export_setting(
			    reading, export, key,
			    yaml_document_get_node(reading->yaml, pair->key),
			    yaml_document_get_node(reading->yaml, pair->value)))
			return false;
	}
	return export_check(export, &missing) ||
	       wrong(reading, &node->start_mark, "%s", missing.text);
}

static bool take_exports(const struct reading *reading, const yaml_node_t *node)
{
	const yaml_node_item_t *item;

	if (node->type != YAML_SEQUENCE_NODE)
		return wrong(reading, &node->start_mark,
			     "exports: expected a list, each line of it "
			     "beginning with \"-\"");
	for (item = node->data.sequence.items.start;
	     item < node->data.sequence.items.top; item++) {
		if (!take_export(reading,
				 yaml_document_get_node(reading->yaml, *item)))
			return false;
	}
	return true;
}

static bool take_root(const struct reading *reading)
{
	const yaml_node_t *root = yaml_document_get_root_node(reading->yaml);
	const yaml_mark_t beginning = { 0, 0, 0 };
	const yaml_node_pair_t *pair;

	if (!root || root->type != YAML_MAPPING_NODE)
		return wrong(reading, root ? &root->start_mark : &beginning,
			     "expected settings, as in \"workers: 2\"");
	for (pair = root->data.mapping.pairs.start;
	     pair < root->data.mapping.pairs.top; pair++) {
		const yaml_node_t *value =
			yaml_document_get_node(reading->yaml, pair->value);
		const char *key = take_key(reading, root, pair);
		bool good;

		if (!key)
			return false;
		if (strcmp(key, "exports") == 0)
			good = take_exports(reading, value);
		else
			good = take_setting(reading, key,
					    yaml_document_get_node(
						    reading->yaml, pair->key),
					    value);
		if (!good)
			return false;
	}
	return true;
}

static bool tell_syntax(const struct reading *reading,
			const yaml_parser_t *parser)
{
	yaml_mark_t mark = parser->problem_mark;

	return wrong(reading, &mark, "%s%s%s; expected YAML",
		     parser->problem ? parser->problem : "not readable",
		     parser->context ? ", " : "",
		     parser->context ? parser->context : "");
}

/* Accepts one document, with nothing behind it. */
static bool parse(const struct reading *reading, yaml_parser_t *parser)
{
	yaml_document_t more;
	yaml_node_t *root;
	yaml_mark_t mark;

	if (!yaml_parser_load(parser, reading->yaml))
		return tell_syntax(reading, parser);
	if (!yaml_parser_load(parser, &more)) {
		tell_syntax(reading, parser);
		goto fail;
	}
	root = yaml_document_get_root_node(&more);
	mark = more.start_mark;
	yaml_document_delete(&more);
	if (!root)
		return true;
	wrong(reading, &mark, "a second document; expected one");
fail:
	yaml_document_delete(reading->yaml);
	return false;
}

/* The size is limited because a device or a pipe may never end. */
static char *read_file(const struct reading *reading, size_t *size)
{
	FILE *file = fopen(reading->path, "re");
	char *text = file ? malloc(FILE_MAX) : NULL;
	const char *why;

	*size = text ? fread(text, 1, FILE_MAX, file) : 0;
	why = !text || ferror(file) ? strerror(errno)
	      : *size == FILE_MAX   ? "is longer than 1 MiB"
				    : NULL;
	if (file)
		fclose(file);
	if (!why)
		return text;
	snprintf(reading->error->text, sizeof(reading->error->text),
		 "%.200s: %s; expected a configuration file", reading->path,
		 why);
	free(text);
	return NULL;
}

static bool parse_text(const struct reading *reading, const char *text,
		       size_t size)
{
	yaml_parser_t parser;
	bool good;

	if (!yaml_parser_initialize(&parser)) {
		snprintf(reading->error->text, sizeof(reading->error->text),
			 "out of memory");
		return false;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text,
				     size);
	good = parse(reading, &parser);
	yaml_parser_delete(&parser);
	return good;
}

bool config_read(const char *path, struct options *options,
		 struct vhost_error *error)
{
	struct document *document = malloc(sizeof(*document));
	struct reading reading = { path, NULL, options, error };
	size_t size;
	char *text;
	bool good;

	if (!document) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return false;
	}
	document->users = 1;
	reading.yaml = &document->yaml;
	text = read_file(&reading, &size);
	good = text && parse_text(&reading, text, size);
	free(text);
	if (!good) {
		free(document);
		return false;
	}
	options->document = document;
	return take_root(&reading);
}

void config_hold(struct document *document)
{
	if (document)
		document->users++;
}

void config_free(struct document *document)
{
	if (!document || --document->users > 0)
		return;
	yaml_document_delete(&document->yaml);
	free(document);
}
