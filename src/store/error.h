/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_ERROR_H
#define PRECARIUM_STORE_ERROR_H

#include <stdbool.h>

/* Why a store could not be opened, resized or given a lane: one line for a
 * person, which says what is wrong, with which image, and what was expected.
 * Placed by the caller; valid after a call that failed. */
struct store_error {
	char text[480];
	/* All that is wrong is what the image holds, which may be what one of
	 * its clients wrote. */
	bool content;
};

/* Write the line; a longer one is cut.  Clears `content`.  Returns false, for a
 * caller that fails with it. */
__attribute__((format(printf, 2, 3))) bool store_fail(struct store_error *error,
						      const char *format, ...);

#endif
