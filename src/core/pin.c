// SPDX-License-Identifier: MIT
#include <precarium/pin.h>

/*
 * Two sums must stay true: the pins of a range are the number of places that
 * name it, and what a client holds is the sum of the bytes of its ranges.  The
 * provers cannot see either in one step, so beside each change of a summand
 * stands a ghost loop that recomputes the sum: a proof by induction, in C that
 * the compiler never sees.
 *
 * `bytes` is 0 for a free range and for no other, so a range can change its
 * state without changing the sums.
 */

/*@ ghost
  /@ requires ledger: \valid(ledger);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures \forall integer r, n; 0 <= n <= PREC_LEDGER_PLACES ==>
       0 <= pins_at(ledger->place, r, n) <= n;
  @/
  void pins_are_bounded(const struct prec_ledger *ledger)
  {
    uint32_t k = 0;
    /@ loop invariant 0 <= k <= PREC_LEDGER_PLACES;
       loop invariant \forall integer r, n; 0 <= n <= k ==>
         0 <= pins_at(ledger->place, r, n) <= n;
       loop assigns k;
       loop variant PREC_LEDGER_PLACES - k;
    @/
    while (k < PREC_LEDGER_PLACES) {
      /@ assert \forall integer r;
           pins_at(ledger->place, r, k + 1) ==
           pins_at(ledger->place, r, k) +
           (ledger->place.range[k] == r + 1 ? 1 : 0); @/
      k++;
    }
  }
*/

/* A range with no pins is named by no place. */
/*@ ghost
  /@ requires ledger: \valid(ledger);
     requires none: pins_at(ledger->place, range, PREC_LEDGER_PLACES) == 0;
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures nothing_pins(*ledger, range);
  @/
  void uncounted(const struct prec_ledger *ledger, uint32_t range)
  {
    uint32_t k = PREC_LEDGER_PLACES;
    pins_are_bounded(ledger);
    /@ loop invariant 0 <= k <= PREC_LEDGER_PLACES;
       loop invariant pins_at(ledger->place, range, k) == 0;
       loop invariant \forall integer p; k <= p < PREC_LEDGER_PLACES ==>
         ledger->place.range[p] != range + 1;
       loop assigns k;
       loop variant k;
    @/
    while (k > 0) {
      /@ assert pins_at(ledger->place, range, k) ==
           pins_at(ledger->place, range, k - 1) +
           (ledger->place.range[k - 1] == range + 1 ? 1 : 0); @/
      /@ assert pins_at(ledger->place, range, k - 1) >= 0; @/
      k--;
    }
  }
*/

/* A range that no place names has no pins. */
/*@ ghost
  /@ requires ledger: \valid(ledger);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures \forall integer r; nothing_pins(*ledger, r) ==>
       pins_at(ledger->place, r, PREC_LEDGER_PLACES) == 0;
  @/
  void unnamed(const struct prec_ledger *ledger)
  {
    uint32_t k = 0;
    /@ loop invariant 0 <= k <= PREC_LEDGER_PLACES;
       loop invariant \forall integer r; nothing_pins(*ledger, r) ==>
         pins_at(ledger->place, r, k) == 0;
       loop assigns k;
       loop variant PREC_LEDGER_PLACES - k;
    @/
    while (k < PREC_LEDGER_PLACES) {
      /@ assert \forall integer r;
           pins_at(ledger->place, r, k + 1) ==
           pins_at(ledger->place, r, k) +
           (ledger->place.range[k] == r + 1 ? 1 : 0); @/
      k++;
    }
  }
*/

/*@ ghost
  /@ requires ledger: \valid(ledger);
     requires none: \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
       ledger->owner.bytes[r] == 0;
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures \forall integer c;
       bytes_of(ledger->owner, c, PREC_LEDGER_RANGES) == 0;
  @/
  void unowned(const struct prec_ledger *ledger)
  {
    uint32_t k = 0;
    /@ loop invariant 0 <= k <= PREC_LEDGER_RANGES;
       loop invariant \forall integer c; bytes_of(ledger->owner, c, k) == 0;
       loop assigns k;
       loop variant PREC_LEDGER_RANGES - k;
    @/
    while (k < PREC_LEDGER_RANGES) {
      /@ assert \forall integer c;
           bytes_of(ledger->owner, c, k + 1) ==
           bytes_of(ledger->owner, c, k) +
           (ledger->owner.client[k] == c ? ledger->owner.bytes[k] : 0);
      @/
      k++;
    }
  }
*/

