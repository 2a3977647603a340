/* SPDX-License-Identifier: MIT */
/*
 * Lent memory, from the grant to the instant when it belongs to somebody else.
 *
 * Who takes part: a submitter that pins ranges and gives requests to a device;
 * the device; a completer; processor threads that enter transactions on the
 * same memory; for each range somebody who lends it and takes it back, politely
 * or not; with -DEXIT, the kernel that buries a driver killed at any step; and,
 * with -DBURY, somebody who closes the device and buries its domain, at any
 * step, too.
 *
 * What must never happen: a device or a thread reaches memory that was given
 * back (lent), or addresses that were given away (GIVEN); a range is reported
 * releasable twice; success is told for bytes that did not move; a request is
 * given to a device that nobody vouches for.
 *
 * The ledger's steps are atomic here, as its calls are made one at a time.
 * src/core/pin.c is proved to be what is assumed of them.
 *
 * With QUEUES each request has its queue, and a range that does not drain is
 * helped by deleting the queues of its requests, one by one.  Others go on.  The
 * device's part is a step, and ending the flights is another.
 *
 * The device is as bad as devices are.  It looks an address up when it begins,
 * or uses what it has cached, and may write much later through what it found.
 * What it cannot find it skips, and says "done".
 *
 * A loss that nobody announced moves the epoch when it is found.  The comparison
 * after completion includes a look at whether the memory is still there; so here
 * the epoch moves at the loss.
 *
 * Each rule can be dropped, and then a trace must appear:
 *
 * BUG_CHECK    pin tests the state and counts in two steps
 * BUG_UNPIN    unpinned before the device has stopped
 * BUG_TWICE    the last unpin and a revoke each test in two steps
 * BUG_FLUSH    given back before the translation cache is flushed
 *              (needs STRAY: a device that uses any translation it has)
 * BUG_EPOCH    the epoch is not compared after completion
 * BUG_LOOK     pinned and not looked at again: the memory may have gone before
 * BUG_ACK      acknowledged before the range is drained
 * BUG_TIME     given back when the deadline passed and the range was unmapped
 * BUG_CLOSING  a thread does not look at the closing flag when it has entered
 * BUG_BARRIER  who unmaps looks for threads inside without a barrier
 * BUG_HANDLER  the fault handler unpins what the thread's range had pinned
 * BUG_STALE    completions that were unread at a reset are believed after it
 * BUG_DEAD     new pins in a domain that holds condemned ranges
 * BUG_QUEUE    the deletion of one queue is held to quiesce the range
 *              (needs QUEUES)
 * BUG_BURY     a domain is buried before its device is closed
 * BUG_SHUT     the domain is not shut before its device is closed
 *              (both need BURY)
 * BUG_EXIT     the kernel frees the pages of a dead driver before it resets the
 *              device (needs EXIT)
 * BUG_DEADLINE no deadline: a liveness property fails
 */
#ifndef RANGES
#define RANGES 1
#endif
#ifndef REQUESTS
#define REQUESTS 2
#endif
#ifndef THREADS
#define THREADS 1
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

/* the ledger */
#define FREE        0
#define LIVE        1
#define DRAINING    2
#define QUARANTINED 3
#define QUIET       4
#define CONDEMNED   5
byte state[RANGES];
byte pins[RANGES];
byte reports[RANGES]; /* how often reported releasable, since the grant */
bool dead;	      /* one domain: it is shut, or holds condemned ranges */

/* the world */
bool lent[RANGES];   /* the frames are the driver's to use */
bool gone[RANGES];   /* the client took them: those still pinned are orphans */
bool mapped[RANGES]; /* in the device's page table */
bool cached[RANGES]; /* in the device's translation cache */
byte epoch[RANGES];

#define GIVEN   0 /* the addresses are somebody else's */
#define EMPTY   1 /* an access faults; the addresses are ours */
#define PRESENT 2 /* the processor sees the client's memory */
byte view[RANGES];
bool closing[RANGES];

/* requests */
#define IDLE	0
#define SENT    1 /* the device has it */
#define FOUND	2 /* the device found the address and will write there */
#define DONE	3 /* the device said so */
#define TAKEN	4 /* the completer has read that */
#define DROPPED 5 /* its queue was deleted: the device no longer has it */
byte at[REQUESTS];
byte names[REQUESTS]; /* its range */
bool holds[REQUESTS]; /* its place holds a pin */
bool late[REQUESTS];  /* a completion of before a reset, unread */
byte seen[REQUESTS];  /* the epoch when it was pinned */
bool moved[REQUESTS]; /* all its bytes went to the client's memory */

/* processor threads: which range they are inside, + 1 */
byte inside[THREADS];
byte buffered[THREADS]; /* stored, but still in the processor's buffer */

