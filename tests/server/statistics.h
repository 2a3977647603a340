/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SERVER_STATISTICS_H
#define PRECARIUM_TESTS_SERVER_STATISTICS_H

/* What the server says of a client, by the tool `precarium stat`. */
#include <jansson.h>
#include <poll.h>

#include "serve.h"

#define STATISTICS_SLACK_S 20u

/* All of them; the caller's to release. */
static inline json_t *statistics(void)
{
	const char *program = getenv("PRECARIUM");
	char *command;
	json_t *tree;
	FILE *answer;

	CHECK(asprintf(&command, "%s stat --control=%s --json",
		       program ? program : "build/program/precarium",
		       backend.control_path) > 0,
	      "memory");
	answer = popen(command, "re");
	tree = answer ? json_loadf(answer, 0, NULL) : NULL;
	CHECK(tree && pclose(answer) == 0, "%s: no statistics", command);
	free(command);
	return tree;
}

/* A number of the first client of the first export. */
static inline uint64_t statistic(const char *key)
{
	json_t *tree = statistics(), *client;
	uint64_t value;

	client = json_array_get(
		json_object_get(
			json_array_get(json_object_get(tree, "exports"), 0),
			"clients"),
		0);
	CHECK(json_is_integer(json_object_get(client, key)), "no %s", key);
	value = (uint64_t)json_integer_value(json_object_get(client, key));
	json_decref(tree);
	return value;
}

static inline void await(const char *key, uint64_t value)
{
	uint64_t end = client_now_ns() + STATISTICS_SLACK_S * 1000000000ull;
	uint64_t found;

	while ((found = statistic(key)) != value) {
		CHECK(client_now_ns() < end, "%s: %llu, expected %llu", key,
		      (unsigned long long)found, (unsigned long long)value);
		poll(NULL, 0, 2);
	}
}

#endif
