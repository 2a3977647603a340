// SPDX-License-Identifier: MIT
#ifndef PRECARIUM_PRECARIUM_HPP
#define PRECARIUM_PRECARIUM_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <stdexcept>
#include <type_traits>

#include <precarium/precarium.h>

/*
 * The same in C++11, with owners and exceptions.  Nothing here is in the
 * library: it is what a program would write around precarium.h.
 *
 * What a client does is not an exception: losses are statuses.  An `error` is
 * thrown where a constructor cannot do what it is for.
 */
namespace prec
{

/* Why a region could not be made, or a scope not be entered. */
class error : public std::runtime_error
{
public:
	explicit error(prec_status status, prec_refusal refusal = PREC_REFUSAL_NONE)
	    : std::runtime_error(refusal ? prec_refusal_text(refusal)
					 : prec_status_name(status)),
	      status(status), refusal(refusal)
	{
	}
	const prec_status status;
	const prec_refusal refusal;
};

/* A region from its construction to its end.  It cannot be moved, as the
 * library knows where it is; to hand it on, keep it in a std::unique_ptr.
 * Ending it while a transaction is open on it ends the program. */
class region
{
public:
	explicit region(const prec_lending &lending)
	{
		prec_refusal why = PREC_REFUSAL_NONE;
		prec_status status = prec_region_map(&own, &lending, &why);

		if (status != PREC_OK)
			throw error(status, why);
	}
	explicit region(const prec_adoption &adoption)
	{
		prec_status status = prec_region_adopt(&own, &adoption);

		if (status != PREC_OK)
			throw error(status);
	}
	~region()
	{
		if (prec_region_unmap(&own) != PREC_OK)
			std::terminate();
	}
	region(const region &) = delete;
	region &operator=(const region &) = delete;

	prec_region *get() noexcept { return &own; }
	prec_span span() const noexcept { return own.span; }
	std::size_t size() const noexcept { return own.span.size; }
	std::uint64_t epoch() const noexcept { return prec_region_epoch(&own); }
	prec_status check() noexcept { return prec_region_check(&own); }
	prec_status revoke() noexcept { return prec_region_revoke(&own); }
	prec_status grow(std::uint64_t size) noexcept
	{
		return prec_region_grow(&own, size);
	}
	/* For use in a transaction or a scope, or if it tolerates losses.  Copy
	 * before you decide: the client may write at any instant. */
	volatile unsigned char *data() const noexcept
	{
		return static_cast<volatile unsigned char *>(
			prec_plain(prec_lent(&own)));
	}

private:
	prec_region own;
};

/*
 * Work with plain pointers, on empty pages where memory is lost, until end() or
 * the end of the block, be it by an exception.  Who leaves without end() does
 * not learn what was lost.
 */
class scope
{
public:
	explicit scope(region &on) : one(on.get()), own()
	{
		own.regions = &one;
		own.region_count = 1;
		own.policy = PREC_SUBSTITUTE;
		prec_status status = prec_scope_begin(&own);

		if (status != PREC_OK)
			throw error(status);
	}
	~scope()
	{
		if (open && prec_scope_end(&own) == PREC_INVALID)
			std::terminate(); /* not what was begun last */
	}
	scope(const scope &) = delete;
	scope &operator=(const scope &) = delete;

	prec_status end() noexcept
	{
		open = false;
		return prec_scope_end(&own);
	}
	const prec_note &note() const noexcept { return own.note; }

private:
	prec_region *one;
	prec_transaction own;
	bool open = true;
};

/*
 * Run `work(transaction)` as a transaction on one region.  An exception that
 * leaves it ends the transaction and goes on to the caller.  With PREC_ABANDON
 * nothing in it is unwound when memory is lost: no destructor runs, so it must
 * hold nothing.
 */
template <typename Work>
prec_status run(region &on, prec_policy policy, Work &&work)
{
	using plain = typename std::remove_reference<Work>::type;
	prec_region *one = on.get();
	prec_transaction own = prec_transaction();

	own.regions = &one;
	own.region_count = 1;
	own.policy = policy;
	return prec_transaction_run(
		&own,
		[](prec_transaction *transaction, void *argument) {
			(*static_cast<plain *>(argument))(*transaction);
		},
		const_cast<typename std::remove_const<plain>::type *>(&work));
}

} // namespace prec

#endif
