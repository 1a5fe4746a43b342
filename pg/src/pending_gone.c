/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions of rows that were there before (tally.backfill), looked at once
 * more when the chains are locked.
 *
 * A batch has rendered a version; session U updates the row, seals that and
 * commits.  Sealed behind it, the old text would be the last record of the
 * key.  So what U replaced is left out.  That it did shows to SnapshotSelf: U
 * has left the proc array before the chain is free (P5).  Who has not
 * committed yet seals in the same chain, behind us.
 *
 * No snapshot kept the version from being removed, and its place may have been
 * taken; but what is written now has another xmin than what was there before.
 */
#include "postgres.h"

#include "pending.h"
#include "store.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* The relation of the entry before, which mostly is that of the next. */
struct look
{
	Relation	rel;
	TupleTableSlot *slot;
};

static void
close_look(struct look *look)
{
	if (look->rel == NULL)
		return;
	ExecDropSingleTupleTableSlot(look->slot);
	table_close(look->rel, NoLock);
	look->rel = NULL;
}

static bool
is_there(struct look *look, struct tally_version *version)
{
	bool		should_free;
	HeapTuple	tuple;
	bool		same;

	if (look->rel == NULL || RelationGetRelid(look->rel) != version->relation)
	{
		close_look(look);
		/* The lock is held since the row was read. */
		look->rel = table_open(version->relation, NoLock);
		look->slot = table_slot_create(look->rel, NULL);
	}
	if (!table_tuple_fetch_row_version(look->rel, &version->tid, SnapshotSelf,
									   look->slot))
		return false;
	tuple = ExecFetchSlotHeapTuple(look->slot, false, &should_free);
	same = HeapTupleHeaderGetRawXmin(tuple->t_data) == version->xmin;
	if (should_free)
		heap_freetuple(tuple);
	ExecClearTuple(look->slot);
	return same;
}

uint64
tally_pending_leave_gone(void)
{
	struct look look = {0};
	uint64		count = tally_pending_count();
	uint64		gone = 0;
	uint64		i;

	for (i = 0; i < count; i++)
	{
		struct tally_pending *entry = tally_pending_get(i);
		struct tally_version version;

		if (!entry->has_version)
			continue;
		tally_pending_version(entry, &version);
		entry->is_gone = !is_there(&look, &version);
		if (!entry->is_gone)
			continue;
		gone++;
		if (entry->event_id != 0)
			tally_store_forget_event(entry->event_id);
	}
	close_look(&look);
	if (gone > 0)
		tally_pending_count_chains();
	return gone;
}
