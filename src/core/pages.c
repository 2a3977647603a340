// SPDX-License-Identifier: MIT
#include <precarium/pages.h>
#include <precarium/pin.h>

/*
 * Windows are a space, so what is proved of spaces carries this unit: a claim
 * that prec_space_resolve accepts lies in one window, and the device's address
 * is as far behind the window's as the claim behind its start.  Windows begin
 * and end at borders of pages here and at the device, so every page that such a
 * claim touches is wholly in the window.
 */

void prec_pages_begin(struct prec_pages *pages, uint32_t right)
{
	pages->count = 0;
	pages->ranges = 0;
	pages->right = right;
	pages->offset = 0;
	pages->bytes = 0;
}

/* Which of the ranges of the list it is; if none, the number of the next. */
/*@
  requires list: \valid_read(pages) && pages->ranges <= PREC_PAGES_RANGES;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures found: \result < pages->ranges && pages->range[\result] == range ||
    \result == pages->ranges;
  ensures once: \result == pages->ranges ==>
    \forall integer j; 0 <= j < pages->ranges ==> pages->range[j] != range;
*/
static uint32_t find_name(const struct prec_pages *pages, uint32_t range)
{
	uint32_t i;

	/*@
	  loop invariant range: 0 <= i <= pages->ranges;
	  loop invariant others: \forall integer j; 0 <= j < i ==>
	    pages->range[j] != range;
	  loop assigns i;
	  loop variant pages->ranges - i;
	*/
	for (i = 0; i < pages->ranges; i++)
		if (pages->range[i] == range)
			break;
	return i;
}

/* Does [at, at + size), device addresses, follow what the list has? */
/*@
  requires list: \valid_read(pages) && pages_cover(*pages) &&
    pages->count <= PREC_PAGES_MAX;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures follows: \result <==> at % 4 == 0 &&
    (pages->count > 0 ==> at % PREC_DEVICE_PAGE == 0 &&
      pages->offset + pages->bytes == pages->count * PREC_DEVICE_PAGE);
*/
static bool follows(const struct prec_pages *pages, uint64_t at)
{
	if (at % 4 != 0)
		return false;
	if (pages->count == 0)
		return true;
	return at % PREC_DEVICE_PAGE == 0 &&
	       pages->offset + pages->bytes ==
		       (uint64_t)pages->count * PREC_DEVICE_PAGE;
}

/* Between two borders of pages there is room for a page. */
/*@ ghost
  /@ requires borders: at % PREC_DEVICE_PAGE == 0 &&
       end % PREC_DEVICE_PAGE == 0 && at < end;
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures at + PREC_DEVICE_PAGE <= end;
  @/
  void whole_page(uint64_t at, uint64_t end)
  {
  }
*/

/* Make sure that range `name` of the list is the window's. */
/*@
  requires windows: \valid_read(windows) && windows_ok(*windows);
  requires list: \valid(pages) && \separated(pages, windows) &&
    pages_ok(*pages, *windows);
  requires window: window < windows->count;
  requires name: name <= pages->ranges && name < PREC_PAGES_RANGES &&
    (name < pages->ranges ==>
      pages->range[name] == windows->slot[window]);
  terminates \true;
  exits \false;
  assigns pages->ranges, pages->range[0 .. PREC_PAGES_RANGES - 1];
  ensures list: pages_ok(*pages, *windows);
  ensures named: name < pages->ranges &&
    pages->range[name] == windows->slot[window];
*/
static void enter_range(struct prec_pages *pages,
			const struct prec_space *windows, uint32_t window,
			uint32_t name)
{
	if (name < pages->ranges)
		return;
	pages->range[name] = windows->slot[window];
	pages->ranges++;
}

