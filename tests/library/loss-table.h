/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_LIBRARY_LOSS_TABLE_H
#define PRECARIUM_TESTS_LIBRARY_LOSS_TABLE_H

#include <fcntl.h>

#include "lender.h"

/*
 * The ways in which a client loses or changes memory it has lent, and what the
 * driver finds afterwards, from the definitions: where the bytes end that can
 * still be reached, and what they hold.
 */
#define SPACE (4u * PAGE)

enum loss {
	NOTHING,
	TRUNCATED,	  /* to nothing */
	CUT_AT_PAGE,	  /* to two pages */
	CUT_INSIDE_PAGE,  /* in the third */
	CUT_IN_LAST_PAGE, /* 100 bytes before the end */
	PUNCHED,	  /* the second page */
	SHRUNK_AND_GROWN, /* to one page and back */
	DELETED,	  /* the client has closed the file: ours lives on */
	REVOKED,	  /* politely */
	LOSSES
};

static const char *const loss_name[LOSSES] = {
	"nothing",	     "truncated",	"cut at a page",
	"cut inside a page", "cut in the last", "punched",
	"shrunk and grown",  "deleted",		"revoked"
};

/* model[]: what the bytes below `edge` hold now. */
struct scene {
	struct lender lender;
	enum loss loss;
	uint64_t edge;
	unsigned char model[SPACE];
};

static inline void scene_begin(struct scene *scene)
{
	uint64_t i;

	lend_pattern(&scene->lender, SPACE);
	scene->loss = NOTHING;
	scene->edge = SPACE;
	for (i = 0; i < SPACE; i++)
		scene->model[i] = pattern(i);
}

static inline void cut(struct scene *scene, uint64_t size)
{
	set_size(&scene->lender, size);
	scene->edge = (size + PAGE - 1) / PAGE * PAGE;
	memset(scene->model + size, 0, SPACE - size);
}

static inline void scene_lose(struct scene *scene, enum loss loss)
{
	scene->loss = loss;
	switch (loss) {
	case TRUNCATED:
		cut(scene, 0);
		break;
	case CUT_AT_PAGE:
		cut(scene, 2 * PAGE);
		break;
	case CUT_INSIDE_PAGE:
		cut(scene, 2 * PAGE + 100);
		break;
	case CUT_IN_LAST_PAGE:
		cut(scene, SPACE - 100);
		break;
	case PUNCHED:
		MUST(fallocate(scene->lender.fd,
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE,
			       PAGE) == 0);
		memset(scene->model + PAGE, 0, PAGE);
		break;
	case SHRUNK_AND_GROWN:
		cut(scene, PAGE);
		set_size(&scene->lender, SPACE);
		scene->edge = SPACE;
		break;
	case DELETED:
		close(scene->lender.fd);
		scene->lender.fd = -1;
		break;
	case REVOKED:
		MUST(prec_region_revoke(&scene->lender.region) == PREC_OK);
		scene->edge = 0;
		break;
	case NOTHING:
	case LOSSES:
		break;
	}
}

/* Does the file itself hold what was written to the bytes that remain? */
static inline bool scene_agrees(struct scene *scene)
{
	static unsigned char now[SPACE];

	if (scene->lender.fd < 0 || scene->loss == REVOKED)
		return true;
	memset(now, 0, sizeof(now));
	if (pread(scene->lender.fd, now, scene->edge, 0) < 0)
		return false;
	/* The file ends inside the last page: what is beyond is nobody's. */
	if (scene->loss == CUT_INSIDE_PAGE)
		return memcmp(now, scene->model, 2 * PAGE + 100) == 0;
	if (scene->loss == CUT_IN_LAST_PAGE)
		return memcmp(now, scene->model, SPACE - 100) == 0;
	return memcmp(now, scene->model, scene->edge) == 0;
}

static inline void scene_end(struct scene *scene)
{
	EXPECT(scene_agrees(scene));
	MUST(prec_region_unmap(&scene->lender.region) == PREC_OK);
	if (scene->lender.fd >= 0)
		close(scene->lender.fd);
}

#endif
