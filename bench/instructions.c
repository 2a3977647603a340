// SPDX-License-Identifier: MIT
/*
 * What bench/instructions runs under callgrind.  Each path is gone N times in
 * one call of counted(), then 2N times in another: what the second cost more,
 * divided by N, is one operation without what is done once.
 *
 *     library   calls of the library, on this thread
 *     driver    requests to a server in this process, of whose threads only the
 *               worker is counted.  Its client sends 32 requests and kicks, and
 *               sends the next 32 when the worker sleeps: it has all of them in
 *               one turn, each time, whatever else the machine does
 *
 * Prints for each path its N, how often a string instruction is counted in one
 * operation beyond the once of a processor, and its name.
 */
#include "instructions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operations.h"

#define TIMES 4072u /* each of up to 509 regions as often as the others */

/* By its name callgrind knows when to count. */
void counted(const struct path *path, uint64_t times);

__attribute__((noinline)) void counted(const struct path *path, uint64_t times)
{
	path->run(path->argument, times);
	__asm__ volatile("" ::: "memory");
}

void count(const struct path *path)
{
	path->run(path->argument, 1);
	counted(path, path->times);
	counted(path, 2 * path->times);
	printf("%lu %lu %s\n", path->times * path->at_once,
	       path->string_size ? path->string_size - 1 : 0, path->name);
}

static void count_copy(uint64_t size)
{
	/* From 3,072 bytes on it is one string instruction. */
	struct path path = { .run = run_copy_in,
			     .argument = &size,
			     .times = TIMES / 8,
			     .at_once = 1,
			     .string_size = size < 3072 ? 0 : size };
	char name[40];

	path.name = name;
	snprintf(name, sizeof(name), "copy in, %lu bytes", size);
	count(&path);
	path.run = run_copy_out;
	snprintf(name, sizeof(name), "copy out, %lu bytes", size);
	count(&path);
}

static void count_lookup(uint32_t regions)
{
	static struct claims claims;
	struct path path = { .run = run_find,
			     .argument = &claims,
			     .times = TIMES,
			     .at_once = 1 };
	char name[40];

	fill_claims(&claims, regions);
	path.name = name;
	snprintf(name, sizeof(name), "find among %u region%s", regions,
		 regions == 1 ? "" : "s");
	count(&path);
	path.run = run_resolve;
	snprintf(name, sizeof(name), "resolve among %u region%s", regions,
		 regions == 1 ? "" : "s");
	count(&path);
	path.run = run_resolve_near;
	snprintf(name, sizeof(name), "resolve again among %u region%s", regions,
		 regions == 1 ? "" : "s");
	count(&path);
}

static void count_library(void)
{
	const struct path paths[] = {
		{ "one load, in a loop", run_load, NULL, TIMES, 1, 0 },
		{ "one checked load, in a loop", run_checked_load, NULL, TIMES,
		  1, 0 },
		{ "enter and leave a transaction", run_transaction, NULL, TIMES,
		  1, 0 },
		{ "the same with eight further regions", run_further, NULL,
		  TIMES, 1, 0 },
		{ "begin and end a scope", run_scope, NULL, TIMES, 1, 0 },
	};

	operations_prepare();
	for (uint32_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		count(&paths[i]);
	count_copy(64);
	count_copy(512);
	count_copy(4096);
	count_lookup(1);
	count_lookup(8);
	count_lookup(64);
	count_lookup(509);
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "compiled") == 0)
		puts(COMPILED);
	else if (strcmp(what, "library") == 0)
		count_library();
	else if (strcmp(what, "driver") == 0)
		count_driver();
	else
		return fprintf(stderr, "usage: bench-instructions "
				       "compiled|library|driver\n");
	return 0;
}
