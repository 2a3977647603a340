// SPDX-License-Identifier: MIT
/*
 * The memory goes before instruction 1, 2, 3, … of a whole block request:
 * from the avail ring over descriptors, header, data and status to the used
 * ring.
 *
 * Whatever the instant: success is told only when all bytes were moved, nothing
 * is told that did not happen, nothing else is touched on either side, no
 * request stays in flight; and when the client gives the memory back, its next
 * request on the same queue is served in full.
 */
#include "block-server.h"
#include "tests/library/stepper.h"

#include <precarium/precarium.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const struct loss losses[] = {
	{ "all", OF_BOTH(KEEP), OF_BOTH(TAKE_ALL) },
	{ "second page", OF_BOTH(KEEP), OF_BOTH(TAKE_PAGE) },
	{ "some bytes", OF_BOTH(KEEP), OF_BOTH(TAKE_BYTES) },
	{ "hole", OF_BOTH(KEEP), OF_BOTH(PUNCH) },
	{ "all and back", OF_BOTH(KEEP), OF_BOTH(BOUNCE) },
	{ "revoked", OF_BOTH(KEEP), OF_BOTH(REVOKE) },
	{ "all of A", OF_BOTH(KEEP), OF_A(TAKE_ALL) },
	{ "all of B", OF_BOTH(KEEP), OF_B(TAKE_ALL) },
	{ "page, then all", OF_BOTH(TAKE_PAGE), OF_BOTH(TAKE_ALL) },
	{ "page, then back", OF_BOTH(TAKE_PAGE), OF_BOTH(GIVE_BACK) },
	{ "page, then revoked", OF_BOTH(TAKE_PAGE), OF_BOTH(REVOKE) },
};

#define LOSS_COUNT   (sizeof(losses) / sizeof(losses[0]))
#define FIRST_OF_TWO 6u
#define FIRST_TWICE  8u

/* Where a request lies.  With `indirect` its descriptors are in a table. */
struct layout {
	const char *name;
	struct place rings, header, table, data, status;
	bool twice;
};

static const struct layout layouts[] = {
	{ "rings before data",
	  { LOSER_A, 0 },
	  { LOSER_A, 1024 },
	  { LOSER_A, 1088 },
	  { LOSER_A, LENT_PAGE - 341 },
	  { LOSER_A, 6000 },
	  true },
	{ "data before rings",
	  { LOSER_A, LENT_PAGE },
	  { LOSER_A, 100 },
	  { LOSER_A, 208 },
	  { LOSER_A, 1000 },
	  { LOSER_A, 50 },
	  false },
	{ "two regions",
	  { LOSER_A, 0 },
	  { LOSER_A, 1024 },
	  { LOSER_A, 1088 },
	  { LOSER_B, LENT_PAGE - 341 },
	  { LOSER_A, 1200 },
	  false },
};

#define LAYOUT_COUNT (sizeof(layouts) / sizeof(layouts[0]))
#define NO_STATUS    0x7f

enum outcome {
	TOLD_OK,    /* success */
	TOLD_ERROR, /* status: I/O error */
	TOLD_LOST,  /* used, with length 0: the status found no place */
	UNTOLD,	    /* the rings are out of reach */
	MISREAD, /* the client's bytes became zero: another request or none */
	UNSPECIFIED,
	OUTCOMES
};

struct row {
	uint32_t points;
	uint32_t outcomes[OUTCOMES];
};

/* The case under way. */
struct trial {
	const struct layout *layout;
	const struct loss *loss;
	bool write, indirect;
	int64_t point;
	uint16_t avail, used; /* the rings' indices before it */
	struct loss_effect effects[LOSERS];
};

static struct stepper stepper;
static uint8_t first[LOSERS][LENT_SIZE]; /* as the client made it */
static uint8_t seen[LOSERS][LENT_SIZE];	 /* just before the loss at N */
static uint8_t now[LOSERS][LENT_SIZE];	 /* after, or as last seen */
static uint32_t unspecified;

#define UNSPECIFIED_MAX 12u

/* --- the client --- */

static void put(struct place to, uint32_t at, const void *bytes, size_t size)
{
	off_t offset = (off_t)(to.offset + at);

	if (pwrite(lent_files[to.who], bytes, size, offset) != (ssize_t)size) {
		perror("pwrite");
		exit(2);
	}
}