/* The sums of bytes are monotonic, and at least as large as each summand. */
/*@ ghost
  /@ requires ledger: \valid_read(ledger);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures \forall integer c, i; 0 <= i < PREC_LEDGER_RANGES ==>
       0 <= bytes_of(ledger->owner, c, i) <=
       bytes_of(ledger->owner, c, i + 1) <=
       bytes_of(ledger->owner, c, PREC_LEDGER_RANGES);
     ensures \forall integer i; 0 <= i < PREC_LEDGER_RANGES ==>
       ledger->owner.bytes[i] <=
       bytes_of(ledger->owner, ledger->owner.client[i],
         PREC_LEDGER_RANGES);
  @/
  void bytes_grow(const struct prec_ledger *ledger)
  {
    uint32_t k = 0;
    /@ loop invariant 0 <= k <= PREC_LEDGER_RANGES;
       loop invariant \forall integer c; 0 <= bytes_of(ledger->owner, c, k);
       loop invariant \forall integer c, i; 0 <= i < k ==>
         0 <= bytes_of(ledger->owner, c, i) <=
         bytes_of(ledger->owner, c, i + 1) <=
         bytes_of(ledger->owner, c, k);
       loop invariant \forall integer i; 0 <= i < k ==>
         ledger->owner.bytes[i] <=
         bytes_of(ledger->owner, ledger->owner.client[i], k);
       loop assigns k;
       loop variant PREC_LEDGER_RANGES - k;
    @/
    while (k < PREC_LEDGER_RANGES) {
      /@ assert \forall integer c;
           bytes_of(ledger->owner, c, k + 1) ==
           bytes_of(ledger->owner, c, k) +
           (ledger->owner.client[k] == c ? ledger->owner.bytes[k] : 0);
      @/
      /@ assert 0 <= ledger->owner.bytes[k]; @/
      /@ assert \forall integer c; 0 <= bytes_of(ledger->owner, c, k) <=
           bytes_of(ledger->owner, c, k + 1); @/
      k++;
    }
  }
*/

void prec_ledger_init(struct prec_ledger *ledger)
{
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= PREC_LEDGER_PLACES;
	  loop invariant empty: \forall integer p; 0 <= p < i ==>
	    ledger->place.range[p] == 0;
	  loop assigns i, ledger->place.range[0 .. PREC_LEDGER_PLACES - 1];
	  loop variant PREC_LEDGER_PLACES - i;
	*/
	for (i = 0; i < PREC_LEDGER_PLACES; i++)
		ledger->place.range[i] = 0;
	/*@
	  loop invariant range: 0 <= i <= PREC_LEDGER_RANGES;
	  loop invariant free: \forall integer r; 0 <= r < i ==>
	    ledger->owner.client[r] == 0 && ledger->owner.bytes[r] == 0 &&
	    ledger->state[r] == PREC_PIN_FREE && ledger->pins[r] == 0 &&
	    ledger->domain[r] == 0;
	  loop invariant once: \forall integer r; 0 <= r < i ==>
	    ledger_begun[r] == 0 && ledger_ended[r] == 0;
	  loop assigns i, ledger->owner.client[0 .. PREC_LEDGER_RANGES - 1],
	    ledger->owner.bytes[0 .. PREC_LEDGER_RANGES - 1],
	    ledger->state[0 .. PREC_LEDGER_RANGES - 1],
	    ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
	    ledger->domain[0 .. PREC_LEDGER_RANGES - 1],
	    ledger_begun[0 .. 511], ledger_ended[0 .. 511];
	  loop variant PREC_LEDGER_RANGES - i;
	*/
	for (i = 0; i < PREC_LEDGER_RANGES; i++) {
		ledger->owner.client[i] = 0;
		ledger->owner.bytes[i] = 0;
		ledger->state[i] = PREC_PIN_FREE;
		ledger->pins[i] = 0;
		ledger->domain[i] = 0;
		/*@ ghost
		  ledger_begun[i] = 0;
		  ledger_ended[i] = 0;
		*/
	}
	/*@
	  loop invariant range: 0 <= i <= PREC_LEDGER_CLIENTS;
	  loop invariant none: \forall integer c; 0 <= c < i ==>
	    ledger->quota[c] == 0 && ledger->held[c] == 0;
	  loop assigns i, ledger->quota[0 .. PREC_LEDGER_CLIENTS - 1],
	    ledger->held[0 .. PREC_LEDGER_CLIENTS - 1];
	  loop variant PREC_LEDGER_CLIENTS - i;
	*/
	for (i = 0; i < PREC_LEDGER_CLIENTS; i++) {
		ledger->quota[i] = 0;
		ledger->held[i] = 0;
	}
	/*@
	  loop invariant range: 0 <= i <= PREC_LEDGER_DOMAINS;
	  loop invariant alive: \forall integer d; 0 <= d < i ==>
	    ledger->dead[d] == 0;
	  loop assigns i, ledger->dead[0 .. PREC_LEDGER_DOMAINS - 1];
	  loop variant PREC_LEDGER_DOMAINS - i;
	*/
	for (i = 0; i < PREC_LEDGER_DOMAINS; i++)
		ledger->dead[i] = 0;
	/*@ ghost
	  unnamed(ledger);
	  unowned(ledger);
	*/
}

