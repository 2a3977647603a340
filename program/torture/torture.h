/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_TORTURE_TORTURE_H
#define PRECARIUM_PROGRAM_TORTURE_TORTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/driver.h"
#include "client/neighbour.h"

/*
 * Attacks on a vhost-user block back-end, ours or another's, one after the
 * other, and a verdict for each.
 *
 *     main.c     the command
 *     options.c  what it was asked
 *     server.c   the server: how it is started again, what it holds
 *     watch.c    the neighbour, a process of its own that verifies its data
 *     run.c      one case: the attack, in a process of its own; the verdict
 *     report.c   what is told, while it runs and after
 *     case.h     what attacks are made of;  cases.c  the table of them all
 */
enum verdict {
	VERDICT_SURVIVED,
	VERDICT_DIED,
	VERDICT_HUNG,
	VERDICT_STALLED,
	VERDICT_LEAKED,
	VERDICT_CORRUPTED,
	VERDICT_NOT_APPLICABLE, /* the server lacks what would be attacked */
	VERDICT_NOT_RUN,	/* there was no server to attack any more */
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
	bool descriptors; /* are what leaked */
	uint64_t taken_ns;
	uint64_t median_ns, p99_ns, slowest_ns; /* of the neighbour */
};

struct torture_options {
	const char *socket_path;
	const char *neighbour_path;	     /* or NULL */
	pid_t pid;			     /* or 0 */
	const char *restart;		     /* or NULL */
	const char *case_name;		     /* or NULL */
	const char *group_name;		     /* or NULL */
	const char *json_path, *report_path; /* or NULL */
	uint32_t case_ms, answer_ms, stall_ms;
	bool fast;
	bool list;
};

/* What the neighbour's process says.  It writes, and the watcher reads. */
struct board {
	struct neighbour_counts counts;
	bool ready; /* all its blocks are written */
	bool failed;
	struct finding finding;
};

struct watch {
	pid_t pid; /* 0: nobody is watched */
	struct board *board;
	struct neighbour_counts before;
	uint64_t quiet_median_ns, quiet_p99_ns;
};

/* What the server held: 0 where it cannot be seen. */
struct holdings {
	uint32_t descriptors, mappings;
	uint64_t resident_kib;
};

struct torture {
	struct torture_options options;
	struct driver server; /* its pid, and what that process holds */
	bool started;	      /* by us: it is our child */
	pid_t group;	      /* of processes, that is the child's */
	bool bound;	      /* the child has listened at the sockets */
	bool warm;	      /* it has made what it keeps for later */
	struct watch watch;
	const struct torture_case **cases;
	struct result *results;
	uint32_t count;
	bool terminal;
	uint64_t start_ns;
	struct finding *shared; /* by the attack's process and ours */
	char error[TORTURE_TEXT];
};

/* options.c.  -1: go on; else the exit status. */
int torture_parse(struct torture_options *options, int argc, char **argv);

/* server.c.  -1: `error` says why. */
int server_begin(struct torture *torture);
int server_again(struct torture *torture);
void server_end(struct torture *torture);
/* Does anybody listen there? */
bool server_listens(const char *path);
bool server_gone(struct torture *torture);
/* How it ended: words, or an empty string if that is not known. */
const char *server_fate(struct torture *torture);
struct holdings server_holds(const struct torture *torture);

/* watch.c */
int watch_begin(struct torture *torture);
void watch_end(struct torture *torture);
/* From here on count anew. */
void watch_mark(struct torture *torture);
/* What came of the neighbour since the mark; waits for its next completions. */
bool watch_judge(struct torture *torture, struct result *result);

/* run.c */
void run_case(struct torture *torture, const struct torture_case *attack,
	      struct result *result);

/* report.c */
const char *verdict_name(enum verdict verdict);
void report_begin(struct torture *torture);
void report_case(struct torture *torture, uint32_t number);
int report_end(struct torture *torture);

#endif
