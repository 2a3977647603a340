/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SEL4_SCENARIO_H
#define PRECARIUM_TESTS_SEL4_SCENARIO_H

#include "examples/sel4/driver.h"

#include <precarium/precarium.h>

#include <stdbool.h>
#include <stdint.h>

#include <sel4/sel4.h>

/*
 * A driver, its keeper, and a client that lends memory and takes it back: the
 * same on the model and on a real kernel.  A part is a promise, kept by the
 * driver thread; each begins and ends with nothing lent.
 */

struct scenario_part {
	const char *name;
	void (*run)(void);
};
extern const struct scenario_part scenario_parts[]; /* ends with no name */

/* Run the part of that name, or all; ends by system_end. */
void scenario(const char *only);
/* The keeper, the driver threads and the client, but nothing runs yet. */
void scenario_set_up(void);
/* The first thread of all becomes the first driver. */
void scenario_become_driver(void);
/* Of the model, before: an address space and the first thread. */
void model_start(void);

/* ---- checks: of the driver thread alone ---------------------------------- */

void scenario_check(bool holds, const char *what, uint64_t got);
#define EXPECT(holds) scenario_check(holds, #holds, 0)
#define EXPECT_EQ(got, want)                                                   \
	do {                                                                   \
		uint64_t got_ = (uint64_t)(got);                               \
                                                                               \
		scenario_check(got_ == (uint64_t)(want), #got " == " #want,    \
			       got_);                                          \
	} while (0)

/* ---- the client: an address space and a CSpace of its own ---------------- */

#define PAGES	      64u	    /* it has */
#define GUEST	      0x40000000ull /* its own name for its first byte */
#define CLIENT_BITS   8		    /* of its CNode, */
#define CLIENT_SELF   1		    /* where it has itself, */
#define CLIENT_EP     2
#define CLIENT_REPLY  3
#define CLIENT_FRAMES 64 /* and the originals of its frames */

/* What it is asked to do, by a call with up to three words. */
enum client_command {
	CLIENT_FILL = 1,    /* pages below b, or all, by pattern(_, a) */
	CLIENT_COUNT_WRONG, /* in [a, a + b): bytes that are not of pattern c */
	CLIENT_COUNT_OTHER, /* ... that are not c */
	CLIENT_PUT_BACK,    /* [a, a + b) by pattern(_, c) */
	CLIENT_POKE,	    /* byte a becomes b */
	CLIENT_PEEK,	    /* byte a */
	CLIENT_REVOKE,	    /* page a */
	CLIENT_DELETE,	    /* its original of page a */
	CLIENT_REVOKE_LATER, /* page a, after the reply and b turns of a loop */
	CLIENT_RING,	     /* page 0 is a ring from now on, and empty */
	CLIENT_REQUEST,	     /* type a, sector b, c pages of data */
	CLIENT_RESULT,	     /* the used index; then status byte and length */
};
uint64_t client_ask(enum client_command command, uint64_t a, uint64_t b,
		    uint64_t c);
void client_main(uint64_t argument);
uint8_t client_pattern(uint64_t offset, uint64_t seed);

extern seL4_CPtr client_endpoint, client_cnode, client_untyped;

/* ---- lending ------------------------------------------------------------- */

extern seL4_CPtr received; /* PAGES slots: what the client has sent */
extern uint8_t buffer[PAGES * 4096];

/* The client sends its frames [first, first + count), once more. */
void receive_frames(uint32_t first, uint32_t count, bool write);
enum prec_status lend(struct prec_region *region, uint32_t first,
		      uint32_t count, uint32_t rights, enum prec_refusal *why);
/* All its pages, for both rights. */
void lend_all(struct prec_region *region);
/* Bytes of the buffer that are not as the client's, from `from`. */
uint64_t buffer_wrong(uint64_t from, uint64_t size, uint64_t seed);
struct prec_fault_counts counts_now(void);

/*
 * Of the model, or of kernel/points.c.
 */

/* Have `act` called when the keeper comes to its n-th point from now: its n-th
 * call of the kernel on the model, its n-th instruction on a kernel that steps.
 * False: that cannot be here. */
bool point_arm(uint32_t point, void (*act)(void));
/* Not any more.  Has it come to it? */
bool point_disarm(void);
/* How many capabilities are derived from the one in a slot of a CNode, where
 * that can be known; else 0. */
uint32_t system_derived(seL4_CPtr cnode, seL4_Word slot);

/* After a part, and where else nothing is lent. */
void check_nothing_left(void);

/* The keeper's own fault endpoint, or 0: before scenario_set_up. */
extern seL4_CPtr keeper_faults;

/* Other driver threads: entered, unless it is one of the victims. */
enum {
	FIRST_DRIVER,
	FIRST_VICTIM,
	SECOND_VICTIM,
	THIRD_VICTIM,
	SECOND_DRIVER,
	DRIVERS
};
void start_driver(uint32_t which, void (*entry)(uint64_t), uint64_t argument);
/* Faults that are not ours, as the keeper has reported them. */
uint64_t foreign_seen(void);
uint64_t foreign_address(void);
/* Told of each before it is reported, by the keeper: was it meant to happen? */
extern bool (*foreign_is_meant)(const struct prec_keeper_fault *fault);
void wait_until(bool (*holds)(void));

/* ---- the parts ----------------------------------------------------------- */

void copies_are_exact(void);
void transactions_end(void);
void two_threads_meet_one_loss(void);
void lending_is_examined(void);
void regions_come_and_go(void);
void revoked_in_mid_copy(void);
void revoked_between_calls(void);
void foreign_faults_stop_their_thread(void);
void block_requests(void);
void device_loses_what_is_revoked(void);
void what_is_deleted_stays(void);

#endif
