/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_CLAIM_H
#define PRECARIUM_CLAIM_H

#include <stdint.h>

#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The rule by which the handler decides whether a fault is ours, as a function
 * of three facts and nothing else: what the system reports, where the fault
 * happened, and what code caused it.  A fault is claimed only if all three
 * allow it.
 */

/* What the system reports. */
enum prec_fault_kind {
	PREC_FAULT_OTHER = 0, /* never ours: sent by a process, misaligned, or
			         forbidden by protection, a key or a tag */
	PREC_FAULT_GONE,      /* the client no longer has the page */
	PREC_FAULT_POISONED,  /* the page's memory failed */
	PREC_FAULT_UNMAPPED,  /* nothing is mapped there */
};

/* Where it happened, by the table of regions. */
enum prec_fault_place {
	PREC_PLACE_FOREIGN = 0, /* in no region */
	PREC_PLACE_REGION,      /* in a region of lent memory */
	PREC_PLACE_WITHDRAWN,   /* in a region that was revoked */
};

/* What caused it, by the instruction and the thread. */
enum prec_fault_actor {
	PREC_ACTOR_NOBODY = 0,  /* any other code */
	PREC_ACTOR_ACCESSOR,    /* an instruction of the library's accessors */
	PREC_ACTOR_ABANDON,     /* code in a transaction that abandons */
	PREC_ACTOR_SUBSTITUTE,  /* code in one that substitutes */
	PREC_ACTOR_ON_TOP,      /* a handler that interrupted a
			            transaction */
	PREC_ACTOR_STAYS,       /* code that cannot be left: in a scope, or any
			            code in a region that tolerates losses */
};

enum prec_verdict {
	PREC_VERDICT_PASS = 0,   /* not ours: pass it on, unchanged */
	PREC_VERDICT_FIX,        /* the accessor reports it */
	PREC_VERDICT_ABANDON,    /* leave the transaction */
	PREC_VERDICT_SUBSTITUTE, /* map an empty page, else abandon */
	PREC_VERDICT_COVER,      /* map an empty page, else pass it on: there is
			            nowhere to leave to */
};

/*
 * The table covers all inputs:
 *
 *   kind              place      actor       verdict
 *   gone, poisoned    region or  accessor    fix
 *                     withdrawn  abandon     abandon
 *                                substitute  substitute
 *                                on top      cover
 *                                stays       cover
 *   unmapped          withdrawn  as above    as above, but no page may be
 *                                            mapped there: substitute becomes
 *                                            abandon, and cover becomes pass
 *   everything else                          pass
 */
/*@
  terminates \true;
  exits \false;
  assigns \nothing;
  behavior taken:
    assumes kind: kind == PREC_FAULT_GONE || kind == PREC_FAULT_POISONED;
    assumes place: place == PREC_PLACE_REGION ||
      place == PREC_PLACE_WITHDRAWN;
    ensures verdict: \result ==
      (actor == PREC_ACTOR_ACCESSOR ? PREC_VERDICT_FIX :
       actor == PREC_ACTOR_ABANDON ? PREC_VERDICT_ABANDON :
       actor == PREC_ACTOR_SUBSTITUTE ? PREC_VERDICT_SUBSTITUTE :
       actor == PREC_ACTOR_ON_TOP || actor == PREC_ACTOR_STAYS ?
         PREC_VERDICT_COVER :
       PREC_VERDICT_PASS);
  behavior unmapped:
    assumes kind: kind == PREC_FAULT_UNMAPPED;
    assumes place: place == PREC_PLACE_WITHDRAWN;
    ensures verdict: \result ==
      (actor == PREC_ACTOR_ACCESSOR ? PREC_VERDICT_FIX :
       actor == PREC_ACTOR_ABANDON || actor == PREC_ACTOR_SUBSTITUTE ?
         PREC_VERDICT_ABANDON :
       PREC_VERDICT_PASS);
  behavior foreign:
    assumes neither: !(kind == PREC_FAULT_GONE ||
      kind == PREC_FAULT_POISONED) || !(place == PREC_PLACE_REGION ||
      place == PREC_PLACE_WITHDRAWN);
    assumes nor: !(kind == PREC_FAULT_UNMAPPED &&
      place == PREC_PLACE_WITHDRAWN);
    ensures verdict: \result == PREC_VERDICT_PASS;
  complete behaviors;
  disjoint behaviors;
*/
PREC_EXPORT enum prec_verdict prec_fault_decide(enum prec_fault_kind kind,
						enum prec_fault_place place,
						enum prec_fault_actor actor);

#ifdef __cplusplus
}
#endif
#endif