static void make_chain(const struct trial *t, struct virtq_desc chain[3])
{
	const struct layout *l = t->layout;
	uint16_t data_flags = t->write ? VIRTQ_DESC_F_NEXT
				       : VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE;

	chain[0] = (struct virtq_desc){ place_address(l->header),
					VIRTIO_BLK_HEADER_SIZE,
					VIRTQ_DESC_F_NEXT, 1 };
	chain[1] = (struct virtq_desc){ place_address(l->data), DATA_SIZE,
					data_flags, 2 };
	chain[2] = (struct virtq_desc){ place_address(l->status), 1,
					VIRTQ_DESC_F_WRITE, 0 };
}

static void make_request(const struct trial *t)
{
	const struct layout *l = t->layout;
	struct virtio_blk_req_header header = {
		.type = t->write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
		.sector = DATA_SECTOR
	};
	struct virtq_desc chain[3];
	struct virtq_desc to_table = { place_address(l->table), sizeof(chain),
				       VIRTQ_DESC_F_INDIRECT, 0 };
	uint16_t avail[3 + QUEUE_SIZE] = { 0, (uint16_t)(t->avail + 1) };
	uint16_t used[3 + 4 * QUEUE_SIZE] = { 0, t->used };
	uint8_t status = NO_STATUS;
	unsigned int who;

	lent_restore();
	make_chain(t, chain);
	put(t->indirect ? l->table : l->rings, DESC_AT, chain, sizeof(chain));
	if (t->indirect)
		put(l->rings, DESC_AT, &to_table, sizeof(to_table));
	put(l->rings, AVAIL_AT, avail, sizeof(avail));
	put(l->rings, USED_AT, used, sizeof(used));
	put(l->header, 0, &header, sizeof(header));
	put(l->status, 0, &status, 1);
	for (who = 0; who < LOSERS; who++)
		lent_read(who, first[who]);
}

/* --- the judge --- */

static bool became_zero(const struct trial *t, struct place at)
{
	return at.offset >= t->effects[at.who].zeros;
}

/* Could the device have read zeroes, by no fault of its own? */
static bool may_misread(const struct trial *t)
{
	return t->effects[LOSER_A].zeros < LENT_SIZE ||
	       t->effects[LOSER_B].zeros < LENT_SIZE;
}

static bool lost_at_all(const struct trial *t)
{
	return t->effects[LOSER_A].cut < LENT_SIZE ||
	       t->effects[LOSER_B].cut < LENT_SIZE;
}

static bool as_asked(const struct trial *t)
{
	const struct vblk_request *r = &served->request;

	return served->decoded == VIRTQ_TAKEN &&
	       r->op == (t->write ? VBLK_WRITE : VBLK_READ) &&
	       r->sector == DATA_SECTOR && r->bytes == DATA_SIZE;
}

static bool told_ok(void)
{
	return served->decoded == VIRTQ_TAKEN && served->stored &&
	       served->completed == PREC_OK &&
	       served->outcome.status == VIRTIO_BLK_S_OK;
}

/* A request that was not taken is there to be taken later. */
static bool indices_agree(const struct trial *t)
{
	bool taken = served->completed != PREC_REFUSED;
	bool told = served->completed == PREC_OK;

	if (served->state == VIRTQ_BROKEN)
		return true;
	return served->next_avail == (uint16_t)(t->avail + taken) &&
	       served->next_used == (uint16_t)(t->used + told);
}

static const char *judge_answers(const struct trial *t)
{
	if (!indices_agree(t))
		return "the queue's indices are wrong";
	if (served->in_flight || served->held)
		return "a request stays in flight";
	if (served->completed == PREC_INVALID)
		return "completed what was not in flight";
	if (!lost_at_all(t) && !may_misread(t) && !told_ok())
		return "nothing was lost, and it failed";
	switch (served->state) {
	case VIRTQ_READY:
		break;
	case VIRTQ_BROKEN:
		if (may_misread(t))
			break;
		return "the queue is broken";
	default:
		return "the queue is in a wrong state";
	}
	switch (served->answer) {
	case VIRTQ_TAKEN:
		break;
	case VIRTQ_LOST:
	case VIRTQ_GONE:
		return lost_at_all(t) ? NULL : "said to be gone, and is not";
	default:
		return may_misread(t) ? NULL : "misread";
	}
	if (served->decoded == VIRTQ_TAKEN && served->request.gone)
		return lost_at_all(t) ? NULL : "said to be gone, and is not";
	if (served->decoded == VIRTQ_TAKEN && !as_asked(t))
		return may_misread(t) ? NULL : "not what was asked";
	if (served->decoded == VIRTQ_MALFORMED && !may_misread(t))
		return "said to be malformed";
	return NULL;
}

