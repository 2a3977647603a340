// SPDX-License-Identifier: MIT
#include <precarium/claim.h>

/*@
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures verdict: \result ==
    (actor == PREC_ACTOR_ACCESSOR ? PREC_VERDICT_FIX :
     actor == PREC_ACTOR_ABANDON ? PREC_VERDICT_ABANDON :
     actor == PREC_ACTOR_SUBSTITUTE ? PREC_VERDICT_SUBSTITUTE :
     actor == PREC_ACTOR_ON_TOP || actor == PREC_ACTOR_STAYS ?
       PREC_VERDICT_COVER :
     PREC_VERDICT_PASS);
*/
static enum prec_verdict by_actor(enum prec_fault_actor actor)
{
	switch (actor) {
	case PREC_ACTOR_ACCESSOR:
		return PREC_VERDICT_FIX;
	case PREC_ACTOR_ABANDON:
		return PREC_VERDICT_ABANDON;
	case PREC_ACTOR_SUBSTITUTE:
		return PREC_VERDICT_SUBSTITUTE;
	case PREC_ACTOR_ON_TOP:
	case PREC_ACTOR_STAYS:
		return PREC_VERDICT_COVER;
	case PREC_ACTOR_NOBODY:
		break;
	}
	return PREC_VERDICT_PASS;
}

enum prec_verdict prec_fault_decide(enum prec_fault_kind kind,
				    enum prec_fault_place place,
				    enum prec_fault_actor actor)
{
	enum prec_verdict verdict = by_actor(actor);

	if (place != PREC_PLACE_REGION && place != PREC_PLACE_WITHDRAWN)
		return PREC_VERDICT_PASS;
	if (kind == PREC_FAULT_GONE || kind == PREC_FAULT_POISONED)
		return verdict;
	if (kind != PREC_FAULT_UNMAPPED || place != PREC_PLACE_WITHDRAWN)
		return PREC_VERDICT_PASS;
	if (verdict == PREC_VERDICT_SUBSTITUTE)
		return PREC_VERDICT_ABANDON;
	if (verdict == PREC_VERDICT_COVER)
		return PREC_VERDICT_PASS;
	return verdict;
}
