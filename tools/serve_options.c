// SPDX-License-Identifier: MIT
#include "serve_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <precarium/region.h>

#include "command.h"

static const char help[] =
	"Usage: precarium serve --export KEY=VALUE,...  [OPTION]...\n"
	"   or: precarium serve --socket-path=PATH --blk-file=PATH "
	"[OPTION]...\n"
	"Serve block devices by vhost-user, each on a socket of its own.\n"
	"\n"
	"  --export KEYS        one device; may be given many times.  KEYS "
	"are:\n"
	"      socket=PATH        where clients connect\n"
	"      file=PATH          a raw image or a block device, or\n"
	"      null=SIZE          zeroes to read; writes are dropped\n"
	"      read-only          clients cannot write\n"
	"      direct             past the page cache where a request allows\n"
	"      name=NAME          for log lines and statistics\n"
	"      on-loss=fail|end   when a client's memory is gone: fail the\n"
	"                         request (default), or end the client\n"
	"      sparse=SIZE|any    holes accepted in a lent region (default "
	"256M; a\n"
	"                         virtual machine preallocates, or needs "
	"this)\n"
	"  --socket-path=PATH   a single device: where clients connect, or\n"
	"  --fd=FDNUM           a socket that is open already\n"
	"  --blk-file=PATH      its image\n"
	"  --read-only          it cannot be written\n"
	"  --workers=N          threads (default 1)\n"
	"  --max-clients=N      connections per device (default 32)\n"
	"  --drain-timeout=MS   how long a client that takes its memory back "
	"waits\n"
	"                       for its requests before they are cancelled, "
	"and then\n"
	"                       again before it is ended (default 5000)\n"
	"  --stats-json=PATH    statistics as JSON at exit and on SIGUSR1;\n"
	"                       - is standard output\n"
	"  --control=PATH       where precarium stat asks; for the same user "
	"only\n"
	"  --print-capabilities what management programs ask; then exit\n"
	"  --help               this text\n"
	"\n"
	"SIGTERM ends it: requests in flight are finished first.  SIGUSR1 "
	"prints\n"
	"statistics.  Exit status: 0 good, 1 failed, 2 wrong usage.\n";

/* Backend program conventions of the vhost-user specification. */
static const char capabilities[] = "{\n"
				   "  \"type\": \"block\",\n"
				   "  \"features\": [\n"
				   "    \"read-only\",\n"
				   "    \"blk-file\"\n"
				   "  ]\n"
				   "}\n";

static bool parse_number(const char *text, uint64_t max, uint64_t *number)
{
	char *end;
	unsigned long long value;

	if (!text || text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || value > max)
		return false;
	*number = value;
	return true;
}

/* Bytes, with K, M, G or T for powers of 1024. */
static bool parse_size(const char *text, uint64_t *size)
{
	static const char units[] = "KMGT";
	size_t length = text ? strlen(text) : 0;
	const char *unit;
	unsigned int shift = 0;
	char digits[24];

	if (length == 0 || length >= sizeof(digits))
		return false;
	memcpy(digits, text, length + 1);
	unit = strchr(units, digits[length - 1]);
	if (unit) {
		shift = 10u * (unsigned int)(unit - units + 1);
		digits[length - 1] = 0;
	}
	if (!parse_number(digits, (uint64_t)INT64_MAX >> shift, size))
		return false;
	*size <<= shift;
	return true;
}

enum key {
	KEY_SOCKET,
	KEY_FILE,
	KEY_NULL,
	KEY_READ_ONLY,
	KEY_DIRECT,
	KEY_NAME,
	KEY_ON_LOSS,
	KEY_SPARSE,
	KEY_COUNT,
};

static char *const keys[] = {
	[KEY_SOCKET] = (char[]){ "socket" },
	[KEY_FILE] = (char[]){ "file" },
	[KEY_NULL] = (char[]){ "null" },
	[KEY_READ_ONLY] = (char[]){ "read-only" },
	[KEY_DIRECT] = (char[]){ "direct" },
	[KEY_NAME] = (char[]){ "name" },
	[KEY_ON_LOSS] = (char[]){ "on-loss" },
	[KEY_SPARSE] = (char[]){ "sparse" },
	[KEY_COUNT] = NULL,
};