/* the device */
#ifdef QUEUES
#define QUEUE(r) (r % QUEUES)
bool deleted[QUEUES]; /* no request is put there, and none is looked at */
#define OPEN(r) !deleted[QUEUE(r)]
#else
#define OPEN(r) true
#endif
bool closed;	      /* no descriptor is left: nobody reaches the device */

bool killed;

#ifdef EXIT
#define UNTIL_KILLED unless { killed }
#else
#define UNTIL_KILLED
#endif

#ifdef BUG_DEAD
#define ALIVE true
#else
#define ALIVE !dead
#endif
#ifdef BUG_LOOK
#define THERE(s) true
#else
#define THERE(s) !gone[s]
#endif

#define REPORT(s) reports[s]++; assert(reports[s] == 1)
#define LOST(s)   (gone[s] || view[s] != PRESENT)

/* prec_ledger_unpin; of a place that holds no pin it says PREC_INVALID */
inline drop(q)
{
	if
	:: holds[q] ->
		holds[q] = false;
		pins[names[q]]--;
		if
		:: pins[names[q]] == 0 && (state[names[q]] == DRAINING ||
		   state[names[q]] == QUARANTINED) ->
			state[names[q]] = QUIET;
			REPORT(names[q])
		:: else
		fi
	:: else
	fi
}

inline unpin(q)
{
#ifdef BUG_TWICE
	atomic {
		if
		:: holds[q] -> holds[q] = false; pins[names[q]]--
		:: else
		fi
	}
	if
	:: atomic { pins[names[q]] == 0 && (state[names[q]] == DRAINING ||
		state[names[q]] == QUARANTINED || state[names[q]] == QUIET) ->
		state[names[q]] = QUIET; REPORT(names[q]) }
	:: else
	fi
#else
	atomic { drop(q) }
#endif
}

/* prec_ledger_revoke */
inline revoke(s)
{
#ifdef BUG_TWICE
	atomic { state[s] = DRAINING; epoch[s]++ }
	if
	:: atomic { pins[s] == 0 -> state[s] = QUIET; REPORT(s) }
	:: else
	fi
#else
	atomic {
		epoch[s]++;
		if
		:: state[s] != LIVE /* buried meanwhile */
		:: state[s] == LIVE && pins[s] == 0 ->
			state[s] = QUIET;
			REPORT(s)
		:: else -> state[s] = DRAINING
		fi
	}
#endif
}

/* A reset of the device, and prec_ledger_quiesced: nothing is in flight. */
inline quiesce()
{
	d_step {
		r = 0;
		do
		:: r < REQUESTS ->
			holds[r] = false;
			if
#ifdef BUG_STALE
			:: at[r] == DONE -> at[r] = IDLE; late[r] = true
#endif
			:: at[r] != IDLE && at[r] != TAKEN -> at[r] = IDLE
			:: else
			fi;
			r++
		:: else -> break
		od;
		r = 0;
		do
		:: r < RANGES ->
			pins[r] = 0;
			if
			:: state[r] == DRAINING || state[r] == QUARANTINED ->
				state[r] = QUIET;
				REPORT(r)
			:: else
			fi;
			r++
		:: else -> break
		od;
		r = 0
	}
}

#ifdef QUEUES
/* A queue is deleted: the device no longer has its requests.  Then their flights
 * end, those whose completion is unread, too; then the queue is made anew. */
inline delete_queue(q)
{
	d_step {
		deleted[q] = true;
		r = 0;
		do
		:: r < REQUESTS ->
			if
			:: QUEUE(r) == q && (at[r] == SENT || at[r] == FOUND)
			   -> at[r] = DROPPED
			:: else
			fi;
			r++
		:: else -> break
		od
	}
	d_step {
		r = 0;
		do
		:: r < REQUESTS ->
			if
			:: QUEUE(r) == q && (at[r] == DROPPED || at[r] == DONE)
			   ->
				at[r] = IDLE;
				drop(r)
#ifdef BUG_QUEUE
			:: QUEUE(r) != q && holds[r] && names[r] == s -> drop(r)
#endif
			:: else
			fi;
			r++
		:: else -> break
		od;
		r = 0;
		deleted[q] = false
	}
}
#endif

