// SPDX-License-Identifier: MIT
/*
 * The ledger of pins agrees with an obvious one: a list of loans, and a table
 * of what each place of a request names.  The state of a loan is not kept here
 * but follows from what was done to it, so the two cannot be wrong alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <precarium/pin.h>

#define STEPS	20000u
#define CLIENTS 3u
#define DOMAINS 3u
#define PLACES	200u /* of the many, so that they are used again */
#define NOBODY	0xffffffffu

struct loan {
	bool lent;
	bool revoked;
	bool cut_off;
	bool condemned;
	uint32_t client;
	uint32_t domain;
	uint64_t bytes;
};

static struct prec_ledger ledger;
static struct loan loans[PREC_LEDGER_RANGES];
static uint32_t named[PREC_LEDGER_PLACES]; /* the range, or NOBODY */
static uint32_t uses[PREC_LEDGER_RANGES];  /* counted anew each time */
static uint64_t quota[CLIENTS];
static bool shut[DOMAINS];
static uint64_t seed = 1;
static uint32_t step;
static uint32_t went[PREC_PIN_CONDEMNED + 1];	/* steps that ended there */
static uint32_t buried[PREC_PIN_CONDEMNED + 1]; /* ranges, by their state */

static uint32_t below(uint32_t limit)
{
	/* Marsaglia's xorshift: what one step asks does not follow from what
	 * it asked before. */
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % limit;
}

static void fail(const char *what)
{
	printf("pin ledger: step %u: %s\n", step, what);
	exit(1);
}

static void count_uses(void)
{
	uint32_t i;

	memset(uses, 0, sizeof(uses));
	for (i = 0; i < PREC_LEDGER_PLACES; i++)
		if (named[i] != NOBODY)
			uses[named[i]]++;
}

static enum prec_pin_state state_of(uint32_t range)
{
	const struct loan *loan = &loans[range];

	if (!loan->lent)
		return PREC_PIN_FREE;
	if (loan->condemned)
		return PREC_PIN_CONDEMNED;
	if (!loan->revoked)
		return PREC_PIN_LIVE;
	if (uses[range] == 0)
		return PREC_PIN_QUIET;
	return loan->cut_off ? PREC_PIN_QUARANTINED : PREC_PIN_DRAINING;
}

static bool dead(uint32_t domain)
{
	uint32_t i;

	for (i = 0; i < PREC_LEDGER_RANGES; i++)
		if (loans[i].condemned && loans[i].domain == domain)
			return true;
	return shut[domain];
}

static uint64_t held(uint32_t client)
{
	uint64_t bytes = 0;
	uint32_t i;

	for (i = 0; i < PREC_LEDGER_RANGES; i++)
		if (loans[i].lent && loans[i].client == client)
			bytes += loans[i].bytes;
	return bytes;
}

/* A range, mostly one that is lent; sometimes none at all. */
static uint32_t some_range(void)
{
	uint32_t range = below(PREC_LEDGER_RANGES);
	uint32_t i;

	if (below(50) == 0)
		return PREC_LEDGER_RANGES + below(2) * 0xfffffu;
	for (i = 0; i < 4 && !loans[range].lent; i++)
		range = below(40);
	return range;
}

static uint32_t some_place(void)
{
	if (below(50) == 0)
		return PREC_LEDGER_PLACES + below(2) * 0xfffffu;
	return below(30) ? below(PLACES) : PREC_LEDGER_PLACES - 1 - below(9);
}

static void set_quota(void)
{
	uint32_t client = below(CLIENTS + 1);
	uint64_t bytes = below(1 << 16);
	enum prec_status want = PREC_OK;

	if (client == CLIENTS)
		client = PREC_LEDGER_CLIENTS, want = PREC_INVALID;
	else if (bytes < held(client))
		want = PREC_BUSY;
	if (prec_ledger_quota(&ledger, client, bytes) != want)
		fail("quota says otherwise");
	if (want == PREC_OK)
		quota[client] = bytes;
}