/* NULL: good; else what was expected. */
static const char *parse_on_loss(const char *value, struct serve_export *export)
{
	if (strcmp(value, "fail") == 0)
		export->on_loss = VHOST_LOSS_FAIL;
	else if (strcmp(value, "end") == 0)
		export->on_loss = VHOST_LOSS_END;
	else
		return "expected fail or end";
	return NULL;
}

static const char *parse_sparse(const char *value, struct serve_export *export)
{
	if (strcmp(value, "any") == 0) {
		export->admit |= PREC_ADMIT_SPARSE;
		return NULL;
	}
	if (!parse_size(value, &export->sparse_max) || !export->sparse_max)
		return "expected any, or bytes, with K, M, G or T";
	return NULL;
}

static const char *parse_key(int key, const char *value,
			     struct serve_export *export)
{
	bool flag = key == KEY_READ_ONLY || key == KEY_DIRECT;

	if (flag && value)
		return "expected no value";
	if (!flag && (!value || !value[0]))
		return "expected a value";
	switch (key) {
	case KEY_SOCKET:
		export->socket_path = value;
		return NULL;
	case KEY_FILE:
		export->file = value;
		return NULL;
	case KEY_NULL:
		if (!parse_size(value, &export->null_size) ||
		    !export->null_size)
			return "expected bytes, with K, M, G or T";
		return NULL;
	case KEY_READ_ONLY:
		export->read_only = true;
		return NULL;
	case KEY_DIRECT:
		export->direct = true;
		return NULL;
	case KEY_NAME:
		export->name = value;
		return NULL;
	case KEY_ON_LOSS:
		return parse_on_loss(value, export);
	default:
		return parse_sparse(value, export);
	}
}

static const char *check_export(const struct serve_export *export)
{
	if (!export->socket_path && export->fd < 0)
		return "no socket; expected socket=PATH";
	if (!export->file && !export->null_size)
		return "nothing to serve; expected file=PATH or null=SIZE";
	if (export->file && export->null_size)
		return "both file and null; expected one of them";
	if (export->null_size && export->direct)
		return "direct is for files; expected file=PATH with it";
	return NULL;
}

static struct serve_export *add_export(struct serve_options *options)
{
	struct serve_export *more = realloc(
		options->exports, (options->export_count + 1) * sizeof(*more));

	if (!more) {
		complain("out of memory");
		return NULL;
	}
	options->exports = more;
	more += options->export_count++;
	memset(more, 0, sizeof(*more));
	more->fd = -1;
	return more;
}

static bool parse_export(char *text, struct serve_options *options)
{
	struct serve_export *export = add_export(options);
	const char *wrong;

	if (!export)
		return false;
	while (*text) {
		char *value = NULL;
		char *item = text;
		int key = getsubopt(&text, keys, &value);

		if (key < 0) {
			complain("--export: %s: unknown key; expected socket, "
				 "file, null, read-only, direct, name, on-loss "
				 "or sparse",
				 value ? value : item);
			return false;
		}
		wrong = parse_key(key, value, export);
		if (wrong) {
			complain("--export: %s%s%s: %s", keys[key],
				 value ? "=" : "", value ? value : "", wrong);
			return false;
		}
	}
	wrong = check_export(export);
	if (wrong)
		complain("--export: %s", wrong);
	return !wrong;
}

enum {
	OPT_EXPORT = 256,
	OPT_SOCKET_PATH,
	OPT_FD,
	OPT_BLK_FILE,
	OPT_READ_ONLY,
	OPT_CAPABILITIES,
	OPT_WORKERS,
	OPT_CLIENTS,
	OPT_DRAIN_TIMEOUT,
	OPT_STATS,
	OPT_CONTROL,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "export", required_argument, NULL, OPT_EXPORT },
	{ "socket-path", required_argument, NULL, OPT_SOCKET_PATH },
	{ "fd", required_argument, NULL, OPT_FD },
	{ "blk-file", required_argument, NULL, OPT_BLK_FILE },
	{ "read-only", no_argument, NULL, OPT_READ_ONLY },
	{ "print-capabilities", no_argument, NULL, OPT_CAPABILITIES },
	{ "workers", required_argument, NULL, OPT_WORKERS },
	{ "max-clients", required_argument, NULL, OPT_CLIENTS },
	{ "drain-timeout", required_argument, NULL, OPT_DRAIN_TIMEOUT },
	{ "stats-json", required_argument, NULL, OPT_STATS },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static bool number_option(const char *name, uint64_t min, uint64_t max,
			  uint64_t *number)
{
	if (parse_number(optarg, max, number) && *number >= min)
		return true;
	complain("%s=%s: expected a number from %llu to %llu", name, optarg,
		 (unsigned long long)min, (unsigned long long)max);
	return false;
}

