/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_IOMMU_DOMAIN_H
#define PRECARIUM_IOMMU_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

#include <precarium/pages.h>
#include <precarium/pin.h>
#include <precarium/space.h>
#include <precarium/status.h>

#include "iommu/iova.h"

/*
 * Lent memory that a device reaches through an IOMMU, the commands that use it,
 * and how both end.  A *domain* is what one thread does with one device: its
 * queues, the commands in flight in them, and what was lent to it.  It keeps
 * the ledger of pins (pin.h) true: no range is given back before the device is
 * known to leave it alone.
 *
 * Memory of a client that is lent to the device is a *loan*:
 *
 *	COMING   --mapped--> LIVE; if that fails --> REFUSED
 *	LIVE     --taken back--> DRAINING
 *	DRAINING --its commands ended--> LEAVING
 *	         --its deadline, with a hold--> CUT OFF
 *	CUT OFF  --its commands ended--> LEAVING
 *	LEAVING  --unmapped--> LEFT; if that fails --> HELD
 *	DRAINING, CUT OFF  --nothing ends its commands--> HELD
 *
 * From DRAINING on no new command uses it, and what the device reports for the
 * commands that do is not believed.  It leaves the device's table when no
 * command that was told of it is in flight: when each was completed, or was
 * ended by a quiesce.  Neither time nor an unmap ends a command.
 *
 * A *hold* is a second mapping of the same pages, which no command is ever told
 * of.  With it the deadline takes effect at once: the first mapping is removed,
 * and the hold keeps the pages from being given to others.  It is made with the
 * loan, because pages that the client has truncated cannot be pinned anew, and
 * it counts: a loan then costs twice its bytes.
 *
 * Commands that do not end by themselves are aborted, if the device can do that
 * with one of them; what that does not end is ended by a *quiesce*, of a queue
 * or of the whole device, from polite to rude:
 *
 *	QUEUE, DEVICE, BUS   each for as long as its patience; then nobody can
 *	                     vouch for the device: the domain is shut, and what
 *	                     its commands may still touch is HELD
 *
 * A quiesce belongs to the queue or the device, not to whoever it was begun
 * for.  It is driven to its end, and what was quiesced is restarted, also if
 * the loan or the client that needed it has gone meanwhile.  It disturbs others
 * of the same queue or device: their commands are put again after the restart,
 * and nobody learns of it.
 *
 * One thread uses a domain.  No call waits, allocates, or makes a system call
 * but through the table of operations.  Time is given: in any unit, from any
 * beginning, not going back.
 */
#define IOMMU_QUEUES 4u
#define IOMMU_SLOTS  128u /* commands in flight, over all queues */

/* How much is quiesced.  Each ends what the one before could not. */
enum iommu_level {
	IOMMU_QUEUE,  /* NVMe: the submission queue is deleted */
	IOMMU_DEVICE, /* the controller is disabled */
	IOMMU_BUS,    /* bus mastering off, a reset of the function */
	IOMMU_LEVELS,
};

enum iommu_answer {
	IOMMU_DONE,
	IOMMU_NOT_YET, /* ask again */
	IOMMU_FAILED,
};

/* One entry of the device's table. */
struct iommu_mapping {
	uint64_t iova;	 /* where the device sees it */
	uint64_t host;	 /* where it is mapped in this process */
	uint64_t size;	 /* bytes; whole pages */
	uint32_t rights; /* PREC_READ: the device may read it; PREC_WRITE */
	void *own;	 /* for the operations; NULL at the first call */
};

/* What a device is told, once, or again after a quiesce. */
struct iommu_command {
	uint32_t queue;
	uint32_t slot; /* less than the depth of the queue */
	void *own;     /* as passed to iommu_put */
};

/*
 * What a domain asks of an IOMMU and a device.  No operation waits.  An
 * operation that answers NOT_YET has begun, and is called again with the same
 * arguments until it answers otherwise, also if a thread of its own does the
 * work.  `device` is what was passed to iommu_open.
 */
struct iommu_ops {
	/* Pin all pages and let the device reach them.  FAILED: nothing is
	 * pinned or mapped. */
	enum iommu_answer (*map)(void *device, struct iommu_mapping *mapping);
	/* DONE: the device's table does not have it, no translation of it is
	 * cached, and its pages are unpinned.  FAILED: some of that is not
	 * certain, as when the system says that it unmapped fewer bytes. */
	enum iommu_answer (*unmap)(void *device, struct iommu_mapping *mapping);

	/* Give a command to the device.  The slot is free. */
	void (*put)(void *device, const struct iommu_command *command);
	/* Read the next completion of a queue.  False: there is none.  *slot is
	 * what the device says, and *status, 0 for success. */
	bool (*reap)(void *device, uint32_t queue, uint32_t *slot,
		     uint32_t *status);

	/* Ask for the end of a command that is in flight: it completes all the
	 * same, soon if the device can do that, and no other is disturbed.
	 * NULL: the device cannot. */
	void (*abort)(void *device, const struct iommu_command *command);