static void grant(void)
{
	uint32_t client = below(CLIENTS);
	uint32_t domain = below(DOMAINS);
	uint64_t bytes = below(200) ? below(1 << 9) : 0ull - 1 - below(4);
	uint32_t range = NOBODY;
	enum prec_status want = PREC_OK;
	enum prec_status is;
	uint32_t i;

	if (below(60) == 0)
		client = PREC_LEDGER_CLIENTS;
	if (below(60) == 0)
		domain = PREC_LEDGER_DOMAINS;
	for (i = 0; i < PREC_LEDGER_RANGES && loans[i].lent; i++)
		;
	if (client >= PREC_LEDGER_CLIENTS || domain >= PREC_LEDGER_DOMAINS ||
	    bytes == 0)
		want = PREC_INVALID;
	else if (dead(domain) || bytes > quota[client] - held(client))
		want = PREC_REFUSED;
	else if (i == PREC_LEDGER_RANGES)
		want = PREC_FULL;
	is = prec_ledger_grant(&ledger, client, domain, bytes, &range);
	if (is != want)
		fail("grant says otherwise");
	if (is != PREC_OK && range != NOBODY)
		fail("grant failed and wrote");
	if (is != PREC_OK)
		return;
	if (range >= PREC_LEDGER_RANGES || loans[range].lent)
		fail("grant gave a range that is taken");
	loans[range] = (struct loan){
		.lent = true, .client = client, .domain = domain, .bytes = bytes
	};
}

static enum prec_status may_pin(uint32_t client, uint32_t range)
{
	if (range >= PREC_LEDGER_RANGES)
		return PREC_INVALID;
	if (state_of(range) != PREC_PIN_LIVE)
		return PREC_GONE;
	if (loans[range].client != client)
		return PREC_RIGHTS;
	return dead(loans[range].domain) ? PREC_REFUSED : PREC_OK;
}

static void pin(void)
{
	uint32_t range = some_range();
	uint32_t place = some_place();
	uint32_t client = below(CLIENTS);
	enum prec_status want;

	if (range < PREC_LEDGER_RANGES && below(9))
		client = loans[range].client;
	want = may_pin(client, range);
	if (want == PREC_OK && place >= PREC_LEDGER_PLACES)
		want = PREC_INVALID;
	if (want == PREC_OK && named[place] != NOBODY)
		want = PREC_BUSY;
	if (prec_ledger_pin(&ledger, client, range, place) != want)
		fail("pin says otherwise");
	if (want == PREC_OK)
		named[place] = range;
}

static void pin_all(void)
{
	uint32_t ranges[8];
	uint32_t count = below(8);
	uint32_t first = below(PLACES);
	uint32_t client = below(CLIENTS);
	bool want;
	bool is;
	uint32_t i;

	if (below(30) == 0)
		first = below(2) ? 0u - below(9)
				 : PREC_LEDGER_PLACES - below(9);
	want = first <= PREC_LEDGER_PLACES &&
	       count <= PREC_LEDGER_PLACES - first;
	for (i = 0; i < count; i++) {
		ranges[i] = some_range();
		if (i > 0 && below(4) == 0)
			ranges[i] = ranges[i - 1];
		else if (ranges[i] < PREC_LEDGER_RANGES && i == 0)
			client = loans[ranges[i]].client;
		want = want && may_pin(client, ranges[i]) == PREC_OK &&
		       named[first + i] == NOBODY;
	}
	is = prec_ledger_pin_all(&ledger, client, ranges, count, first) ==
	     PREC_OK;
	if (is != want)
		fail("pin_all says otherwise");
	for (i = 0; want && i < count; i++)
		named[first + i] = ranges[i];
}

