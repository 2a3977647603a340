/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_NVME_IDENTIFY_H
#define PRECARIUM_STORE_NVME_IDENTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "store/error.h"
#include "store/nvme/wire.h"

/* What a controller says of itself.  It is a claim: what is kept has been
 * checked, and what makes no sense is refused. */
struct nvme_identity {
	char model[41];	     /* printable */
	uint64_t bytes_max;  /* of one command; at least a page */
	uint32_t namespaces; /* the largest number that one may have */
	bool caches;	     /* it has a volatile write cache */
	bool discards;	     /* NVME_DATASET */
	bool zeroes;	     /* NVME_WRITE_ZEROES */
	bool tells;	     /* that a namespace has changed */
};

/* What it says of a namespace. */
struct nvme_namespace {
	uint32_t number;
	uint32_t block;	   /* bytes: 512 or 4096 */
	uint64_t capacity; /* bytes: whole blocks, at least one */
	bool read_only;	   /* it is write protected */
	/* Blocks that are deallocated by NVME_WRITE_ZEROES read as zeroes. */
	bool deallocates;
};

/* Read the pages that NVME_IDENTIFY returns.  False: *error says what cannot be
 * served, of the controller `name`; the output is unchanged. */
bool nvme_read_controller(const uint8_t page[NVME_PAGE], const char *name,
			  struct nvme_identity *identity,
			  struct store_error *error);
bool nvme_read_namespace(const uint8_t page[NVME_PAGE], const char *name,
			 uint32_t number, const struct nvme_identity *identity,
			 struct nvme_namespace *space,
			 struct store_error *error);

#endif
