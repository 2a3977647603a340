// SPDX-License-Identifier: MIT
#include "program/serve/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program/arguments.h"
#include "program/command.h"
#include "program/keys.h"
#include "program/number.h"
#include "program/serve/access.h"
#include "program/serve/config.h"

static const char help_head[] =
	"Usage: precarium serve --export KEY=VALUE,...  [OPTION]...\n"
	"   or: precarium serve --config=PATH  [OPTION]...\n"
	"   or: precarium serve --socket-path=PATH --blk-file=PATH "
	"[OPTION]...\n"
	"Serve block devices by vhost-user, each on a socket of its own.\n"
	"\n"
	"  --export KEYS        one device; may be given many times.  A comma "
	"in a\n"
	"                       path is written twice.  KEYS are:\n"
	"      socket=PATH        where clients connect\n"
	"      socket-mode=MODE   its rights in octal, whatever the umask "
	"(default "
	"0660)\n"
	"      socket-owner=USER, socket-group=GROUP\n"
	"                         whose it is, by name or number\n"
	"      read-only          clients cannot write\n"
	"      name=NAME          for log lines and statistics\n"
	"      serial=TEXT        its serial number (default its name, cut to "
	"20)\n"
	"      block-size=512|4096\n"
	"                         its logical blocks (default those of the "
	"disk)\n"
	"      on-loss=fail|end   when a client's memory is gone: fail the\n"
	"                         request (default), or end the client\n"
	"      workers-per-client=N\n"
	"                         how many workers serve the queues of one "
	"client\n"
	"                         (default 1)\n"
	"      sparse=SIZE|any    what a client's holes may cost, as "
	"--max-sparse;\n"
	"                         any: they are not counted\n"
	"      rate-requests=N, rate-bytes=SIZE\n"
	"                         what all its clients together may ask for in "
	"a\n"
	"                         second\n"
	"      burst-requests=N, burst-bytes=SIZE\n"
	"                         and at once after a while of less (default a "
	"tenth)\n"
	"      in-flight=N        requests of all its clients at a time\n"
	"      client-in-flight=N\n"
	"                         requests of each client at a time (default "
	"512)\n"
	"    and where its blocks are stored:\n";

static const char help_tail[] =
	"  --config=PATH        a file with exports and options; options on "
	"the\n"
	"                       command line win\n"
	"  --take-over=PATH     go on where a server ends, whose control "
	"socket "
	"this is\n"
	"  --socket-path=PATH   a single device: where clients connect, or\n"
	"  --fd=FDNUM           a socket that is open already\n"
	"  --blk-file=PATH      its image\n"
	"  --read-only          it cannot be written\n"
	"  --workers=N          threads (default 1)\n"
	"  --worker-cpus=LIST   the processors that they run on, one each, as "
	"in "
	"0-3,8\n"
	"  --polling=adaptive|never|always\n"
	"                       when they poll for requests before they sleep\n"
	"  --io=auto|uring|threads\n"
	"                       what moves bytes of files (default auto: "
	"io_uring,\n"
	"                       or threads where it is forbidden)\n"
	"  --max-clients=N      connections per device (default 32)\n"
	"  --max-regions=N      regions that a client may lend (default 509)\n"
	"  --max-queues=N       queues of a device (default 64)\n"
	"  --max-in-flight=SIZE bytes of a client's requests at a time "
	"(default "
	"64M)\n"
	"  --max-sparse=SIZE    memory that the server pays for a client, to "
	"fill\n"
	"                       holes in what it lent (default half of what "
	"there is)\n"
	"  --max-sparse-all=SIZE\n"
	"                       the same for all clients (default three "
	"quarters)\n"
	"  --drain-timeout=MS   time that requests have to end when a client "
	"takes\n"
	"                       memory back, before they are cancelled; after "
	"as\n"
	"                       long again the client is ended (default 5000)\n"
	"  --stats-json=PATH    statistics as JSON at exit and on SIGUSR1;\n"
	"                       - is standard output\n"
	"  --log=warning|info|debug\n"
	"                       what is logged: what may need attention, also\n"
	"                       clients that come and go (default), or also "
	"each\n"
	"                       message of theirs\n"
	"  --control=PATH       the socket for precarium stat, export, limit "
	"and\n"
	"                       others\n"
	"  --control-mode=MODE, --control-owner=USER, --control-group=GROUP\n"
	"                       who may connect to it, as for an export "
	"(default 0600)\n"
	"  --user=NAME          user to change to when sockets and images are\n"
	"                       open\n"
	"  --seccomp=on|off     refuse all system calls that are not needed "
	"(default\n"
	"                       on, if built with it)\n"
	"  --print-capabilities print what management programs ask for, and "
	"exit\n"
	"  --help               print this text\n"
	"\n"
	"SIGTERM ends the server when its requests in flight have ended.  "
	"SIGHUP\n"
	"reads the configuration file again.  SIGUSR1 prints statistics.\n"
	"Exit status: 0 good, 1 failed, 2 wrong usage.\n";