enum prec_status prec_ledger_quota(struct prec_ledger *ledger, uint32_t client,
				   uint64_t bytes)
{
	if (client >= PREC_LEDGER_CLIENTS)
		return PREC_INVALID;
	if (bytes < ledger->held[client])
		return PREC_BUSY;
	ledger->quota[client] = bytes;
	return PREC_OK;
}

/* Find a free range, or PREC_NONE. */
/*@
  requires ledger: \valid_read(ledger) && ledger_ok(*ledger);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures free: \result == PREC_NONE || \result < PREC_LEDGER_RANGES &&
    ledger->state[\result] == PREC_PIN_FREE;
  ensures none: \result == PREC_NONE ==>
    \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
      ledger->state[r] != PREC_PIN_FREE;
*/
static uint32_t find_free(const struct prec_ledger *ledger)
{
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= PREC_LEDGER_RANGES;
	  loop invariant taken: \forall integer r; 0 <= r < i ==>
	    ledger->state[r] != PREC_PIN_FREE;
	  loop assigns i;
	  loop variant PREC_LEDGER_RANGES - i;
	*/
	for (i = 0; i < PREC_LEDGER_RANGES; i++)
		if (ledger->state[i] == PREC_PIN_FREE)
			return i;
	return PREC_NONE;
}

/* Set the client of the range, and the bytes it holds for it. */
/*@
  requires ledger: \valid(ledger) && ledger_bounded(*ledger) &&
    range < PREC_LEDGER_RANGES && client < PREC_LEDGER_CLIENTS;
  requires one: bytes == 0 && client == ledger->owner.client[range] ||
    ledger->owner.bytes[range] == 0;
  terminates \true;
  exits \false;
  assigns ledger->owner.client[range], ledger->owner.bytes[range];
  ensures there: ledger->owner.client[range] == client &&
    ledger->owner.bytes[range] == bytes;
  ensures sum: \forall integer c; 0 <= c < PREC_LEDGER_CLIENTS ==>
    bytes_of(ledger->owner, c, PREC_LEDGER_RANGES) ==
    bytes_of(\old(*ledger).owner, c, PREC_LEDGER_RANGES) +
    (c == client ? bytes - \old(*ledger).owner.bytes[range] : 0);
*/
static void own(struct prec_ledger *ledger, uint32_t range, uint32_t client,
		uint64_t bytes)
{
	ledger->owner.client[range] = client;
	ledger->owner.bytes[range] = bytes;
	/*@ ghost
	  uint32_t k = 0;
	  /@ loop invariant 0 <= k <= PREC_LEDGER_RANGES;
	     loop invariant \forall integer c; 0 <= c < PREC_LEDGER_CLIENTS ==>
	       bytes_of(ledger->owner, c, k) ==
	       bytes_of(\at(*ledger, Pre).owner, c, k) +
	       (range < k && c == client ?
	         bytes - \at(*ledger, Pre).owner.bytes[range] : 0);
	     loop assigns k;
	     loop variant PREC_LEDGER_RANGES - k;
	  @/
	  while (k < PREC_LEDGER_RANGES) k++;
	*/
}