active proctype submitter()
{
	byte r, s;
	bool ok;

	{
end:	do
	:: atomic {
		select (r : 0 .. REQUESTS - 1);
		select (s : 0 .. RANGES - 1)
	   }
#ifdef BUG_CHECK
	   atomic {
		ok = at[r] == IDLE && state[s] == LIVE && ALIVE && THERE(s);
		if
		:: ok -> seen[r] = epoch[s]
		:: else
		fi
	   }
	   if
	   :: atomic { ok -> pins[s]++; holds[r] = true; names[r] = s;
		moved[r] = true; at[r] = SENT }
	   :: else
	   fi
#else
	   atomic {
		if
		:: at[r] == IDLE && state[s] == LIVE && ALIVE && THERE(s) &&
		   OPEN(r) ->
			assert(!dead);
			pins[s]++;
			holds[r] = true;
			names[r] = s;
			moved[r] = true;
			seen[r] = epoch[s];
			at[r] = SENT
		:: else
		fi;
		r = 0; s = 0; ok = false
	   }
#endif
	od
	} UNTIL_KILLED
}

/* One for each request: it serves them in any order. */
active [REQUESTS] proctype device()
{
	byte r = _pid - 1;

end:	do
	:: atomic { at[r] == SENT && OPEN(r) && !closed ->
		if
		:: mapped[names[r]] || cached[names[r]] ->
			cached[names[r]] = true;
			at[r] = FOUND
		:: else -> /* cut off: skipped in silence */
			moved[r] = false;
			at[r] = DONE
		fi }
	:: atomic { at[r] == FOUND -> /* some bytes */
		assert(lent[names[r]]);
		moved[r] = moved[r] && !gone[names[r]] }
	:: atomic { at[r] == FOUND -> /* the last bytes */
		assert(lent[names[r]]);
		moved[r] = moved[r] && !gone[names[r]];
		at[r] = DONE }
	od
}

active [REQUESTS] proctype completer()
{
	byte r = _pid - 1 - REQUESTS;

	{
end:	do
#ifdef BUG_STALE
	:: late[r] -> late[r] = false; unpin(r)
#endif
#ifdef BUG_UNPIN
	:: at[r] == FOUND ->
		unpin(r);
		at[r] == DONE || at[r] == IDLE;
		at[r] = IDLE
#endif
	:: atomic { at[r] == DONE ->
#ifdef BUG_EPOCH
		assert(moved[r]);
#else
		/* success is told when the epoch is what it was */
		assert(epoch[names[r]] != seen[r] || moved[r]);
#endif
		at[r] = TAKEN
	   }
	   unpin(r);
	   atomic { at[r] = IDLE; names[r] = 0; seen[r] = 0; moved[r] = false }
	od
	} UNTIL_KILLED
}

/* Transactions.  The store that says "I am inside" may stay in the processor's
 * buffer until a barrier or until the thread is out. */
active [THREADS] proctype thread()
{
	byte t = _pid - 1 - 2 * REQUESTS;
	byte s, r;

	{
end:	do
	:: atomic {
		select (s : 0 .. RANGES - 1);
		view[s] != GIVEN; /* the table of regions has it */
	   }
	   atomic {
		if
		:: inside[t] = s + 1
		:: buffered[t] = s + 1
		fi
	   }
	   do
#ifndef BUG_CLOSING
	   :: closing[s] -> break
	   :: !closing[s] ->
#else
	   :: true ->
#endif
		do
		:: atomic { view[s] == GIVEN -> assert(view[s] != GIVEN) }
		:: atomic { view[s] == PRESENT && !gone[s] ->
			assert(lent[s]) }
		:: LOST(s) && view[s] != GIVEN -> /* a fault: abandon */
#ifdef BUG_HANDLER
			r = 0;
			do
			:: r < REQUESTS && holds[r] && names[r] == s ->
				unpin(r); break
			:: r < REQUESTS && !(holds[r] && names[r] == s) -> r++
			:: r == REQUESTS -> break
			od;
			r = 0;
#endif
			break
		:: true -> break /* the work is done */
		od;
		break
	   od;
	   atomic { inside[t] = 0; buffered[t] = 0; s = 0 }
	od
	} UNTIL_KILLED
}

/* The address range is given away when nobody can still be inside. */
inline unmap(s)
{
	closing[s] = true;
#ifndef BUG_BARRIER
	d_step { /* every thread passes a barrier: its buffer is empty */
		t = 0;
		do
		:: t < THREADS ->
			if
			:: buffered[t] != 0 ->
				inside[t] = buffered[t];
				buffered[t] = 0
			:: else
			fi;
			t++
		:: else -> break
		od;
		t = 0
	}
#endif
	do
	:: t < THREADS && inside[t] != s + 1 -> t++
	:: t == THREADS -> break
	od;
	atomic { view[s] = GIVEN; t = 0 }
}

