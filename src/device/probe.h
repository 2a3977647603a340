/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_PROBE_H
#define PRECARIUM_DEVICE_PROBE_H

#include "device/client.h"

/*
 * Places where a tracer may look on, as bpftrace or perf do (USDT, provider
 * `precarium`): each is one instruction that does nothing, and a note in the
 * program that says where its arguments are.  precarium(1) has them; the first
 * two of each are the export's name and the client's number.
 */
#ifdef PRECARIUM_PROBES
#include <sys/sdt.h>

#define PROBE(name, client)                                                    \
	DTRACE_PROBE2(precarium, name, (client)->export_name, (client)->number)
#define PROBE3(name, client, a)                                                \
	DTRACE_PROBE3(precarium, name, (client)->export_name,                  \
		      (client)->number, a)
#define PROBE6(name, client, a, b, c, d)                                       \
	DTRACE_PROBE6(precarium, name, (client)->export_name,                  \
		      (client)->number, a, b, c, d)
#else
#define PROBE(name, client)	((void)(client))
#define PROBE3(name, client, a) ((void)(client), (void)(a))
#define PROBE6(name, client, a, b, c, d)                                       \
	((void)(client), (void)(a), (void)(b), (void)(c), (void)(d))
#endif

#endif
