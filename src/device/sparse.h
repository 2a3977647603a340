/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_SPARSE_H
#define PRECARIUM_DEVICE_SPARSE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <precarium/budget.h>

struct device_part;
struct request;

/*
 * Lent memory may have holes, and whoever touches one pays for the page.  What
 * the server pays is charged to a budget of the client and to one of all
 * clients.  Past either of them, requests that need more fail.
 */
struct sparse {
	struct prec_budget budget;
	struct sparse *next;
	bool taken;  /* by a client that is there */
	bool logged; /* the line for its client is in the log; atomic */
};

/* The budgets of one export's clients.  When a client leaves, its budget goes
 * to the next, with what it is charged for: a client that reconnects still pays
 * for what it made us pay. */
struct sparse_list {
	pthread_mutex_t lock;
	struct sparse *first;
	uint64_t max; /* bytes, of each; 0: clients have no budget */
	struct prec_budget *all;
};

void sparse_list_init(struct sparse_list *list, struct prec_budget *all,
		      uint64_t max);
void sparse_list_free(struct sparse_list *list);

/* A budget for a new client, until it is put back.  True and NULL: the client
 * needs none.  False: no memory.  Any thread, as all of the list. */
bool sparse_take(struct sparse_list *list, struct sparse **sparse);
void sparse_put(struct sparse_list *list, struct sparse *sparse);

/* Bytes that all of them cost, with those of clients that have left. */
uint64_t sparse_list_sum(struct sparse_list *list);

/* Holes that a budget was refused for so far; NULL: none. */
uint64_t sparse_refused(const struct sparse *sparse);

/* The client's memory was found gone: was it only a hole that its budget does
 * not allow us to fill?  Counts that, and logs one line for each client. */
bool sparse_was_short(struct device_part *part);

/*
 * The store could not finish a request, because the kernel does not fill holes
 * of watched memory.  True: some are filled now, and the request stands for
 * what is left of it, to be handed to the store again.  False: the request has
 * ended, with its result.
 */
bool sparse_fill(struct request *request);

#endif
