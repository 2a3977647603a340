// SPDX-License-Identifier: MIT
/* A plug-in that inlines accessors; loaded and unloaded by module-unloaded. */
#include <precarium/access.h>

PREC_EXPORT enum prec_status module_load(struct prec_span span,
					 uint64_t *value);
PREC_EXPORT int module_nothing(int which);

enum prec_status module_load(struct prec_span span, uint64_t *value)
{
	return prec_load64(span, 0, value);
}

/* Twenty thousand instructions more that may fault, so that looking for one
 * takes longer than all the rest of a fault. */
int module_nothing(int which)
{
	if (which)
		__asm__ volatile(".rept 20000\n"
				 "1:\tnop\n\t"
				 ".pushsection prec_fixup,\"aR?\"\n\t"
				 ".balign 4\n\t"
				 ".long 1b - .\n\t"
				 ".long 1b - .\n\t"
				 ".popsection\n"
				 ".endr");
	return which;
}