active [RANGES] proctype owner()
{
	byte s = _pid - 1 - 2 * REQUESTS - THREADS;
	byte n, t, r;
	bool condemned;

	{
	do
	:: n < ROUNDS ->
		atomic { /* lend */
			state[s] == FREE && !dead ->
			n++;
			lent[s] = true;
			gone[s] = false;
			mapped[s] = true;
			view[s] = PRESENT;
			closing[s] = false;
			reports[s] = 0;
			state[s] = LIVE
		}
		if /* rudely: the memory just goes */
		:: atomic { gone[s] = true; epoch[s]++ }
		:: skip
		fi;
		revoke(s);
		view[s] = EMPTY;
#ifdef BUG_ACK
		lent[s] = false;
#endif
		do
		:: state[s] == QUIET || state[s] == FREE -> break
#ifndef BUG_DEADLINE
		:: atomic { state[s] == DRAINING -> /* the deadline */
			mapped[s] = false }
		   cached[s] = false;
		   atomic {
			if
			:: state[s] == DRAINING -> state[s] = QUARANTINED
			:: else
			fi
		   }
#ifdef BUG_TIME
		   atomic {
			if
			:: state[s] == QUARANTINED -> state[s] = QUIET;
				goto early
			:: else
			fi
		   }
#endif
		   if
		   :: state[s] == QUARANTINED ->
			if
#ifdef QUEUES
			:: atomic {
				select (r : 0 .. REQUESTS - 1);
				if
				:: holds[r] && names[r] == s &&
				   OPEN(r) -> t = QUEUE(r)
				:: else -> t = QUEUES
				fi
			   }
			   if
			   :: t < QUEUES -> delete_queue(t)
			   :: else
			   fi;
			   t = 0
#endif
			:: quiesce()
			:: atomic { /* the reset did not finish */
				if
				:: state[s] == QUARANTINED ->
					state[s] = CONDEMNED;
					dead = true
				:: else
				fi
			   }
			fi
		   :: else
		   fi
#ifndef BURY
		:: state[s] == CONDEMNED -> condemned = true; goto out
#endif
#endif
		od;
#ifdef BUG_TIME
early:
#endif
		mapped[s] = false;
#ifdef BUG_FLUSH
		lent[s] = false;
		cached[s] = false;
#else
		cached[s] = false;
		lent[s] = false; /* acknowledged: others may have it */
#endif
		unmap(s);
		state[s] = FREE
	:: n == ROUNDS -> break
#ifndef BURY
	:: dead && state[s] == FREE -> break
#endif
	od;
out:	skip
	} UNTIL_KILLED;
#ifndef BUG_ACK
	assert(!condemned || lent[s] || killed) /* never given back */
#else
	skip
#endif
}

#ifdef STRAY
/* A device that uses whatever it can still translate, at any time. */
active proctype stray()
{
end:	do
	:: atomic { mapped[0] -> cached[0] = true; assert(lent[0]) }
	:: atomic { cached[0] -> assert(lent[0]) }
	od
}
#endif

#if defined(EXIT) || defined(BURY)
inline stop_device()
{
	d_step {
		r = 0;
		do
		:: r < REQUESTS ->
			at[r] = (at[r] == TAKEN -> TAKEN : IDLE);
			r++
		:: else -> break
		od
	}
}

#endif

#ifdef EXIT
inline free_all()
{
	d_step {
		r = 0;
		do
		:: r < RANGES -> lent[r] = false; r++
		:: else -> break
		od
	}
}

active proctype kernel()
{
	byte r;

end:	killed = true;
#ifdef BUG_EXIT
	free_all();
	stop_device()
#else
	stop_device();
	free_all()
#endif
}
#endif

#ifdef BURY
/* The kernel has no descriptor of the device any more: its tables are empty, and
 * what was pinned is not.  Pages that nobody else has are free at once. */
inline unpin_all()
{
	d_step {
		r = 0;
		do
		:: r < RANGES ->
			mapped[r] = false;
			cached[r] = false;
			lent[r] = lent[r] && !(gone[r] && state[r] != FREE);
			r++
		:: else -> break
		od
	}
}

/* prec_ledger_bury */
inline bury()
{
	d_step {
#ifndef BUG_SHUT
		assert(dead);
#endif
		r = 0;
		do
		:: r < REQUESTS -> holds[r] = false; r++
		:: else -> break
		od;
		r = 0;
		do
		:: r < RANGES -> pins[r] = 0; state[r] = FREE; r++
		:: else -> break
		od;
		dead = false
	}
}

active proctype closer()
{
	byte r;

end:
#ifndef BUG_SHUT
	dead = true; /* prec_ledger_shut */
#endif
#ifdef BUG_BURY
	atomic { bury(); dead = true }
	closed = true;
	stop_device();
	unpin_all();
	dead = false;
#else
	closed = true;
	stop_device();
	unpin_all();
	bury();
#endif
	closed = false /* opened anew, by the next client */
}
#endif

/* What is taken back does come back, or its device is condemned. */
ltl back { [] ((state[0] >= DRAINING) ->
	<> (!lent[0] || state[0] == CONDEMNED)) }