/* A header that became zero between its two halves names another sector: the
 * client's own loss, as if it had asked for that. */
static const char *judge_store(const struct trial *t)
{
	const struct vblk_request *r = &served->request;
	struct place from = t->layout->data;
	bool write = served->decoded == VIRTQ_TAKEN && r->op == VBLK_WRITE;
	uint32_t i;

	for (i = 0; i < STORE_SIZE; i++) {
		uint8_t byte = served->store[i];
		bool moved = write && i >= r->offset &&
			     i - r->offset < served->moved;
		struct place at = { from.who,
				    (uint32_t)(from.offset + i - r->offset) };

		if (!moved && byte != store_byte(i))
			return "the store changed where nothing was moved";
		if (moved && byte != first[at.who][at.offset] &&
		    !(byte == 0 && became_zero(t, at)))
			return "a wrong byte was stored";
	}
	return NULL;
}

/* Byte i of the data of a read, which the device says it moved. */
static const char *judge_moved(const struct trial *t, uint32_t i)
{
	struct place at = { t->layout->data.who, t->layout->data.offset + i };
	const struct loss_effect *effect = &t->effects[at.who];
	uint8_t want = store_byte(DATA_SECTOR * VIRTIO_BLK_SECTOR + i);
	uint8_t byte = at.offset >= effect->cut && !effect->revoked
			       ? seen[at.who][at.offset]
			       : now[at.who][at.offset];

	if (became_zero(t, at))
		return NULL;
	if (at.offset >= effect->early)
		return "moved where nothing was within reach";
	return byte == want ? NULL : "a byte said to be moved was not";
}

static bool within(struct place at, struct place area, uint32_t offset,
		   uint32_t size)
{
	return at.who == area.who && at.offset >= area.offset + offset &&
	       at.offset - area.offset - offset < size;
}

/* May this byte of the client's have changed, and been judged elsewhere? */
static bool may_change(const struct trial *t, struct place at)
{
	const struct layout *l = t->layout;
	uint32_t slot = t->used % QUEUE_SIZE;

	if (within(at, l->rings, USED_AT + VIRTQ_USED_IDX, 2))
		return true;
	if (within(at, l->rings,
		   USED_AT + VIRTQ_USED_RING + slot * VIRTQ_USED_ENTRY,
		   VIRTQ_USED_ENTRY))
		return true;
	if (within(at, l->status, 0, 1) && served->decoded == VIRTQ_TAKEN)
		return true;
	if (!within(at, l->data, 0, DATA_SIZE) || t->write)
		return false;
	return !as_asked(t) || at.offset - l->data.offset < served->moved;
}

static const char *judge_client(const struct trial *t)
{
	const char *wrong = NULL;
	struct place at;
	uint32_t i;

	for (at.who = 0; at.who < LOSERS; at.who++)
		for (at.offset = 0; at.offset < LENT_SIZE; at.offset++) {
			uint8_t byte = now[at.who][at.offset];

			if (byte == first[at.who][at.offset] ||
			    may_change(t, at))
				continue;
			if (byte != 0 || (!became_zero(t, at) &&
					  at.offset < t->effects[at.who].early))
				return "the client's memory changed elsewhere";
		}
	if (!t->write && as_asked(t))
		for (i = 0; i < served->moved && !wrong; i++)
			wrong = judge_moved(t, i);
	return wrong;
}

static uint32_t number(struct place at, uint32_t offset, uint32_t bytes)
{
	uint32_t value = 0;

	memcpy(&value, &now[at.who][at.offset + offset], bytes);
	return value;
}

static const char *judge_status(const struct trial *t)
{
	struct place at = t->layout->status;

	if (!served->stored || became_zero(t, at))
		return NULL;
	if (at.offset >= t->effects[at.who].early)
		return "the status is stored where nothing was within reach";
	if (number(at, 0, 1) != served->outcome.status)
		return "the status is not what was stored";
	return NULL;
}

