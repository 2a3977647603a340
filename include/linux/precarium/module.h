/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_MODULE_H
#define PRECARIUM_MODULE_H

#include <precarium/fixup.h>
#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Each module that inlines accessors registers its table with the library when
 * it is loaded, and removes it when it is unloaded: one entry, however many of
 * its files include this.
 *
 * The constructor adds an entry that names no instruction.  So an empty table
 * means that the linker dropped it, and the library says so.
 */
PREC_EXPORT void prec_fixup_register(const struct prec_fixup *first,
				     const struct prec_fixup *end);
PREC_EXPORT void prec_fixup_unregister(const struct prec_fixup *first);

__attribute__((constructor)) static void prec_fixup_module_enter(void)
{
	__asm__ volatile(".pushsection prec_fixup,\"aR?\"\n\t"
			 ".balign 4\n\t"
			 ".long 0, 0\n\t"
			 ".popsection");
	prec_fixup_register(__start_prec_fixup, __stop_prec_fixup);
}

__attribute__((destructor)) static void prec_fixup_module_leave(void)
{
	prec_fixup_unregister(__start_prec_fixup);
}

#ifdef __cplusplus
}
#endif
#endif
