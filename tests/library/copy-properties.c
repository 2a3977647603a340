// SPDX-License-Identifier: MIT
/*
 * The contracts of copies at run time: copy.c as it ships, over a port that
 * comes as far as it likes.  Each clause has the name that it has in access.h;
 * and the port is asked for the bytes of the span and no others, in order.
 *
 * copy-properties [SEEDS [FIRST]]; a failure names its seed.
 */
#include "clauses.h"

#include "core/copy.c"

/* Nothing here faults, so there is no table to tell of. */
void prec_fixup_register(const struct prec_fixup *first,
			 const struct prec_fixup *end)
{
	(void)first;
	(void)end;
}

void prec_fixup_unregister(const struct prec_fixup *first)
{
	(void)first;
}

#define SPANS 6
#define ROOM  600 /* bytes on the driver's side */

static unsigned char bytes[ROOM];
static struct prec_span spans[SPANS];
static unsigned int asked; /* how many calls the port had */
static struct {
	uint64_t host, other, size, done;
	const unsigned char *ours;
} port[SPANS + 1];

static uint64_t comes_to(uint64_t host, uint64_t other,
			 const unsigned char *ours, uint64_t size)
{
	uint64_t done = chance(failing) && size > 0 ? below(size) : size;

	REQUIRES("port", "no more calls than spans", asked <= SPANS);
	port[asked].host = host;
	port[asked].other = other;
	port[asked].ours = ours;
	port[asked].size = size;
	port[asked].done = done;
	asked++;
	return done;
}

uint64_t prec_port_copy_in(unsigned char *to, uint64_t host, uint64_t size)
{
	return comes_to(host, 0, to, size);
}

uint64_t prec_port_copy_out(uint64_t host, const unsigned char *from,
			    uint64_t size)
{
	return comes_to(host, 0, from, size);
}

uint64_t prec_port_copy_across(uint64_t to_host, uint64_t from_host,
			       uint64_t size)
{
	return comes_to(to_host, from_host, NULL, size);
}

uint64_t prec_port_fill(uint64_t host, uint8_t value, uint64_t size)
{
	return comes_to(host, value, NULL, size);
}

static bool copy_result(struct prec_result r, uint64_t size)
{
	return r.error == 0 && r.done <= size &&
	       (r.status == PREC_OK || r.status == PREC_GONE ||
		r.status == PREC_RANGE || r.status == PREC_RIGHTS) &&
	       (r.status != PREC_GONE || r.done < size) &&
	       ((r.status != PREC_RANGE && r.status != PREC_RIGHTS) ||
		r.done == 0);
}

static bool copy_allowed(struct prec_span p, uint64_t offset, uint64_t size,
			 uint32_t rights)
{
	return offset <= p.size && size <= p.size - offset &&
	       rights_grant(p.rights, rights);
}

static bool went_on(struct prec_result r)
{
	return r.status == PREC_OK || r.status == PREC_GONE;
}

/* Of one span: once, where it should be, as far as the port came. */
static void one_ensured(const char *call, struct prec_result r, uint64_t size,
			bool allowed, uint64_t host, const unsigned char *ours)
{
	ENSURES(call, "result", copy_result(r, size));
	ENSURES(call, "whole", r.status != PREC_OK || r.done == size);
	ENSURES(call, "allowed", went_on(r) == allowed);
	ENSURES(call, "once", asked == (allowed ? 1u : 0u));
	if (allowed)
		ENSURES(call, "where",
			port[0].host == host && port[0].size == size &&
				port[0].ours == ours && port[0].done == r.done);
	asked = 0;
}

static void one_span(void)
{
	struct prec_span p = spans[0], f = spans[1];
	uint64_t offset = chance(10) ? draw() : below(p.size + 2);
	uint64_t from = chance(10) ? draw() : below(f.size + 2);
	uint64_t size = chance(10) ? draw() : below(ROOM / 2);
	bool in = copy_allowed(p, offset, size, PREC_READ);
	bool out = copy_allowed(p, offset, size, PREC_WRITE);

	one_ensured("prec_copy_in", prec_copy_in(bytes, p, offset, size), size,
		    in, p.host + offset, bytes);
	one_ensured("prec_copy_out", prec_copy_out(p, offset, bytes, size),
		    size, out, p.host + offset, bytes);
	one_ensured("prec_fill", prec_fill(p, offset, 7, size), size, out,
		    p.host + offset, NULL);
	one_ensured("prec_copy_across",
		    prec_copy_across(p, offset, f, from, size), size,
		    out && copy_allowed(f, from, size, PREC_READ),
		    p.host + offset, NULL);
	if (out && copy_allowed(f, from, size, PREC_READ))
		ENSURES("prec_copy_across", "where",
			port[0].other == f.host + from);
}

/* Of a list: each span whole and in order, until one is cut short or the
 * driver's side is used up. */
static void list_ensured(const char *call, struct prec_result r, uint32_t count,
			 uint64_t size, uint32_t rights)
{
	uint64_t total = 0, moved = 0;
	bool allowed = true;

	for (uint32_t i = 0; i < count; i++) {
		total += spans[i].size;
		allowed &= rights_grant(spans[i].rights, rights);
	}
	for (unsigned int i = 0; i < asked; i++) {
		uint64_t left = size - moved;

		ENSURES(call, "where",
			i < count && port[i].host == spans[i].host &&
				port[i].ours == bytes + moved);
		ENSURES(call, "part",
			port[i].size ==
				(spans[i].size < left ? spans[i].size : left));
		ENSURES(call, "in order",
			i + 1 == asked || port[i].done == port[i].size);
		moved += port[i].done;
	}
	ENSURES(call, "result", copy_result(r, size));
	ENSURES(call, "allowed", went_on(r) == allowed);
	ENSURES(call, "whole",
		r.status != PREC_OK || r.done == (total < size ? total : size));
	ENSURES(call, "done", r.done == moved);
	asked = 0;
}

static void list(void)
{
	uint32_t count = (uint32_t)below(SPANS + 1);
	uint64_t size = below(ROOM + 1);

	list_ensured("prec_gather", prec_gather(bytes, size, spans, count),
		     count, size, PREC_READ);
	list_ensured("prec_scatter", prec_scatter(spans, count, bytes, size),
		     count, size, PREC_WRITE);
}

int main(int count, char **arguments)
{
	uint64_t seeds = count > 1 ? strtoull(arguments[1], NULL, 0) : 300000;
	uint64_t first = count > 2 ? strtoull(arguments[2], NULL, 0) : 1;

	for (seed = first; seed < first + seeds; seed++) {
		drawn = seed * 0x9e3779b97f4a7c15ull + 1;
		for (int i = 0; i < 8; i++)
			(void)draw();
		failing = chance(50) ? 0 : 20;
		for (unsigned int i = 0; i < SPANS; i++) {
			spans[i].host = below(1ull << 47);
			spans[i].size = chance(10) ? 0 : below(ROOM / 3);
			spans[i].rights = chance(80) ? 3 : (uint32_t)below(4);
		}
		one_span();
		list();
	}
	printf("%llu seeds, %lu clauses held\n", (unsigned long long)seeds,
	       clauses);
	return seeds == 0;
}
