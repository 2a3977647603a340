/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_SEL4_LEND_H
#define PRECARIUM_PORT_SEL4_LEND_H

#include "own.h"

/*
 * Regions, as the keeper has them: the calls of lending_sel4.h and region.h for
 * a driver thread that waits for them.
 */
enum prec_status lend_map(struct prec_keeper *keeper,
			  struct prec_region *region,
			  const struct prec_lending *lending,
			  enum prec_refusal *refusal);
enum prec_status lend_revoke(struct prec_keeper *keeper,
			     struct prec_region *region);
enum prec_status lend_unmap(struct prec_keeper *keeper,
			    struct prec_region *region);
enum prec_status lend_check(struct prec_keeper *keeper,
			    struct prec_region *region, uint64_t offset,
			    uint64_t size);
/* Those of io_sel4.h.  It is cut off; `end`: and the region may be unmapped. */
enum prec_status lend_to_device(struct prec_keeper *keeper,
				struct prec_region *region, struct prec_io *io,
				uint64_t rights);
enum prec_status lend_take_from_device(struct prec_keeper *keeper,
				       struct prec_region *region,
				       struct prec_io *io, bool end);
/* The region that holds an address, or NULL. */
struct prec_region *lend_at(const struct prec_keeper *keeper, uint64_t host);

#endif