/* The keys of one kind of store, the first of which picks it. */
static void print_keys(const struct store_key *key)
{
	char text[40];

	for (bool first = true; key->name; key++, first = false) {
		snprintf(text, sizeof(text), "%s%s%s%s", first ? "" : "  ",
			 key->name, key->value ? "=" : "",
			 key->value ? key->value : "");
		printf("      %-18s %s\n", text, key->help);
	}
}

static void print_help(void)
{
	fputs(help_head, stdout);
	for (size_t i = 0; store_kinds[i]; i++)
		print_keys(store_kinds[i]->keys);
	fputs(help_tail, stdout);
}

/* Backend program conventions of the vhost-user specification. */
static const char capabilities[] = "{\n"
				   "  \"type\": \"block\",\n"
				   "  \"features\": [\n"
				   "    \"read-only\",\n"
				   "    \"blk-file\"\n"
				   "  ]\n"
				   "}\n";

/* Takes "key=value" or "key", which it cuts up in place. */
static bool parse_key(char *text, struct export *export, uint64_t *given)
{
	char *value = keys_value(text);
	struct export_setting setting;
	struct vhost_error error;

	if (export_setting_find(text, &setting)) {
		if (*given >> setting.number & 1) {
			complain("--export: %s: given before; expected each "
				 "key once",
				 text);
			return false;
		}
		*given |= UINT64_C(1) << setting.number;
	}
	if (export_take(export, text, value, &error))
		return true;
	complain("--export: %s", error.text);
	return false;
}

static bool parse_export(char *text, struct options *options)
{
	struct export *export = options_add(options);
	struct store_error missing;
	uint64_t given = 0;
	char *key;

	if (!export) {
		complain("out of memory");
		return false;
	}
	while ((key = keys_next(&text))) {
		if (!parse_key(key, export, &given))
			return false;
	}
	if (export_check(export, &missing))
		return true;
	complain("--export: %s", missing.text);
	return false;
}

enum {
	OPT_EXPORT = 256,
	OPT_SOCKET_PATH,
	OPT_FD,
	OPT_BLK_FILE,
	OPT_READ_ONLY,
	OPT_CAPABILITIES,
	OPT_CONFIG,
	OPT_TAKE_OVER,
	OPT_HELP,
	OPT_SETTING, /* and more: by the index of the setting */
};

static const struct argument_option own_options[] = {
	{ "export", true, OPT_EXPORT },
	{ "socket-path", true, OPT_SOCKET_PATH },
	{ "fd", true, OPT_FD },
	{ "blk-file", true, OPT_BLK_FILE },
	{ "read-only", false, OPT_READ_ONLY },
	{ "print-capabilities", false, OPT_CAPABILITIES },
	{ "config", true, OPT_CONFIG },
	{ "take-over", true, OPT_TAKE_OVER },
	{ "help", false, OPT_HELP },
};

#define OWN_OPTIONS (sizeof(own_options) / sizeof(own_options[0]))
#define ALL_OPTIONS (OWN_OPTIONS + SETTINGS_MAX + 1)

