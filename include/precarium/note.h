/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_NOTE_H
#define PRECARIUM_NOTE_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The faults that a transaction met; all zeroes if none. */
struct prec_note {
	uint64_t address;  /* this process's address of the first fault */
	uint64_t faults;   /* number of faults claimed */
	uint64_t lost_host; /* first range that was replaced, */
	uint64_t lost_size; /* and its size in bytes */
	bool abandoned;    /* it was left at `address` */
	bool substituted;  /* it has empty pages, from any thread */
	bool write;        /* the first fault was a store */
};

/*
 * The rest is for a port, which is the only code that writes a note; programs
 * read it.  The caller is the transaction's thread, a handler that interrupted
 * it, or whoever keeps it stopped.
 */

/*@
  // What a note has said it goes on saying.
  predicate note_kept(struct prec_note before, struct prec_note after) =
    before.faults <= after.faults &&
    (before.faults > 0 ==> after.address == before.address &&
      (after.write <==> before.write)) &&
    (before.abandoned ==> after.abandoned) &&
    (before.substituted ==> after.substituted &&
      after.lost_host == before.lost_host &&
      after.lost_size == before.lost_size);

  // It has not heard of any loss.
  predicate note_clean(struct prec_note n) =
    n.faults == 0 && !n.abandoned && !n.substituted;
*/

/* A fault of this transaction was claimed. */
/*@
  requires note: \valid(note);
  terminates \true;
  exits \false;
  assigns note->faults, note->address, note->write;
  ensures kept: note_kept(\old(*note), *note);
  ensures told: note->faults > 0;
  ensures counted: \old(note->faults) < UINT64_MAX ==>
    note->faults == \old(note->faults) + 1;
  ensures first: \old(note->faults) == 0 ==>
    note->address == address && (note->write <==> write);
*/
void prec_note_fault(struct prec_note *note, uint64_t address, bool write);

/* The transaction was abandoned at the fault. */
/*@
  requires note: \valid(note);
  terminates \true;
  exits \false;
  assigns note->abandoned;
  ensures kept: note_kept(\old(*note), *note);
  ensures told: note->abandoned;
*/
void prec_note_abandoned(struct prec_note *note);

/* `size` bytes at `host` were replaced by empty pages. */
/*@
  requires note: \valid(note);
  terminates \true;
  exits \false;
  assigns note->substituted, note->lost_host, note->lost_size;
  ensures kept: note_kept(\old(*note), *note);
  ensures told: note->substituted;
  ensures first: !\old(note->substituted) ==>
    note->lost_host == host && note->lost_size == size;
*/
void prec_note_replaced(struct prec_note *note, uint64_t host, uint64_t size);

/*
 * The result of the transaction.  `left`: it was abandoned.  `replaced`: one of
 * its regions has empty pages, from any thread.  The epochs are sums over its
 * regions, at entry and now.  Each epoch only grows (prec_epoch_next), so the
 * sums are equal only if none has moved.
 */
/*@
  requires note: \valid(note);
  terminates \true;
  exits \false;
  assigns note->substituted;
  ensures said: \result == PREC_OK || \result == PREC_GONE ||
    \result == PREC_DISTURBED;
  ensures kept: note_kept(\old(*note), *note);
  ensures good: \result == PREC_OK <==> !left && !replaced &&
    epochs_before == epochs_now && note_clean(\old(*note));
  ensures left: left || \old(note->abandoned) ==> \result == PREC_GONE;
  ensures disturbed: \result == PREC_DISTURBED ==> note->substituted;
  ensures told: !left && !\old(note->abandoned) ==>
    (\result == PREC_DISTURBED <==> replaced || \old(note->substituted));
*/
PREC_INLINE enum prec_status prec_note_outcome(struct prec_note *note,
						 bool left, bool replaced,
						 uint64_t epochs_before,
						 uint64_t epochs_now)
{
	if (left || note->abandoned)
		return PREC_GONE;
	if (replaced || note->substituted) {
		note->substituted = true;
		return PREC_DISTURBED;
	}
	if (epochs_before != epochs_now || note->faults)
		return PREC_GONE;
	return PREC_OK;
}

/* The next epoch, later than every one before.  At one loss a nanosecond, the
 * last is reached after 584 years. */
/*@
  requires not_last: epoch < UINT64_MAX;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures later: \result == epoch + 1;
*/
uint64_t prec_epoch_next(uint64_t epoch);

#ifdef __cplusplus
}
#endif
#endif
