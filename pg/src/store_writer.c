/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in bulk.
 *
 * Only the sealer writes here, with the chains locked, so what counts is how
 * long it takes: no executor, no TOAST (no record is long enough), tuples of a
 * batch with one WAL record a page, then their index entries.
 */
#include "postgres.h"

#include "compat.h"
#include "store.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define BATCH 256

/* From this many on, one WAL record a page is worth its preparation. */
#define MULTI_FROM 4

/* Second to the lock; a test without the lock wants to see the forks. */
#ifdef TALLY_NO_LOCK
#define CHECK_SEQ UNIQUE_CHECK_NO
#else
#define CHECK_SEQ UNIQUE_CHECK_YES
#endif

struct tally_store_writer
{
	Relation	rel;
	Relation	by_seq;
	Relation	by_id;
	IndexInfo  *by_seq_info;
	IndexInfo  *by_id_info;		/* made with the first id */
	IndexScanDesc heads;		/* backward through by_seq */
	TupleTableSlot *head;
	MemoryContext batch;		/* of the tuples; reset with each flush */
	int			count;
	HeapTuple	tuples[BATCH];
	TupleTableSlot *slots[BATCH];	/* made as they are needed */
};

struct tally_store_writer *
tally_store_open(void)
{
	struct tally_store_writer *writer = palloc0(sizeof(*writer));
	const struct tally_tables *tables = tally_store_tables();

	writer->rel = table_open(tables->record, RowExclusiveLock);
	/* This transaction itself may have made something since it captured. */
	tally_store_judge(writer->rel);
	writer->by_seq = index_open(tables->record_seq, RowExclusiveLock);
	writer->by_id = index_open(tables->record_id, RowExclusiveLock);
	writer->by_seq_info = BuildIndexInfo(writer->by_seq);
	writer->heads = index_beginscan(writer->rel, writer->by_seq, SnapshotSelf,
									NULL, 2, 0);
	writer->head = table_slot_create(writer->rel, NULL);
	writer->batch = AllocSetContextCreate(CurrentMemoryContext, "tally batch",
										  ALLOCSET_DEFAULT_SIZES);
	return writer;
}

/* The last record of the chain from the seq on; false if there is none. */
static bool
find_head(struct tally_store_writer *writer, int64 chain_id, uint64 from,
		  struct tally_stored_head *out)
{
	ScanKeyData keys[2];
	bool		found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(chain_id));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum((int64) from));
	index_rescan(writer->heads, keys, 2, NULL, 0);
	found = index_getnext_slot(writer->heads, BackwardScanDirection,
							   writer->head);
	if (found)
		tally_store_get_head(writer->head, out);
	ExecClearTuple(writer->head);
	return found;
}

void
tally_store_writer_head(struct tally_store_writer *writer, int64 chain_id,
						uint64 hint, struct tally_stored_head *out)
{
	/*
	 * A B-tree scan collects all matches of a page at once, some hundred for
	 * a chain that is written often; with the hint, those that came since.
	 */
	if (hint != 0 && find_head(writer, chain_id, hint, out))
		return;
	memset(out, 0, sizeof(*out));
	(void) find_head(writer, chain_id, 0, out);
}

/* A bytea that lives as long as the statement around: header and bytes. */
struct short_bytes
{
	char		data[VARHDRSZ + TALLY_HASH_SIZE];
};

static Datum
make_bytes(struct short_bytes *space, const uint8 *bytes, Size len)
{
	SET_VARSIZE(space->data, VARHDRSZ + len);
	memcpy(VARDATA(space->data), bytes, len);
	return PointerGetDatum(space->data);
}

static Datum
make_text(const char *text, Size len, bool *isnull)
{
	*isnull = text == NULL;

	if (text == NULL)
		return (Datum) 0;
	return PointerGetDatum(cstring_to_text_with_len(text, (int) len));
}

