/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The early release (doc/design/postgresql.md, P3 to P9) as a model for spin.
 *
 * Each of SESSIONS clients wants one transaction with rows of CHAINS chains.
 * The machine flushes WAL, carries it to the standby, and crashes or fails
 * over, at any moment; then whoever has no answer tries again on what is left.
 * In every state that can be reached:
 *
 *   forked       no two records, committed or about to, have one predecessor
 *   broken       the committed records of a chain are the line 1, 2, 3 ...
 *   lost         a crash takes nothing that a client was told was flushed, a
 *                failover nothing that it was told was on the standby, and
 *                neither takes a head that left
 *   unsealed     a transaction that commits has a record for each of its rows
 *   invalid end  a transaction that nobody cancels comes to its end
 *
 * The program run beside this file names the configurations, and the words
 * under #ifdef: each takes one precaution away, and something of the above must
 * then be found to fail.
 *
 * What is left out, and why nothing is lost by it:
 *
 * - Of the WAL, all but commit records.  A record is inserted before its
 *   transaction commits, so the prefix that holds the commit holds it as well.
 * - The unique index on (chain_id, seq).  It would turn forks into errors; the
 *   protocol must not need it.
 * - Several rows of one chain in a transaction.  Their records follow each
 *   other and become visible together.
 * - PostgreSQL's own locks that are taken before PRE_COMMIT.  Who holds a chain
 *   waits for none of them (P1).  One is waited for after the seal, that of
 *   NOTIFY; it stands here for all that go after XACT_EVENT_COMMIT.
 * - A cancellation after the commit record.  PostgreSQL then warns that the
 *   standby may not have it, which is no promise.
 *
 * A step (a d_step, an atomic) changes or reads one thing that other processes
 * can see, as one instruction or one spinlock would, or says why it may do
 * more.
 */
#ifndef SESSIONS
#define SESSIONS 2
#endif
#ifndef CHAINS
#define CHAINS 1
#endif
#ifndef SLOTS
#define SLOTS CHAINS
#endif
#ifdef READER
#define CLIENTS (SESSIONS + 1)
#else
#define CLIENTS SESSIONS
#endif

/* Each session's, and another if its answer is lost in the one crash. */
#define TRANSACTIONS (2 * SESSIONS)

/* What a client was told of its transaction: nothing; that it has committed
 * (synchronous_commit = off); and that this is flushed; also by the standby. */
#define NOTHING 0
#define COMMITTED 1
#define FLUSHED 2
#define REPLICATED 3

typedef record {
	byte seq;	/* 0: there is none */
	byte prev;	/* the predecessor's transaction; 0: it is the first */
#ifdef HEAD_BY_TIME
	bit time;
#endif
}

typedef transaction {
	byte lsn;	/* where its commit record ends in the WAL; 0: nowhere */
	bit visible;	/* committed, and out of the proc array */
	byte told;
	record rec[CHAINS];
#ifdef HEAD_BY_SNAPSHOT
	bit sees[TRANSACTIONS + 1];
#endif
}

transaction tx[TRANSACTIONS + 1];	/* 0 is none */
byte owner[SLOTS];	/* the transaction that holds the slot; 0: free */
byte notify;		/* the transaction that holds NOTIFY's lock; 0: free */
byte wal, flushed, standby;	/* ends: 0 <= standby <= flushed <= wal */
byte shown;		/* the transaction of the head that left; 0: none */
bit crashed;
byte waiting = (1 << CLIENTS) - 1;	/* clients without an answer, as bits */
byte cut;		/* those of them whose server process is to be killed */

/* Scratch, never used from one step to the next. */
hidden byte head, prev, i, j;
hidden byte forked, broken, lost, unsealed;

#define answered(me) waiting = waiting & ~(1 << (me))

/* ---- what must hold --------------------------------------------------- */

#define IN(k, chain, end) \
	(tx[k].rec[chain].seq && tx[k].lsn && tx[k].lsn <= end)

inline check_fork(k, chain)
{
	forked = false;
	for (i : 1 .. TRANSACTIONS) {
		forked = forked || (i != k && tx[i].rec[chain].seq &&
		    tx[i].rec[chain].prev == tx[k].rec[chain].prev)
	}
	assert(!forked)
}

/*
 * The records up to an end of the WAL are a line if each follows the one that
 * it names, down to the first, and no two name the same.
 */
inline check_line(end)
{
	broken = false;
	for (j : 0 .. TRANSACTIONS * CHAINS - 1) {
		head = 1 + j / CHAINS;
		prev = tx[head].rec[j % CHAINS].prev;
		if
		:: IN(head, j % CHAINS, end) ->
			broken = broken ||
			    (prev && !IN(prev, j % CHAINS, end)) ||
			    tx[head].rec[j % CHAINS].seq !=
			    tx[prev].rec[j % CHAINS].seq + 1;
			for (i : 1 .. TRANSACTIONS) {
				broken = broken || (i != head &&
				    IN(i, j % CHAINS, end) &&
				    tx[i].rec[j % CHAINS].prev == prev)
			}
		:: else
		fi
	}
	assert(!broken)
}

