/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of tally:log, read by those who act by them.  They are believed
 * as they stand; whether they are what was sealed, verifying tells.
 */
#include "postgres.h"

#include "log.h"
#include "pending.h"
#include "store.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static bool
pass(int64 event_id, tally_log_fn fn, void *arg)
{
	char	   *event = tally_store_read_event(event_id, SnapshotSelf);
	bool		more = true;

	CHECK_FOR_INTERRUPTS();
	if (event == NULL)
		return true;
	more = fn(event_id, event, arg);
	pfree(event);
	return more;
}

/* SnapshotSelf: as with the attachment itself, what counts is what is so. */
static bool
walk_sealed(tally_log_fn fn, void *arg)
{
	Relation	rel = table_open(tally_store_tables()->record, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	bool		more = true;
	bool		isnull;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	Datum		value;

	ScanKeyInit(&key, TALLY_RECORD_CHAIN_ID, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(tally_store_find_chain(TALLY_LOG_CHAIN,
													 strlen(TALLY_LOG_CHAIN),
													 SnapshotSelf)));
	scan = systable_beginscan(rel, tally_store_tables()->record_seq, true,
							  SnapshotSelf, 1, &key);
	while (more && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		value = heap_getattr(tuple, TALLY_RECORD_EVENT_ID, desc, &isnull);
		if (!isnull)
			more = pass(DatumGetInt64(value), fn, arg);
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
	return more;
}

static bool
is_of_log(const struct tally_pending *entry)
{
	uint32		count;
	const struct tally_pending_chain *chain =
	&tally_pending_chains(&count)[entry->chain];

	return chain->name_len == strlen(TALLY_LOG_CHAIN) &&
		memcmp(chain->name, TALLY_LOG_CHAIN, chain->name_len) == 0;
}

void
tally_log_walk(tally_log_fn fn, void *arg)
{
	uint64		i;

	if (!walk_sealed(fn, arg))
		return;
	for (i = 0; i < tally_pending_count(); i++)
	{
		const struct tally_pending *entry = tally_pending_get(i);

		if (is_of_log(entry) && !pass(entry->event_id, fn, arg))
			return;
	}
}
