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

/*
 * What every call answers.  0 is good.  Everything else means that nothing
 * changed, unless the call says otherwise.
 */
enum prec_status {
	PREC_OK = 0,
	PREC_GONE,     /* the client took the memory back: an ordinary outcome */
	PREC_RANGE,    /* not wholly inside the region, the span or the space */
	PREC_RIGHTS,   /* lent read-only, or write-only, and asked otherwise */
	PREC_REFUSED,  /* not accepted as lent memory: see enum prec_refusal */
	PREC_INVALID,  /* an argument that no caller should pass */
	PREC_FULL,     /* a fixed table has no room */
	PREC_BUSY,     /* somebody is still inside */
	PREC_OVERLAP,  /* the range meets one that is there already */
	PREC_DISTURBED,/* memory was replaced by an empty page meanwhile */
	PREC_SYSTEM,   /* the system refused: its error number is told beside */
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
 * How much of an operation happened, to the byte.  `done` bytes from the start
 * certainly happened and, unless a call says otherwise, no byte beyond them.
 * `error` is the system's error number when status is PREC_SYSTEM, else 0.
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
