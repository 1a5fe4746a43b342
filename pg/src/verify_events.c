/* SPDX-License-Identifier: Apache-2.0 */
/* Single events of tally.event. */
#include "postgres.h"

#include "store.h"
#include "verify_events.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

static char *
text_of(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Datum		event = heap_getattr(tuple, TALLY_EVENT_EVENT, desc, &isnull);

	return isnull ? NULL : TextDatumGetCString(event);
}

/* With an index, or without. */
static char *
look_for(struct tally_verifier *v, int64 id, Oid index)
{
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	char	   *event = NULL;

	ScanKeyInit(&key, TALLY_EVENT_ID, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(id));
	scan = systable_beginscan(v->event, index, OidIsValid(index), v->snapshot,
							  1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		event = text_of(tuple, RelationGetDescr(v->event));
	systable_endscan(scan);
	return event;
}

char *
tally_events_read(struct tally_verifier *v, int64 id)
{
	char	   *event = NULL;

	if (id == 0)
		return NULL;
	if (OidIsValid(v->event_id))
		event = look_for(v, id, v->event_id);
	return event != NULL ? event : look_for(v, id, InvalidOid);
}

char *
tally_events_fetch(struct tally_verifier *v, const ItemPointerData * tid)
{
	TupleTableSlot *slot = table_slot_create(v->event, NULL);
	ItemPointerData copy = *tid;
	char	   *event = NULL;
	bool		isnull;
	Datum		value;

	if (table_tuple_fetch_row_version(v->event, &copy, v->snapshot, slot))
	{
		value = slot_getattr(slot, TALLY_EVENT_EVENT, &isnull);
		if (!isnull)
			event = TextDatumGetCString(value);
	}
	ExecDropSingleTupleTableSlot(slot);
	return event;
}
