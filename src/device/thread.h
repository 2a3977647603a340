/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_THREAD_H
#define PRECARIUM_DEVICE_THREAD_H

#include <pthread.h>

/*
 * Start a thread that takes no signals but those of faults and of the filter of
 * system calls: the signals of the process are for the thread that runs the
 * server.  Returns 0, or an errno.  `thread` may be NULL: it is detached.
 */
int thread_start(pthread_t *thread, void *(*run)(void *argument),
		 void *argument);

/* What this thread is called where threads are listed: 15 bytes at most. */
void thread_name(const char *name);

#endif
