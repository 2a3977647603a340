/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_FIXUP_H
#define PRECARIUM_FIXUP_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Private to accessors that are inlined into other modules: the table of
 * instructions that may fault, and where each continues.  The symbols are weak
 * and hidden, so each module has one table, however many of its files include
 * this.
 */
struct prec_fixup {
	int32_t at; /* relative to this field */
	int32_t to; /* relative to this field */
};
extern const struct prec_fixup __start_prec_fixup[]
	__attribute__((weak, visibility("hidden")));
extern const struct prec_fixup __stop_prec_fixup[]
	__attribute__((weak, visibility("hidden")));

#ifdef __cplusplus
}
#endif
#endif
