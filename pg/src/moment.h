/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The moment at which an epoch begins or ends, as transactions see it.
 *
 * Attach and detach hold a lock on the table that excludes everybody who has
 * written to it and has not ended.  So whoever runs then has not written yet,
 * and what it writes comes behind the moment, though its xid may be older.
 */
#ifndef TALLY_PG_MOMENT_H
#define TALLY_PG_MOMENT_H

#include "postgres.h"

#include "access/transam.h"

/* More that run than that are not listed. */
#define TALLY_RUNNING_MAX 4096

struct tally_moment
{
	FullTransactionId xid;		/* the next one then */
	int			nrunning;
	uint64	   *running;		/* older, but had not ended; ascending */
	uint64		unclear;		/* others from here on may be some; 0: none */
};

enum tally_order
{
	TALLY_ORDER_BEFORE,			/* the moment */
	TALLY_ORDER_BEHIND,
	TALLY_ORDER_UNCLEAR,
};

/*
 * Takes it, when the lock is held; what it points to is palloc'd.  What this
 * transaction itself writes comes behind it if with_own, else before it: the
 * same xid is on both sides.
 */
extern void tally_moment_take(struct tally_moment *out, bool with_own);

/* The transaction id alone: of what is tracked nobody asks how old it is. */
extern void tally_moment_take_bare(struct tally_moment *out);

/* On which side of it is what the transaction wrote? */
extern enum tally_order tally_moment_judge(const struct tally_moment *moment,
										   uint64 xid);

/* Do both say the same? */
extern bool tally_moment_equal(const struct tally_moment *a,
							   const struct tally_moment *b);

/* Certainly behind it?  Of an xmin whose higher bits are not known. */
extern bool tally_moment_is_behind(const struct tally_moment *moment,
								   TransactionId xmin);

/* The youngest transaction of that number that is older than next. */
extern uint64 tally_moment_widen(TransactionId xid, uint64 next);

#endif
