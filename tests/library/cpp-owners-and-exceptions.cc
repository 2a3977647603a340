// SPDX-License-Identifier: MIT
/*
 * precarium.hpp: regions and scopes end with their block, be it by an
 * exception; what cannot be made is an exception, and what a client does is not.
 */
#include <sys/mman.h>
#include <unistd.h>

#include <memory>

#include <precarium/precarium.hpp>

#include "tests/expect.h"

namespace
{
const uint64_t PAGE = 4096;

struct client {
	int fd = memfd_create("client", 0);
	client()
	{
		MUST(ftruncate(fd, 4 * PAGE) == 0);
		MUST(pwrite(fd, "x", 1, 0) == 1);
	}
	~client()
	{
		close(fd);
	}
	prec_lending lending(uint32_t options = 0)
	{
		prec_lending lending = {};

		lending.fd = fd;
		lending.size = 4 * PAGE;
		lending.rights = PREC_READ;
		lending.options = options;
		return lending;
	}
	void take_all()
	{
		MUST(ftruncate(fd, 0) == 0);
	}
};

void regions_end()
{
	client client;
	uint64_t host;

	{
		auto region = std::make_unique<prec::region>(client.lending());

		host = region->span().host;
		EXPECT(prec_region_at(host) == region->get());
		EXPECT(region->data()[0] == 'x' && region->size() == 4 * PAGE);
		EXPECT(region->check() == PREC_OK);
	}
	EXPECT(prec_region_at(host) == nullptr);
}

template <typename Try> prec_status status_of(Try attempt, prec_refusal why)
{
	try {
		attempt();
	} catch (const prec::error &error) {
		EXPECT(error.refusal == why && error.what()[0]);
		return error.status;
	}
	return PREC_OK;
}

void refused()
{
	client client;
	prec_adoption nowhere = {};

	EXPECT(status_of(
		       [&] {
			       prec_lending lending = client.lending();
			       lending.size = 5 * PAGE;
			       prec::region region(lending);
		       },
		       PREC_REFUSAL_TOO_SHORT) == PREC_REFUSED);
	EXPECT(status_of([&] { prec::region region(nowhere); },
			 PREC_REFUSAL_NONE) == PREC_INVALID);
	EXPECT(status_of(
		       [&] {
			       prec::region region(client.lending());
			       MUST(region.revoke() == PREC_OK);
			       prec::scope scope(region);
		       },
		       PREC_REFUSAL_NONE) == PREC_REFUSED);
	EXPECT(prec_transaction_current() == nullptr);
}

void scopes_end()
{
	client client;
	prec::region region(client.lending());

	try {
		prec::scope outer(region);
		prec::scope inner(region);
		throw 7;
	} catch (int thrown) {
		EXPECT(thrown == 7);
	}
	EXPECT(prec_transaction_current() == nullptr);
	{
		prec::scope scope(region);

		EXPECT(region.data()[0] == 'x');
		EXPECT(scope.end() == PREC_OK);
		EXPECT(scope.end() == PREC_INVALID);
	}
	prec::scope scope(region);
	client.take_all();
	EXPECT(region.data()[PAGE] == 0);
	EXPECT(scope.note().substituted);
	EXPECT(scope.end() == PREC_DISTURBED);
}

UNWATCHED
void transactions_run()
{
	client client;
	prec::region region(client.lending());
	unsigned char first = 0;

	EXPECT(prec::run(region, PREC_ABANDON, [&](prec_transaction &t) {
		       t.cursor = 1;
		       first = region.data()[0];
	       }) == PREC_OK);
	EXPECT(first == 'x');
	try {
		MUST(prec::run(region, PREC_SUBSTITUTE,
			       [](prec_transaction &) { throw 8; }) == PREC_OK);
	} catch (int thrown) {
		EXPECT(thrown == 8);
	}
	EXPECT(prec_transaction_current() == nullptr);
	/* A scope that its transaction's exception skipped has ended with it. */
	try {
		MUST(prec::run(region, PREC_ABANDON, [&](prec_transaction &) {
			     static prec_region *one[] = { region.get() };
			     static prec_transaction leaked = {};
			     leaked.regions = one;
			     leaked.region_count = 1;
			     leaked.policy = PREC_SUBSTITUTE;
			     MUST(prec_scope_begin(&leaked) == PREC_OK);
			     throw 9;
		     }) == PREC_OK);
	} catch (int thrown) {
		EXPECT(thrown == 9);
	}
	EXPECT(prec_transaction_current() == nullptr);
	client.take_all();
	EXPECT(prec::run(region, PREC_ABANDON, [&](prec_transaction &) {
		       first = region.data()[0];
	       }) == PREC_GONE);
}
} // namespace

int main()
{
	regions_end();
	refused();
	scopes_end();
	transactions_run();
	return expect_end();
}