/* Write the entries of the span behind those that the list has. */
/*@
  requires windows: \valid_read(windows) && windows_ok(*windows);
  requires list: \valid(pages) && \separated(pages, windows);
  requires granted: span_granted(*windows, span) && 0 < span.size;
  requires room: pages->count <= PREC_PAGES_MAX &&
    0 < count <= PREC_PAGES_MAX - pages->count &&
    (count - 1) * PREC_DEVICE_PAGE <
      span.host % PREC_DEVICE_PAGE + span.size <= count * PREC_DEVICE_PAGE;
  terminates \true;
  exits \false;
  assigns pages->entry[0 .. PREC_PAGES_MAX - 1],
    pages->name[0 .. PREC_PAGES_MAX - 1],
    pages->window[0 .. PREC_PAGES_MAX - 1];
  ensures kept: pages_kept(*pages, \old(*pages), pages->count);
  ensures first: pages->entry[pages->count] == span.host;
  ensures there: \forall integer k;
    pages->count < k < pages->count + count ==> pages->entry[k] ==
    span.host - span.host % PREC_DEVICE_PAGE +
      (k - pages->count) * PREC_DEVICE_PAGE;
  ensures borders: \forall integer k;
    pages->count < k < pages->count + count ==>
    pages->entry[k] % PREC_DEVICE_PAGE == 0;
  ensures names: \forall integer k;
    pages->count <= k < pages->count + count ==>
    pages->name[k] == name && pages->window[k] == span.index &&
    page_in(*windows, pages->entry[k], span.index);
*/
static void fill(struct prec_pages *pages, const struct prec_space *windows,
		 struct prec_span span, uint32_t name, uint32_t count)
{
	uint64_t page = span.host - span.host % PREC_DEVICE_PAGE;
	uint32_t before = pages->count;
	uint32_t i;

	(void)windows; /* for the contract */
	/*@ assert aligned: page % PREC_DEVICE_PAGE == 0; */
	/*@ assert begins: windows->host[span.index] <= page; */
	/*@ ghost
	  uint64_t end = windows->host[span.index] +
	    (windows->end[span.index] - windows->start[span.index]);
	*/
	/*@ assert ends: end % PREC_DEVICE_PAGE == 0; */
	/*@
	  loop invariant range: 0 <= i <= count;
	  loop invariant kept: pages_kept(*pages, \at(*pages, Pre), before);
	  loop invariant first: i > 0 ==> pages->entry[before] == span.host;
	  loop invariant there: \forall integer k; before < k < before + i ==>
	    pages->entry[k] == page + (k - before) * PREC_DEVICE_PAGE;
	  loop invariant borders: \forall integer k;
	    before < k < before + i ==> pages->entry[k] % PREC_DEVICE_PAGE == 0;
	  loop invariant names: \forall integer k;
	    before <= k < before + i ==>
	    pages->name[k] == name && pages->window[k] == span.index;
	  loop invariant in: \forall integer k; before <= k < before + i ==>
	    page_in(*windows, pages->entry[k], span.index);
	  loop assigns i, pages->entry[0 .. PREC_PAGES_MAX - 1],
	    pages->name[0 .. PREC_PAGES_MAX - 1],
	    pages->window[0 .. PREC_PAGES_MAX - 1];
	  loop variant count - i;
	*/
	for (i = 0; i < count; i++) {
		uint64_t next = page + (uint64_t)i * PREC_DEVICE_PAGE;

		/*@ assert multiple: next % PREC_DEVICE_PAGE == 0; */
		/*@ assert before_end: next < end; */
		/*@ ghost whole_page(next, end); */
		pages->entry[before + i] = i == 0 ? span.host : next;
		pages->name[before + i] = name;
		pages->window[before + i] = span.index;
	}
}