static void unpin(void)
{
	uint32_t place = some_place();
	struct prec_unpin out = { 7, 7, true };
	uint32_t range;

	if (place >= PREC_LEDGER_PLACES || named[place] == NOBODY) {
		if (prec_ledger_unpin(&ledger, place, &out) != PREC_INVALID)
			fail("a pin that is none was undone");
		if (out.range != 7 || out.quiet != 7)
			fail("unpin failed and wrote");
		return;
	}
	range = named[place];
	named[place] = NOBODY;
	count_uses();
	if (prec_ledger_unpin(&ledger, place, &out) != PREC_OK)
		fail("a pin cannot be undone");
	if (out.range != range ||
	    out.quiet != (state_of(range) == PREC_PIN_QUIET ? range : NOBODY))
		fail("unpin names another range");
	if (out.believed != (state_of(range) == PREC_PIN_LIVE))
		fail("a device is believed wrongly");
}

static void revoke(void)
{
	uint32_t range = some_range();
	uint32_t quiet = 7;

	if (range >= PREC_LEDGER_RANGES || state_of(range) != PREC_PIN_LIVE) {
		if (prec_ledger_revoke(&ledger, range, &quiet) !=
			    PREC_INVALID ||
		    quiet != 7)
			fail("a range that is not live was revoked");
		return;
	}
	if (prec_ledger_revoke(&ledger, range, &quiet) != PREC_OK)
		fail("a range cannot be revoked");
	loans[range].revoked = true;
	if (quiet != (uses[range] ? NOBODY : range))
		fail("revoke says quiet wrongly");
}

static void cut_off(void)
{
	uint32_t range = some_range();
	bool want = range < PREC_LEDGER_RANGES &&
		    state_of(range) == PREC_PIN_DRAINING;

	if ((prec_ledger_cut_off(&ledger, range) == PREC_OK) != want)
		fail("cut off says otherwise");
	if (want)
		loans[range].cut_off = true;
}

static void quiesced(void)
{
	uint32_t domain = below(DOMAINS);
	uint32_t want = 0;
	uint32_t i;

	for (i = 0; i < PREC_LEDGER_RANGES; i++)
		want += loans[i].domain == domain &&
			(state_of(i) == PREC_PIN_DRAINING ||
			 state_of(i) == PREC_PIN_QUARANTINED);
	for (i = 0; i < PREC_LEDGER_PLACES; i++)
		if (named[i] != NOBODY && loans[named[i]].domain == domain)
			named[i] = NOBODY;
	if (prec_ledger_quiesced(&ledger, domain) != want)
		fail("another number became quiet");
}

static void release(void)
{
	uint32_t range = some_range();
	uint32_t from = below(PREC_LEDGER_RANGES);
	uint32_t next;
	enum prec_status want = PREC_OK;

	for (next = from;
	     next < PREC_LEDGER_RANGES && state_of(next) != PREC_PIN_QUIET;
	     next++)
		;
	if (next == PREC_LEDGER_RANGES)
		next = PREC_NONE;
	if (prec_ledger_next_quiet(&ledger, from) != next)
		fail("another range is the next quiet one");
	if (next != PREC_NONE && below(2))
		range = next;
	if (range >= PREC_LEDGER_RANGES || !loans[range].lent)
		want = PREC_INVALID;
	else if (state_of(range) != PREC_PIN_QUIET)
		want = PREC_BUSY;
	if (prec_ledger_release(&ledger, range) != want)
		fail("release says otherwise");
	if (want == PREC_OK)
		loans[range] = (struct loan){ 0 };
}

static void condemn(void)
{
	uint32_t range = some_range();
	bool want = range < PREC_LEDGER_RANGES && loans[range].revoked;

	if ((prec_ledger_condemn(&ledger, range) == PREC_OK) != want)
		fail("condemn says otherwise");
	if (want)
		loans[range].condemned = true;
}

static uint32_t some_domain(void)
{
	if (below(10) == 0)
		return PREC_LEDGER_DOMAINS + below(2) * 0xfffffu;
	return below(DOMAINS);
}

static void shut_domain(void)
{
	uint32_t domain = some_domain();
	bool want = domain < PREC_LEDGER_DOMAINS;

	if ((prec_ledger_shut(&ledger, domain) == PREC_OK) != want)
		fail("shut says otherwise");
	if (want)
		shut[domain] = true;
}

