/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SEL4_MODEL_MODEL_H
#define PRECARIUM_TESTS_SEL4_MODEL_MODEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include <sel4/sel4.h>

/*
 * A model of the calls of seL4 that the port uses, in one Linux process: a
 * frame is a page of a file, a mapping is a mapping, a thread is a thread, and
 * a fault is a signal whose handler waits until the thread's fault handler
 * answers.  Written from the reference manual.
 *
 * What it has: slots, rights, derivation, revocation child by child, with the
 * kernel unlocked in between; Untyped memory, of devices too; levels of page
 * tables; an IO space; endpoints, badges, replies, with MCS as objects; faults.
 *
 * What it has not: VSpaces apart (all share the addresses of the process, so
 * their users choose them apart), priorities, scheduling contexts, interrupts.
 * Threads run in parallel.
 *
 * A mistake that would hang a real system, or that seL4 only warns of, ends the
 * process with a line that says what it was.
 */

enum object_type {
	UNTYPED = 1,
	TCB,
	ENDPOINT,
	CNODE,
	VSPACE,
	FRAME,
	TABLE, /* of any level; 0: of an IO space */
	REPLY,
	IOSPACE,
	OTHER,
};

struct table { /* a page table in a VSpace */
	uint64_t base;
	int level; /* 3: 512 GiB, 2: 1 GiB, 1: 2 MiB */
	struct table *next;
};

struct object {
	enum object_type type;
	uint64_t at, size; /* its place in physical memory */
	bool device;
	int bits, level;
	uint64_t mark;	       /* untyped: how far it is used */
	struct cap *slot;      /* CNode */
	struct table *tables;  /* VSpace, IO space */
	struct tcb *senders;   /* endpoint: who waits to send */
	struct tcb *receivers; /* ... or to receive */
	struct tcb *tcb;       /* TCB; reply: who waits for it */
};

struct cap {
	struct object *object; /* NULL: the slot is empty */
	seL4_CapRights_t rights;
	uint64_t badge;
	bool original;	       /* revoking it reaches its copies */
	struct object *vspace; /* or IO space: where it is mapped */
	uint64_t mapped;
	struct cap *prev, *next; /* derivation order */
};

enum thread_state { INACTIVE, RUNNING, SENDING, FAULTED, CALLING, RECEIVING };

struct tcb {
	enum thread_state state;
	pthread_t thread;
	pthread_cond_t wake;
	struct object *cspace;
	struct object *fault_endpoint;
	uint64_t fault_badge;
	seL4_UserContext start;	      /* what was last written */
	greg_t *registers;	      /* while it is stopped at a fault */
	struct cap buffer;	      /* the frame of its IPC buffer */
	uint64_t badge, label, mr[8]; /* the message in hand */
	struct tcb *reply_to;	      /* without MCS */
	struct object *reply;	      /* with MCS: given to the next message */
	struct object *awaits;	      /* ... and the one that is to answer it */
	struct tcb *next;	      /* in a queue */
};

/* One big lock, as the kernel has; held by the caller of what is below. */
extern pthread_mutex_t model_lock;
extern __thread struct tcb *model_self; /* the calling thread */
extern int model_memory;		/* a file: all physical memory */
extern struct object model_root;	/* the CNode of the first thread */

/* Addresses that may be mapped: a range of the process. */
#define MODEL_SIZE (4ull << 30)
extern uint64_t model_base;

void model_memory_start(void);
void model_threads_start(void);

/* Into the kernel and out of it.  The hook is called first, by the thread that
 * calls; another by who revokes, after each child.  Hooks call no hook. */
void model_enter(void);
seL4_Error model_leave(seL4_Error error);
extern void (*model_before_call)(void);
extern void (*model_between_children)(void);

/* Ends the process. */
__attribute__((noreturn, format(printf, 1, 2))) void
model_wrong(const char *format, ...);

/* What a capability address of the calling thread names, if it is of that type;
 * else NULL. */
struct cap *model_look(uint64_t address, enum object_type type);
struct cap *model_slot(struct object *cnode, uint64_t index);
void model_derive(struct cap *from, struct cap *to);
void model_delete(struct cap *cap);
/* Of a capability that is deleted, or unmapped. */
void model_unmap(struct cap *cap);
/* What is mapped at an address: PROT_*.  Linux may be late, and its error code
 * then says that nothing is there where something read-only is. */
uint8_t model_prot(uint64_t at);
bool model_has_table(const struct object *space, uint64_t at, int level);
void model_add_table(struct cap *cap, struct object *space, uint64_t at,
		     int level);
void model_unmap_io(struct cap *cap);
/* Where in memory the device's address is; -1: nothing that it may use so. */
int64_t model_device_finds(uint64_t at, bool write);
/* How many are derived from it. */
uint32_t model_children(const struct cap *cap);

#endif