/* Add the pages of the span, which the caller has checked. */
/*@
  requires windows: \valid_read(windows) && windows_ok(*windows);
  requires list: \valid(pages) && \separated(pages, windows) &&
    pages_ok(*pages, *windows);
  requires granted: span_granted(*windows, span) && 0 < span.size &&
    rights_grant(span.rights, pages->right);
  requires room: 0 < count <= PREC_PAGES_MAX - pages->count &&
    (count - 1) * PREC_DEVICE_PAGE <
      span.host % PREC_DEVICE_PAGE + span.size <= count * PREC_DEVICE_PAGE;
  requires name: name <= pages->ranges && name < PREC_PAGES_RANGES &&
    (name < pages->ranges ==>
      pages->range[name] == windows->slot[span.index]);
  requires follows: span.host % 4 == 0 &&
    (pages->count > 0 ==> span.host % PREC_DEVICE_PAGE == 0 &&
      pages->offset + pages->bytes == pages->count * PREC_DEVICE_PAGE);
  terminates \true;
  exits \false;
  assigns pages->count, pages->ranges, pages->bytes, pages->offset,
    pages->entry[0 .. PREC_PAGES_MAX - 1],
    pages->name[0 .. PREC_PAGES_MAX - 1],
    pages->window[0 .. PREC_PAGES_MAX - 1],
    pages->range[0 .. PREC_PAGES_RANGES - 1];
  ensures list: pages_ok(*pages, *windows);
  ensures added: pages->bytes == \old(*pages).bytes + span.size &&
    pages->count == \old(*pages).count + count;
  ensures kept: pages_kept(*pages, \old(*pages), \old(*pages).count);
  ensures window: \forall integer k;
    \old(*pages).count <= k < pages->count ==>
    pages->window[k] == span.index;
  ensures first: pages->entry[\old(*pages).count] == span.host;
  ensures there: \forall integer k;
    \old(*pages).count < k < pages->count ==> pages->entry[k] ==
    span.host - span.host % PREC_DEVICE_PAGE +
      (k - \old(*pages).count) * PREC_DEVICE_PAGE;
*/
static void append(struct prec_pages *pages, const struct prec_space *windows,
		   struct prec_span span, uint32_t name, uint32_t count)
{
	enter_range(pages, windows, span.index, name);
	fill(pages, windows, span, name, count);
	/*@ assert new: \forall integer k;
	      pages->count <= k < pages->count + count ==>
	      page_lent(*pages, *windows, k); */
	if (pages->count == 0)
		pages->offset = span.host % PREC_DEVICE_PAGE;
	/*@ assert first: pages->entry[0] % PREC_DEVICE_PAGE == pages->offset &&
	      pages->offset % 4 == 0; */
	pages->count += count;
	pages->bytes += span.size;
	/*@ assert lent: pages_lent(*pages, *windows); */
	/*@ assert meet: pages_meet(*pages); */
	/*@ assert cover: pages_cover(*pages); */
	/*@ assert named: pages_named(*pages); */
}

enum prec_status prec_pages_add(struct prec_pages *pages,
				const struct prec_space *windows, uint64_t at,
				uint64_t size)
{
	struct prec_span span;
	enum prec_status status;
	uint64_t offset, count;
	uint32_t name;

	if (size == 0)
		return PREC_INVALID;
	status = prec_space_resolve(windows, at, size, pages->right, &span);
	if (status != PREC_OK)
		return status;
	if (!follows(pages, span.host))
		return PREC_REFUSED;
	offset = span.host % PREC_DEVICE_PAGE;
	count = (offset + size - 1) / PREC_DEVICE_PAGE + 1;
	if (count > PREC_PAGES_MAX - pages->count)
		return PREC_FULL;
	name = find_name(pages, windows->slot[span.index]);
	if (name == PREC_PAGES_RANGES)
		return PREC_FULL;
	/*@ assert same: at % PREC_DEVICE_PAGE == offset; */
	append(pages, windows, span, name, (uint32_t)count);
	return PREC_OK;
}

/*@
  requires flights: \valid_read(flights);
  requires slot: slot < PREC_FLIGHT_SLOTS;
  terminates \true;
  exits \false;
  assigns \nothing;
  ensures empty: \result <==> slot_empty(*flights, slot);
*/
static bool is_empty(const struct prec_flights *flights, uint32_t slot)
{
	uint32_t first = slot * PREC_PAGES_RANGES;
	uint32_t i;

	/*@
	  loop invariant range: first <= i <= first + PREC_PAGES_RANGES;
	  loop invariant empty: \forall integer q; first <= q < i ==>
	    flights->range[q] == 0;
	  loop assigns i;
	  loop variant first + PREC_PAGES_RANGES - i;
	*/
	for (i = first; i < first + PREC_PAGES_RANGES; i++)
		if (flights->range[i] != 0)
			return false;
	return true;
}