/* What the client is told, in the used ring and the status byte. */
static const char *judge_told(const struct trial *t)
{
	const struct layout *l = t->layout;
	uint32_t element = USED_AT + VIRTQ_USED_RING +
			   t->used % QUEUE_SIZE * VIRTQ_USED_ENTRY;
	struct place used = { l->rings.who, l->rings.offset + USED_AT };
	bool hidden = became_zero(t, used) ||
		      used.offset >= t->effects[used.who].early;
	uint16_t index = (uint16_t)number(used, VIRTQ_USED_IDX, 2);
	uint8_t status = (uint8_t)number(l->status, 0, 1);

	if (told_ok() && as_asked(t) && served->moved != DATA_SIZE)
		return "success, and bytes are missing";
	if (told_ok() && served->disturbed)
		return "success, and the epoch had moved";
	if (as_asked(t) && served->used > served->moved + 1)
		return "more is said to be written than was";
	if (hidden)
		return NULL;
	if (served->completed != PREC_OK)
		return index == t->used ? NULL : "used, and nobody said so";
	if (index != (uint16_t)(t->used + 1))
		return "completed, and the used index stands still";
	if (number(l->rings, element, 4) != 0 ||
	    number(l->rings, element + 4, 4) != served->used)
		return "the used element is wrong";
	if (status == VIRTIO_BLK_S_OK && !told_ok() &&
	    !became_zero(t, l->status) &&
	    l->status.offset < t->effects[l->status.who].early)
		return "the client takes it for a success";
	return NULL;
}

static void look_now(const struct trial *t)
{
	unsigned int who;

	for (who = 0; who < LOSERS; who++) {
		uint32_t ends = t->effects[who].ends;

		lent_read(who, now[who]);
		memcpy(now[who] + ends, seen[who] + ends, LENT_SIZE - ends);
	}
}

static const char *judge(const struct trial *t)
{
	const char *wrong = served->wrong[0] ? served->wrong : NULL;

	look_now(t);
	if (!wrong)
		wrong = judge_answers(t);
	if (!wrong)
		wrong = judge_store(t);
	if (!wrong)
		wrong = judge_client(t);
	if (!wrong)
		wrong = judge_status(t);
	return wrong ? wrong : judge_told(t);
}

static enum outcome outcome_of(const struct trial *t)
{
	if (served->completed != PREC_OK)
		return served->answer == VIRTQ_EMPTY ||
				       served->answer == VIRTQ_STOPPED
			       ? MISREAD
			       : UNTOLD;
	if (served->decoded == VIRTQ_LOST)
		return TOLD_LOST;
	if (served->request.gone)
		return served->stored ? TOLD_ERROR : TOLD_LOST;
	if (!as_asked(t))
		return MISREAD;
	if (!served->stored)
		return TOLD_LOST;
	return told_ok() ? TOLD_OK : TOLD_ERROR;
}

/* --- the points --- */

static void start(void)
{
	if (stepper_start(&stepper, block_server_prepare, block_server_run))
		return;
	printf("no driver: %s\n", stepper.why);
	exit(2);
}

static void complain(const struct trial *t, const char *when, const char *wrong)
{
	uint64_t at = t->point < 0 ? 0 : stepper.points[t->point].instruction;
	char name[128] = "";

	unspecified++;
	if (at)
		stepper_symbol(at, name, sizeof(name));
	printf("UNSPECIFIED: %s%s, %s, lost %s, point %lld at %#llx %s%s: %s "
	       "(next %d, decode %d, %llu moved, completed %s, state %d)\n",
	       t->indirect ? "indirect " : "", t->write ? "write" : "read",
	       t->layout->name, t->loss->name, (long long)t->point,
	       (unsigned long long)at, name, when, wrong, served->answer,
	       served->decoded, (unsigned long long)served->moved,
	       prec_status_name(served->completed), served->state);
}

enum { UNSTEPPED = -2, WALK = -1 };

static bool run(struct trial *t, bool again)
{
	unsigned int who;

	served->again = again;
	served->rings = t->layout->rings;
	served->wrong[0] = 0;
	make_request(t);
	if (!stepper_open(&stepper))
		return false;
	if (!again) {
		loss_happen(t->loss->before);
		if (t->point == WALK && !stepper_walk(&stepper))
			return false;
		if (t->point >= 0 && !stepper_go(&stepper, (uint32_t)t->point))
			return false;
	}
	for (who = 0; who < LOSERS; who++)
		lent_read(who, seen[who]);
	if (t->point >= 0 && !again)
		loss_happen(t->loss->at);
	return stepper_finish(&stepper);
}

