/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extension's own tables: single rows of them.  Records in bulk are
 * written by store_writer.c.
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
#include "catalog/indexing.h"
#include "catalog/pg_collation.h"
#include "commands/sequence.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* A chain whose id is known. */
struct known_chain
{
	char		name[TALLY_CHAIN_MAX + 1];	/* the key, padded with zeros */
	int64		id;
};

/* More would be memory for chains that this backend will not see again. */
#define KNOWN_CHAINS_MAX 8192

static HTAB *known_chains;
static uint64 known_chains_at;	/* tally_store_chain_changes() */

void
tally_store_prepare(void)
{
	Relation	record;

	record = table_open(tally_store_tables()->record, RowExclusiveLock);
	tally_store_judge(record);
	table_close(record, NoLock);
	LockRelationOid(tally_store_tables()->chain, RowExclusiveLock);
}

void
tally_store_insert(Oid table, const Datum *columns, int ncolumns)
{
	Relation	rel = table_open(table, RowExclusiveLock);
	Datum		values[TALLY_ORIGIN_COLUMNS + TALLY_SPARE_COLUMNS];
	bool		nulls[TALLY_ORIGIN_COLUMNS + TALLY_SPARE_COLUMNS];
	HeapTuple	tuple;

	Assert(ncolumns <= TALLY_ORIGIN_COLUMNS);
	tally_store_judge(rel);
	memcpy(values, columns, ncolumns * sizeof(Datum));
	memset(nulls, true, sizeof(nulls));
	memset(nulls, false, ncolumns * sizeof(bool));
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	CatalogTupleInsert(rel, tuple);
	heap_freetuple(tuple);
	table_close(rel, NoLock);
}

/*
 * The first row that the index gives for the keys (which name columns of the
 * index), in a slot to be dropped, or NULL.  Backward: the last one.
 */
static TupleTableSlot *
find_row(Relation rel, Oid index, Snapshot snapshot, ScanKey keys, int nkeys,
		 ScanDirection direction)
{
	Relation	indexrel = index_open(index, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = index_beginscan(rel, indexrel, snapshot, NULL,
										 nkeys, 0);
	bool		found;

	index_rescan(scan, keys, nkeys, NULL, 0);
	found = index_getnext_slot(scan, direction, slot);
	if (found)
		ExecMaterializeSlot(slot);
	index_endscan(scan);
	index_close(indexrel, NoLock);
	if (found)
		return slot;
	ExecDropSingleTupleTableSlot(slot);
	return NULL;
}

static void
key_int8(ScanKey key, AttrNumber column, int64 value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(value));
}

static void
key_text(ScanKey key, AttrNumber column, const char *value, Size len)
{
	text	   *argument = cstring_to_text_with_len(value, (int) len);

	ScanKeyEntryInitialize(key, 0, column, BTEqualStrategyNumber, InvalidOid,
						   C_COLLATION_OID, F_TEXTEQ,
						   PointerGetDatum(argument));
}

static Datum
get(TupleTableSlot *slot, AttrNumber column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("column %d of a row of the extension's tables is null",
						column),
				 errhint("Somebody has changed the table; tally.verify() says more.")));
	return value;
}

static void
get_hash(TupleTableSlot *slot, AttrNumber column, struct tally_hash *out)
{
	bytea	   *value = DatumGetByteaPP(get(slot, column));

	if (VARSIZE_ANY_EXHDR(value) != sizeof(out->b))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a hash in table \"tally.record\" is not 32 bytes long"),
				 errhint("Somebody has changed the table; tally.verify() says more.")));
	memcpy(out->b, VARDATA_ANY(value), sizeof(out->b));
}

void
tally_store_get_head(TupleTableSlot *slot, struct tally_stored_head *out)
{
	out->seq = (uint64) DatumGetInt64(get(slot, TALLY_RECORD_SEQ));
	out->time = DatumGetTimestampTz(get(slot, TALLY_RECORD_TIME));
	get_hash(slot, TALLY_RECORD_HASH, &out->hash);
}

/* Events */

