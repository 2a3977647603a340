/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_EXAMPLES_SEL4_ROOT_H
#define PRECARIUM_EXAMPLES_SEL4_ROOT_H

#include <sel4/sel4.h>

/* What a bare root task needs before system.h works. */

/* Of each image: its first function.  When it returns, the first thread is
 * suspended and those that it has started go on. */
void root_task(void);

/* Where `say` goes: the kernel's console, or the platform's serial port if this
 * kernel does not print. */
void console_open(void);

#endif
