/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STATUS_H
#define PRECARIUM_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && !defined(__FRAMAC__)
#define PREC_MUST_CHECK __attribute__((warn_unused_result))
#define PREC_EXPORT     __attribute__((visibility("default")))
#else
#define PREC_MUST_CHECK
#define PREC_EXPORT
#endif

/* The library has each of these functions as a symbol, too, for languages that
 * read no headers; the file that defines them sets this. */
#ifndef PREC_INLINE
#define PREC_INLINE static inline
#endif

/*
 * The result of every call.  0 is success.  Everything else means that nothing
 * has changed, unless the call says otherwise.
 */
enum prec_status {
	PREC_OK = 0,
	PREC_GONE,     /* the client took the memory back: ordinary */
	PREC_RANGE,    /* not wholly inside the region, the span or the space */
	PREC_RIGHTS,   /* the memory is not lent with the rights needed */
	PREC_REFUSED,  /* not accepted as lent memory, or taken back before:
			  nothing was begun */
	PREC_INVALID,  /* an argument makes no sense */
	PREC_FULL,     /* a fixed table has no room */
	PREC_BUSY,     /* another thread, or a pin, still uses it */
	PREC_OVERLAP,  /* the range overlaps an existing one */
	PREC_DISTURBED,/* an empty page took the place of lost memory */
	PREC_SYSTEM,   /* the system refused: see errno, or `error` */
};

/* The name of a status, for messages.  Never NULL; static storage. */
/*@
  terminates \true;
  exits \false;
  assigns \result \from status;
  ensures told: \result != \null;
*/
PREC_EXPORT const char *prec_status_name(enum prec_status status);

/*
 * How much of an operation happened, to the byte: `done` bytes from the start
 * for certain and, unless a call says otherwise, no byte beyond them.  `error`
 * is the system's error number if status is PREC_SYSTEM, else 0.
 */
struct prec_result {
	enum prec_status status;
	int32_t error;
	uint64_t done;
};

#ifdef __cplusplus
}
#endif
#endif
