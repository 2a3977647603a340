/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PRECARIUM_H
#define PRECARIUM_PRECARIUM_H

/*
 * Work on memory that another process lent and may take back at any instant.
 * libprecarium(7) describes how the parts fit together.
 */
#include <precarium/access.h>
#include <precarium/budget.h>
#include <precarium/claim.h>
#include <precarium/fault.h>
#include <precarium/note.h>
#include <precarium/pin.h>
#include <precarium/region.h>
#include <precarium/space.h>
#include <precarium/status.h>
#include <precarium/touched.h>
#include <precarium/transaction.h>

#endif
