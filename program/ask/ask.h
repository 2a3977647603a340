/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_ASK_ASK_H
#define PRECARIUM_PROGRAM_ASK_ASK_H

#include <jansson.h>

#include "program/arguments.h"

/*
 * The control socket of a server: a Unix stream socket, on which each request
 * is a line with a JSON object that names a command, and each answer a line
 * with a JSON object that holds either "result" or "error".
 *
 *	{"command": "stat", "protocol": 1}
 *	{"result": {…}}
 *
 * precarium(1) describes the commands.  A new command, and a new key of a
 * result, leave the number of the protocol as it is.
 */
#define CONTROL_PROTOCOL     1
#define CONTROL_PATH	     "/run/precarium/control"
#define CONTROL_REQUEST_SIZE 4096 /* bytes with the end of the line, at most */

/* For commands that ask a server. */

/* What each help says of --control and --help. */
/* clang-format off */
#define ASK_OPTIONS_HELP \
	"  --control=PATH  its control socket (default " CONTROL_PATH ")\n" \
	"  --help          print this text\n"
/* clang-format on */

/* Reads the options of a command that has no others; operands are left in
 * *arguments.  -1: go on, with *path; else the command ends with this
 * status. */
int ask_options(struct arguments *arguments, const char *command, int argc,
		char **argv, const char *help, const char **path);

/* Why nobody could be asked. */
struct ask_error {
	char text[400];
};

/* Connects to the server at `path`.  The descriptor is the caller's; -1: *error
 * says why. */
int control_connect(const char *path, struct ask_error *error);

/* Sends the request, with the number of the protocol, takes it over, and waits
 * for the answer, ten seconds at most.  The result is the caller's; NULL: a
 * line on standard error says why. */
json_t *control_ask(int fd, json_t *request);

/* Both, for a single request. */
json_t *control_ask_once(const char *path, json_t *request);

#endif
