/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_LINUX_LINUX_H
#define PRECARIUM_PORT_LINUX_LINUX_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <ucontext.h>

#include "machine.h"
#include "port/region.h"

#include <precarium/claim.h>
#include <precarium/fault.h>
#include <precarium/lending_linux.h>
#include <precarium/region.h>
#include <precarium/signals_linux.h>
#include <precarium/transaction.h>

/* Hidden, so that no access inside the library goes through a symbol table. */
#pragma GCC visibility push(hidden)

/*
 * What the files of this port share.
 *
 *   fault.c        the signal handler: collects facts, decides, acts
 *   pass.c         gives a foreign fault to the handler installed before ours
 *   on_top.c       looks for a live signal frame that must not be jumped over
 *   fixup.c        the instructions that may fault, and where they continue
 *   index.c        finds the region that holds an address
 *   substitute.c   puts empty pages in the place of lost ones
 *   provide.c      puts pages in the place of holes;  budget.c  what they cost,
 *                  and left.c  when the region has gone
 *   map.c          makes a region;  admit.c  decides what is accepted
 *   io.c           lent memory in system calls
 *   grow.c         lends more of a region, and heals it
 *   region.c       revokes, unmaps, looks
 *   void.c         the file that a revoked region is mapped from
 *   files.c        one descriptor for each file that regions are mapped from
 *   transaction.c  enters;  leave.c  leaves
 *   thread.c       what each thread has open
 *   health.c       reports what could keep a fault from our handler, and
 *                  selftest.c tries it
 *   symbols.c      the inline functions of the headers, as symbols
 *   unsafe_stack.h a second stack of the program
 *   rules.h        what a program must not do, and rules.c, which tells it
 *   sides.h        readers that never wait, for fixup.c and index.c
 *   machine.h      what all this asks of a processor
 */

/* region->flags, beside those of port/region.h. */
enum {
	REGION_UNCOVERABLE = 1u << 2, /* substituting a page has failed */
	REGION_KEEPS_SIZE = 1u << 4,  /* sealed against shrinking */
	REGION_WATCHED = 1u << 6,     /* touching a hole is a fault */
	REGION_ZEROPAGE = 1u << 7,    /* how its pages are made: provide.c */
	REGION_KEPT = 1u << 9,	      /* children have it, too */
	REGION_ADOPTED = 1u << 10,    /* the mapping is somebody else's */
	REGION_HEALING = 1u << 11,    /* the client's pages are being put
					 back */
};

/* What this port keeps of a region, in its `port`. */
struct region_own {
	uint64_t mapped;     /* bytes in whole pages; the span may have fewer */
	uint64_t lost;	     /* replaced by empty pages from here to the end */
	uint64_t singles[8]; /* single pages replaced: see substitute.c */
	uint64_t file_offset; /* of its first byte */
	uint32_t file;	      /* files.c; PREC_NONE: it is not known */
	uint32_t born;	      /* forks before it was mapped */
	uint32_t prot;
	bool withdrawn;		    /* revoke has finished */
	struct prec_budget *budget; /* NULL: holes are not watched */
	uint64_t *made;		    /* bits of the pages that we made */
	uint64_t charged;	    /* bytes, in the budget */
	uint32_t covering;	    /* threads that are replacing pages */
};

_Static_assert(sizeof(struct region_own) <=
		       sizeof(((struct prec_region *)0)->port),
	       "the room that region.h leaves");

/* Also of a region that the caller only reads. */
static inline struct region_own *own(const struct prec_region *region)
{
	return (struct region_own *)(uintptr_t)region->port;
}

struct prec_thread {
	struct prec_transaction *top; /* innermost open transaction */
	const struct prec_region *open[OPEN_MAX];
	uint32_t open_count; /* OPEN_MAX before it is prepared */
	bool prepared;
	uintptr_t stack_low, stack_high; /* the thread's own stack */
	uint64_t retry_at; /* address of the last fault answered by a retry */
	uint32_t retry_count;		  /* retries there in a row */
	struct {			  /* a foreign fault: pass.c */
		uint32_t at;		  /* 1 + who has it; 0: nobody */
		const void *context;	  /* of its first delivery, */
		uintptr_t stack;	  /* where that was handled, */
		siginfo_t info;		  /* and what it said */
	} passing[2];			  /* SIGBUS, SIGSEGV */
	struct prec_thread *next, **link; /* list of all prepared threads */
};

/* initial-exec, because the dynamic models may allocate in the handler. */
extern __thread struct prec_thread prec_self
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Unblock the fault signals, and put the calling thread on the list, once.
 * PREC_SYSTEM: see errno. */
enum prec_status prec_thread_enter(struct prec_thread *self);
/* Is the region open in any thread (PREC_BUSY), or in none (PREC_OK)?
 * PREC_SYSTEM: there is no way to know.  The caller has set REGION_CLOSING. */
enum prec_status prec_thread_holds(const struct prec_region *region);
/* The system has no membarrier, so each thread must fence for itself. */
extern bool prec_thread_must_fence;
/* Something besides the list is to be done at each entry: a fence, or keeping
 * the program's second stack pointer. */
extern bool prec_thread_has_more;
/* The caller holds the lock of the setup, of which there is one so that no fork
 * comes in the middle. */
enum prec_status prec_thread_setup(void);
void prec_setup_lock(void);
void prec_setup_unlock(void);

