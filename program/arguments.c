// SPDX-License-Identifier: MIT
#include "program/arguments.h"

#include <string.h>

#include "program/command.h"

void arguments_begin(struct arguments *arguments, const char *command, int argc,
		     char **argv, const struct argument_option *options)
{
	*arguments = (struct arguments){
		.command = command,
		.options = options,
		.count = argc,
		.argv = argv,
		.next = 1,
		.operands = argv + 1,
	};
}

/* An option that begins with this abbreviation, for the message; NULL: none. */
static const char *begins_with(const struct arguments *arguments,
			       const char *name, size_t length)
{
	const struct argument_option *option;

	for (option = arguments->options; length && option->name; option++) {
		if (strncmp(option->name, name, length) == 0)
			return option->name;
	}
	return NULL;
}

static int unknown(const struct arguments *arguments, const char *argument)
{
	const char *name = argument + strspn(argument, "-");
	size_t length = strcspn(name, "=");
	const char *meant = begins_with(arguments, name, length);

	if (meant)
		complain("%.*s: no such option; expected --%s, or another, see "
			 "precarium %s --help",
			 (int)(name - argument + (long)length), argument, meant,
			 arguments->command);
	else
		complain("%.*s: no such option; expected one that "
			 "precarium %s --help lists",
			 (int)(name - argument + (long)length), argument,
			 arguments->command);
	return ARGUMENTS_WRONG;
}

static const struct argument_option *find(const struct arguments *arguments,
					  const char *name)
{
	size_t length = strcspn(name, "=");
	const struct argument_option *option;

	for (option = arguments->options; option->name; option++) {
		if (strlen(option->name) == length &&
		    strncmp(option->name, name, length) == 0)
			return option;
	}
	return NULL;
}

static int take_option(struct arguments *arguments, char *argument)
{
	const struct argument_option *option = NULL;
	char *value = strchr(argument, '=');

	if (strncmp(argument, "--", 2) == 0)
		option = find(arguments, argument + 2);
	if (!option)
		return unknown(arguments, argument);
	if (value && !option->has_value) {
		complain("%s: expected --%s without a value, see precarium %s "
			 "--help",
			 argument, option->name, arguments->command);
		return ARGUMENTS_WRONG;
	}
	arguments->value = value ? value + 1 : NULL;
	if (!option->has_value || value)
		return option->number;
	if (arguments->next == arguments->count) {
		complain("%s: a value is missing; expected --%s=VALUE, see "
			 "precarium %s --help",
			 argument, option->name, arguments->command);
		return ARGUMENTS_WRONG;
	}
	arguments->value = arguments->argv[arguments->next++];
	return option->number;
}

int arguments_next(struct arguments *arguments)
{
	while (arguments->next < arguments->count) {
		char *argument = arguments->argv[arguments->next++];

		if (!arguments->options_over && strcmp(argument, "--") == 0)
			arguments->options_over = true;
		else if (!arguments->options_over && argument[0] == '-' &&
			 argument[1])
			return take_option(arguments, argument);
		else
			/* There are fewer operands than arguments read, so none
			 * is overwritten before its turn. */
			arguments->operands[arguments->operand_count++] =
				argument;
	}
	return ARGUMENTS_END;
}

bool arguments_no_operands(const struct arguments *arguments)
{
	if (arguments->operand_count == 0)
		return true;
	complain("%s: unexpected argument; expected options only, see "
		 "precarium %s --help",
		 arguments->operands[0], arguments->command);
	return false;
}
