/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PRECARIUM_H
#define PRECARIUM_PRECARIUM_H

/*
 * Work on memory that another process lent and may take back at any instant.
 * libprecarium(7) describes how the parts fit together.
 *
 * Not here, because few programs need them: claim.h, the rule by which a
 * fault is ours; pin.h and ledger.h, the ledger of pins; pages.h, what a device
 * is told of lent memory; touched.h, for the prover.
 */
#include <precarium/access.h>
#include <precarium/fault.h>
#include <precarium/note.h>
#include <precarium/platform.h>
#include <precarium/region.h>
#include <precarium/space.h>
#include <precarium/status.h>
#include <precarium/transaction.h>
#include <precarium/version.h>

#endif