static void bury(void)
{
	uint32_t domain = some_domain();
	enum prec_status want = PREC_OK;
	uint32_t i;

	if (domain >= PREC_LEDGER_DOMAINS)
		want = PREC_INVALID;
	else if (!dead(domain))
		want = PREC_BUSY;
	if (prec_ledger_bury(&ledger, domain) != want)
		fail("bury says otherwise");
	if (want != PREC_OK)
		return;
	for (i = 0; i < PREC_LEDGER_RANGES; i++)
		if (loans[i].lent && loans[i].domain == domain)
			buried[state_of(i)]++;
	for (i = 0; i < PREC_LEDGER_PLACES; i++)
		if (named[i] != NOBODY && loans[named[i]].domain == domain)
			named[i] = NOBODY;
	for (i = 0; i < PREC_LEDGER_RANGES; i++)
		if (loans[i].domain == domain)
			loans[i] = (struct loan){ 0 };
	shut[domain] = false;
}

static void compare(void)
{
	struct prec_pin_account account;
	uint64_t bytes[CLIENTS][PREC_PIN_CONDEMNED + 1] = { { 0 } };
	uint32_t i;

	count_uses();
	for (i = 0; i < PREC_LEDGER_RANGES; i++) {
		if (ledger.state[i] != state_of(i))
			fail("another state");
		if (ledger.pins[i] != uses[i])
			fail("another count of pins");
		if (loans[i].lent)
			bytes[loans[i].client][state_of(i)] += loans[i].bytes;
		if (loans[i].lent)
			went[state_of(i)]++;
	}
	for (i = 0; i < CLIENTS; i++) {
		account = prec_ledger_account(&ledger, i);
		if (memcmp(account.bytes, bytes[i], sizeof(bytes[i])) != 0)
			fail("another account");
		if (held(i) > quota[i])
			fail("over the quota");
	}
}

static void start(void)
{
	uint32_t i;

	memset(&ledger, 0x5a, sizeof(ledger));
	prec_ledger_init(&ledger);
	memset(loans, 0, sizeof(loans));
	memset(quota, 0, sizeof(quota));
	memset(shut, 0, sizeof(shut));
	for (i = 0; i < PREC_LEDGER_PLACES; i++)
		named[i] = NOBODY;
	compare();
}

static void one_step(bool grow)
{
	switch (below(16)) {
	case 0:
		set_quota();
		break;
	case 1:
	case 2:
	case 3:
	case 4:
		grant();
		break;
	case 5:
		pin_all();
		break;
	case 6:
	case 7:
		pin();
		break;
	case 8:
	case 9:
	case 10:
		if (!grow || below(4) == 0)
			unpin();
		break;
	case 11:
	case 12:
		if (!grow || below(8) == 0)
			revoke();
		break;
	case 13:
		cut_off();
		break;
	case 14:
		release();
		break;
	default:
		if (below(40) == 0)
			quiesced();
		else if (below(20) == 0)
			condemn();
		else if (below(30) == 0)
			shut_domain();
		else if (below(10) == 0)
			bury();
		break;
	}
}

static void fill(void)
{
	uint32_t range = NOBODY;
	uint32_t i;

	start();
	if (prec_ledger_quota(&ledger, 0, ~0ull) != PREC_OK)
		fail("the largest quota was refused");
	for (i = 0; i < PREC_LEDGER_RANGES; i++)
		if (prec_ledger_grant(&ledger, 0, 0, 1, &range) != PREC_OK)
			fail("full too early");
	if (prec_ledger_grant(&ledger, 0, 0, 1, &range) != PREC_FULL)
		fail("never full");
}

int main(void)
{
	uint32_t i;

	fill();
	start();
	for (step = 1; step < STEPS; step++) {
		if (step % 5000 == 0)
			start();
		one_step(step / 1000 % 2 == 0);
		compare();
	}
	for (i = PREC_PIN_LIVE; i <= PREC_PIN_CONDEMNED; i++) {
		if (went[i] == 0)
			fail("a state was never reached");
		if (buried[i] == 0)
			fail("a state was never buried");
	}
	return 0;
}
