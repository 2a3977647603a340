/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SEL4_STEPS_H
#define PRECARIUM_TESTS_SEL4_STEPS_H

#include <precarium/precarium.h>

#include <stdbool.h>
#include <stdint.h>

/*
 * The client revokes before instruction 1, 2, 3, … of each operation on its
 * memory.  Here is what is done, and whether what came of it is specified; the
 * model, which a debugger stops, and a kernel that steps a thread each count
 * the instructions in their own way.
 */

#define STEP_PAGE 2u		  /* the first of two that are lent, */
#define STEP_LOST (STEP_PAGE + 1) /* of which the second is lost */
#define STEP_SEED 2u		  /* of what the client has in them */

enum step_kind {
	STEP_COPY_IN,
	STEP_COPY_OUT,
	STEP_FILL,
	STEP_LOAD,
	STEP_STORE,
	STEP_ABANDON,
	STEP_COVER
};

struct step_operation {
	const char *name;
	enum step_kind kind;
	uint32_t before, size; /* bytes before the edge, and in all */
	uint32_t stride;       /* each so-manyth point is tried */
};
extern const struct step_operation step_operations[]; /* ends with no name */

/* The same at another place and of another size: as is for variant 0. */
struct step_operation step_variant(const struct step_operation *op,
				   uint32_t variant);

struct step_run {
	struct prec_result got;
	const char *wrong; /* what is not as specified, or NULL */
};

/* Lend the pages; then the operation, which is stepped; then look at what came
 * of it, and take the pages back.  `argument` is the operation. */
void step_begin(const struct step_operation *op, struct step_run *run);
void step_operate(void *argument);
void step_end(const struct step_operation *op, struct step_run *run);

#endif
