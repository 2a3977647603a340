/* SPDX-License-Identifier: MIT */
/*
 * A reset of a device whose queues belong to several threads.
 *
 * Who takes part: lanes, each a thread with a queue pair and one slot in it; the
 * device's thread, which alone touches the controller's registers; the
 * controller.  The thread asks for three things in turn, by one number that only
 * grows, and waits for each lane to acknowledge the first two:
 *
 *   halt   ring no doorbell any more; then the controller is disabled
 *   clear  the controller is quiet: take what it still completed, end the
 *          flights, empty the rings; then it is enabled, its queues made anew
 *   go     ring again; requests that the reset dropped are put again
 *
 * A lane never waits for the thread: it goes on with what needs no device.  A
 * reset may be asked for at any time, also while one runs; and one begins within
 * the other when the controller does not come up.
 *
 * What must never happen: a doorbell of a controller that is not ready (RUNG);
 * memory that the device may still write is unpinned (pinned); a completion of a
 * request that was dropped is taken for that of another (STALE); a request is
 * never answered (the search ends where somebody waits).
 *
 * Each rule can be dropped, and then a trace must appear:
 *
 * BUG_HALT   the controller is disabled before the lanes acknowledge
 * BUG_ONE    one lane's acknowledgement is enough
 * BUG_FLAG   any acknowledgement is enough, also one of the reset before
 * BUG_AGAIN  a lane reads the number again when it acknowledges
 * BUG_NEXT   a lane that was cleared takes the next number for "go"
 * BUG_EARLY  a lane ends its flights when it halts
 * BUG_TIME   the controller is held to be quiet when its time is over
 * BUG_CLEAR  the controller is enabled before the lanes have cleared
 * BUG_STALE  a lane does not take what is completed before it ends its flights
 * BUG_MERGE  a reset that is asked for while one runs is held to be that one
 * BUG_DEAD   flights end when nobody vouches for the device (needs DEAD: the
 *            controller may never become quiet)
 */
#ifndef LANES
#define LANES 2
#endif
#ifndef WORK
#define WORK 2 /* requests of each lane */
#endif
#ifndef STUCK
#define STUCK 1 /* requests that the device never completes */
#endif
#ifndef ASKED
#define ASKED 1 /* resets for other reasons */
#endif
#ifndef FAILED
#define FAILED 0 /* times that the controller does not come up */
#endif

/* what the thread asks for */
#define GO    0
#define HALT  1
#define CLEAR 2
#define PHASE(n) ((n) % 3)
byte number;
byte acknowledged[LANES];
bool dead; /* nobody vouches for the device any more */

byte wanted; /* resets, counted */

/* the controller */
bool on = true; /* what the thread wrote */
bool ready = true;   /* it works, and may write memory */
byte failures;
byte stuck;
byte reasons;

/* the slot of each lane, as the device sees it */
#define IDLE  0
#define SENT  1
#define FOUND 2 /* it writes the request's memory */
#define HELD  3 /* likewise, and never completes it */
byte at[LANES];
byte sent[LANES];   /* which putting it is, counted */
byte posted[LANES]; /* in the completion queue: the putting, or 0 */

/* and as the lane sees it */
bool flying[LANES];
bool pinned[LANES];
byte left[LANES];

#define STALE posted[l] == sent[l]
#define RUNG  ready && on

/* The client may take it back: at any time from here on. */
inline unpin()
{
	pinned[l] = false;
	assert(pinned[l] || (at[l] != FOUND && at[l] != HELD))
}

inline complete()
{
	assert(STALE);
	posted[l] = 0;
	flying[l] = false;
	unpin();
	left[l]--
}

inline end_flights()
{
	if
#ifndef BUG_STALE
	:: posted[l] != 0 -> complete()
#endif
	:: flying[l] && posted[l] == 0 -> flying[l] = false; unpin()
#ifdef BUG_STALE
	:: flying[l] && posted[l] != 0 -> flying[l] = false; unpin()
#endif
	:: else
	fi;
	asking = false
}

