/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_TORTURE_TORTURE_H
#define PRECARIUM_PROGRAM_TORTURE_TORTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/backend.h"
#include "client/neighbour.h"

/*
 * Attacks on a vhost-user block server, ours or another, one after the other,
 * and a verdict on each.
 *
 *     main.c     the command
 *     options.c  its options
 *     server.c   the server: starting it again, counting what it holds
 *     watch.c    the neighbour, a process that verifies its own data
 *     run.c      one case: the attack, in its own process, and the verdict
 *     report.c   output, during the run and at its end;  page.c  as a page
 *     case.h     the parts of attacks;  cases.c  the table of all cases
 */
enum verdict {
	VERDICT_SURVIVED,
	VERDICT_DIED,
	VERDICT_HUNG,
	VERDICT_STALLED,
	VERDICT_LEAKED,
	VERDICT_CORRUPTED,
	VERDICT_NOT_APPLICABLE, /* the server does not offer the target */
	VERDICT_NOT_RUN,	/* no server was left to attack */
	VERDICTS
};

#define TORTURE_TEXT 200

struct finding {
	enum verdict verdict;
	char text[TORTURE_TEXT];
};

struct torture_case;

struct result {
	struct finding finding;
	bool descriptors; /* leaked */
	uint64_t taken_ns;
	uint64_t median_ns, p99_ns, slowest_ns; /* of the neighbour */
};

struct torture_options {
	const char *socket_path;
	const char *neighbour_path;			 /* or NULL */
	pid_t pid;					 /* or 0 */
	const char *restart;				 /* or NULL */
	const char *case_name;				 /* or NULL */
	const char *group_name;				 /* or NULL */
	const char *json_path, *report_path, *html_path; /* or NULL */
	struct json_t *beside; /* results of other servers, by name, or NULL */
	uint32_t case_ms, answer_ms, stall_ms;
	bool fast;
	bool list;
};

/* In memory shared by the neighbour's process, which writes, and the watcher,
 * which reads. */
struct board {
	struct neighbour_counts counts;
	bool ready; /* all blocks are written */
	bool failed;
	struct finding finding;
};

struct watch {
	pid_t pid; /* of the neighbour; 0: there is none */
	struct board *board;
	struct neighbour_counts before;
	uint64_t quiet_median_ns, quiet_p99_ns;
};

/* What the server holds; 0 where that cannot be seen. */
struct holdings {
	uint32_t descriptors, mappings;
	uint64_t resident_kib;
};

struct torture {
	struct torture_options options;
	struct backend server; /* its process */
	bool started;	       /* by us: it is our child */
	pid_t group;	       /* process group of the child */
	bool bound;	       /* the child has listened at the sockets */
	bool warm;	       /* it has allocated what it keeps */
	struct watch watch;
	const struct torture_case **cases;
	struct result *results;
	uint32_t count;
	bool terminal;
	uint64_t start_ns;
	struct finding *shared; /* with the process of the attack */
	char error[TORTURE_TEXT];
};

/* options.c.  -1: run the command; else the exit status, and a line on standard
 * error if it is not 0.  Texts point into argv. */
int torture_parse(struct torture_options *options, int argc, char **argv);

/* server.c.  -1: torture->error says why. */
int server_begin(struct torture *torture);
int server_again(struct torture *torture);
/* Kills the server, if we have started it, with its process group, and removes
 * its sockets. */
void server_end(struct torture *torture);
/* Does a server listen there? */
bool server_listens(const char *path);
bool server_gone(struct torture *torture);
/* How it ended, in words; empty if that is not known.  Static storage. */
const char *server_fate(struct torture *torture);
struct holdings server_holds(const struct torture *torture);

/* watch.c */
int watch_begin(struct torture *torture);
void watch_end(struct torture *torture);
/* Restarts the counts. */
void watch_mark(struct torture *torture);
/* Judges the neighbour since the mark, after its next completions.  False: it
 * is disturbed, and the result has the verdict. */
bool watch_judge(struct torture *torture, struct result *result);

/* run.c: runs one attack and judges it. */
void run_case(struct torture *torture, const struct torture_case *attack,
	      struct result *result);

/* report.c */
const char *verdict_name(enum verdict verdict);
void report_begin(struct torture *torture);
void report_case(struct torture *torture, uint32_t number);
/* Returns the exit status. */
int report_end(struct torture *torture);

#endif