	/*
	 * Begin to quiesce.  `queue` is of use for IOMMU_QUEUE only.  Nothing
	 * is put meanwhile, completions are still read.  If another domain of
	 * the same device has begun the same, this joins it.  A level above may
	 * be begun while one below is not done, which is then asked for no
	 * more.
	 */
	void (*quiesce)(void *device, enum iommu_level level, uint32_t queue);
	/* DONE: nothing of that queue, or of the device, is in flight, nothing
	 * is written any more, and no new completion appears; those that are
	 * unread can still be read.  FAILED: it cannot be quiesced so. */
	enum iommu_answer (*quiesced)(void *device, enum iommu_level level,
				      uint32_t queue);
	/* Let it work again, with empty queues.  FAILED: it does not. */
	enum iommu_answer (*restart)(void *device, enum iommu_level level,
				     uint32_t queue);
};

struct iommu_options {
	uint32_t queues; /* 1 to IOMMU_QUEUES */
	uint32_t depth;	 /* commands of each; queues * depth <= IOMMU_SLOTS */
	bool hold;	 /* make holds */
	uint64_t quota;	 /* bytes of each client, with holds */
	uint64_t drain;	 /* time that a loan which is taken back may drain */
	uint64_t abort;	 /* … and a command that was aborted may take */
	uint64_t patience[IOMMU_LEVELS]; /* with a quiesce, and its restart */
};

enum iommu_state {
	IOMMU_FREE, /* no loan */
	IOMMU_COMING,
	IOMMU_LIVE,
	IOMMU_DRAINING,
	IOMMU_CUT_OFF,
	IOMMU_LEAVING,
	IOMMU_REFUSED, /* reported; as HELD and LEFT, ends the loan */
	IOMMU_HELD,    /* for ever, or until iommu_bury */
	IOMMU_LEFT,
};

/* The rest is private to src/iommu. */

enum iommu_mapped {
	IOMMU_UNMAPPED,
	IOMMU_MAPPING,
	IOMMU_MAPPED,
	IOMMU_UNMAPPING,
};

struct iommu_entry {
	struct iommu_mapping mapping;
	enum iommu_mapped state;
};

struct iommu_loan {
	enum iommu_state state;
	bool refused; /* it could not be mapped: LEAVING, then REFUSED */
	bool late;    /* its deadline has passed */
	bool news;    /* to be reported by iommu_settled */
	uint64_t deadline;
	struct iommu_entry first, hold;
	void *own;
};

enum iommu_stage {
	IOMMU_IDLE, /* of a slot: free.  Of a quiesce: none */
	IOMMU_IN_FLIGHT,
	IOMMU_AGAIN, /* was dropped by a quiesce, to be put when it is over */
	IOMMU_ENDED, /* to be reported by iommu_ended */
	IOMMU_LOST,  /* reported, and perhaps in flight for ever */
	IOMMU_QUIESCING,
	IOMMU_RESTARTING,
};

struct iommu_flight {
	enum iommu_stage stage;
	uint32_t queue;
	uint32_t range_count;
	uint32_t range[PREC_PAGES_RANGES];
	void *own;
	uint32_t status;
	bool insisted; /* is to end, and not to be put again */
	bool aborted;
	uint64_t deadline; /* once it was aborted */
	bool completed;
	bool believed;
	bool held;
};

struct iommu_quiesce {
	enum iommu_stage stage;
	enum iommu_level level;
	uint64_t deadline;
};

struct iommu_counts {
	uint64_t cut_off;		 /* loans */
	uint64_t held;			 /* loans */
	uint64_t quiesced[IOMMU_LEVELS]; /* that were done */
	uint64_t aborted;		 /* commands */
	uint64_t again;			 /* commands that were put again */
	uint64_t untrue;		 /* completions of what is not there */
};

struct iommu_domain {
	const struct iommu_ops *ops;
	void *device;
	struct iommu_options options;
	struct prec_ledger ledger;
	/* What is LIVE, by its address in this process; `host` is the device's
	 * address, `slot` the number of the loan. */
	struct prec_space windows;
	struct iova *iova;
	struct iommu_loan loan[PREC_LEDGER_RANGES]; /* by range */
	uint32_t loan_end; /* one past the last that was ever used */
	uint32_t moving;   /* COMING, or from DRAINING to LEAVING */
	uint32_t news;	   /* to be reported, now or later */
	struct iommu_flight flight[IOMMU_SLOTS];
	struct prec_flights pinned;	  /* what the ledger knows of them */
	uint32_t next_slot[IOMMU_QUEUES]; /* where to look for a free one */
	bool ending; /* some may have been aborted, and be in flight still */
	uint32_t ended_first;
	uint32_t ended_count;
	uint32_t ended[IOMMU_SLOTS]; /* slots to be reported, in their order */
	/* Of each queue, and of the device. */
	struct iommu_quiesce quiesce[IOMMU_QUEUES + 1];
	bool shut;   /* nothing more is lent or put */
	bool dead;   /* nobody vouches for the device */
	bool buried; /* … and it is closed: open again when all is reported */
	struct iommu_counts counts; /* may be read */
};