enum prec_status prec_ledger_grant(struct prec_ledger *ledger, uint32_t client,
				   uint32_t domain, uint64_t bytes,
				   uint32_t *range)
{
	uint32_t i;

	if (client >= PREC_LEDGER_CLIENTS || domain >= PREC_LEDGER_DOMAINS)
		return PREC_INVALID;
	if (bytes == 0)
		return PREC_INVALID;
	if (ledger->dead[domain])
		return PREC_REFUSED;
	if (bytes > ledger->quota[client] - ledger->held[client])
		return PREC_REFUSED;
	i = find_free(ledger);
	if (i == PREC_NONE)
		return PREC_FULL;
	own(ledger, i, client, bytes);
	ledger->held[client] += bytes;
	ledger->domain[i] = domain;
	ledger->state[i] = PREC_PIN_LIVE;
	/*@ ghost
	  ledger_begun[i]++;
	  uncounted(ledger, i);
	*/
	*range = i;
	return PREC_OK;
}

/*@
  requires ledger: \valid_read(ledger) && ledger_ok(*ledger);
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures open: \result == PREC_OK <==> range_open(*ledger, client, range);
  ensures said: \result == range_answer(*ledger, client, range);
*/
static enum prec_status may_pin(const struct prec_ledger *ledger,
				uint32_t client, uint32_t range)
{
	if (range >= PREC_LEDGER_RANGES)
		return PREC_INVALID;
	if (ledger->state[range] != PREC_PIN_LIVE)
		return PREC_GONE;
	if (ledger->owner.client[range] != client)
		return PREC_RIGHTS;
	if (ledger->dead[ledger->domain[range]])
		return PREC_REFUSED;
	return PREC_OK;
}

/* Pin a range; the caller has checked that it may. */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  requires live: range < PREC_LEDGER_RANGES &&
    ledger->state[range] == PREC_PIN_LIVE;
  requires empty: place < PREC_LEDGER_PLACES &&
    ledger->place.range[place] == 0;
  terminates \true;
  exits \false;
  assigns ledger->place.range[place], ledger->pins[range];
  ensures ledger: ledger_sound(*ledger);
  ensures pinned: ledger->place.range[place] == range + 1;
  ensures one_more: ledger->pins[range] == \old(ledger->pins[range]) + 1;
*/
static void pin(struct prec_ledger *ledger, uint32_t range, uint32_t place)
{
	ledger->place.range[place] = range + 1;
	/*@ ghost
	  uint32_t k = 0;
	  /@ loop invariant 0 <= k <= PREC_LEDGER_PLACES;
	     loop invariant \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
	       pins_at(ledger->place, r, k) ==
	       pins_at(\at(*ledger, Pre).place, r, k) +
	       (place < k && r == range ? 1 : 0);
	     loop assigns k;
	     loop variant PREC_LEDGER_PLACES - k;
	  @/
	  while (k < PREC_LEDGER_PLACES) k++;
	  pins_are_bounded(ledger);
	*/
	/*@ assert room: ledger->pins[range] < PREC_LEDGER_PLACES; */
	ledger->pins[range]++;
}

enum prec_status prec_ledger_pin(struct prec_ledger *ledger, uint32_t client,
				 uint32_t range, uint32_t place)
{
	enum prec_status status = may_pin(ledger, client, range);

	if (status != PREC_OK)
		return status;
	if (place >= PREC_LEDGER_PLACES)
		return PREC_INVALID;
	if (ledger->place.range[place] != 0)
		return PREC_BUSY;
	pin(ledger, range, place);
	return PREC_OK;
}

enum prec_status prec_ledger_pin_all(struct prec_ledger *ledger,
				     uint32_t client, const uint32_t *ranges,
				     uint32_t count, uint32_t first)
{
	uint32_t i;

	if (first > PREC_LEDGER_PLACES || count > PREC_LEDGER_PLACES - first)
		return PREC_INVALID;
	/*@
	  loop invariant range: 0 <= i <= count;
	  loop invariant open: \forall integer j; 0 <= j < i ==>
	    range_open(*ledger, client, ranges[j]);
	  loop invariant empty: \forall integer p; first <= p < first + i ==>
	    ledger->place.range[p] == 0;
	  loop invariant answer: \forall integer j; 0 <= j < i ==>
	    pin_answer(*ledger, client, ranges[j], first + j) == PREC_OK;
	  loop assigns i;
	  loop variant count - i;
	*/
	for (i = 0; i < count; i++) {
		enum prec_status status = may_pin(ledger, client, ranges[i]);

		if (status != PREC_OK)
			return status;
		if (ledger->place.range[first + i] != 0)
			return PREC_BUSY;
	}
	/*@
	  loop invariant range: 0 <= i <= count;
	  loop invariant ledger: ledger_sound(*ledger);
	  loop invariant moves: ledger_moves(\at(*ledger, Pre), *ledger);
	  loop invariant done: \forall integer p; first <= p < first + i ==>
	    ledger->place.range[p] == ranges[p - first] + 1;
	  loop invariant rest: \forall integer p; 0 <= p < PREC_LEDGER_PLACES &&
	    !(first <= p < first + i) ==>
	    ledger->place.range[p] == \at(*ledger, Pre).place.range[p];
	  loop assigns i, ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
	    ledger->place.range[0 .. PREC_LEDGER_PLACES - 1];
	  loop variant count - i;
	*/
	for (i = 0; i < count; i++)
		pin(ledger, ranges[i], first + i);
	return PREC_OK;
}

