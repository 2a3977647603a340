/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_KEYS_H
#define PRECARIUM_PROGRAM_KEYS_H

/*
 * Lists of keys as people write them: "file=a.img,read-only".  Two commas are
 * one that does not separate, as QEMU has it: it may be part of a path.
 */

/* Cuts off the next key and its value, in place, and moves *text behind them.
 * NULL: there is none left, and *text is NULL. */
char *keys_next(char **text);

/* Cuts the value off a key, in place.  NULL: it has none. */
char *keys_value(char *key);

#endif
