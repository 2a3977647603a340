// SPDX-License-Identifier: MIT
#include "program/command.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "program/ask/ask.h"
#include "program/ask/stats.h"
#include "program/escape.h"
#include "program/json_text.h"
#include "program/keys.h"

static const char help[] =
	"Usage: precarium export add KEYS [--replace]\n"
	"   or: precarium export remove NAME\n"
	"   or: precarium export list [--json|--yaml]\n"
	"Change what a server exports while it runs.\n"
	"\n"
	"Actions:\n"
	"  add          serve one more device; KEYS are those of serve "
	"--export,\n"
	"               and paths those of the server\n"
	"  remove       take no more clients for it; those that are there "
	"stay\n"
	"  list         print the exports by their keys, a line each\n"
	"\n"
	"  --replace       in the place of the export of this name, if there "
	"is "
	"one\n"
	"  --json          print JSON\n"
	"  --yaml          print what the configuration file would have\n" //
	ASK_OPTIONS_HELP;

struct wanted {
	const char *path;
	bool replace;
	enum { AS_KEYS, AS_JSON, AS_YAML } form;
};

/* The object of keys, of a text that is cut up in place.  NULL: a line on
 * standard error says what is wrong. */
static json_t *read_keys(char *text)
{
	json_t *object = json_object();
	char *key;

	while ((key = keys_next(&text))) {
		char *value = keys_value(key);

		if (json_object_get(object, key)) {
			complain("export add: %s: given before; expected each "
				 "key once",
				 key);
			json_decref(object);
			return NULL;
		}
		if (json_object_set_new(object, key,
					value ? json_string(value)
					      : json_true()) == 0)
			continue;
		complain("export add: %s: expected keys and values in UTF-8",
			 key);
		json_decref(object);
		return NULL;
	}
	return object;
}

static int add(const struct wanted *wanted, char *text)
{
	json_t *keys = read_keys(text);
	json_t *result;

	if (!keys)
		return EXIT_USAGE;
	result = control_ask_once(wanted->path,
				  json_pack("{sssosb}", "command", "export-add",
					    "export", keys, "replace",
					    wanted->replace));
	if (!result)
		return EXIT_FAILED;
	escape_put(stdout, stats_string(result, "export"));
	puts(": is served");
	json_decref(result);
	return finish_output();
}

static int take_away(const struct wanted *wanted, const char *name)
{
	json_t *result = control_ask_once(
		wanted->path, json_pack("{ssso}", "command", "export-remove",
					"export", json_text(name)));

	if (!result)
		return EXIT_FAILED;
	escape_put(stdout, name);
	puts(": takes no more clients");
	json_decref(result);
	return finish_output();
}

/* Commas twice, as in KEYS. */
static void put_text(const char *text)
{
	while (*text) {
		char piece[256];
		size_t used = 0;

		while (*text && used < sizeof(piece) - 2) {
			if (*text == ',')
				piece[used++] = ',';
			piece[used++] = *text++;
		}
		piece[used] = 0;
		escape_put(stdout, piece);
	}
}

static void put_keys(json_t *keys)
{
	const char *key, *between = "";
	json_t *value;

	json_object_foreach(keys, key, value)
	{
		printf("%s%s", between, key);
		between = ",";
		if (json_is_integer(value))
			printf("=%" JSON_INTEGER_FORMAT,
			       json_integer_value(value));
		if (!json_is_string(value))
			continue;
		putchar('=');
		put_text(json_string_value(value));
	}
}

static void put_list(const json_t *exports)
{
	const json_t *export;
	size_t i;

	json_array_foreach(exports, i, export)
	{
		put_keys(json_object_get(export, "keys"));
		if (json_is_false(json_object_get(export, "served"))) {
			fputs(" is not served: ", stdout);
			escape_put(stdout, stats_string(export, "why"));
		}
		putchar('\n');
	}
}

/* JSON in a line is YAML. */
static void put_yaml(const json_t *exports)
{
	const json_t *export;
	size_t i;

	puts(json_array_size(exports) ? "exports:" : "exports: []");
	json_array_foreach(exports, i, export)
	{
		fputs("  - ", stdout);
		json_dumpf(json_object_get(export, "keys"), stdout, 0);
		putchar('\n');
	}
}

static int list(const struct wanted *wanted)
{
	json_t *result = control_ask_once(
		wanted->path, json_pack("{ss}", "command", "export-list"));
	const json_t *exports = json_object_get(result, "exports");

	if (!result)
		return EXIT_FAILED;
	if (wanted->form == AS_KEYS) {
		put_list(exports);
	} else if (wanted->form == AS_YAML) {
		put_yaml(exports);
	} else {
		json_dumpf(result, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(result);
	return finish_output();
}

static int act(const struct wanted *wanted, const struct arguments *arguments)
{
	int count = arguments->operand_count;
	const char *action = count > 0 ? arguments->operands[0] : "";

	if (strcmp(action, "add") == 0 && count == 2 && !wanted->form)
		return add(wanted, arguments->operands[1]);
	if (strcmp(action, "remove") == 0 && count == 2 && !wanted->form &&
	    !wanted->replace)
		return take_away(wanted, arguments->operands[1]);
	if (strcmp(action, "list") == 0 && count == 1 && !wanted->replace)
		return list(wanted);
	complain("export: expected add KEYS [--replace], remove NAME or list "
		 "[--json|--yaml], see precarium export --help");
	return EXIT_USAGE;
}

int command_export(int argc, char **argv)
{
	static const struct argument_option options[] = {
		{ "control", true, 'c' }, { "replace", false, 'r' },
		{ "json", false, 'j' },	  { "yaml", false, 'y' },
		{ "help", false, 'h' },	  { NULL, false, 0 },
	};
	struct wanted wanted = { .path = CONTROL_PATH };
	struct arguments arguments;
	int option;

	arguments_begin(&arguments, "export", argc, argv, options);
	while ((option = arguments_next(&arguments)) != ARGUMENTS_END) {
		switch (option) {
		case 'c':
			wanted.path = arguments.value;
			break;
		case 'r':
			wanted.replace = true;
			break;
		case 'j':
			wanted.form = AS_JSON;
			break;
		case 'y':
			wanted.form = AS_YAML;
			break;
		case 'h':
			fputs(help, stdout);
			return finish_output();
		default:
			return EXIT_USAGE;
		}
	}
	return act(&wanted, &arguments);
}
