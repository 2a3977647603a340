// SPDX-License-Identifier: MIT
/* In place of the copies of src/port/linux, for the same measurement: those of
 * the C library, which copy everything or die. */
#include "port/port.h"

#include <string.h>

uint64_t prec_port_copy_in(unsigned char *to, uint64_t host, uint64_t size)
{
	memcpy(to, (void *)(uintptr_t)host, size);
	return size;
}

uint64_t prec_port_copy_out(uint64_t host, const unsigned char *from,
			    uint64_t size)
{
	memcpy((void *)(uintptr_t)host, from, size);
	return size;
}

uint64_t prec_port_copy_across(uint64_t to_host, uint64_t from_host,
			       uint64_t size)
{
	memmove((void *)(uintptr_t)to_host, (void *)(uintptr_t)from_host, size);
	return size;
}

uint64_t prec_port_fill(uint64_t host, uint8_t value, uint64_t size)
{
	memset((void *)(uintptr_t)host, value, size);
	return size;
}
