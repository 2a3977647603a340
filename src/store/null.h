/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_NULL_H
#define PRECARIUM_STORE_NULL_H

#include "store/stores.h"

/* Zeroes to read; writes are dropped. */
extern const struct store_kind null_kind;

#endif