static HeapTuple
make_tuple(Relation rel, const struct tally_stored_record *record)
{
	Datum		values[TALLY_RECORD_COLUMNS + TALLY_SPARE_COLUMNS];
	bool		nulls[TALLY_RECORD_COLUMNS + TALLY_SPARE_COLUMNS] = {false};
	struct short_bytes digest pg_attribute_aligned(MAXIMUM_ALIGNOF);
	struct short_bytes prev pg_attribute_aligned(MAXIMUM_ALIGNOF);
	struct short_bytes hash pg_attribute_aligned(MAXIMUM_ALIGNOF);
	struct short_bytes salt pg_attribute_aligned(MAXIMUM_ALIGNOF);

	values[TALLY_RECORD_CHAIN_ID - 1] = Int64GetDatum(record->chain_id);
	values[TALLY_RECORD_SEQ - 1] = Int64GetDatum((int64) record->seq);
	values[TALLY_RECORD_TIME - 1] = TimestampTzGetDatum(record->time);
	values[TALLY_RECORD_EPOCH - 1] = Int64GetDatum(record->epoch);
	nulls[TALLY_RECORD_EPOCH - 1] = record->epoch == 0;
	values[TALLY_RECORD_EVENT_ID - 1] = Int64GetDatum(record->event_id);
	nulls[TALLY_RECORD_EVENT_ID - 1] = record->event_id == 0;
	values[TALLY_RECORD_DIGEST - 1] =
		make_bytes(&digest, record->digest->b, TALLY_HASH_SIZE);
	values[TALLY_RECORD_PREV - 1] =
		make_bytes(&prev, record->prev->b, TALLY_HASH_SIZE);
	values[TALLY_RECORD_HASH - 1] =
		make_bytes(&hash, record->hash->b, TALLY_HASH_SIZE);
	values[TALLY_RECORD_KEY - 1] =
		make_text(record->key, record->key_len, &nulls[TALLY_RECORD_KEY - 1]);
	values[TALLY_RECORD_ID - 1] =
		make_text(record->id, record->id_len, &nulls[TALLY_RECORD_ID - 1]);
	nulls[TALLY_RECORD_SALT - 1] = record->salt == NULL;
	values[TALLY_RECORD_SALT - 1] = record->salt == NULL ? (Datum) 0 :
		make_bytes(&salt, record->salt, TALLY_SALT_SIZE);
	memset(nulls + TALLY_RECORD_COLUMNS, true, TALLY_SPARE_COLUMNS);
	return heap_form_tuple(RelationGetDescr(rel), values, nulls);
}

void
tally_store_append(struct tally_store_writer *writer,
				   const struct tally_stored_record *record)
{
	MemoryContext saved = MemoryContextSwitchTo(writer->batch);

	writer->tuples[writer->count++] = make_tuple(writer->rel, record);
	MemoryContextSwitchTo(saved);
	if (writer->count == BATCH)
		tally_store_flush(writer);
}

static void
insert_one_by_one(struct tally_store_writer *writer)
{
	int			i;

	for (i = 0; i < writer->count; i++)
		heap_insert(writer->rel, writer->tuples[i], GetCurrentCommandId(true),
					0, NULL);
}

static void
insert_at_once(struct tally_store_writer *writer)
{
	int			i;

	for (i = 0; i < writer->count; i++)
	{
		if (writer->slots[i] == NULL)
			writer->slots[i] =
				MakeSingleTupleTableSlot(RelationGetDescr(writer->rel),
										 &TTSOpsHeapTuple);
		ExecStoreHeapTuple(writer->tuples[i], writer->slots[i], false);
	}
	heap_multi_insert(writer->rel, writer->slots, writer->count,
					  GetCurrentCommandId(true), 0, NULL);
	for (i = 0; i < writer->count; i++)
	{
		writer->tuples[i]->t_self = writer->slots[i]->tts_tid;
		ExecClearTuple(writer->slots[i]);
	}
}

/*
 * The index entries of one tuple.  The checks of uniqueness never wait: with
 * the chain's lock in hand there is no other transaction that could hold the
 * same keys.
 */
static void
insert_entries(struct tally_store_writer *writer, HeapTuple tuple)
{
	TupleDesc	desc = RelationGetDescr(writer->rel);
	Datum		values[2];
	bool		nulls[2];

	values[0] = heap_getattr(tuple, TALLY_RECORD_CHAIN_ID, desc, &nulls[0]);
	values[1] = heap_getattr(tuple, TALLY_RECORD_SEQ, desc, &nulls[1]);
	(void) index_insert(writer->by_seq, values, nulls, &tuple->t_self,
						writer->rel, CHECK_SEQ, false, writer->by_seq_info);
	values[1] = heap_getattr(tuple, TALLY_RECORD_ID, desc, &nulls[1]);
	if (nulls[1])
		return;					/* the index is partial */
	if (writer->by_id_info == NULL)
		writer->by_id_info = BuildIndexInfo(writer->by_id);
	(void) index_insert(writer->by_id, values, nulls, &tuple->t_self,
						writer->rel, UNIQUE_CHECK_YES, false,
						writer->by_id_info);
}

void
tally_store_flush(struct tally_store_writer *writer)
{
	int			i;

	if (writer->count == 0)
		return;
	if (writer->count < MULTI_FROM)
		insert_one_by_one(writer);
	else
		insert_at_once(writer);
	for (i = 0; i < writer->count; i++)
		insert_entries(writer, writer->tuples[i]);
	writer->count = 0;
	MemoryContextReset(writer->batch);
}

void
tally_store_close(struct tally_store_writer *writer)
{
	int			i;

	tally_store_flush(writer);
	for (i = 0; i < BATCH && writer->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	index_endscan(writer->heads);
	ExecDropSingleTupleTableSlot(writer->head);
	index_close(writer->by_id, NoLock);
	index_close(writer->by_seq, NoLock);
	table_close(writer->rel, NoLock);
	MemoryContextDelete(writer->batch);
	pfree(writer);
}
