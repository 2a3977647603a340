/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_LIBRARY_STEPPER_H
#define PRECARIUM_TESTS_LIBRARY_STEPPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Runs a function of a child over and over and stops it, from outside, before
 * any one instruction of a window in it: "point" n is before instruction n.
 *
 * One walk through the window, step by step, lists its instructions.  To come
 * to a point again a step for each instruction before it would be too slow: a
 * breakpoint of the processor leads to an instruction near by (by how often it
 * has run until then), and steps lead from there to the point.
 *
 * Each iteration of a string instruction is a step too, and a point.  There are
 * thousands, so all but the last before the point run freely: with their number
 * in %rcx, up to a breakpoint behind the instruction, from where it is taken
 * back to the instruction with the rest in %rcx.  What they do does not depend
 * on how many are to follow.  No watchpoint on data says where they are:
 * processors that move many bytes at a time report that late.
 *
 * The place of arrival is compared with the walk.  The window's path must
 * therefore be the same each time.
 */
struct stepper_point {
	uint64_t instruction;	       /* its address */
	uint64_t source, target, left; /* %rsi %rdi %rcx */
	uint32_t nth;		       /* how often it has come by, from 1;
					  0: a breakpoint cannot stop here */
	uint32_t iteration;	       /* of a string instruction, from 0 */
};

struct stepper {
	pid_t child; /* 0: none */
	int signal;  /* to be delivered when it goes on */
	uint32_t count, room;
	struct stepper_point *points; /* the last is the end of the window */
	uint64_t stops;		      /* of all children, so far */
	uint64_t inside;	      /* those within a string instruction */
	char why[160];		      /* after a call said false */
};

/* What the child's window must keep: see stepper_x86_64.S. */
struct stepper_state {
	uint32_t own_mxcsr, own_control;
	uint32_t mxcsr, control; /* in: to be found again at the end */
	uint64_t sp, sp_after;
	uint64_t kept[6]; /* rbx rbp r12 r13 r14 r15 */
	uint64_t mxcsr_after;
	uint64_t flags_after;
	uint32_t x87_after[8]; /* control, status, tags, … */
};

/* In the child: call fn(argument) as the window. */
void stepper_window(void (*fn)(void *), void *argument,
		    struct stepper_state *state);
/* In the child, after the window: what was not kept, or NULL. */
const char *stepper_lost(const struct stepper_state *state);

/* Start a child that does run() again and again; each run has one window.
 * prepare() once before.  It waits before each run. */
bool stepper_start(struct stepper *s, void (*prepare)(void), void (*run)(void));
/* From before a run to the beginning of the window. */
bool stepper_open(struct stepper *s);
/* Step from the beginning to the end of the window and list its points. */
bool stepper_walk(struct stepper *s);
/* From the beginning of the window to point n of the last walk. */
bool stepper_go(struct stepper *s, uint32_t n);
/* Let it go on, until it waits before the next run. */
bool stepper_finish(struct stepper *s);
void stepper_end_child(struct stepper *s);
/* One line: how many points were tried, and the stops on the way to them. */
void stepper_print_total(const struct stepper *s, uint32_t points,
			 uint32_t failed);
/* The symbol that holds an address, into `name`. */
void stepper_symbol(uint64_t address, char *name, size_t size);
/* May this process trace?  If not, says why on stdout. */
bool stepper_works(void);

#endif
