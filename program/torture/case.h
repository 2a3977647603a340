/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_TORTURE_CASE_H
#define PRECARIUM_PROGRAM_TORTURE_CASE_H

#include "client/client.h"
#include "client/hostile.h"
#include "client/protocol.h"

#include "program/torture/torture.h"

/*
 * The parts of attacks.  A case runs in its own process, which may fault, block
 * or be killed: it reports by attack_found only, and the verdict is reached
 * outside.
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
	char name[56]; /* without that of the group */
	void (*run)(struct attack *attack, const struct torture_case *self);
	const void *row; /* of the group's table */
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
/* A client that connects and sends no request. */
void torture_nothing(struct attack *attack, const struct torture_case *self);
/* A client that does nothing wrong. */
void torture_good_life(struct attack *attack, const struct torture_case *self);

void cases_add_messages(struct case_list *list);
void cases_add_memory(struct case_list *list);
void cases_add_rings(struct case_list *list);
void cases_add_race(struct case_list *list);
void cases_add_packed(struct case_list *list);
void cases_add_iommu(struct case_list *list);
void cases_add_requests(struct case_list *list);
void cases_add_notifications(struct case_list *list);
void cases_add_life(struct case_list *list);
void cases_add_revocation(struct case_list *list);
void cases_add_slow(struct case_list *list);
void cases_add_time(struct case_list *list);

/* attack.c.  Functions that return int return -1 if the server does not take
 * part, so that the attack is over. */

/* Connects.  Options that are 0 get defaults that suit attacks. */
int attack_open(struct attack *attack, struct client_options options);
/* Connects and starts the rings. */
int attack_start(struct attack *attack, struct client_options options);
/* Waits until the server hangs up or reports the ring as broken, at most
 * `ms`. */
void attack_linger(struct attack *attack, int ms);
/* Has the used ring moved?  In a packed ring: is the slot used? */
bool attack_moved(struct attack *attack, uint16_t before);
/* Waits until the used ring moves, the server hangs up or reports the ring as
 * broken by the err descriptor, at most `ms`.  True: it has moved. */
bool attack_served(struct attack *attack, uint16_t before, int ms);
/* Reports what the server did wrong, or that it does not offer the target.  The
 * first report of an attack counts. */
__attribute__((format(printf, 3, 4))) void attack_found(struct attack *attack,
							enum verdict verdict,
							const char *format,
							...);
/* True, and reported, if the server did not agree to the feature. */
bool attack_lacks(struct attack *attack, unsigned int feature,
		  const char *name);
bool attack_lacks_protocol(struct attack *attack, unsigned int feature,
			   const char *name);

/*
 * exchange.c: after an attack, makes honest requests on the attacked ring, if
 * the server lets it start again, and on a ring of a new connection: more than
 * once round each, with data and lengths verified.  Closes the client.
 */
void attack_still_serves(struct attack *attack);

/* Sends bytes as they are, with descriptors.  Never blocks. */
int attack_send(struct attack *attack, const void *bytes, size_t size,
		const int *fds, uint32_t fd_count);
/* Sends a message with something wrong in it, without waiting for an answer. */
int attack_say(struct attack *attack, uint32_t request, const void *payload,
	       uint32_t size, int fd);
/* The same, and waits for the acknowledgement, where the server has them: 0: it
 * agreed; 1: it refused, or that is not known; -1: it hung up. */
int attack_tell(struct attack *attack, uint32_t request, const void *payload,
		uint32_t size, int fd);
/* A way to set up a queue that no server can accept. */
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
	uint32_t number; /* the size or base; or which address: descriptors,
			    driver area, device area; or, a bit each, which
			    are the same as the first */
};

/* Sends the addresses of the rings of queue 0, wrong as `set_up` says; at an
 * edge `left` bytes of the region remain. */
void attack_place_rings(struct attack *attack, const struct set_up *set_up,
			uint32_t left);
/* Receives and drops what the server has sent. */
void attack_listen(struct attack *attack);

/*
 * Chains made by hand.  craft() fills `chain` with a correct request of 4 KiB
 * on slot 0 of queue 0: [0] header, [1] data, [2] status.  The case spoils it,
 * and craft_submit() writes `count` descriptors to the table and kicks.
 */
#define CRAFT_SIZE 4096u

void craft(struct attack *attack, uint32_t type, uint64_t sector,
	   struct vring_desc *chain);
int craft_submit(struct attack *attack, const struct vring_desc *chain,
		 uint32_t count, bool indirect);
/* Two values that alternate in one place while the server reads it (race.c). */
struct flip {
	volatile void *at;
	uint32_t size; /* 2, 4 or 8 bytes */
	uint64_t good, bad;
};

void flip_store(const struct flip *flip, uint64_t value);

/* Writes the next entry of the available ring, and the index. */
void craft_available(struct attack *attack, uint16_t head);
/* Kicks without checking whether the server wants it. */
void craft_kick(struct attack *attack);
/* The present status byte of slot 0. */
uint8_t craft_status(struct attack *attack);
/* Waits for the submitted request; reports the server if it succeeds. */
void craft_expect_failure(struct attack *attack, const char *what);

#endif