/* Undo the pin at `place`, which must hold one.  True: its range became
 * quiet. */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  requires pinned: place < PREC_LEDGER_PLACES &&
    ledger->place.range[place] != 0;
  terminates \true;
  exits \false;
  assigns ledger->pins[ledger->place.range[place] - 1],
    ledger->state[ledger->place.range[place] - 1],
    ledger->place.range[place];
  ensures ledger: ledger_sound(*ledger);
  ensures drains: ledger_drains(\old(*ledger), *ledger);
  ensures undone: ledger->place.range[place] == 0;
  ensures one_less: \let r = \old(*ledger).place.range[place] - 1;
    ledger->pins[r] == \old(*ledger).pins[r] - 1;
  ensures quiet: \let r = \old(*ledger).place.range[place] - 1;
    \result <==> ledger->state[r] == PREC_PIN_QUIET;
  ensures unused: \let r = \old(*ledger).place.range[place] - 1;
    \result ==> nothing_pins(*ledger, r);
*/
static bool unpin_at(struct prec_ledger *ledger, uint32_t place)
{
	uint32_t range = ledger->place.range[place] - 1;

	ledger->place.range[place] = 0;
	/*@ ghost
	  uint32_t k = 0;
	  /@ loop invariant 0 <= k <= PREC_LEDGER_PLACES;
	     loop invariant \forall integer r; 0 <= r < PREC_LEDGER_RANGES ==>
	       pins_at(ledger->place, r, k) ==
	       pins_at(\at(*ledger, Pre).place, r, k) -
	       (place < k && r == range ? 1 : 0);
	     loop assigns k;
	     loop variant PREC_LEDGER_PLACES - k;
	  @/
	  while (k < PREC_LEDGER_PLACES) k++;
	  pins_are_bounded(ledger);
	*/
	/*@ assert some: ledger->pins[range] > 0; */
	ledger->pins[range]--;
	if (ledger->pins[range] != 0)
		return false;
	if (ledger->state[range] != PREC_PIN_DRAINING &&
	    ledger->state[range] != PREC_PIN_QUARANTINED)
		return false;
	/*@ ghost uncounted(ledger, range); */
	ledger->state[range] = PREC_PIN_QUIET;
	return true;
}

enum prec_status prec_ledger_unpin(struct prec_ledger *ledger, uint32_t place,
				   struct prec_unpin *unpin)
{
	uint32_t range;
	bool quiet;

	if (place >= PREC_LEDGER_PLACES || ledger->place.range[place] == 0)
		return PREC_INVALID;
	range = ledger->place.range[place] - 1;
	quiet = unpin_at(ledger, place);
	unpin->range = range;
	unpin->quiet = quiet ? range : PREC_NONE;
	unpin->believed = ledger->state[range] == PREC_PIN_LIVE;
	return PREC_OK;
}

enum prec_status prec_ledger_revoke(struct prec_ledger *ledger, uint32_t range,
				    uint32_t *quiet)
{
	if (range >= PREC_LEDGER_RANGES)
		return PREC_INVALID;
	if (ledger->state[range] != PREC_PIN_LIVE)
		return PREC_INVALID;
	if (ledger->pins[range] == 0) {
		/*@ ghost uncounted(ledger, range); */
		ledger->state[range] = PREC_PIN_QUIET;
		*quiet = range;
	} else {
		ledger->state[range] = PREC_PIN_DRAINING;
		*quiet = PREC_NONE;
	}
	return PREC_OK;
}