/* Run and judge; what is wrong, or NULL. */
static const char *run_and_judge(struct trial *t, bool again)
{
	static const struct loss none = { .name = "nothing" };
	unsigned int who;

	t->avail = again ? served->next_avail : 0;
	t->used = again ? served->next_used : 0;
	for (who = 0; who < LOSERS; who++)
		t->effects[who] = loss_effect_on(again ? &none : t->loss,
						 t->point >= 0, who);
	if (run(t, again))
		return judge(t);
	stepper_end_child(&stepper);
	return stepper.why;
}

static bool try_point(struct trial *t, int64_t point, struct row *row)
{
	enum outcome outcome = UNSPECIFIED;
	const char *wrong;

	t->point = point;
	wrong = run_and_judge(t, false);
	if (wrong) {
		complain(t, "", wrong);
	} else {
		outcome = outcome_of(t);
		wrong = run_and_judge(t, true);
		if (wrong)
			complain(t, ", the next request", wrong);
	}
	if (wrong) {
		outcome = UNSPECIFIED;
		/* its regions may still be lent */
		stepper_end_child(&stepper);
		start();
	}
	if (point >= 0) {
		row->points++;
		row->outcomes[outcome]++;
	}
	return unspecified < UNSPECIFIED_MAX;
}

static void print_row(const char *request, const char *loss,
		      const struct row *row)
{
	uint32_t i;

	if (!row->points)
		return;
	printf("%-34s %-18s %6u", request, loss, row->points);
	for (i = 0; i < OUTCOMES; i++)
		printf(" %7u", row->outcomes[i]);
	printf("\n");
}

static void add_row(struct row *to, const struct row *row)
{
	uint32_t i;

	to->points += row->points;
	for (i = 0; i < OUTCOMES; i++)
		to->outcomes[i] += row->outcomes[i];
}

static bool wanted(const struct trial *t, uint32_t l)
{
	if (l >= FIRST_TWICE)
		return t->layout->twice && !t->indirect;
	if (t->indirect && losses[l].at[LOSER_A] == TAKE_BYTES)
		return false; /* the same bytes as directly */
	if (l >= FIRST_OF_TWO)
		return t->layout->data.who != t->layout->rings.who;
	return true;
}

static struct row by_loss[LOSS_COUNT];

static void try_request(struct trial *t, struct row *total)
{
	struct row of_request = { .points = 0 };
	char name[64];
	int64_t n;
	uint32_t l;

	for (l = 0; l < LOSS_COUNT; l++) {
		struct row row = { .points = 0 };

		t->loss = &losses[l];
		if (!wanted(t, l) || !try_point(t, UNSTEPPED, &row) ||
		    !try_point(t, WALK, &row))
			continue;
		for (n = 0; n < (int64_t)stepper.count; n++)
			if (!try_point(t, n, &row))
				break;
		add_row(&of_request, &row);
		add_row(&by_loss[l], &row);
	}
	snprintf(name, sizeof(name), "%s%s, %s", t->indirect ? "indirect " : "",
		 t->write ? "write" : "read", t->layout->name);
	print_row(name, "any", &of_request);
	add_row(total, &of_request);
}

static void set_up(void)
{
	served = mmap(NULL, sizeof(*served), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (served == MAP_FAILED || !lent_make()) {
		perror("setting up");
		exit(2);
	}
	lent_restore();
	start();
}

int main(void)
{
	struct trial t = { .layout = NULL };
	struct row total = { .points = 0 };
	time_t began = time(NULL);
	uint32_t i, kind;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!stepper_works())
		return 77;
	set_up();
	printf("%-34s %-18s %6s %7s %7s %7s %7s %7s %7s\n", "request", "lost",
	       "points", "ok", "error", "lost", "untold", "misread", "unspec.");
	for (i = 0; i < LAYOUT_COUNT; i++)
		for (kind = 0; kind < 4; kind++) {
			t.layout = &layouts[i];
			t.write = kind & 1;
			t.indirect = kind & 2;
			if (unspecified < UNSPECIFIED_MAX)
				try_request(&t, &total);
		}
	stepper_end_child(&stepper);
	for (i = 0; i < LOSS_COUNT; i++)
		print_row("any", losses[i].name, &by_loss[i]);
	print_row("all", "", &total);
	stepper_print_total(&stepper, total.points, unspecified);
	printf("%lld s\n", (long long)(time(NULL) - began));
	return unspecified ? 1 : 0;
}
