/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of tally.backfill (backfill*.c, nobody else).
 *
 * Terms.  An old row is one that was there before its table was attached
 * first.  An era is the event in tally:log under which old rows are sealed: an
 * epoch of its own, with the configuration of the attachment in force.  A
 * position is the last row that a batch looked at, by the era's order.
 */
#ifndef TALLY_PG_BACKFILL_H
#define TALLY_PG_BACKFILL_H

#include "epoch.h"
#include "store_backfill.h"

#include "nodes/pg_list.h"
#include "utils/relcache.h"

/* A column by which old rows are ordered. */
struct tally_backfill_column
{
	AttrNumber	number;
	char	   *name;			/* now */
	Oid			type;			/* what a domain is over */
	int			needs;			/* to print it, bits of types.h */
};

/* What the caller wants, and how far this call has come. */
struct tally_backfill
{
	MemoryContext context;		/* of the whole call */
	Oid			relation;
	List	   *order_by;		/* names, or NIL: as before, else the key */
	int			batch;			/* rows */

	bool		is_bound;		/* is it known where the old rows end? */
	int			nbound;			/* 0: there are none */
	char	  **bound;			/* the last row when the call began */
	int64		epoch;			/* of which first is known; 0: of none */
	struct tally_moment first;	/* when the table was attached first */
	int64		captured;		/* rows, in the batch at hand */
	int64		sealed;			/* rows, in this call */
	int64		gone;			/* rows that were changed meanwhile */
	bool		is_finished;
};

/* ---- backfill_era.c ---- */

/*
 * When was the table attached first?  ERROR if that is not known, since the
 * database is one that was restored.  Palloc'd.
 */
extern void tally_backfill_first(const struct tally_epoch *epoch,
								 struct tally_moment *out);

/*
 * The era under which the next batch is sealed: that of place if it is still
 * good, else a new one, which is captured, and place is where it begins.
 */
extern struct tally_epoch *
			tally_backfill_era(const struct tally_backfill *job,
							   const struct tally_epoch *epoch, Relation rel,
							   struct tally_backfill_place *place);

/* ---- backfill_order.c ---- */

/*
 * The columns of these names, and those of the key that are not among them.
 * ERROR, which says what to do, if rows cannot be read in this order.
 */
extern List *tally_backfill_order(const struct tally_epoch *epoch,
								  Relation rel, List *names);

/* The names of the era's columns as they are now. */
extern List *tally_backfill_names(const struct tally_epoch *era, Relation rel);

/* ---- backfill_read.c ---- */

/* The last row by the order; its position, or false: the table is empty. */
extern bool tally_backfill_last(Relation rel, List *order, char ***out);

/*
 * Calls take for the next rows behind position (NULL: from the beginning) up to
 * bound, with the table in which the row lies; the snapshot that shows them is
 * the active one.  Returns how many there were, and the position of the last
 * one in *out_position.
 */
extern uint64 tally_backfill_read(Relation rel, List *order, char **position,
								  char **bound, int count,
								  void (*take) (Oid relation, ItemPointer tid,
												void *arg),
								  void *arg, char ***out_position);

/* ---- backfill_batch.c ---- */

/* One batch, within one transaction of which it is the first deed. */
extern void tally_backfill_batch(struct tally_backfill *job);

#endif
