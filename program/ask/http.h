/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_ASK_HTTP_H
#define PRECARIUM_PROGRAM_ASK_HTTP_H

#include <stddef.h>

/*
 * One HTTP request on a connection that somebody else has accepted, as a socket
 * unit of systemd does with Accept=yes: standard input and output.  The server
 * itself speaks no HTTP.
 */

/* Reads the head of a request, for `seconds` at most.  Returns 200 if it asks
 * for the metrics, or the status to answer with. */
int http_read(int fd, unsigned int seconds);

/* Writes the answer; of any status but 200 the text is the status's own.
 * Returns the exit status of the program. */
int http_answer(int status, const char *type, const char *text, size_t size);

#endif
