/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's external sort, for rows that are no table's. */
#include "postgres.h"

#include "verify_sort.h"

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#define KEYS_MAX 4

struct tally_sorter
{
	Tuplesortstate *state;
	TupleDesc	desc;
	TupleTableSlot *in;
	TupleTableSlot *out;
	int64		count;
};

static TupleDesc
make_desc(int ncolumns, const Oid *types)
{
	TupleDesc	desc = CreateTemplateTupleDesc(ncolumns);
	int			i;

	for (i = 0; i < ncolumns; i++)
		TupleDescInitEntry(desc, (AttrNumber) (i + 1), NULL, types[i], -1, 0);
	return desc;
}

struct tally_sorter *
tally_sorter_new(int ncolumns, const Oid *types, int nkeys, int share)
{
	struct tally_sorter *sorter = palloc0(sizeof(*sorter));
	AttrNumber	columns[KEYS_MAX];
	Oid			operators[KEYS_MAX];
	Oid			collations[KEYS_MAX];
	bool		nulls_first[KEYS_MAX];
	int			i;

	Assert(nkeys <= KEYS_MAX);
	for (i = 0; i < nkeys; i++)
	{
		columns[i] = i + 1;
		operators[i] = lookup_type_cache(types[i], TYPECACHE_LT_OPR)->lt_opr;
		collations[i] = InvalidOid;
		nulls_first[i] = true;
	}
	sorter->desc = make_desc(ncolumns, types);
	sorter->state = tuplesort_begin_heap(sorter->desc, nkeys, columns,
										 operators, collations, nulls_first,
										 Max(work_mem / share, 64), NULL,
										 TUPLESORT_NONE);
	sorter->in = MakeSingleTupleTableSlot(sorter->desc, &TTSOpsVirtual);
	sorter->out = MakeSingleTupleTableSlot(sorter->desc, &TTSOpsMinimalTuple);
	return sorter;
}

void
tally_sorter_put(struct tally_sorter *sorter, const Datum *values,
				 const bool *nulls)
{
	TupleTableSlot *slot = sorter->in;
	int			natts = sorter->desc->natts;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, sizeof(Datum) * natts);
	memcpy(slot->tts_isnull, nulls, sizeof(bool) * natts);
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(sorter->state, slot);
	sorter->count++;
}

void
tally_sorter_sort(struct tally_sorter *sorter)
{
	tuplesort_performsort(sorter->state);
}

bool
tally_sorter_next(struct tally_sorter *sorter, Datum **out_values,
				  bool **out_nulls)
{
	if (!tuplesort_gettupleslot(sorter->state, true, false, sorter->out, NULL))
		return false;
	slot_getallattrs(sorter->out);
	*out_values = sorter->out->tts_values;
	*out_nulls = sorter->out->tts_isnull;
	return true;
}

int64
tally_sorter_count(const struct tally_sorter *sorter)
{
	return sorter->count;
}

void
tally_sorter_free(struct tally_sorter *sorter)
{
	ExecDropSingleTupleTableSlot(sorter->in);
	ExecDropSingleTupleTableSlot(sorter->out);
	tuplesort_end(sorter->state);
	FreeTupleDesc(sorter->desc);
	pfree(sorter);
}

Datum
tally_sorter_bytes(struct tally_short_bytes *room, const void *bytes, Size len)
{
	Assert(len <= sizeof(room->bytes));
	SET_VARSIZE(room, VARHDRSZ + len);
	memcpy(room->bytes, bytes, len);
	return PointerGetDatum(room);
}

struct tally_hash
tally_sorter_hash(Datum value)
{
	struct tally_hash hash;

	memcpy(hash.b, VARDATA_ANY(DatumGetPointer(value)), sizeof(hash.b));
	return hash;
}
