// SPDX-License-Identifier: MIT
/*
 * The inline functions of the headers as symbols, for languages that read no
 * headers.  This file alone defines them with external linkage.
 */
#include <precarium/status.h>

#undef PREC_INLINE
#define PREC_INLINE PREC_EXPORT

/* What precedes each definition is only the definition. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#include <precarium/access.h>
#include <precarium/note.h>
#include <precarium/transaction.h>
#include <precarium/version.h>

uint32_t prec_version(void)
{
	return PREC_VERSION;
}
