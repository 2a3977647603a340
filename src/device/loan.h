/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_LOAN_H
#define PRECARIUM_DEVICE_LOAN_H

#include <stdbool.h>

struct device;
struct lane;
struct memory;
struct memory_region;

/*
 * Passing memory that a client lent to us on to a store that a hardware device
 * works for: see the loans of store.h.  For a store that takes no loans all
 * this does nothing, and memory is settled at once.
 *
 * A region is entered in the client's table first and lent second, so that what
 * is refused leaves nothing behind.  It is unmapped only after its loan has
 * LEFT: as long as a region is here, so is the object that the store knows.
 */

/* What has become of loans. */
enum loan_answer {
	LOAN_SETTLED, /* all are HERE, or none was wanted */
	LOAN_MOVING,  /* some are COMING, LEAVING or HELD */
	LOAN_REFUSED, /* some were not taken, and none moves */
};

/* Does the store of the device take any? */
bool loan_is_wanted(const struct device *device);

/* Lend one region, or all of a table, for the device. */
void loan_lend(struct device *device, struct memory_region *region);
void loan_lend_all(struct device *device, const struct memory *memory);

/* Take it back.  The store may still have requests of it only if the client has
 * ended, or the region was lost. */
void loan_take_back(struct device *device, struct memory_region *region);
void loan_take_back_all(struct device *device, const struct memory *memory);

/* Some memory of the device's client was found gone: take back what that is. */
void loan_take_back_lost(struct device *device);

/*
 * What has become of a region that was lent.  A region of which the client took
 * a part while the store pinned it is taken back: MOVING, and then REFUSED, as
 * is one that was lost since.  *why then says what was expected.
 */
enum loan_answer loan_ask(struct device *device, struct memory_region *region,
			  const char **why);
/* Likewise all of a table: MOVING, if any is. */
enum loan_answer loan_ask_all(struct device *device,
			      const struct memory *memory, const char **why);

/* No loan of these is on its way or at the store. */
bool loan_has_left(const struct memory_region *region);
bool loan_all_have_left(const struct memory *memory);

/* Take what the store says of its loans. */
void loan_take_news(struct lane *lane);
/* Count, for statistics, how much of the device's loans is in which state. */
void loan_count(struct device *device);

/* Give the device a number that its loans and requests are of.  False: the
 * store has no more for this thread. */
bool loan_take_owner(struct device *device);
/* All its loans have left. */
void loan_give_owner(struct device *device);

#endif