enum prec_status prec_ledger_cut_off(struct prec_ledger *ledger, uint32_t range)
{
	if (range >= PREC_LEDGER_RANGES ||
	    ledger->state[range] != PREC_PIN_DRAINING)
		return PREC_INVALID;
	ledger->state[range] = PREC_PIN_QUARANTINED;
	return PREC_OK;
}

/*@
  requires ledger: \valid_read(ledger) && ledger_bounded(*ledger);
  requires place: place < PREC_LEDGER_PLACES;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures in: \result <==> ledger->place.range[place] != 0 &&
    ledger->domain[ledger->place.range[place] - 1] == domain;
*/
static bool pins_in(const struct prec_ledger *ledger, uint32_t place,
		    uint32_t domain)
{
	uint32_t named = ledger->place.range[place];

	return named != 0 && ledger->domain[named - 1] == domain;
}

uint32_t prec_ledger_quiesced(struct prec_ledger *ledger, uint32_t domain)
{
	uint32_t quiet = 0;
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= PREC_LEDGER_PLACES;
	  loop invariant some: 0 <= quiet <= i;
	  loop invariant ledger: ledger_sound(*ledger);
	  loop invariant drains: ledger_drains(\at(*ledger, Pre), *ledger);
	  loop invariant undone: \forall integer p; 0 <= p < i ==>
	    ledger->place.range[p] == 0 ||
	    ledger->domain[ledger->place.range[p] - 1] != domain;
	  loop invariant others: \forall integer r;
	    0 <= r < PREC_LEDGER_RANGES && ledger->domain[r] != domain ==>
	    range_kept(\at(*ledger, Pre), *ledger, r);
	  loop invariant elsewhere:
	    places_elsewhere_kept(\at(*ledger, Pre), *ledger, domain);
	  loop invariant none: quiet == 0 ==>
	    states_kept(\at(*ledger, Pre), *ledger);
	  loop assigns i, quiet, ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
	    ledger->state[0 .. PREC_LEDGER_RANGES - 1],
	    ledger->place.range[0 .. PREC_LEDGER_PLACES - 1];
	  loop variant PREC_LEDGER_PLACES - i;
	*/
	for (i = 0; i < PREC_LEDGER_PLACES; i++)
		if (pins_in(ledger, i, domain) && unpin_at(ledger, i))
			quiet++;
	/*@ ghost unnamed(ledger); */
	/*@ assert idle: \forall integer r; 0 <= r < PREC_LEDGER_RANGES &&
	      ledger->domain[r] == domain ==> nothing_pins(*ledger, r); */
	return quiet;
}

uint32_t prec_ledger_next_quiet(const struct prec_ledger *ledger, uint32_t from)
{
	uint32_t i;

	/*@
	  loop invariant range: from <= i;
	  loop invariant end: i <= PREC_LEDGER_RANGES || i == from;
	  loop invariant before: \forall integer r; from <= r < i ==>
	    ledger->state[r] != PREC_PIN_QUIET;
	  loop assigns i;
	  loop variant PREC_LEDGER_RANGES - i;
	*/
	for (i = from; i < PREC_LEDGER_RANGES; i++)
		if (ledger->state[i] == PREC_PIN_QUIET)
			return i;
	return PREC_NONE;
}

/* The range, which nothing pins, is nobody's: its client no longer holds it. */
/*@
  requires ledger: \valid(ledger) && ledger_sound(*ledger);
  requires idle: range < PREC_LEDGER_RANGES && ledger->pins[range] == 0 &&
    ledger->state[range] != PREC_PIN_FREE;
  terminates \true;
  exits \false;
  assigns ledger->state[range], ledger->owner.client[range],
    ledger->owner.bytes[range], ledger->held[ledger->owner.client[range]],
    ledger_ended[range];
  ensures ledger: ledger_sound(*ledger);
  ensures free: ledger->state[range] == PREC_PIN_FREE;
  ensures client: ledger->owner.client[range] ==
    \old(ledger->owner.client[range]);
  ensures repaid: ledger->held[ledger->owner.client[range]] ==
    \old(ledger->held[ledger->owner.client[range]]) -
    \old(ledger->owner.bytes[range]);
  ensures once: ledger_ended[range] == \old(ledger_ended[range]) + 1;
*/
static void repay(struct prec_ledger *ledger, uint32_t range)
{
	uint32_t client = ledger->owner.client[range];
	uint64_t bytes = ledger->owner.bytes[range];

	/*@ ghost bytes_grow(ledger); */
	own(ledger, range, client, 0);
	/*@ assert paid: bytes <= ledger->held[client]; */
	ledger->held[client] -= bytes;
	ledger->state[range] = PREC_PIN_FREE;
	/*@ ghost ledger_ended[range]++; */
}

