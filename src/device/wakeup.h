/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_WAKEUP_H
#define PRECARIUM_DEVICE_WAKEUP_H

#include <stdint.h>

/*
 * What it costs, in ns, that a worker sleeps when a request comes: the client
 * wakes it and, as that takes time, falls asleep as well and is woken by the
 * answer.  So it is what two threads of this process take that wake each other
 * once, each after a rest.  It is a matter of microseconds where an idle
 * processor keeps running, and of a hundred in virtual machines whose idle
 * processors are taken away.
 *
 * A processor that is busy with other things wakes quickly, which says nothing
 * about one that is idle: hence the lower limit.  The upper one is what a
 * request may cost of the worker's processor.
 */
#define WAKEUP_MIN_NS 20000u
#define WAKEUP_MAX_NS 200000u

/* Measured by the first call, in a few ms, and within these limits.  The upper
 * one if it cannot be measured.  Any thread. */
uint64_t wakeup_price_ns(void);

/* The price, corrected by what the waking of one sleeping thread has just
 * taken. */
uint64_t wakeup_corrected_ns(uint64_t price_ns, uint64_t took_ns);

#endif