/* A range that some place names has pins, so it is neither free nor quiet. */
/*@ ghost
  /@ requires ledger: \valid(ledger) && ledger_ok(*ledger);
     terminates \true;
     exits \false;
     assigns \nothing;
     ensures \forall integer q; 0 <= q < PREC_LEDGER_PLACES &&
       ledger->place.range[q] != 0 ==>
       ledger->state[ledger->place.range[q] - 1] != PREC_PIN_FREE &&
       ledger->state[ledger->place.range[q] - 1] != PREC_PIN_QUIET;
  @/
  void named_is_held(const struct prec_ledger *ledger)
  {
    uint32_t k = 0;
    /@ loop invariant 0 <= k <= PREC_LEDGER_PLACES;
       loop invariant \forall integer r;
         0 <= pins_at(ledger->place, r, k);
       loop invariant \forall integer q, r; 0 <= q < k &&
         ledger->place.range[q] == r + 1 ==>
         1 <= pins_at(ledger->place, r, k);
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

enum prec_status prec_flight_begin(struct prec_flights *flights,
				   struct prec_ledger *ledger,
				   const struct prec_pages *pages,
				   uint32_t client, uint32_t slot)
{
	enum prec_status status;
	uint32_t first, i;

	/*@ ghost named_is_held(ledger); */
	if (slot >= PREC_FLIGHT_SLOTS || pages->count == 0)
		return PREC_INVALID;
	if (!is_empty(flights, slot))
		return PREC_BUSY;
	first = slot * PREC_PAGES_RANGES;
	status = prec_ledger_pin_all(ledger, client, pages->range,
				     pages->ranges, first);
	if (status != PREC_OK)
		return status;
	/*@ ghost named_is_held(ledger); */
	/*@
	  loop invariant range: 0 <= i <= pages->ranges;
	  loop invariant done: \forall integer q; first <= q < first + i ==>
	    flights->range[q] == pages->range[q - first] + 1;
	  loop invariant rest: \forall integer q; 0 <= q < PREC_LEDGER_PLACES &&
	    !(first <= q < first + i) ==>
	    flights->range[q] == \at(flights->range[q], Pre);
	  loop assigns i, flights->range[0 .. PREC_LEDGER_PLACES - 1];
	  loop variant pages->ranges - i;
	*/
	for (i = 0; i < pages->ranges; i++)
		flights->range[first + i] = pages->range[i] + 1;
	/*@ assert named: \forall integer j; 0 <= j < pages->ranges ==>
	      flights->range[first + j] == pages->range[j] + 1 &&
	      range_open(\at(*ledger, Pre), client, pages->range[j]); */
	return PREC_OK;
}

enum prec_status prec_flight_end(struct prec_flights *flights,
				 struct prec_ledger *ledger, uint32_t slot,
				 uint32_t *quiet)
{
	enum prec_status status = PREC_OK, undone;
	uint32_t first, i;

	*quiet = 0;
	if (slot >= PREC_FLIGHT_SLOTS || is_empty(flights, slot))
		return PREC_INVALID;
	first = slot * PREC_PAGES_RANGES;
	/*@
	  loop invariant range: first <= i <= first + PREC_PAGES_RANGES;
	  loop invariant ledger: ledger_sound(*ledger);
	  loop invariant pinned: flights_pinned(*flights, *ledger);
	  loop invariant drains: ledger_drains(\at(*ledger, Pre), *ledger);
	  loop invariant ended: \forall integer q; first <= q < i ==>
	    flights->range[q] == 0;
	  loop invariant rest: \forall integer q; 0 <= q < PREC_LEDGER_PLACES &&
	    !(first <= q < i) ==>
	    flights->range[q] == \at(flights->range[q], Pre);
	  loop invariant elsewhere: \forall integer q;
	    0 <= q < PREC_LEDGER_PLACES && !(first <= q < i) ==>
	    ledger->place.range[q] == \at(*ledger, Pre).place.range[q];
	  loop invariant status: status == PREC_OK || status == PREC_GONE;
	  loop invariant live: status == PREC_OK <==>
	    \forall integer q; first <= q < i &&
	      \at(flights->range[q], Pre) != 0 ==>
	      \at(*ledger, Pre).state[\at(flights->range[q], Pre) - 1] ==
	      PREC_PIN_LIVE;
	  loop invariant some: 0 <= *quiet <= i - first;
	  loop invariant none: *quiet == 0 <==>
	    states_kept(\at(*ledger, Pre), *ledger);
	  loop assigns i, status, undone, *quiet,
	    flights->range[0 .. PREC_LEDGER_PLACES - 1],
	    ledger->pins[0 .. PREC_LEDGER_RANGES - 1],
	    ledger->state[0 .. PREC_LEDGER_RANGES - 1],
	    ledger->place.range[0 .. PREC_LEDGER_PLACES - 1];
	  loop variant first + PREC_PAGES_RANGES - i;
	*/
	for (i = first; i < first + PREC_PAGES_RANGES; i++) {
		struct prec_unpin unpin = { PREC_NONE, PREC_NONE, false };

		if (flights->range[i] == 0)
			continue;
		undone = prec_ledger_unpin(ledger, i, &unpin);
		/*@ assert undone: undone == PREC_OK; */
		(void)undone;
		if (!unpin.believed)
			status = PREC_GONE;
		if (unpin.quiet != PREC_NONE)
			(*quiet)++;
		flights->range[i] = 0;
	}
	return status;
}