/* The caller of these holds the lock of the index. */
bool prec_index_has(const struct prec_region *region);
/* PREC_FULL, or PREC_OVERLAP: part of its range is a region already. */
enum prec_status prec_index_insert(struct prec_region *region);
void prec_index_remove(struct prec_region *region);
/* Each region, upwards from the one that holds the address, or lies above it,
 * until `visit` says false.  None is unmapped meanwhile.  In signal handlers
 * too.  False: it was `visit` that ended it. */
bool prec_index_visit(uint64_t host,
		      bool (*visit)(struct prec_region *region, void *argument),
		      void *argument);
void prec_index_forked(void);
/* How many forks lie between the first process and this one. */
extern uint32_t prec_generation;

/* Held by whoever changes the index or a region's mapping.  Also around fork,
 * so that no other thread is in the middle of a change: the child would inherit
 * half of it, and a lock whose holder does not exist. */
void prec_index_lock(void);
void prec_index_unlock(void);
void prec_fixup_lock(void);
void prec_fixup_unlock(void);

/* Where an instruction of an accessor continues after a fault; 0 if the
 * instruction is not one.  Async-signal-safe. */
uintptr_t prec_fixup_find(uintptr_t instruction);
void prec_fixup_forked(void);
/* Has a module registered that lacks its table? */
bool prec_fixup_dropped(void);

/* Before the mapping, and again after it: is the lending accepted?  *page_size
 * is that of the file; *keeps_size: it is sealed against shrinking. */
enum prec_refusal prec_admit(const struct prec_lending *lending,
			     uint32_t *page_size, bool *keeps_size);
/* Bytes of its holes, at most of the whole range. */
uint64_t prec_admit_holes(const struct prec_lending *lending);
enum prec_refusal prec_admit_again(const struct prec_lending *lending,
				   bool *keeps_size);

/* A duplicate of a descriptor that is to stay open: never 0, 1 or 2, which a
 * program that has closed them writes its messages to.  -1: see errno. */
int prec_descriptor_keep(int fd);
/* A file that a region is mapped from, as a number for region_own.file; the
 * caller holds the lock of the index.  PREC_NONE: see errno. */
uint32_t prec_file_keep(int fd);
/* The caller does not have the lock: to close it may take any time. */
void prec_file_let_go(uint32_t at);
/* Our descriptor of it, and what it says now.  False: it is not known, or the
 * program has closed ours.  In signal handlers too. */
int prec_file_descriptor(uint32_t at);
bool prec_file_is_there(uint32_t at, struct stat *file);
/* The file that is mapped in the place of revoked memory; -1: see errno.  The
 * caller holds the lock of the index. */
int prec_void_file(void);

/* What prec_region_revoke does to a region that is mapped.  The caller holds
 * the lock of the index. */
enum prec_status prec_region_withdraw(struct prec_region *region);

/* The result of putting an empty page at an offset of a region. */
enum prec_cover {
	COVER_DONE,    /* the page is there */
	COVER_ALREADY, /* another thread did or does it: retry the access */
	COVER_HEALING, /* the client's pages are being put back: the same */
	COVER_FAILED,  /* the system refused, or too many single pages */
};
/* Async-signal-safe.  What is replaced goes into the note. */
enum prec_cover prec_substitute(struct prec_region *region, uint64_t offset,
				enum prec_fault_kind kind,
				struct prec_note *note);

/* Is there a live signal frame between the fault and the transaction's entry,
 * whose stack pointer was entry_sp? */
bool prec_on_top(const ucontext_t *context, uint64_t entry_sp);
/* Mark our own signal frame, which is dead as soon as the handler returns. */
void prec_on_top_mark(ucontext_t *context);

/* Deliver a foreign fault as the kernel would have done without us.
 * `came_back`: our handler was not called by the kernel. */
void prec_pass_on(int sig, siginfo_t *info, ucontext_t *context,
		  bool came_back);
/* Before our handler is installed, or put on top again: what is there.  The
 * caller holds the lock of the setup.  False: there is no room. */
bool prec_pass_has_room(int sig, const struct sigaction *before);
void prec_pass_remember(int sig, const struct sigaction *before);

void prec_fault_handler(int sig, siginfo_t *info, void *context);
extern bool prec_fault_is_hosted; /* the program owns the signals */
extern bool prec_fault_is_installed;

/* Was it left behind by a fork?  Its range may be anybody's in this process. */
static inline bool region_left(const struct prec_region *region)
{
	return own(region)->born != prec_generation &&
	       !(region_flags(region) & REGION_KEPT);
}

/* Of what was left behind by a fork only the book-keeping is here.  The caller
 * holds the lock of the index. */
static inline bool region_is_mapped(const struct prec_region *region)
{
	return region_left(region) ? region->span.size != 0
				   : prec_index_has(region);
}

/* Does its file have so many bytes of it?  Yes, if it is not known. */
static inline bool region_file_covers(const struct prec_region *region,
				      uint64_t size)
{
	struct stat file;

	if (own(region)->file == PREC_NONE)
		return true;
	return prec_file_is_there(own(region)->file, &file) &&
	       (uint64_t)file.st_size >= own(region)->file_offset + size;
}

/* Its range has been mapped anew. */
static inline void region_has_none_replaced(struct prec_region *region)
{
	struct region_own *mine = own(region);
	uint32_t i;

	for (i = 0; i < sizeof(mine->singles) / sizeof(mine->singles[0]); i++)
		__atomic_store_n(&mine->singles[i], 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&mine->lost, mine->mapped, __ATOMIC_SEQ_CST);
}

#pragma GCC visibility pop

#endif