proctype lane(byte l)
{
	byte seen;	  /* the number that this turn acts by */
	bool open = true; /* doorbells may be rung */
	bool asking;	  /* this lane wants a reset */

end:	do
	:: atomic { !dead && number != acknowledged[l] -> seen = number }
	   if
#ifdef BUG_NEXT
	   :: PHASE(acknowledged[l]) == CLEAR -> open = true
#endif
	   :: PHASE(seen) == HALT ->
		open = false;
#ifdef BUG_EARLY
		atomic { end_flights() }
#endif
	   :: PHASE(seen) == CLEAR -> atomic { end_flights() }
	   :: PHASE(seen) == GO -> open = true
	   fi;
#ifdef BUG_AGAIN
	   acknowledged[l] = number
#else
	   atomic { acknowledged[l] = seen; seen = 0 }
#endif
	:: atomic { number == acknowledged[l] && open && !dead &&
		!flying[l] && left[l] > 0 ->
		pinned[l] = true;
		flying[l] = true;
		sent[l]++
	   }
	   atomic { /* the doorbell, at the end of the turn */
		assert(RUNG);
		at[l] = SENT
	   }
	:: atomic { posted[l] != 0 && flying[l] -> complete() }
	:: atomic { at[l] == HELD && !asking && !dead -> /* a timeout */
		asking = true;
		wanted++
	   }
	:: atomic { reasons < ASKED && !dead -> reasons++; wanted++ }
	:: atomic { dead && flying[l] ->
		/* the client is ended; its memory stays pinned */
#ifdef BUG_DEAD
		unpin();
#endif
		flying[l] = false
	   }
	od
}

inline await()
{
	n = 0;
	do
#ifdef BUG_FLAG
	:: n < LANES && acknowledged[n] != 0 -> n++
#else
	:: n < LANES && acknowledged[n] == number -> n++
#endif
#ifdef BUG_ONE
	:: n == 1 -> break
#endif
	:: n == LANES -> break
	od;
	n = 0
}

/* From 1 on, so that 0 is nobody's acknowledgement; 3 apart. */
inline ask(phase)
{
	d_step {
		do
		:: number++;
			if
			:: PHASE(number) == phase -> break
			:: else
			fi
		od
	}
}

active proctype thread()
{
	byte n, served;

end:	do
	:: served != wanted ->
#ifndef BUG_MERGE
		served = wanted;
#endif
again:		ask(HALT);
#ifndef BUG_HALT
		await();
#endif
		on = false;
#ifndef BUG_TIME
		if
		:: !ready
#ifdef DEAD
		:: ready -> dead = true; goto over
#endif
		fi;
#endif
		ask(CLEAR);
#ifndef BUG_CLEAR
		await();
#endif
		on = true;
		if
		:: atomic { failures < FAILED -> failures++ }
		   goto again
		:: ready = true
		fi;
		ask(GO);
#ifdef BUG_MERGE
		served = wanted
#endif
	od;
over:	skip
}

/* Some time after it was disabled it is quiet. */
active proctype controller()
{
	byte n;

end:	do
	:: d_step { !on && ready ->
		ready = false;
		n = 0;
		do
		:: n < LANES -> at[n] = IDLE; n++
		:: n == LANES -> break
		od;
		n = 0
	   }
	od
}

proctype queue(byte l)
{
end:	do
	:: atomic { at[l] == SENT && ready ->
		assert(pinned[l]);
		at[l] = FOUND
	   }
	:: atomic { at[l] == FOUND && ready && stuck < STUCK ->
		stuck++;
		at[l] = HELD
	   }
	:: atomic { at[l] == FOUND && ready ->
		assert(pinned[l]);
		posted[l] = sent[l];
		at[l] = IDLE
	   }
	od
}

init {
	byte n;

	atomic {
		do
		:: n < LANES ->
			left[n] = WORK;
			run lane(n);
			run queue(n);
			n++
		:: n == LANES -> break
		od;
		n = 0
	}
	do /* every request is answered */
	:: n < LANES && left[n] == 0 -> n++
	:: n == LANES || dead -> break
	od
}
