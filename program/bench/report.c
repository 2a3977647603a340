// SPDX-License-Identifier: MIT
#include "program/bench/bench.h"

#include <inttypes.h>
#include <stdio.h>

#include <jansson.h>

#include "program/command.h"
#include "program/json_text.h"

#define MIB 1048576.0

static uint64_t requests(const struct load *load)
{
	return load->reads + load->writes;
}

static double each_us(const struct load *load, uint64_t ns)
{
	return (double)ns / 1e3 / (double)requests(load);
}

static double part(const struct load *load, uint64_t ns)
{
	return (double)ns / (double)load->elapsed_ns;
}

static double per_second(const struct load *load, double count)
{
	return count * 1e9 / (double)load->elapsed_ns;
}

static double bytes(const struct load *load)
{
	return (double)requests(load) * load->disk.block_size;
}

static double latency_us(const struct load *load, uint32_t share)
{
	return (double)latency_at(&load->latencies, share, 1000) / 1e3;
}

static void print_text(const struct load *load)
{
	printf("requests       %" PRIu64
	       " in %.2f s: %.0f a second, %.1f MiB a "
	       "second\n",
	       requests(load), (double)load->elapsed_ns / 1e9,
	       per_second(load, (double)requests(load)),
	       per_second(load, bytes(load) / MIB));
	printf("latency        p50 %.1f us, p90 %.1f us, p99 %.1f us, p99.9 "
	       "%.1f us, slowest %.1f us\n",
	       latency_us(load, 500), latency_us(load, 900),
	       latency_us(load, 990), latency_us(load, 999),
	       (double)load->latencies.max_ns / 1e3);
	printf("processor time client %.3f us a request, %.0f %% of a core",
	       each_us(load, load->client_ns),
	       100 * part(load, load->client_ns));
	if (load->server_known)
		printf("; server %.3f us, %.0f %%",
		       each_us(load, load->server_ns),
		       100 * part(load, load->server_ns));
	printf("\nnotifications  %" PRIu64 " kicks, %" PRIu64 " sleeps\n",
	       load->kicks, load->sleeps);
	if (load->options->verify)
		printf("verified       %" PRIu64 " reads; %" PRIu64 " blocks "
		       "written before, read after\n",
		       load->reads, load->checked);
}

static json_t *latencies(const struct load *load)
{
	const struct latencies *all = &load->latencies;

	return json_pack("{sf, sf, sf, sf, sf, sf}", "mean",
			 (double)all->sum_ns / 1e3 / (double)all->count, "p50",
			 latency_us(load, 500), "p90", latency_us(load, 900),
			 "p99", latency_us(load, 990), "p99.9",
			 latency_us(load, 999), "max",
			 (double)all->max_ns / 1e3);
}

static json_t *asked(const struct bench_options *options)
{
	return json_pack(
		"{so, si, si, si, si, si, ss, ss, ss, sb, sb}", "socket",
		json_text(options->socket_path), "clients",
		(int)options->clients, "queues", (int)options->queues, "depth",
		(int)options->depth, "block_size", (int)options->block_size,
		"read_share", (int)options->read_share, "pattern",
		options->sequential ? "sequential" : "random", "client",
		options->polling ? "polls" : "sleeps", "ring",
		options->packed ? "packed" : "split", "event_idx",
		!options->no_event_idx, "verify", options->verify);
}

static void print_json(const struct load *load)
{
	json_t *server = load->server_known
				 ? json_real(each_us(load, load->server_ns))
				 : json_null();
	json_t *all = json_pack(
		"{so, sI, sI, sI, sI, sf, sf, sf, so, so, sf, sI, sI}", "asked",
		asked(load->options), "reads", (json_int_t)load->reads,
		"writes", (json_int_t)load->writes, "filled",
		(json_int_t)load->filled, "checked", (json_int_t)load->checked,
		"seconds", (double)load->elapsed_ns / 1e9, "requests_a_second",
		per_second(load, (double)requests(load)), "bytes_a_second",
		per_second(load, bytes(load)), "latency_us", latencies(load),
		"server_us_a_request", server, "client_us_a_request",
		each_us(load, load->client_ns), "kicks",
		(json_int_t)load->kicks, "sleeps", (json_int_t)load->sleeps);

	json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
	putchar('\n');
	json_decref(all);
}

int report(const struct load *load)
{
	if (load->options->json)
		print_json(load);
	else
		print_text(load);
	return finish_output();
}