/* What was told at this level, or shown, is before this end of the WAL. */
inline check_kept(end, level)
{
	lost = shown && (tx[shown].lsn == 0 || tx[shown].lsn > end);
	for (i : 1 .. TRANSACTIONS) {
		lost = lost || (tx[i].told >= level && tx[i].lsn > end)
	}
	assert(!lost)
}

/* ---- the machine ------------------------------------------------------ */

/* As if it had never been. */
inline forget(k)
{
	tx[k].lsn = 0;
	tx[k].told = NOTHING;
	for (j : 0 .. CHAINS - 1) {
		tx[k].rec[j].seq = 0;
		tx[k].rec[j].prev = 0
	}
}

/* The server comes back, or the standby as the server, with the WAL to end. */
inline crash(end, level)
{
	check_kept(end, level);
	check_line(end);
	for (i : 1 .. TRANSACTIONS) {
		if
		:: tx[i].lsn == 0 || tx[i].lsn > end -> forget(i)
		:: else -> tx[i].visible = true; tx[i].told = NOTHING
		fi
	}
	for (i : 0 .. SLOTS - 1) {
		owner[i] = 0
	}
	notify = 0;
	wal = end;
	flushed = end;
	cut = waiting;
	crashed = true
}

/*
 * Flushes are by whomever, in pieces as small as can be; the standby gets only
 * what is flushed.  A crash is one step, because whoever still runs is killed
 * before anybody new comes in.  It may be the first step of all, and there is
 * only one: so a session that hangs is seen after it if not before.
 */
active proctype machine()
{
end:	do
	:: d_step { flushed < wal -> flushed++ }
	:: d_step { standby < flushed -> standby++ }
	:: d_step { !crashed -> crash(flushed, FLUSHED) }
	:: d_step { !crashed -> crash(standby, REPLICATED) }
	od
}

/* Nobody comes in before all are killed. */
#define IS_CUT(me) (cut & (1 << (me)))
#define UP (cut == 0)

/* ---- a session -------------------------------------------------------- */

#define SLOT(chain) ((chain) % SLOTS)
#ifdef NOT_SORTED
#define IN_ORDER true
#else
#define IN_ORDER (SLOT(first) <= SLOT(last))
#endif
#ifdef NOT_ONCE
#define ONE_SLOT (first == last)
#else
#define ONE_SLOT (SLOT(first) == SLOT(last))
#endif

#if defined(HEAD_BY_SNAPSHOT)
#define BETTER(k, chain) (tx[t].sees[k] && \
	tx[k].rec[chain].seq > tx[head].rec[chain].seq)
#elif defined(HEAD_BY_TIME)
#define BETTER(k, chain) (tx[k].visible && tx[k].rec[chain].seq && \
	(head == 0 || tx[k].rec[chain].time >= tx[head].rec[chain].time))
#elif defined(HEAD_UNCOMMITTED)
#define BETTER(k, chain) \
	(tx[k].rec[chain].seq > tx[head].rec[chain].seq)
#else
#define BETTER(k, chain) (tx[k].visible && \
	tx[k].rec[chain].seq > tx[head].rec[chain].seq)
#endif

/*
 * Cancelled here, or not (P8).  Who is not, and has to wait, waits for good, so
 * that a deadlock is seen.  Who is may still be long about rolling back, as if
 * the cancellation came after some waiting.
 */
inline interrupts()
{
	if
	:: true
#ifdef CANCEL_IGNORED
	:: cancelled = true
#else
	:: goto rollback
#endif
	fi
}

/* Rows of one chain, or of two in either order: no lock, no head (P1). */
inline capture()
{
#if CHAINS > 1
	if
	:: first = 0; last = 0
	:: first = 1; last = 1
	:: first = 0; last = 1
	:: first = 1; last = 0
	fi;
#endif
	interrupts()
}

inline take(chain)
{
	d_step { owner[SLOT(chain)] == 0 -> owner[SLOT(chain)] = t }
}

/* All slots of the transaction, sorted, each once, before it seals (P3). */
inline take_slots()
{
	if
	:: ONE_SLOT -> take(first)
	:: !ONE_SLOT && IN_ORDER -> take(first); interrupts(); take(last)
	:: !ONE_SLOT && !IN_ORDER -> take(last); interrupts(); take(first)
	fi
}

/*
 * At once, or one by one, is the same: all is visible by now, or nothing ever
 * will be, so whoever gets one of them early only gets it sooner.
 */
inline give_slots()
{
	for (i : 0 .. SLOTS - 1) {
		owner[i] = (owner[i] == t -> 0 : owner[i])
	}
}

/* The last that is committed now, whatever the snapshot (P4). */
inline read_head(chain)
{
	head = 0;
	for (i : 1 .. TRANSACTIONS) {
		if
		:: BETTER(i, chain) -> head = i
		:: else
		fi
	}
}

