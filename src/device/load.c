// SPDX-License-Identifier: MIT
#include "device/load.h"

static uint64_t get(const uint64_t *from)
{
	return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static void set(uint64_t *to, uint64_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELAXED);
}

static uint32_t share(uint64_t busy_ns, uint64_t span_ns)
{
	return busy_ns < span_ns ? (uint32_t)(busy_ns * LOAD_FULL / span_ns)
				 : LOAD_FULL;
}

void load_add(struct load *load, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t span_ns = to_ns - load->since_ns;

	set(&load->busy_ns, load->busy_ns + (to_ns - from_ns));
	if (span_ns < LOAD_SPAN_NS)
		return;
	__atomic_store_n(&load->last, share(load->busy_ns, span_ns),
			 __ATOMIC_RELAXED);
	set(&load->since_ns, to_ns);
	set(&load->busy_ns, 0);
}

/* Who is idle ends no span. */
uint32_t load_now(const struct load *load, uint64_t now_ns)
{
	uint64_t since_ns = get(&load->since_ns);

	if (now_ns < since_ns + LOAD_SPAN_NS)
		return __atomic_load_n(&load->last, __ATOMIC_RELAXED);
	return share(get(&load->busy_ns), now_ns - since_ns);
}
