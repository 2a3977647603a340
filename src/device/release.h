/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_RELEASE_H
#define PRECARIUM_DEVICE_RELEASE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * Giving up what a client lent, on threads that do nothing else.
 *
 * The client chooses how long that takes: close(2) waits for a TCP socket that
 * lingers, for a FUSE server that does not answer, for the epoll instances that
 * watch an eventfd, and for gigabytes of memory to be freed.  A socket that is
 * closed closes what lies unread in it as well.  So no thread that serves
 * others closes anything that a client had a hand in.
 *
 * A thread may hang here.  Another then takes its place, and what one export
 * has left to release is counted: it occupies RELEASE_THREADS threads at most,
 * and takes no new client while all of them hang, or while RELEASE_PENDING are
 * pending.
 */
#define RELEASE_THREADS 4u
#define RELEASE_PENDING 256u
/* A thread that is busy with one thing for so long is said to hang. */
#define RELEASE_HANG_MS 1000

struct share;

/* Of one export.  The functions take NULL for what no client has to do with. */
struct release_account;

/* One thing to be released: embedded in it, if it is more than a descriptor. */
struct release {
	STAILQ_ENTRY(release) entry;
	struct release_account *account;
	uint32_t descriptors; /* that it holds until then */
	/* Releases it, and what the struct is embedded in.  Any thread. */
	void (*run)(struct release *release);
};

/* Start the first threads, once; until then what is released is released at
 * once.  False: errno. */
bool release_start(void);

/* Wait until nothing is pending, for `ms` at most.  False: something is. */
bool release_wait(int ms);

/* Whenever nothing is pending any more `idle_fd`, an eventfd, is signalled.
 * What is pending uses descriptors of this share.  Both outlive the account.
 * NULL: no memory. */
struct release_account *release_account_new(int idle_fd,
					    struct share *descriptors);
/* Nothing may be pending. */
void release_account_free(struct release_account *account);

/* What is pending.  Any thread, as all that follows; none of it blocks. */
uint32_t release_pending(struct release_account *account);

/* True: take no new client, and nothing that would have to be released. */
bool release_is_clogged(struct release_account *account);

/* Call `run` on one of the threads.  The caller lets go of it. */
void release_later(struct release_account *account, struct release *release,
		   void (*run)(struct release *release));

/* Close a descriptor.  -1 is ignored. */
void release_fd(struct release_account *account, int fd);

/* Read nothing from this socket any more: drop what was sent, and let nothing
 * be added.  It stays the caller's. */
void release_unread(struct release_account *account, int fd);

#endif