int64
tally_store_event(const char *event, Size len)
{
	Datum		values[TALLY_EVENT_COLUMNS];
	int64		id;

	id = nextval_internal(tally_store_tables()->event_number, false);
	values[TALLY_EVENT_ID - 1] = Int64GetDatum(id);
	values[TALLY_EVENT_EVENT - 1] =
		PointerGetDatum(cstring_to_text_with_len(event, (int) len));
	tally_store_insert(tally_store_tables()->event, values,
					   TALLY_EVENT_COLUMNS);
	pfree(DatumGetPointer(values[TALLY_EVENT_EVENT - 1]));
	return id;
}

void
tally_store_forget_event(int64 id)
{
	Relation	rel = table_open(tally_store_tables()->event, RowExclusiveLock);
	TupleTableSlot *slot;
	ScanKeyData key;

	/* At PRE_COMMIT the statement that stored it may still be current. */
	CommandCounterIncrement();
	key_int8(&key, 1, id);
	slot = find_row(rel, tally_store_tables()->event_id, SnapshotSelf,
					&key, 1, ForwardScanDirection);
	if (slot != NULL)
	{
		CatalogTupleDelete(rel, &slot->tts_tid);
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, NoLock);
}

char *
tally_store_read_event(int64 id, Snapshot snapshot)
{
	Relation	rel = table_open(tally_store_tables()->event, AccessShareLock);
	TupleTableSlot *slot;
	char	   *event = NULL;
	ScanKeyData key;

	key_int8(&key, 1, id);
	slot = find_row(rel, tally_store_tables()->event_id, snapshot, &key, 1,
					ForwardScanDirection);
	if (slot != NULL)
	{
		event = TextDatumGetCString(get(slot, TALLY_EVENT_EVENT));
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, NoLock);
	return event;
}

/* Chains */

int64
tally_store_find_chain(const char *name, Size len, Snapshot snapshot)
{
	Relation	rel = table_open(tally_store_tables()->chain, AccessShareLock);
	TupleTableSlot *slot;
	int64		id = 0;
	ScanKeyData key;

	key_text(&key, 1, name, len);
	slot = find_row(rel, tally_store_tables()->chain_name, snapshot, &key, 1,
					ForwardScanDirection);
	if (slot != NULL)
	{
		id = DatumGetInt64(get(slot, TALLY_CHAIN_ID));
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, NoLock);
	return id;
}

static void
begin_known_chains(void)
{
	HASHCTL		control = {0};

	if (known_chains != NULL)
		hash_destroy(known_chains);
	control.keysize = sizeof(((struct known_chain *) 0)->name);
	control.entrysize = sizeof(struct known_chain);
	known_chains = hash_create("tally chains", 64, &control,
							   HASH_ELEM | HASH_BLOBS);
	known_chains_at = tally_store_chain_changes();
}

int64
tally_store_known_chain(const char *name, Size len)
{
	char		key[sizeof(((struct known_chain *) 0)->name)] = {0};
	struct known_chain *known;
	int64		id;

	Assert(len < sizeof(key));
	if (known_chains == NULL ||
		known_chains_at != tally_store_chain_changes() ||
		hash_get_num_entries(known_chains) >= KNOWN_CHAINS_MAX)
		begin_known_chains();
	memcpy(key, name, len);
	known = hash_search(known_chains, key, HASH_FIND, NULL);
	if (known != NULL)
		return known->id;
	id = tally_store_find_chain(name, len, SnapshotSelf);
	if (id != 0)
	{
		known = hash_search(known_chains, key, HASH_ENTER, NULL);
		known->id = id;
	}
	return id;
}

int64
tally_store_make_chain(const char *name, Size len)
{
	Datum		values[TALLY_CHAIN_COLUMNS];
	int64		id;

	id = nextval_internal(tally_store_tables()->chain_number, false);
	values[TALLY_CHAIN_ID - 1] = Int64GetDatum(id);
	values[TALLY_CHAIN_NAME - 1] =
		PointerGetDatum(cstring_to_text_with_len(name, (int) len));
	tally_store_insert(tally_store_tables()->chain, values,
					   TALLY_CHAIN_COLUMNS);
	return id;
}

