/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SERVER_HELD_DISK_H
#define PRECARIUM_TESTS_SERVER_HELD_DISK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A disk that answers when it is told to: a file, served by a process of its
 * own by FUSE, whose reads, writes and syncs wait while it is held.  Everything
 * else is answered at once.  Reads go straight into the reader's pages, so that
 * one that is stuck holds them.
 *
 * Its data is client_pattern(seed), and what is written is dropped; or it is
 * that of another file.
 */
#define HELD_DISK_SEED 7u

/* A mount namespace of our own, so that nothing is left behind.  False: this
 * system does not let us. */
bool held_disk_prepare(void);
/* Serve the file `path`, which must be there.  False: no FUSE here. */
bool held_disk_start(const char *path, uint64_t size);
/* The same, with the data of the file that is open as `data`. */
bool held_disk_start_file(const char *path, uint64_t size, int data);
void held_disk_hold(void);
/* Hold the next writes, so many, and answer all else. */
void held_disk_hold_writes(uint32_t count);
void held_disk_release(void);
/* Shall it give up, with an error, what whoever waits for has given up?  Else
 * it is like a network disk that is mounted hard. */
void held_disk_yield(bool yields);
/* The next syncs fail, so many of them. */
void held_disk_fail_syncs(uint32_t count);
/* Holes and zeroes without data: refused with this error, and counted.  At
 * first that is ENOSYS, after which the kernel asks no more. */
void held_disk_refuse_fallocate(int error);
uint32_t held_disk_fallocates(void);
/* Requests that wait. */
uint32_t held_disk_waiting(void);
/* Those that wait fail; async-signal-safe. */
void held_disk_stop(void);

#endif