static void make_options(struct argument_option all[ALL_OPTIONS])
{
	memset(all, 0, ALL_OPTIONS * sizeof(*all));
	memcpy(all, own_options, sizeof(own_options));
	for (int i = 0; settings[i].name; i++)
		all[OWN_OPTIONS + (size_t)i] =
			(struct argument_option){ settings[i].name, true,
						  OPT_SETTING + i };
}

static bool given_before(const char *option, const char *value)
{
	complain("%s=%s: given before; expected %s once", option, value,
		 option);
	return false;
}

/* A key of the single device, by the option that stands for it. */
static bool set_single(struct export *single, const char *option,
		       const char *key, const char *value)
{
	struct export_setting setting;

	export_setting_find(key, &setting);
	if (value && single->given[setting.number])
		return given_before(option, value);
	export_set(single, &setting, value);
	return true;
}

/* The single device of the backend conventions. */
static bool parse_single(int option, char *value, struct export *single)
{
	uint32_t number;

	switch (option) {
	case OPT_SOCKET_PATH:
		return set_single(single, "--socket-path", "socket", value);
	case OPT_FD:
		if (single->fd >= 0)
			return given_before("--fd", value);
		if (!parse_small(value, 0, INT32_MAX, &number)) {
			complain("--fd=%s: expected a number from 0 to %d",
				 value, INT32_MAX);
			return false;
		}
		single->fd = (int)number;
		return true;
	case OPT_BLK_FILE:
		return set_single(single, "--blk-file", "file", value);
	default:
		return set_single(single, "--read-only", "read-only", NULL);
	}
}

static bool parse_setting(int index, const char *value, struct options *options)
{
	const struct setting *setting = &settings[index];
	const char *expected = setting->set(&options->general, value);

	if (expected)
		complain("--%s=%s: %s", setting->name, value, expected);
	options->values[index] = value;
	return !expected;
}

static bool parse_option(int option, char *value, struct options *options)
{
	if (option >= OPT_SETTING)
		return parse_setting(option - OPT_SETTING, value, options);
	switch (option) {
	case OPT_EXPORT:
		return parse_export(value, options);
	case OPT_CONFIG:
		if (options->config)
			return given_before("--config", value);
		options->config = value;
		return true;
	case OPT_TAKE_OVER:
		if (options->take_over)
			return given_before("--take-over", value);
		if (!value[0])
			complain("--take-over=: expected a path");
		options->take_over = value;
		return value[0];
	default:
		return false;
	}
}

static bool finish_single(const struct export *single, struct options *options)
{
	const char *wrong = NULL;
	struct export *export;

	if (single->socket_path && single->fd >= 0)
		wrong = "--socket-path and --fd: expected one of them";
	else if (!single->socket_path && single->fd < 0)
		wrong = "where to serve is missing; expected --socket-path or "
			"--fd";
	else if (!store_options_get(&single->storing, "file"))
		wrong = "what to serve is missing; expected --blk-file=PATH";
	if (wrong) {
		complain("%s", wrong);
		return false;
	}
	export = options_add(options);
	if (!export) {
		complain("out of memory");
		return false;
	}
	*export = *single;
	export->single = true;
	return true;
}

enum parsed options_parse(int argc, char **argv, struct options *options)
{
	struct export single = { .fd = -1 };
	struct argument_option all[ALL_OPTIONS];
	struct arguments arguments;
	bool has_single = false;
	int option;

	memset(options, 0, sizeof(*options));
	make_options(all);
	arguments_begin(&arguments, "serve", argc, argv, all);
	while ((option = arguments_next(&arguments)) != ARGUMENTS_END) {
		if (option == OPT_HELP || option == OPT_CAPABILITIES) {
			if (option == OPT_HELP)
				print_help();
			else
				fputs(capabilities, stdout);
			return PARSED_DONE;
		}
		if (option >= OPT_SOCKET_PATH && option <= OPT_READ_ONLY) {
			has_single = true;
			if (!parse_single(option, arguments.value, &single))
				return PARSED_USAGE;
		} else if (!parse_option(option, arguments.value, options)) {
			return PARSED_USAGE;
		}
	}
	if (!arguments_no_operands(&arguments))
		return PARSED_USAGE;
	if (has_single && !finish_single(&single, options))
		return PARSED_USAGE;
	return PARSED_RUN;
}