/* The conventions' device, which may be described once. */
static bool parse_single(int option, struct serve_export *single)
{
	uint64_t number;

	switch (option) {
	case OPT_SOCKET_PATH:
		single->socket_path = optarg;
		return true;
	case OPT_FD:
		if (!number_option("--fd", 0, INT32_MAX, &number))
			return false;
		single->fd = (int)number;
		return true;
	case OPT_BLK_FILE:
		single->file = optarg;
		return true;
	default:
		single->read_only = true;
		return true;
	}
}

static bool parse_general(int option, struct serve_options *options)
{
	uint64_t number;

	switch (option) {
	case OPT_EXPORT:
		return parse_export(optarg, options);
	case OPT_WORKERS:
		if (!number_option("--workers", 1, 64, &number))
			return false;
		options->limits.workers = (uint32_t)number;
		return true;
	case OPT_CLIENTS:
		if (!number_option("--max-clients", 1, 65535, &number))
			return false;
		options->limits.connections = (uint32_t)number;
		return true;
	case OPT_DRAIN_TIMEOUT:
		if (!number_option("--drain-timeout", 1, VHOST_DRAIN_MAX_MS,
				   &number))
			return false;
		options->limits.drain_timeout_ms = (uint32_t)number;
		return true;
	case OPT_STATS:
		options->stats_json = optarg;
		return true;
	case OPT_CONTROL:
		options->control = optarg;
		if (!optarg[0])
			complain("--control=: expected a path");
		return optarg[0] != 0;
	default: /* getopt has said what it did not understand */
		fputs("precarium: see precarium serve --help\n", stderr);
		return false;
	}
}

static bool finish_single(const struct serve_export *single,
			  struct serve_options *options)
{
	const char *wrong = NULL;
	struct serve_export *export;

	if (single->socket_path && single->fd >= 0)
		wrong = "--socket-path and --fd: expected one of them";
	else if (!single->socket_path && single->fd < 0)
		wrong = "where to serve is missing; expected --socket-path or "
			"--fd";
	else if (!single->file)
		wrong = "what to serve is missing; expected --blk-file=PATH";
	if (wrong) {
		complain("%s", wrong);
		return false;
	}
	export = add_export(options);
	if (!export)
		return false;
	*export = *single;
	return true;
}

/* Names tell devices apart in what people read. */
static void give_names(struct serve_options *options)
{
	for (uint32_t i = 0; i < options->export_count; i++) {
		struct serve_export *export = &options->exports[i];
		const char *path = export->socket_path;
		const char *slash = path ? strrchr(path, '/') : NULL;

		if (!export->name)
			export->name = slash && slash[1] ? slash + 1
				       : path		 ? path
							 : "export";
	}
}

enum serve_parsed serve_options_parse(int argc, char **argv,
				      struct serve_options *options)
{
	struct serve_export single = { .fd = -1 };
	bool has_single = false;
	int option;

	memset(options, 0, sizeof(*options));
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) >=
	       0) {
		if (option == OPT_HELP || option == OPT_CAPABILITIES) {
			fputs(option == OPT_HELP ? help : capabilities, stdout);
			return SERVE_DONE;
		}
		if (option >= OPT_SOCKET_PATH && option <= OPT_READ_ONLY) {
			has_single = true;
			if (!parse_single(option, &single))
				return SERVE_USAGE;
		} else if (!parse_general(option, options)) {
			return SERVE_USAGE;
		}
	}
	if (optind < argc) {
		complain("%s: unexpected argument; expected options only",
			 argv[optind]);
		return SERVE_USAGE;
	}
	if (has_single && !finish_single(&single, options))
		return SERVE_USAGE;
	if (options->export_count == 0) {
		complain(
			"nothing to serve; expected --export, or --socket-path "
			"and --blk-file");
		return SERVE_USAGE;
	}
	give_names(options);
	return SERVE_RUN;
}

void serve_options_free(struct serve_options *options)
{
	free(options->exports);
	options->exports = NULL;
	options->export_count = 0;
}
