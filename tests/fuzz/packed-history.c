// SPDX-License-Identifier: MIT
#define PROPERTIES "tests/virtio/packed-properties.c"
#include "ring-history.c"
