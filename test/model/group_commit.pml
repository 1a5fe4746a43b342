/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit (doc/design/file-log.md) as a model for spin: the steps of
 * src/log/sync.c, and of an append and a recovery under the order lock.
 *
 * Writers append a record each and wait until it is durable.  They are killed
 * at any step; a sync fails, or its caller dies and nobody hears of it; and at
 * any moment the power goes.  In every state that can be reached:
 *
 *   forked       no place in the log was acknowledged to two writers
 *   lost         what was acknowledged is on stable storage, also after a cut
 *   ahead        the durable tail is never ahead of what is on stable storage
 *   invalid end  a writer that is not killed comes to its end
 *
 * The program run_group_commit beside this file names the configurations, and
 * the words under #ifdef: each takes one precaution away, and something of the
 * above must then be found to fail.
 *
 * The kernel: a line that was written is dirty.  A sync that succeeds brings
 * what is dirty to stable storage; one that fails may drop it: it is clean
 * then, still in the page cache, and the next sync says nothing of it.  What
 * is dirty may be stored at any time anyway.
 *
 * What is left out: bells, which only save time; segments; lines that are
 * half written (test/power); several records in one batch.
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef APPENDS
#define APPENDS 1	/* of each writer */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef FAILURES
#define FAILURES 1	/* of syncs */
#endif
#define MAX (WRITERS * APPENDS)
#define NOBODY 255

#define FAILED 1
#define LEADER_DIED 2

/* The file: who wrote line i, and what the kernel knows of it. */
byte line[MAX];
bit dirty[MAX], stored[MAX];

/* Shared memory. */
byte tail, durable;
bit torn;	/* somebody writes behind the tail, or died there */
byte began, ended;
byte poisoned;

/* Locks that the kernel releases at a death: 0, or the holder + 1. */
byte order, sync;

/* To whom line i was acknowledged. */
byte acknowledged[MAX];

byte kills = KILLS, failures = FAILURES;
bit cut;

hidden byte i, good;
hidden byte forked, lost, ahead;

#define may_die \
	if \
	:: kills > 0 -> kills--; goto killed \
	:: true \
	fi

/* What is dirty is stored; or is dropped, from some line on. */
inline sync_file(result)
{
	if
	:: atomic {
		for (i : 0 .. MAX - 1) {
			if
			:: dirty[i] -> dirty[i] = 0; stored[i] = 1
			:: else
			fi
		}
		result = 1
	}
	:: atomic {
		failures > 0 -> failures--;
		for (i : 0 .. MAX - 1) {
			if
			:: dirty[i] -> dirty[i] = 0
			:: dirty[i] -> dirty[i] = 0; stored[i] = 1
			:: else
			fi
		}
		result = 0
	}
	fi
}

inline acknowledge(at)
{
	forked = acknowledged[at] != NOBODY || line[at] != me;
	assert(!forked);
	lost = !stored[at];
	assert(!lost);
	acknowledged[at] = me
}

/*
 * Order lock held, and something is not as it should be: everything behind the
 * durable tail is written anew through a new descriptor, so that it is dirty
 * again, and synced; whole lines behind the tail are taken over.
 */
inline recover()
{
	atomic { sync == 0 -> sync = me + 1; may_die }
#ifndef READ_BACK
	atomic {
		for (i : 0 .. MAX - 1) {
			if
			:: i >= durable && line[i] != NOBODY ->
				dirty[i] = 1; stored[i] = 0
			:: else
			fi
		}
		may_die
	}
#endif
	sync_file(good);
	atomic {
		if
		:: good ->
			for (i : 0 .. MAX - 1) {
				if
				:: line[i] != NOBODY && i == tail -> tail++
				:: else
				fi
			}
			durable = tail;
			ended = began;
			poisoned = 0;
			torn = 0
		:: else -> poisoned = FAILED
		fi;
		sync = 0;
		may_die
	}
}

proctype writer(byte me)
{
	byte todo = APPENDS, at, reach;
	bit result;

next:
	if
	:: todo == 0 -> goto done
	:: else -> todo--
	fi;
	/* Append. */
	atomic { order == 0 -> order = me + 1; may_die }
	if
	:: torn || poisoned -> recover()
	:: else
	fi;
	atomic {
		if
		:: poisoned -> order = 0; goto next	/* an error; nothing is there */
		:: else
		fi;
		torn = 1;
		may_die
	}
	atomic {
		at = tail;
		line[at] = me;
		dirty[at] = 1;
		stored[at] = 0;
		may_die
	}
	atomic { tail = at + 1; torn = 0; may_die }
	atomic { order = 0; may_die }

	/* Wait until it is durable. */
wait:
	atomic {
		if
		:: durable > at -> acknowledge(at); goto next
		:: poisoned == FAILED && durable <= at -> goto next	/* not known */
		:: poisoned == LEADER_DIED && durable <= at -> goto again
		:: !poisoned && durable <= at && sync == 0 -> sync = me + 1; may_die
		fi
	}
	/* The lock is ours: covered, or poisoned meanwhile? */
	atomic {
		if
		:: durable > at || poisoned -> sync = 0; goto wait
		:: else
		fi;
		may_die
	}
#ifndef NO_BEGAN
	atomic {
		if
		:: began != ended -> poisoned = LEADER_DIED; sync = 0; goto wait
		:: else -> began++
		fi;
		may_die
	}
#endif
#ifndef TAIL_LATER
	atomic { reach = tail; may_die }
#endif
	sync_file(result);
	atomic { may_die }
#ifdef TAIL_LATER
	atomic { reach = tail; may_die }
#endif
	atomic {
		if
		:: result ->
			durable = reach;
			for (i : 0 .. MAX - 1) {
				ahead = i < durable && !stored[i];
				assert(!ahead)
			}
			ended = began
		:: else ->
#ifdef RETRY
			ended = began
#else
			poisoned = FAILED
#endif
		fi;
		sync = 0;
		may_die
	}
	goto wait;

again:	/* The order lock mends it; are we part of the log still? */
	atomic { order == 0 -> order = me + 1; may_die }
	if
	:: torn || poisoned -> recover()
	:: else
	fi;
	atomic {
		order = 0;
		if
		:: line[at] != me -> goto next
		:: else -> goto wait
		fi
	}

killed:	/* The kernel releases what it held; a dead leader's sync goes on. */
	atomic {
		if
		:: order == me + 1 -> order = 0
		:: else
		fi;
		if
		:: sync == me + 1 -> sync = 0
		:: else
		fi
	}
done:
	skip
}

/* The power goes: what is not stored may be gone, whatever was in memory. */
proctype power()
{
	atomic {
		cut = 1;
		for (i : 0 .. MAX - 1) {
			lost = acknowledged[i] != NOBODY && !stored[i];
			assert(!lost)
		}
	}
}

init
{
	atomic {
		for (i : 0 .. MAX - 1) {
			line[i] = NOBODY;
			acknowledged[i] = NOBODY
		}
		for (i : 0 .. WRITERS - 1) {
			run writer(i)
		}
		run power()
	}
}