/*
 * Begin: nothing is lent, no command is in flight.  The caller provides the
 * structure.  What is passed is copied, but for `device` and `iova`, which all
 * domains of a device share.
 */
void iommu_open(struct iommu_domain *domain, const struct iommu_ops *ops,
		void *device, const struct iommu_options *options,
		struct iova *iova);

/*
 * Lend `span`, whole pages of memory of this process, for `client`: a number
 * below PREC_LEDGER_CLIENTS, which names nobody else before all its loans have
 * LEFT.  The loan is COMING.  iommu_settled reports LIVE, REFUSED or later LEFT
 * or HELD.  Until REFUSED or LEFT the span stays mapped in this process.
 *
 * Pages that the client takes away while they are pinned are not found here:
 * check the region again when the loan is LIVE, and compare its epoch when
 * commands end.
 *
 * PREC_INVALID: not whole pages.  PREC_REFUSED: over the quota, or nobody
 * vouches for the device.  PREC_FULL: no room, or no device address is free.
 * On each of these nothing has changed.
 */
PREC_MUST_CHECK enum prec_status iommu_lend(struct iommu_domain *domain,
					    uint32_t client,
					    const struct prec_span *span,
					    void *own, uint32_t *loan);

/*
 * The client takes it back, or it was found gone.  COMING or LIVE; else nothing
 * happens.  It ends LEFT, or HELD.
 */
void iommu_take_back(struct iommu_domain *domain, uint32_t loan, uint64_t now);

/*
 * Give a command to the device.  `pages` is a list that was made with `windows`
 * as they are now (prec_pages_add), of memory of the client; NULL: the command
 * names no lent memory.  The domain pins what the list names and does not keep
 * it; the device must be told its entries and no others.  `own` is passed to
 * the operation `put`, perhaps again after a quiesce, and comes back by
 * iommu_ended.  *slot says where the command is; it is queue * depth + the slot
 * of the queue.
 *
 * PREC_BUSY: no slot is free, or the queue is being quiesced; try again later.
 * PREC_GONE: a loan is not LIVE.  PREC_RIGHTS: one is another client's.
 * PREC_REFUSED: nobody vouches for the device.  PREC_INVALID: no such queue, or
 * an empty list.  On each of these nothing has changed.
 */
PREC_MUST_CHECK enum prec_status iommu_put(struct iommu_domain *domain,
					   uint32_t queue, uint32_t client,
					   const struct prec_pages *pages,
					   void *own, uint32_t *slot);

/* The command at `slot` is to end: by itself, by being aborted now, or by a
 * quiesce after that; it is not put again. */
void iommu_insist(struct iommu_domain *domain, uint32_t slot, uint64_t now);

/* Quiesce and restart, because something else than a loan or a command asks
 * for it: another domain of the device does, or the device says that it has
 * failed.  `queue` is of use for IOMMU_QUEUE only. */
void iommu_quiesce(struct iommu_domain *domain, enum iommu_level level,
		   uint32_t queue, uint64_t now);

/*
 * Read completions, see what has become of mappings and quiesces, and act on
 * deadlines that have passed.  To be called when the device or its thread has
 * something to say, and when iommu_due says so.
 */
void iommu_look(struct iommu_domain *domain, uint64_t now);

/*
 * The device and its tables are closed, so the kernel has reset the device and
 * unpinned all that was mapped (prec_ledger_bury).  Every loan has LEFT, HELD
 * ones too, and every command has ended; nothing is held by the device any
 * more.  At the first look after all of that was reported the domain is as
 * after iommu_open, for the device when it is opened anew; until then nothing
 * is lent or put.
 */
void iommu_bury(struct iommu_domain *domain);

/* The next deadline, if nothing else happens before; UINT64_MAX: none. */
uint64_t iommu_due(const struct iommu_domain *domain);

/* A command that has ended. */
struct iommu_outcome {
	void *own;
	uint32_t slot;
	uint32_t status; /* as the device says; if it was completed */
	bool completed;	 /* else it was dropped: how much it did is unknown */
	/* All its loans were LIVE to the end, so a success of the device counts
	 * if the epochs did not move either. */
	bool believed;
	/* It may be in flight for ever: memory of the server's own that it was
	 * told of must not be used again, nor be freed. */
	bool held;
};

/* Each command is reported once; its slot is free from then on. */
bool iommu_ended(struct iommu_domain *domain, struct iommu_outcome *outcome);

/* A loan whose state has become LIVE, REFUSED, HELD or LEFT.  After REFUSED and
 * LEFT its number is free. */
struct iommu_news {
	uint32_t loan;
	enum iommu_state state;
	void *own;
};

/* Each change is reported once. */
bool iommu_settled(struct iommu_domain *domain, struct iommu_news *news);

#endif
