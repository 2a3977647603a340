// SPDX-License-Identifier: MIT
#include "program/command.h"

#include <stdio.h>

#include "program/ask/ask.h"
#include "program/escape.h"
#include "program/json_text.h"
#include "program/keys.h"

static const char help[] =
	"Usage: precarium limit [--control=PATH] EXPORT [KEY=VALUE,...]\n"
	"Limit what all clients of an export together may ask of its store, "
	"from\n"
	"now on, and print the limits.  Others stay as they are.\n"
	"\n"
	"  rate-requests=N, rate-bytes=SIZE    in a second\n"
	"  burst-requests=N, burst-bytes=SIZE  at once, after a while of less\n"
	"  in-flight=N                         requests at a time\n"
	"  client-in-flight=N                  requests of each client at a "
	"time\n"
	"                  none lifts one, as in rate-bytes=none; for each "
	"client it is 512\n"
	"\n" //
	ASK_OPTIONS_HELP;

/* The object of limits, of a text that is cut up in place.  NULL: a line on
 * standard error says what is wrong. */
static json_t *read_limits(char *text)
{
	json_t *object = json_object();
	char *key;

	while ((key = keys_next(&text))) {
		char *value = keys_value(key);

		if (value && !json_object_get(object, key) &&
		    json_object_set_new(object, key, json_string(value)) == 0)
			continue;
		complain("limit: %s: expected KEY=VALUE, each key once", key);
		json_decref(object);
		return NULL;
	}
	return object;
}

static int limit(const char *path, const char *name, json_t *limits)
{
	json_t *request = json_pack("{ssso}", "command", "limit", "export",
				    json_text(name));
	json_t *result, *value;
	const char *key;

	if (limits)
		json_object_set_new(request, "limits", limits);
	result = control_ask_once(path, request);
	if (!result)
		return EXIT_FAILED;
	escape_put(stdout, name);
	putchar(':');
	json_object_foreach(result, key, value)
	{
		json_int_t number = json_integer_value(value);

		if (number)
			printf(" %s=%" JSON_INTEGER_FORMAT, key, number);
		else
			printf(" %s=none", key);
	}
	putchar('\n');
	json_decref(result);
	return finish_output();
}

int command_limit(int argc, char **argv)
{
	struct arguments arguments;
	json_t *limits = NULL;
	const char *path;
	int status = ask_options(&arguments, "limit", argc, argv, help, &path);

	if (status >= 0)
		return status;
	if (arguments.operand_count < 1 || arguments.operand_count > 2) {
		complain("limit: expected an export, and perhaps limits, as "
			 "rate-bytes=50M,in-flight=none");
		return EXIT_USAGE;
	}
	if (arguments.operand_count == 2) {
		limits = read_limits(arguments.operands[1]);
		if (!limits)
			return EXIT_USAGE;
	}
	return limit(path, arguments.operands[0], limits);
}
