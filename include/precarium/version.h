/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VERSION_H
#define PRECARIUM_VERSION_H

#include <stdint.h>

#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of these headers: major, minor and patch, 8 bits each from bit
 * 16.  Before 1.0 each minor version has an interface of its own. */
#define PREC_VERSION 0x000100u

/* That of the library that the program runs with.  Any thread, and in
 * handlers. */
PREC_EXPORT uint32_t prec_version(void);

#ifdef __cplusplus
}
#endif
#endif
