/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_TORTURE_CASE_H
#define PRECARIUM_PROGRAM_TORTURE_CASE_H

#include "client/client.h"
#include "client/hostile.h"
#include "client/protocol.h"

#include "program/torture/torture.h"

/*
 * What attacks are made of.  A case runs in a process of its own, which may
 * fault, block or be killed: only what it finds out with attack_found is
 * heard, and the judgement is made from outside.
 */
struct attack {
	const struct torture_options *options;
	struct client client;
	uint64_t random;
	struct finding *finding;
	int err_fd; /* of queue 0 */
	uint32_t exchanges;
};

struct torture_case {
	const char *group;
	char name[56]; /* without the group */
	void (*run)(struct attack *attack, const struct torture_case *self);
	const void *row; /* of the table that it was made from */
	uint32_t kind;
	bool slow; /* takes a second or more */
};

struct case_list {
	struct torture_case *cases;
	uint32_t count;
};

#define CASES_MAX 1024u

/* attack.c: append a case to the table.  Its name is the two words, joined by a
 * hyphen where the second is not empty. */
struct torture_case *add_case(struct case_list *list, const char *group,
			      void (*run)(struct attack *attack,
					  const struct torture_case *self),
			      const char *first, const char *second);

/* cases.c: all of them, group by group. */
struct case_list cases_make(void);
/* A client that does nothing at all. */
void torture_nothing(struct attack *attack, const struct torture_case *self);
/* A client that does nothing wrong. */
void torture_good_life(struct attack *attack, const struct torture_case *self);

void cases_add_messages(struct case_list *list);
void cases_add_memory(struct case_list *list);
void cases_add_rings(struct case_list *list);
void cases_add_race(struct case_list *list);
void cases_add_packed(struct case_list *list);
void cases_add_requests(struct case_list *list);
void cases_add_notifications(struct case_list *list);
void cases_add_life(struct case_list *list);
void cases_add_revocation(struct case_list *list);
void cases_add_time(struct case_list *list);

/* attack.c.  Those that return int: -1 says that the server would not go
 * along, and there is no more to be done. */

/* Connect, with what is not set as these attacks like it. */
int attack_open(struct attack *attack, struct client_options options);
/* And start the rings. */
int attack_start(struct attack *attack, struct client_options options);
/* Give the server a moment: until it hangs up or gives up the ring, or the
 * time is over. */
void attack_linger(struct attack *attack, int ms);
/* Has the used ring moved; in a packed one, is the slot used? */
bool attack_moved(struct attack *attack, uint16_t before);
/* Until it moves, the server hangs up or says by the err descriptor
 * that the ring is broken, or the time is over. */
bool attack_served(struct attack *attack, uint16_t before, int ms);
/* The server did what it must not, or lacks what would be attacked. */
__attribute__((format(printf, 3, 4))) void attack_found(struct attack *attack,
							enum verdict verdict,
							const char *format,
							...);
/* True, and noted, if the server did not agree to the feature. */
bool attack_lacks(struct attack *attack, unsigned int feature,
		  const char *name);
bool attack_lacks_protocol(struct attack *attack, unsigned int feature,
			   const char *name);

/*
 * exchange.c: the attack is over.  Honest requests on the ring that was attacked,
 * if the server lets it be begun again, and on a ring of a new connection; more
 * than once round, data and lengths verified.  Closes the client.
 */
void attack_still_serves(struct attack *attack);

/* Bytes, as they are, and descriptors with them.  Never blocks. */
int attack_send(struct attack *attack, const void *bytes, size_t size,
		const int *fds, uint32_t fd_count);
/* A message with something wrong in it; no answer is waited for. */
int attack_say(struct attack *attack, uint32_t request, const void *payload,
	       uint32_t size, int fd);
/* The same, and what the server answers where it acknowledges: 0 it agreed, 1
 * it refused or nobody knows, -1 it hung up. */
int attack_tell(struct attack *attack, uint32_t request, const void *payload,
		uint32_t size, int fd);
/* How a queue is set up as it cannot be. */
struct set_up {
	const char *name;
	enum {
		SET_UP_SIZE,
		SET_UP_MISALIGNED,
		SET_UP_SAME,
		SET_UP_EDGE,
		SET_UP_UNLENT,
		SET_UP_BASE
	} how;
	uint32_t number; /* the size or base; or which address, of descriptors,
			    driver and device area; or, a bit each, which are
			    the same as the first */
};

/* Tell where the rings of queue 0 are, or are not: at an edge there are `left`
 * bytes of the region. */
void attack_place_rings(struct attack *attack, const struct set_up *set_up,
			uint32_t left);
/* Take and drop what the server has said. */
void attack_listen(struct attack *attack);

/*
 * Chains made by hand.  `craft` describes one request as it should be, with
 * 4 KiB of data, on slot 0 of queue 0: chain[0] header, [1] data, [2] status.
 * The case spoils it, and `craft_submit` writes `count` descriptors to the
 * table and kicks.
 */
#define CRAFT_SIZE 4096u

void craft(struct attack *attack, uint32_t type, uint64_t sector,
	   struct vring_desc *chain);
int craft_submit(struct attack *attack, const struct vring_desc *chain,
		 uint32_t count, bool indirect);
/* Values that take turns at one place while it is read (race.c). */
struct flip {
	volatile void *at;
	uint32_t size; /* 2, 4 or 8 bytes */
	uint64_t good, bad;
};

void flip_store(const struct flip *flip, uint64_t value);

/* The next entry of the available ring, and its index. */
void craft_available(struct attack *attack, uint16_t head);
/* Kick without looking whether it is wanted. */
void craft_kick(struct attack *attack);
/* What the status byte of slot 0 says by now. */
uint8_t craft_status(struct attack *attack);
/* Submitted; success would be a lie. */
void craft_expect_failure(struct attack *attack, const char *what);

#endif
