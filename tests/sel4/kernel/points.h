/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SEL4_KERNEL_POINTS_H
#define PRECARIUM_TESTS_SEL4_KERNEL_POINTS_H

#include <sel4/sel4.h>

/* Have a thread stop with a debug exception after so many instructions, 0:
 * never; for kernels with the hardware debug API.  Somebody else resumes it. */
void thread_step(seL4_CPtr tcb, seL4_Word instructions);
/* The thread that watches the keeper: before scenario_set_up. */
void points_set_up(void);

#endif
