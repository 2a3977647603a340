// SPDX-License-Identifier: MIT
#include "program/bench/bench.h"

#include <stdio.h>

#include "program/arguments.h"
#include "program/command.h"
#include "program/number.h"

#define CLIENTS_MAX  4096u
#define DEPTH_MAX    256u
#define BLOCK_MAX    (1u << 20)
#define DURATION_MAX 86400000u
#define TIMEOUT_MAX  600000u

static const char help[] =
	"Usage: precarium bench SOCKET [OPTION]...\n"
	"Put a load on a vhost-user block server and measure it: requests per\n"
	"second, latencies, processor time.  By default it only reads.\n"
	"\n"
	"  --depth N           requests in flight per queue (32)\n"
	"  --block-size BYTES  of a request (4096)\n"
	"  --read PERCENT      share of reads (100); the others are writes, "
	"which\n"
	"                      overwrite the disk\n"
	"  --sequential        block after block (at random)\n"
	"  --area BYTES        part of the disk to use, from its start (all)\n"
	"  --duration MS       time to run (2000)\n"
	"  --requests N        the maximum number of requests\n"
	"  --queues N          queues per client (1)\n"
	"  --clients N         connections, all by one thread (1)\n"
	"  --poll              the client polls for completions (it sleeps "
	"until\n"
	"                      it is notified)\n"
	"  --packed            packed rings (split)\n"
	"  --no-event-idx      without EVENT_IDX, which guests use\n"
	"  --verify            write all blocks, verify every read, read all "
	"blocks\n"
	"                      again; 16 MiB of the disk without --area\n"
	"  --pid PID           process of the server (the one that listens)\n"
	"  --timeout MS        for an answer (10000)\n"
	"  --json              print JSON\n"
	"  --help              print this text\n"
	"\n"
	"Exit status: 0 good; 1 failed, with a line that says why; 2 wrong "
	"usage.\n";

enum bench_option {
	OPT_DEPTH,
	OPT_BLOCK_SIZE,
	OPT_READ,
	OPT_AREA,
	OPT_DURATION,
	OPT_REQUESTS,
	OPT_QUEUES,
	OPT_CLIENTS,
	OPT_PID,
	OPT_TIMEOUT,
	OPT_SEQUENTIAL,
	OPT_POLL,
	OPT_PACKED,
	OPT_NO_EVENT_IDX,
	OPT_VERIFY,
	OPT_JSON,
	OPT_HELP,
};

static const struct argument_option long_options[] = {
	{ "depth", true, OPT_DEPTH },
	{ "block-size", true, OPT_BLOCK_SIZE },
	{ "read", true, OPT_READ },
	{ "area", true, OPT_AREA },
	{ "duration", true, OPT_DURATION },
	{ "requests", true, OPT_REQUESTS },
	{ "queues", true, OPT_QUEUES },
	{ "clients", true, OPT_CLIENTS },
	{ "pid", true, OPT_PID },
	{ "timeout", true, OPT_TIMEOUT },
	{ "sequential", false, OPT_SEQUENTIAL },
	{ "poll", false, OPT_POLL },
	{ "packed", false, OPT_PACKED },
	{ "no-event-idx", false, OPT_NO_EVENT_IDX },
	{ "verify", false, OPT_VERIFY },
	{ "json", false, OPT_JSON },
	{ "help", false, OPT_HELP },
	{ NULL, false, 0 },
};

/* Takes a number that is a multiple of `step`. */
static bool take_number(int option, const char *text, uint64_t min,
			uint64_t max, uint64_t step, uint64_t *number)
{
	const char *name = long_options[option].name;
	uint64_t value;

	if (parse_number(text, min, max, &value) && value % step == 0) {
		*number = value;
		return true;
	}
	if (step > 1)
		complain("bench: --%s=%s: expected a multiple of %llu from "
			 "%llu to %llu",
			 name, text, (unsigned long long)step,
			 (unsigned long long)min, (unsigned long long)max);
	else
		complain("bench: --%s=%s: expected a number from %llu to %llu",
			 name, text, (unsigned long long)min,
			 (unsigned long long)max);
	return false;
}

static bool take_small(int option, const char *text, uint32_t min, uint32_t max,
		       uint32_t step, uint32_t *number)
{
	uint64_t value;

	if (!take_number(option, text, min, max, step, &value))
		return false;
	*number = (uint32_t)value;
	return true;
}

static bool take_value(struct bench_options *o, int option, const char *text)
{
	uint32_t pid;

	switch (option) {
	case OPT_DEPTH:
		return take_small(option, text, 1, DEPTH_MAX, 1, &o->depth);
	case OPT_BLOCK_SIZE:
		return take_small(option, text, CLIENT_SECTOR, BLOCK_MAX,
				  CLIENT_SECTOR, &o->block_size);
	case OPT_READ:
		return take_small(option, text, 0, 100, 1, &o->read_share);
	case OPT_AREA:
		return take_number(option, text, CLIENT_SECTOR, INT64_MAX,
				   CLIENT_SECTOR, &o->area);
	case OPT_DURATION:
		return take_small(option, text, 1, DURATION_MAX, 1,
				  &o->duration_ms);
	case OPT_REQUESTS:
		return take_small(option, text, 1, UINT32_MAX, 1,
				  &o->request_limit);
	case OPT_QUEUES:
		return take_small(option, text, 1, CLIENT_QUEUES_MAX, 1,
				  &o->queues);
	case OPT_CLIENTS:
		return take_small(option, text, 1, CLIENTS_MAX, 1, &o->clients);
	case OPT_TIMEOUT:
		return take_small(option, text, 1, TIMEOUT_MAX, 1,
				  &o->timeout_ms);
	case OPT_PID:
		if (!take_small(option, text, 1, INT32_MAX, 1, &pid))
			return false;
		o->pid = (pid_t)pid;
		return true;
	default:
		return false;
	}
}

static bool take_option(struct bench_options *o, int option, const char *text)
{
	bool *flags[] = {
		[OPT_SEQUENTIAL] = &o->sequential,
		[OPT_POLL] = &o->polling,
		[OPT_PACKED] = &o->packed,
		[OPT_NO_EVENT_IDX] = &o->no_event_idx,
		[OPT_VERIFY] = &o->verify,
		[OPT_JSON] = &o->json,
	};

	if (option < OPT_SEQUENTIAL || option > OPT_JSON)
		return take_value(o, option, text);
	*flags[option] = true;
	return true;
}

int bench_parse(struct bench_options *options, int argc, char **argv)
{
	struct arguments arguments;
	int option;

	*options = (struct bench_options){
		.clients = 1,
		.queues = 1,
		.depth = 32,
		.block_size = 4096,
		.read_share = 100,
		.duration_ms = 2000,
		.timeout_ms = 10000,
	};
	arguments_begin(&arguments, "bench", argc, argv, long_options);
	while ((option = arguments_next(&arguments)) != ARGUMENTS_END) {
		if (option == OPT_HELP) {
			fputs(help, stdout);
			return finish_output();
		}
		if (!take_option(options, option, arguments.value))
			return EXIT_USAGE;
	}
	if (arguments.operand_count != 1) {
		complain("bench: %s; expected the path of one socket",
			 arguments.operand_count ? "more than one argument"
						 : "no socket");
		return EXIT_USAGE;
	}
	options->socket_path = arguments.operands[0];
	return -1;
}
