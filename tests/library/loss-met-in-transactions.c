// SPDX-License-Identifier: MIT
/*
 * plain code x kind of loss x position x policy: a scan that reads or writes
 * byte by byte from some start to the end of the region, with the loss before
 * the transaction or in its middle.
 */
#include "loss-table.h"

#define NEVER (~0ull)

struct scan {
	struct scene *scene;
	enum loss loss;	  /* comes about … */
	uint64_t lose_at; /* … before this byte is touched */
	uint64_t start;
	bool write;
	uint64_t wrong; /* bytes below the edge that were not as modelled */
	uint64_t full;	/* bytes beyond it that were not zero */
};

UNWATCHED
static void scan(struct prec_transaction *t, void *argument)
{
	struct scan *s = argument;
	struct scene *scene = s->scene;
	volatile unsigned char *bytes = bytes_of(&scene->lender.region);
	uint64_t i;

	for (i = s->start; i < SPACE; i++) {
		t->cursor = i;
		if (i == s->lose_at)
			scene_lose(scene, s->loss);
		if (s->write) {
			bytes[i] = (unsigned char)(i % 251 + 3);
			if (i < scene->edge)
				scene->model[i] = (unsigned char)(i % 251 + 3);
		} else if (i >= scene->edge) {
			s->full += bytes[i] != 0;
		} else {
			s->wrong += bytes[i] != scene->model[i];
		}
	}
	t->cursor = SPACE;
}

static void met(const struct scan *s, enum prec_policy policy,
		enum prec_status status, const struct prec_transaction *t)
{
	const struct prec_region *region = &s->scene->lender.region;
	uint64_t edge = s->scene->edge;
	uint64_t first = s->lose_at == NEVER ? s->start : s->lose_at;
	bool abandoned = policy == PREC_ABANDON;

	if (first < edge)
		first = edge;
	EXPECT(t->note.faults == 1);
	EXPECT(t->note.address == region->span.host + first);
	EXPECT(t->note.write == s->write);
	EXPECT(t->note.abandoned == abandoned);
	EXPECT(t->note.substituted == !abandoned);
	if (abandoned) {
		EXPECT(status == PREC_GONE);
		EXPECT(t->cursor == first);
	} else {
		EXPECT(status == PREC_DISTURBED);
		EXPECT(t->cursor == SPACE);
		EXPECT(t->note.lost_host == region->span.host + edge);
		EXPECT(t->note.lost_size == SPACE - edge);
	}
}

/* What a substituted region swallowed must not have reached the client. */
static void client_saw_nothing_beyond(struct scene *scene)
{
	unsigned char now[PAGE];
	uint64_t at, i;

	if (scene->loss == REVOKED || scene->edge == SPACE)
		return;
	set_size(&scene->lender, SPACE);
	for (at = scene->edge; at < SPACE; at += PAGE) {
		MUST(pread(scene->lender.fd, now, PAGE, (off_t)at) == PAGE);
		for (i = 0; i < PAGE; i++)
			if (now[i] != 0)
				break;
		EXPECT(i == PAGE);
	}
}

static void one(enum loss loss, uint64_t lose_at, uint64_t start, bool write,
		enum prec_policy policy)
{
	struct prec_transaction t;
	enum prec_status status;
	struct scene scene;
	struct scan s = { &scene, loss, lose_at, start, write, 0, 0 };

	scene_begin(&scene);
	if (lose_at == NEVER)
		scene_lose(&scene, loss);
	status = run_on(&scene.lender.region, policy, scan, &s, &t);
	if (loss == REVOKED && lose_at == NEVER) {
		EXPECT(status == PREC_REFUSED);
		EXPECT(t.cursor == 0);
		EXPECT(t.note.faults == 0 && !t.note.abandoned);
	} else if (scene.edge < SPACE) {
		met(&s, policy, status, &t);
	} else {
		EXPECT(status == PREC_OK);
		EXPECT(t.note.faults == 0);
		EXPECT(t.cursor == SPACE);
	}
	EXPECT(s.wrong == 0);
	EXPECT(s.full == 0);
	EXPECT(scene_agrees(&scene));
	client_saw_nothing_beyond(&scene);
	scene_end(&scene);
}

int main(void)
{
	const uint64_t starts[] = { 0,
				    1,
				    PAGE - 1,
				    PAGE,
				    2 * PAGE - 1,
				    2 * PAGE,
				    2 * PAGE + 1,
				    3 * PAGE - 1,
				    3 * PAGE,
				    SPACE - 101,
				    SPACE - 100,
				    SPACE - 1 };
	enum loss loss;
	size_t i, k;
	int bits;

	for (loss = NOTHING; loss < LOSSES; loss++) {
		for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
			for (bits = 0; bits < 4; bits++)
				one(loss, NEVER, starts[i], bits & 1,
				    bits & 2 ? PREC_SUBSTITUTE : PREC_ABANDON);
		for (k = 0; k < sizeof(starts) / sizeof(starts[0]); k++)
			for (bits = 0; bits < 4; bits++)
				one(loss, starts[k], 0, bits & 1,
				    bits & 2 ? PREC_SUBSTITUTE : PREC_ABANDON);
		printf("%s: %lu points so far\n", loss_name[loss],
		       points_tried);
	}
	return expect_end();
}
