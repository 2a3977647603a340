/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_NVME_LOANS_H
#define PRECARIUM_STORE_NVME_LOANS_H

#include "store/nvme/nvme.h"

/*
 * Clients' memory that the controller reaches itself (memory=pin): what was
 * lent to a lane, and which commands of its pair use it.
 *
 * The domain (iommu/domain.h) says when memory may go.  The guard maps and
 * unmaps it, and ends commands that do not end by themselves, so the domain
 * asks for the end of a command and never quiesces.  What the guard puts again
 * after a reset is still pinned, as the domain has not been told of its end.
 *
 * Used by the lane's worker only.
 */
struct nvme_loans;

/* NULL: no memory. */
struct nvme_loans *nvme_loans_open(struct nvme_store *nvme,
				   struct nvme_pair *pair);
/* Each loan has left.  NULL is ignored. */
void nvme_loans_close(struct nvme_loans *loans);

/* As struct store_ops has them. */
void nvme_loans_lend(struct nvme_loans *loans, struct store_loan *loan);
void nvme_loans_take_back(struct nvme_loans *loans, struct store_loan *loan);
struct store_loan *nvme_loans_settled(struct nvme_loans *loans);
struct prec_pin_account nvme_loans_account(const struct nvme_loans *loans,
					   uint32_t owner);

/*
 * Let the command of a slot move the client's own memory, from a place in the
 * spans of a read or a write on, whole blocks, `most` bytes at most; that
 * memory is pinned until nvme_loans_end.  Returns how many bytes; 0: they have
 * to be copied, as they are not lent, or no command can say where they are.
 */
uint32_t nvme_loans_aim(struct nvme_loans *loans, uint32_t slot,
			const struct store_io *io, uint32_t index,
			uint64_t inside, uint64_t most,
			struct nvme_command *command);

/* The slots whose commands move clients' memory, a bit each; NULL has none. */
uint64_t nvme_loans_slots(const struct nvme_loans *loans);

/* The command of such a slot has ended.  True: a success of the controller may
 * be believed, if the epochs of the regions did not move. */
bool nvme_loans_end(struct nvme_loans *loans, uint32_t slot, uint16_t status);

#endif