/* Records, read */

void
tally_store_read_head(int64 chain_id, Snapshot snapshot,
					  struct tally_stored_head *out)
{
	Relation	rel = table_open(tally_store_tables()->record, AccessShareLock);
	TupleTableSlot *slot;
	ScanKeyData key;

	memset(out, 0, sizeof(*out));
	key_int8(&key, 1, chain_id);
	slot = find_row(rel, tally_store_tables()->record_seq, snapshot, &key, 1,
					BackwardScanDirection);
	if (slot != NULL)
	{
		tally_store_get_head(slot, out);
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, NoLock);
}

bool
tally_store_find_id(int64 chain_id, const char *id, Size len,
					Snapshot snapshot, struct tally_stored_head *out,
					struct tally_hash *out_digest)
{
	Relation	rel = table_open(tally_store_tables()->record, AccessShareLock);
	TupleTableSlot *slot;
	ScanKeyData keys[2];

	key_int8(&keys[0], 1, chain_id);
	key_text(&keys[1], 2, id, len);
	slot = find_row(rel, tally_store_tables()->record_id, snapshot, keys, 2,
					ForwardScanDirection);
	if (slot != NULL)
	{
		tally_store_get_head(slot, out);
		if (out_digest != NULL)
			get_hash(slot, TALLY_RECORD_DIGEST, out_digest);
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, NoLock);
	return slot != NULL;
}

/* Attachments */

void
tally_store_add_attachment(Oid relation, int64 epoch, const char *label)
{
	Datum		values[TALLY_ATTACHMENT_COLUMNS];

	values[TALLY_ATTACHMENT_RELATION - 1] = ObjectIdGetDatum(relation);
	values[TALLY_ATTACHMENT_EPOCH - 1] = Int64GetDatum(epoch);
	values[TALLY_ATTACHMENT_LABEL - 1] = CStringGetTextDatum(label);
	tally_store_insert(tally_store_tables()->attachment, values,
					   TALLY_ATTACHMENT_COLUMNS);
	CacheInvalidateRelcacheByRelid(relation);
}

static TupleTableSlot *
find_attachment(Relation rel, Oid relation, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	return find_row(rel, tally_store_tables()->attachment_relation, snapshot,
					&key, 1, ForwardScanDirection);
}

bool
tally_store_remove_attachment(Oid relation)
{
	Relation	rel;
	TupleTableSlot *slot;

	rel = table_open(tally_store_tables()->attachment, RowExclusiveLock);
	slot = find_attachment(rel, relation, SnapshotSelf);
	if (slot != NULL)
	{
		CatalogTupleDelete(rel, &slot->tts_tid);
		ExecDropSingleTupleTableSlot(slot);
		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)))
			CacheInvalidateRelcacheByRelid(relation);
	}
	table_close(rel, NoLock);
	return slot != NULL;
}

bool
tally_store_find_attachment(Oid relation, Snapshot snapshot,
							int64 *out_epoch, char **out_label)
{
	Relation	rel;
	TupleTableSlot *slot;

	rel = table_open(tally_store_tables()->attachment, AccessShareLock);
	slot = find_attachment(rel, relation, snapshot);
	if (slot != NULL)
	{
		*out_epoch = DatumGetInt64(get(slot, TALLY_ATTACHMENT_EPOCH));
		if (out_label != NULL)
			*out_label = TextDatumGetCString(get(slot,
												 TALLY_ATTACHMENT_LABEL));
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, NoLock);
	return slot != NULL;
}

Oid
tally_store_find_label(const char *label, Snapshot snapshot)
{
	Relation	rel;
	TupleTableSlot *slot;
	Oid			found = InvalidOid;
	ScanKeyData key;

	rel = table_open(tally_store_tables()->attachment, AccessShareLock);
	key_text(&key, 1, label, strlen(label));
	slot = find_row(rel, tally_store_tables()->attachment_label, snapshot,
					&key, 1, ForwardScanDirection);
	if (slot != NULL)
	{
		found = DatumGetObjectId(get(slot, TALLY_ATTACHMENT_RELATION));
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, NoLock);
	return found;
}