/* Read and inserted in one step: nobody sees what has not committed. */
inline seal(chain)
{
#ifdef HEAD_BY_TIME
	if
	:: tx[t].rec[chain].time = 0
	:: tx[t].rec[chain].time = 1
	fi;
#endif
	d_step {
		read_head(chain);
		tx[t].rec[chain].seq = tx[head].rec[chain].seq + 1;
		tx[t].rec[chain].prev = head;
		check_fork(t, chain)
	}
}

/* Between the seal and the commit record. */
inline others()
{
	/* A callback of somebody else inserts a row: refused. */
	if
	:: true
#ifdef LATE_CAPTURE
	:: late = true
#else
	:: goto rollback
#endif
	fi;
	if
	:: true
	:: d_step { notify == 0 -> notify = t }
	fi;
	interrupts()
}

inline commit()
{
	d_step {
		unsealed = late;
		assert(!unsealed);
		wal++;
		tx[t].lsn = wal;
		check_line(wal)
	}
}

#define IS_FLUSHED (flushed >= tx[t].lsn)
#if defined(ANSWER_BEFORE_STANDBY)
#define IS_REPLICATED IS_FLUSHED
#elif defined(CANCEL_IGNORED)
#define IS_REPLICATED (IS_FLUSHED && (standby >= tx[t].lsn || cancelled))
#else
#define IS_REPLICATED (standby >= tx[t].lsn)
#endif

/*
 * PostgreSQL's order: here.  Released early: not yet, and level stays 0.  The
 * setting and the level are chosen only now that they matter, so sessions with
 * all of them meet; local is the one or the other (P7).
 */
inline wait_before()
{
	if
	:: true
	:: IS_FLUSHED -> level = FLUSHED
	:: IS_REPLICATED -> level = REPLICATED
	fi
}

/* The machine never stops to flush, so none of these hides a deadlock. */
inline wait_after()
{
	if
	:: level
	:: !level -> level = COMMITTED
#ifdef ANSWER_BEFORE_FLUSH
	:: !level -> level = FLUSHED
#else
	:: !level && IS_FLUSHED -> level = FLUSHED
#endif
	:: !level && IS_REPLICATED -> level = REPLICATED
	fi
}

proctype session(byte me)
{
	byte t = me + 1;
	byte first, last, level;
	bit cancelled, late;

begin:	{
#ifdef HEAD_BY_SNAPSHOT
	UP;
	d_step {
		for (i : 1 .. TRANSACTIONS) {
			tx[t].sees[i] = tx[i].visible
		}
	}
#endif
	atomic { UP -> capture() };

	/* XACT_EVENT_PRE_COMMIT */
#ifndef NO_LOCK
	take_slots();
#endif
	seal(first);
	if
	:: first != last -> seal(last)
	:: else
	fi;
#if defined(RELEASE_BEFORE_COMMIT_RECORD) || defined(HEAD_UNCOMMITTED)
	d_step { give_slots() };
#endif
	others();
	commit();
#ifdef RELEASE_BEFORE_PROC_ARRAY
	d_step { give_slots() };
#endif
	wait_before();
	tx[t].visible = true;

	/* XACT_EVENT_COMMIT, then PostgreSQL's locks, then AFTER_LOCKS */
	d_step { give_slots() };
	d_step { notify = (notify == t -> 0 : notify) };
	atomic {
		wait_after();
		/* After the one crash nothing can take it any more. */
		tx[t].told = (crashed -> NOTHING : level);
		answered(me);
		level = 0
	}
	goto done;

	/* Nothing was visible, so that it all goes at once is the same. */
rollback:
	atomic {
		d_step {
			forget(t);
			give_slots();
			notify = (notify == t -> 0 : notify);
			answered(me)
		}
	};
	goto done

	} unless {
		/* No answer: another transaction, also if what is left holds
		 * the first, which the client cannot know. */
		d_step {
			IS_CUT(me) ->
			cut = cut & ~(1 << me);
			t = (tx[t].lsn -> t + SESSIONS : t);
			first = 0;
			last = 0;
			level = 0;
			cancelled = false;
			late = false
		}
		goto begin
	};
done:	first = 0; last = 0
}

#ifdef READER
/*
 * A head leaves (P9): read, then all WAL of that moment made durable, then
 * shown.  A client of its own, which asks again if it is cut.
 */
proctype reader()
{
	byte found, end;

begin:	{
	UP;
#ifdef FLUSH_BEFORE_READ
	end = wal;
	standby >= end;
#endif
	d_step { read_head(0); found = head };
#if !defined(FLUSH_BEFORE_READ) && !defined(SHOWN_BEFORE_FLUSH)
	end = wal;
	standby >= end;
#endif
	d_step { shown = found; found = 0; end = 0; answered(SESSIONS) };
	goto done

	} unless {
		d_step {
			IS_CUT(SESSIONS) ->
			cut = cut & ~(1 << SESSIONS);
			found = 0;
			end = 0
		}
		goto begin
	};
done:	skip
}
#endif

init
{
	atomic {
		for (i : 0 .. SESSIONS - 1) {
			run session(i)
		}
#ifdef READER
		run reader()
#endif
	}
}
