/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_NOTIFY_H
#define PRECARIUM_DEVICE_NOTIFY_H

#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct pipe_call;
struct release_account;
LIST_HEAD(pipe_calls, pipe_call);

/*
 * Signalling eventfds that clients lent, so that no client can block us.
 *
 * write(2) is out: it blocks when the counter of the eventfd is full, and
 * O_NONBLOCK does not help, because it belongs to the file description, which
 * the client shares and can change between our check and our write.  The same
 * holds for poll before write.  RWF_NOWAIT is not supported by eventfd's write
 * (measured on 6.18: EOPNOTSUPP), and io_uring checks the same shared
 * O_NONBLOCK.
 *
 * The kernel's own signalling, eventfd_signal(), never blocks: it adds up to
 * the maximum and returns.  It is reached by an asynchronous read of no bytes
 * from /dev/null that names the eventfd as IOCB_FLAG_RESFD: the read completes
 * inside io_submit, which signals.  One call signals several eventfds.
 * Measured: 640 ns for one, where write takes 270, and on another machine 770
 * and 250.  There a NOP on a ring of io_uring that has the eventfd registered
 * takes 630 and cannot block, either, but each eventfd would need a ring of its
 * own; a write to a registered file takes 770.
 *
 * Kick descriptors are simpler: they are not read at all.
 *
 * A client may have lent a pipe instead (pipe.h).  Other threads write to it.
 */
enum { NOTIFY_BATCH = 32 };

/*
 * What it costs is up to the client, all the same: everybody who waits for the
 * eventfd is woken, and an eventfd may have a million epoll instances.  So
 * calls are timed.  After one that takes long, eventfds are signalled one at a
 * time for a while, and the processor time of this thread is held against the
 * eventfd.
 *
 * A time alone says little: interrupts, and what a hypervisor takes away, count
 * as processor time of this thread.  Nor do several in a row: where the host
 * has much to do, to wake who sleeps on another processor is what makes it take
 * this one away, again and again, though not every time.  Many waiters cost
 * every time.  So an eventfd is too slow if nearly all of the last NOTIFY_TIMES
 * took as long as notify_usual_ns says: NOTIFY_ENOUGH of them, where one that
 * took NOTIFY_LONG times that stands for 7, and one that took NOTIFY_MOST times
 * that for 28.
 *
 * Machines differ, too, and an emulated processor takes a hundred times as long
 * for everything.  So what is usual is measured: NOTIFY_USUAL_NS, or
 * NOTIFY_CALLS times what the same system call takes that wakes nobody.
 */
#define NOTIFY_USUAL_NS 100000u
#define NOTIFY_CALLS	200u
#define NOTIFY_LONG	50u
#define NOTIFY_MOST	500u
#define NOTIFY_TIMES	128u
#define NOTIFY_ENOUGH	112u

/* Of one eventfd, or of several that are seldom signalled. */
struct notify_cost {
	uint8_t weights[NOTIFY_TIMES]; /* of the last times */
	uint32_t next;		       /* the oldest of them */
	uint32_t weight;	       /* of all of them */
	bool too_slow;
};

struct notifier {
	aio_context_t context;
	int null_fd;   /* /dev/null, readable */
	int unread_fd; /* /dev/null, not readable */
	uint32_t count;
	uint32_t unreaped;
	uint32_t careful; /* so many are still signalled one at a time */
	bool found_slow;  /* some client, for the caller to look and clear */
	struct pipe_calls pipes;
	struct iocb blocks[NOTIFY_BATCH];
};

/* False: errno tells why. */
bool notifier_open(struct notifier *notifier);
void notifier_close(struct notifier *notifier);

/* As measured when notifiers were opened.  Any thread. */
uint64_t notify_usual_ns(void);
/* Processor time of this thread. */
uint64_t notify_clock_ns(void);
/* To signal it has taken so much of that. */
void notify_charge(struct notify_cost *cost, uint64_t ns);

/* Signal `fd`, at the latest when notifier_flush is called, and charge `cost`.
 * Both stay the caller's, who calls notifier_settle before closing it.  While
 * the system has no room `count` stays above 0: flush again soon.  If more than
 * NOTIFY_BATCH come meanwhile, the oldest are forgotten. */
void notifier_add(struct notifier *notifier, int fd, struct notify_cost *cost);
void notifier_flush(struct notifier *notifier);

/* The caller is about to close `fd`, or -1: signal it now if that is due.  Once
 * it is closed another client's descriptor may have its number. */
void notifier_settle(struct notifier *notifier, int fd);

/* May it be signalled?  It may if it is an eventfd, or a pipe or one of a pair
 * of sockets: then signals to it go by another descriptor, on the threads of
 * `account`, until notifier_settle is called.  `descriptors` counts that, and
 * lives as long.  Never blocks. */
bool notifier_takes(struct notifier *notifier, int fd,
		    struct release_account *account, uint32_t *descriptors);

/* True if it is an eventfd.  Asks the kernel, changes nothing, never blocks. */
bool notifier_knows(struct notifier *notifier, int fd);

#endif
