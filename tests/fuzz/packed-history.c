// SPDX-License-Identifier: MIT
#define PROPERTIES "packed-properties.c"
#include "ring-history.c"
