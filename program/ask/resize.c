// SPDX-License-Identifier: MIT
#include "program/command.h"

#include <stdio.h>

#include "program/ask/ask.h"
#include "program/escape.h"
#include "program/json_text.h"
#include "program/number.h"

static const char help[] =
	"Usage: precarium resize [--control=PATH] EXPORT [SIZE]\n"
	"Change the size of an export and notify its clients.\n"
	"\n"
	"  SIZE            bytes, with K, M, G or T.  A smaller image is "
	"grown; "
	"a\n"
	"                  larger one is not cut.  Default: the present size "
	"of\n"
	"                  the image\n" ASK_OPTIONS_HELP;

/* The request, which the caller owns; NULL: out of memory. */
static json_t *request(const char *name, uint64_t size)
{
	json_t *object = json_pack("{ssso}", "command", "resize", "export",
				   json_text(name));

	if (size && object &&
	    json_object_set_new(object, "size",
				json_integer((json_int_t)size)) < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static int resize(const char *path, const char *name, uint64_t size)
{
	json_t *result = control_ask_once(path, request(name, size));

	if (!result)
		return EXIT_FAILED;
	escape_put(stdout, name);
	printf(": %lld bytes\n",
	       (long long)json_integer_value(json_object_get(result, "size")));
	json_decref(result);
	return finish_output();
}

int command_resize(int argc, char **argv)
{
	struct arguments arguments;
	const char *path, *text;
	uint64_t size = 0;
	int status = ask_options(&arguments, "resize", argc, argv, help, &path);

	if (status >= 0)
		return status;
	if (arguments.operand_count < 1 || arguments.operand_count > 2) {
		complain("resize: expected an export, and perhaps a size");
		return EXIT_USAGE;
	}
	text = arguments.operands[1];
	if (arguments.operand_count == 2 && !parse_size(text, &size)) {
		complain("%s: expected a positive number of bytes, with K, M, "
			 "G or T",
			 text);
		return EXIT_USAGE;
	}
	return resize(path, arguments.operands[0], size);
}
