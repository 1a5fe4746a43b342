/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chains' locks (P3, P5, P10).
 *
 * Preloaded: slots in shared memory, each an atomic owner and a condition
 * variable.  Not an LWLock (whoever waits for one cannot be cancelled, and a
 * rolled-back subtransaction of another extension releases it), and not a
 * heavyweight lock (it is handed over first in, first out: with one chain
 * every hand-over waits for a process to wake up).
 *
 * Without preloading there is no shared memory of ours: advisory locks whose
 * tag SQL cannot reach.  Slower, not weaker.
 */
#ifndef TALLY_PG_LOCK_H
#define TALLY_PG_LOCK_H

#include "postgres.h"

#ifndef TALLY_LOCK_SLOTS
#define TALLY_LOCK_SLOTS 1024
#endif

/* From _PG_init: asks for shared memory if the library is preloaded. */
extern void tally_lock_init(void);

extern bool tally_lock_is_preloaded(void);

/* The slot of a chain in this database, from the hash of its name. */
extern int	tally_lock_slot(uint64 chain_hash);

/*
 * Takes the slots, which are sorted and distinct; none may be held.  Waits;
 * ERROR if cancelled or terminated, after lock_timeout, or in a deadlock.
 * On ERROR what was taken stays taken until release.
 */
extern void tally_lock_acquire(const int *slots, int count);

/* Releases all that this backend holds; never fails, holds nothing: no-op. */
extern void tally_lock_release(void);

/*
 * Where the head of a chain is about, for whoever holds its slot: a seq that
 * was its head once, or 0.  Only a hint: it may be of a transaction that
 * aborted, and whatever it says the head is read from the table.
 */
extern uint64 tally_lock_hint(uint64 chain_hash);
extern void tally_lock_set_hint(uint64 chain_hash, uint64 seq);

/* A held slot, for tally.status. */
struct tally_lock_holder
{
	int			slot;
	int			owner;			/* process id */
	int			nwaiters;
	int		   *waiters;		/* process ids, palloc'd */
};

/* All held slots (none without preloading); palloc'd, count in *out_count. */
extern struct tally_lock_holder *tally_lock_holders(int *out_count);

#endif
