/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_USABLE_H
#define PRECARIUM_VHOST_USABLE_H

#include <stdint.h>

/* Bytes of memory that this process may use: what the machine has, or less
 * where a memory cgroup that it is in allows less. */
uint64_t vhost_usable_memory(void);

#endif