const char *export_name(const struct export *export)
{
	const char *path = export->socket_path;
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (export->name)
		return export->name;
	return slash && slash[1] ? slash + 1 : path ? path : "export";
}

static struct export *find_export(const struct options *options, uint32_t count,
				  const char *name)
{
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(export_name(&options->exports[i]), name) == 0)
			return &options->exports[i];
	}
	return NULL;
}

static bool used_before(const struct options *options,
			const struct export *export, const char *key,
			const char *value, struct vhost_error *error)
{
	char where[WHERE_SIZE];

	export_where(where, sizeof(where), options, export, "--export");
	return vhost_fail(
		error,
		"%s: %s: %.100s: used before; expected another for each "
		"export",
		where, key, value);
}

static bool socket_is_free(const struct options *options, uint32_t count,
			   const char *path)
{
	for (uint32_t i = 0; i < count; i++) {
		const char *other = options->exports[i].socket_path;

		if (other && strcmp(other, path) == 0)
			return false;
	}
	return true;
}

bool options_name(struct options *options, struct vhost_error *error)
{
	for (uint32_t i = 0; i < options->export_count; i++) {
		struct export *export = &options->exports[i];
		const char *path = export->socket_path;

		if (path && !socket_is_free(options, i, path))
			return used_before(options, export, "socket", path,
					   error);
		/* Paths differ even if their last components do not. */
		if (!export->name && path &&
		    find_export(options, i, export_name(export)))
			export->name = path;
		export->name = export_name(export);
		if (find_export(options, i, export->name))
			return used_before(options, export, "name",
					   export->name, error);
	}
	return true;
}

/* Exports of the command line come last, or replace those of the same name. */
static bool lay_over(const struct options *command_line, struct options *full)
{
	uint32_t of_file = full->export_count;

	for (uint32_t i = 0; i < command_line->export_count; i++) {
		const struct export *export = &command_line->exports[i];
		struct export *place =
			find_export(full, of_file, export_name(export));

		if (!place)
			place = options_add(full);
		if (!place)
			return false;
		*place = *export;
	}
	for (size_t i = 0; settings[i].name; i++) {
		const char *value = command_line->values[i];

		if (!value)
			continue;
		full->values[i] = value;
		settings[i].set(&full->general, value);
	}
	return true;
}

bool options_complete(const struct options *command_line, struct options *full,
		      struct vhost_error *error)
{
	bool good = true;

	memset(full, 0, sizeof(*full));
	full->general.log = LOG_LEVEL_INFO;
	full->config = command_line->config;
	if (full->config)
		good = config_read(full->config, full, error);
	if (good && !lay_over(command_line, full))
		good = vhost_fail(error, "out of memory");
	if (good)
		good = options_name(full, error);
	if (good && !full->general.control &&
	    access_is_set(&full->general.control_access))
		good = vhost_fail(error,
				  "control-mode, control-owner and "
				  "control-group: there is no control socket; "
				  "expected control, too");
	if (good && full->export_count == 0 && !full->general.control)
		good = vhost_fail(error,
				  "nothing to serve; expected --export, "
				  "exports in --config, --socket-path and "
				  "--blk-file, or --control to add some later");
	if (!good)
		options_free(full);
	return good;
}

bool options_copy(const struct options *options, struct options *copy)
{
	*copy = *options;
	/* Never 0 bytes, for which malloc may return NULL. */
	copy->exports =
		malloc((options->export_count + 1) * sizeof(*copy->exports));
	if (!copy->exports)
		return false;
	if (options->export_count)
		memcpy(copy->exports, options->exports,
		       options->export_count * sizeof(*copy->exports));
	config_hold(copy->document);
	return true;
}

void options_free(struct options *options)
{
	free(options->exports);
	options->exports = NULL;
	options->export_count = 0;
	config_free(options->document);
	options->document = NULL;
}
