/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.backfill: how far the old rows of a table were sealed.
 *
 * One row for each table, written in the transaction of the batch.  Nothing
 * rests on it: rows that are left out stay legacy, and rows that are sealed
 * twice hold twice.
 */
#ifndef TALLY_PG_STORE_BACKFILL_H
#define TALLY_PG_STORE_BACKFILL_H

#include "store.h"

struct tally_backfill_place
{
	int64		era;			/* tally.event.id of the backfill event */
	int			nposition;		/* 0: at the beginning */
	char	  **position;		/* of the last row, by the era's order */
	int64		taken;			/* rows, also those left out at the seal */
	bool		is_finished;
};

/* As SnapshotSelf shows it, palloc'd; false, and all zero, if there is none. */
extern bool tally_store_find_backfill(Oid relation,
									  struct tally_backfill_place *out);
extern void tally_store_set_backfill(Oid relation,
									 const struct tally_backfill_place *place);

#endif
