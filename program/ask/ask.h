/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_ASK_ASK_H
#define PRECARIUM_PROGRAM_ASK_ASK_H

#include <jansson.h>

/*
 * The control socket of a server: a Unix stream socket, on which each request
 * is a line with a JSON object that names a command, and each answer a line
 * with a JSON object that holds either "result" or "error".
 *
 *	{"command": "stat"}
 *	{"result": {…}}
 */
#define CONTROL_PATH	     "/run/precarium/control"
#define CONTROL_REQUEST_SIZE 4096 /* bytes with the end of the line, at most */

/* For commands that ask a server. */

/* Connects to the server at `path`.  The descriptor is the caller's; -1: a line
 * on standard error says why. */
int control_connect(const char *path);

/* Sends the request, which it takes over, and waits for the answer, ten seconds
 * at most.  The result is the caller's; NULL: a line on standard error says
 * why. */
json_t *control_ask(int fd, json_t *request);

#endif
