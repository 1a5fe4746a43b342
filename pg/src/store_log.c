/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extension's own tables: tally:log, walked; and where backfills stopped.
 * SnapshotSelf: as with the attachment itself, what counts is what is so.
 */
#include "postgres.h"

#include "compat.h"
#include "store_backfill.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

void
tally_store_walk_log(bool (*take) (int64 seq, int64 event_id, void *arg),
					 void *arg)
{
	const struct tally_tables *tables = tally_store_tables();
	Relation	rel = table_open(tables->record, AccessShareLock);
	Relation	index = index_open(tables->record_seq, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;
	ScanKeyData key;
	bool		has_event;
	bool		isnull;
	int64		chain = tally_store_find_chain(TALLY_LOG_CHAIN,
											   strlen(TALLY_LOG_CHAIN),
											   SnapshotSelf);

	ScanKeyInit(&key, TALLY_RECORD_CHAIN_ID, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(chain));
	scan = systable_beginscan_ordered(rel, index, SnapshotSelf, 1, &key);
	for (;;)
	{
		TupleDesc	desc = RelationGetDescr(rel);
		Datum		event_id;
		Datum		seq;

		tuple = systable_getnext_ordered(scan, ForwardScanDirection);
		if (!HeapTupleIsValid(tuple))
			break;
		event_id = heap_getattr(tuple, TALLY_RECORD_EVENT_ID, desc, &isnull);
		has_event = !isnull;
		seq = heap_getattr(tuple, TALLY_RECORD_SEQ, desc, &isnull);
		if (has_event && !isnull &&
			!take(DatumGetInt64(seq), DatumGetInt64(event_id), arg))
			break;
	}
	systable_endscan_ordered(scan);
	index_close(index, NoLock);
	table_close(rel, NoLock);
}

/* ---- tally.backfill --------------------------------------------------- */

static HeapTuple
find_row(Relation rel, Oid relation)
{
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, TALLY_BACKFILL_RELATION, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	scan = systable_beginscan(rel, tally_store_tables()->backfill_relation,
							  true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/* NULL if an element is null, which we do not write. */
static char **
read_texts(Datum array, int *out_count)
{
	Datum	   *values;
	bool	   *nulls;
	char	  **texts;
	int			i;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &values, &nulls, out_count);
	texts = palloc_array(char *, *out_count + 1);
	for (i = 0; i < *out_count; i++)
	{
		if (nulls[i])
			return NULL;
		texts[i] = TextDatumGetCString(values[i]);
	}
	return texts;
}

bool
tally_store_find_backfill(Oid relation, struct tally_backfill_place *out)
{
	Relation	rel = table_open(tally_store_tables()->backfill,
								 AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	HeapTuple	tuple = find_row(rel, relation);
	bool		isnull;
	Datum		position;

	memset(out, 0, sizeof(*out));
	tally_store_judge(rel);
	if (HeapTupleIsValid(tuple))
	{
		out->era = DatumGetInt64(heap_getattr(tuple, TALLY_BACKFILL_ERA, desc,
											  &isnull));
		out->taken = DatumGetInt64(heap_getattr(tuple, TALLY_BACKFILL_TAKEN,
												desc, &isnull));
		out->is_finished =
			DatumGetBool(heap_getattr(tuple, TALLY_BACKFILL_IS_FINISHED, desc,
									  &isnull));
		position = heap_getattr(tuple, TALLY_BACKFILL_POSITION, desc, &isnull);
		/* Not null, unless somebody has dropped that. */
		if (!isnull)
			out->position = read_texts(position, &out->nposition);
		if (out->position == NULL)
			out->nposition = 0;
	}
	table_close(rel, NoLock);
	return HeapTupleIsValid(tuple);
}

void
tally_store_set_backfill(Oid relation, const struct tally_backfill_place *place)
{
	Relation	rel = table_open(tally_store_tables()->backfill,
								 RowExclusiveLock);
	Datum		values[TALLY_BACKFILL_COLUMNS + TALLY_SPARE_COLUMNS];
	bool		nulls[TALLY_BACKFILL_COLUMNS + TALLY_SPARE_COLUMNS];
	Datum	   *texts = palloc_array(Datum, place->nposition + 1);
	HeapTuple	old;
	HeapTuple	tuple;
	int			i;

	tally_store_judge(rel);
	for (i = 0; i < place->nposition; i++)
		texts[i] = CStringGetTextDatum(place->position[i]);
	values[TALLY_BACKFILL_RELATION - 1] = ObjectIdGetDatum(relation);
	values[TALLY_BACKFILL_ERA - 1] = Int64GetDatum(place->era);
	values[TALLY_BACKFILL_POSITION - 1] =
		PointerGetDatum(construct_array(texts, place->nposition, TEXTOID, -1,
										false, TYPALIGN_INT));
	values[TALLY_BACKFILL_TAKEN - 1] = Int64GetDatum(place->taken);
	values[TALLY_BACKFILL_IS_FINISHED - 1] = BoolGetDatum(place->is_finished);
	memset(nulls, true, sizeof(nulls));
	memset(nulls, false, TALLY_BACKFILL_COLUMNS * sizeof(bool));
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	old = find_row(rel, relation);
	if (HeapTupleIsValid(old))
		CatalogTupleUpdate(rel, &old->t_self, tuple);
	else
		CatalogTupleInsert(rel, tuple);
	table_close(rel, NoLock);
}
