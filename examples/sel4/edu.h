/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_EXAMPLES_SEL4_EDU_H
#define PRECARIUM_EXAMPLES_SEL4_EDU_H

#include <stdbool.h>
#include <stdint.h>

#include <sel4/sel4.h>

/* A device behind VT-d: QEMU's `edu`, which moves bytes between a buffer of its
 * own and memory. */

#define EDU_BYTES 2048u /* in each transfer */

/* NULL if it is there and behind an IOMMU, in an IO space of its own, which is
 * empty; else why not. */
const char *edu_open(seL4_CPtr *space);
/* From memory into its buffer, or back. */
void edu_start(uint64_t at, bool to_memory);
/* Until it says that it is done; false: it never does. */
bool edu_wait(void);

#endif
