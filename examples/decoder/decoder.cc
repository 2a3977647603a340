// SPDX-License-Identifier: MIT
/*
 * A decoder that throws, over memory that may be taken back.
 *
 * `decode` stands for a library: it takes plain pointers, allocates, and throws
 * at bad input.  Between the ends of a prec::scope it may do all of this: lost
 * pages read as zeroes, destructors run, and the scope ends with its block.
 * Whether what was decoded may be believed is asked at the end.
 *
 *   make && ./decoder
 */
#include <precarium/precarium.hpp>

#include <cstdio>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

/* Third-party code: pairs of a count and a byte, up to a count of 255. */
static std::string decode(const unsigned char *from, std::size_t size)
{
	std::string text;

	for (std::size_t i = 0; i + 1 < size; i += 2) {
		if (from[i] == 255)
			return text;
		if (from[i] == 0)
			throw std::runtime_error("a run of no bytes");
		text.append(from[i], static_cast<char>(from[i + 1]));
	}
	throw std::runtime_error("it does not end");
}

/* Our part: what came of it. */
static std::string decode_lent(prec::region &region)
{
	try {
		prec::scope scope(region);
		std::string text = decode(
			const_cast<const unsigned char *>(region.data()),
			region.size());

		/* The client may write while we read, so the text may be any
		 * text; but it is ours, and of pages that were there. */
		return scope.end() == PREC_OK ? text : "gone: " + text;
	} catch (const prec::error &refused) {
		return std::string("no scope: ") + refused.what();
	} catch (const std::exception &bad) {
		return std::string("bad input: ") + bad.what();
	}
}

/* The client's part. */
static int client_file(const char *bytes, std::size_t size)
{
	int fd = memfd_create("client", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 8192) != 0 ||
	    pwrite(fd, bytes, size, 0) != static_cast<ssize_t>(size))
		throw std::runtime_error("no file");
	return fd;
}

enum taking { KEEPS, TAKES, REVOKED };

static bool expect(const char *bytes, std::size_t size, taking how,
		   const char *expected)
{
	prec_lending lending = prec_lending();
	std::string result;

	lending.fd = client_file(bytes, size);
	lending.size = 8192;
	lending.rights = PREC_READ;
	{
		prec::region region(lending);

		if (how == TAKES && ftruncate(lending.fd, 0) != 0)
			return false;
		if (how == REVOKED && region.revoke() != PREC_OK)
			return false;
		result = decode_lent(region);
	}
	close(lending.fd);
	std::printf("%s\n", result.c_str());
	return result == expected && prec_transaction_current() == nullptr;
}

int main()
{
	prec_lending nothing = prec_lending();
	bool good = expect("\3a\2b\377", 6, KEEPS, "aaabb");

	good &= expect("\3a\0b\377", 6, KEEPS, "bad input: a run of no bytes");
	good &= expect("\3a\2b\377", 6, TAKES, "bad input: a run of no bytes");
	good &= expect("\3a\2b\377", 6, REVOKED, "no scope: refused");
	nothing.fd = -1;
	nothing.size = 4096;
	nothing.rights = PREC_READ;
	try {
		prec::region region(nothing);
		good = false;
	} catch (const prec::error &error) {
		std::printf("%s\n", error.what());
	}
	return good ? 0 : 1;
}