enum prec_status prec_ledger_release(struct prec_ledger *ledger, uint32_t range)
{
	if (range >= PREC_LEDGER_RANGES ||
	    ledger->state[range] == PREC_PIN_FREE)
		return PREC_INVALID;
	if (ledger->state[range] != PREC_PIN_QUIET)
		return PREC_BUSY;
	/*@ ghost uncounted(ledger, range); */
	repay(ledger, range);
	return PREC_OK;
}

enum prec_status prec_ledger_condemn(struct prec_ledger *ledger, uint32_t range)
{
	if (range >= PREC_LEDGER_RANGES ||
	    ledger->state[range] < PREC_PIN_DRAINING)
		return PREC_INVALID;
	ledger->state[range] = PREC_PIN_CONDEMNED;
	ledger->dead[ledger->domain[range]] = 1;
	return PREC_OK;
}

enum prec_status prec_ledger_shut(struct prec_ledger *ledger, uint32_t domain)
{
	if (domain >= PREC_LEDGER_DOMAINS)
		return PREC_INVALID;
	ledger->dead[domain] = 1;
	return PREC_OK;
}

enum prec_status prec_ledger_bury(struct prec_ledger *ledger, uint32_t domain)
{
	uint32_t i;

	if (domain >= PREC_LEDGER_DOMAINS)
		return PREC_INVALID;
	if (!ledger->dead[domain])
		return PREC_BUSY;
	prec_ledger_quiesced(ledger, domain);
	/*@
	  loop invariant range: 0 <= i <= PREC_LEDGER_RANGES;
	  loop invariant ledger: ledger_sound(*ledger);
	  loop invariant free: \forall integer r; 0 <= r < i &&
	    ledger->domain[r] == domain ==> ledger->state[r] == PREC_PIN_FREE;
	  loop invariant others: \forall integer r;
	    0 <= r < PREC_LEDGER_RANGES && ledger->domain[r] != domain ==>
	    ledger->state[r] == \at(*ledger, Pre).state[r] &&
	    ledger->owner.client[r] == \at(*ledger, Pre).owner.client[r] &&
	    ledger->owner.bytes[r] == \at(*ledger, Pre).owner.bytes[r];
	  loop assigns i, ledger->state[0 .. PREC_LEDGER_RANGES - 1],
	    ledger->owner.client[0 .. PREC_LEDGER_RANGES - 1],
	    ledger->owner.bytes[0 .. PREC_LEDGER_RANGES - 1],
	    ledger->held[0 .. PREC_LEDGER_CLIENTS - 1], ledger_ended[0 .. 511];
	  loop variant PREC_LEDGER_RANGES - i;
	*/
	for (i = 0; i < PREC_LEDGER_RANGES; i++)
		if (ledger->state[i] != PREC_PIN_FREE &&
		    ledger->domain[i] == domain)
			repay(ledger, i);
	ledger->dead[domain] = 0;
	return PREC_OK;
}

struct prec_pin_account prec_ledger_account(const struct prec_ledger *ledger,
					    uint32_t client)
{
	struct prec_pin_account account = { { 0 } };
	uint32_t i;

	if (client >= PREC_LEDGER_CLIENTS)
		return account;
	/*@ ghost bytes_grow(ledger); */
	/*@
	  loop invariant range: 0 <= i <= PREC_LEDGER_RANGES;
	  loop invariant each: \forall integer s;
	    0 <= s <= PREC_PIN_CONDEMNED ==>
	    account.bytes[s] == bytes_in(*ledger, client, s, i);
	  loop invariant all: account_sum(account) ==
	    bytes_of(ledger->owner, client, i);
	  loop assigns i, account.bytes[0 .. PREC_PIN_CONDEMNED];
	  loop variant PREC_LEDGER_RANGES - i;
	*/
	for (i = 0; i < PREC_LEDGER_RANGES; i++)
		if (ledger->owner.client[i] == client)
			account.bytes[ledger->state[i]] +=
				ledger->owner.bytes[i];
	return account;
}

uint64_t prec_ledger_size(void)
{
	return sizeof(struct prec_ledger);
}
