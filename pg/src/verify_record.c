/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading tally.record.
 *
 * The types of its columns were looked at (verify_catalog.c); what is in them
 * can be anything.
 */
#include "postgres.h"

#include "hasher.h"
#include "store.h"
#include "verify_chains.h"
#include "verify_record.h"

#include "core/record.h"

#include "access/table.h"
#include "access/tableam.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "render.h"

/* Microseconds between 1970-01-01 and PostgreSQL's epoch. */
#define EPOCH_SHIFT_US \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* 10000-01-01, in microseconds since 1970. */
#define YEAR_10000_US INT64CONST(253402300800000000)

static bool
get_bytes(TupleTableSlot *slot, AttrNumber column, const char **out,
		  Size *out_len)
{
	struct varlena *value;

	if (slot->tts_isnull[column - 1])
		return false;
	value = PG_DETOAST_DATUM_PACKED(slot->tts_values[column - 1]);
	*out = VARDATA_ANY(value);
	*out_len = VARSIZE_ANY_EXHDR(value);
	return true;
}

static bool
get_int8(TupleTableSlot *slot, AttrNumber column, int64 *out)
{
	*out = 0;
	if (slot->tts_isnull[column - 1])
		return false;
	*out = DatumGetInt64(slot->tts_values[column - 1]);
	return true;
}

static void
read_hash(TupleTableSlot *slot, AttrNumber column, bool *out_has,
		  struct tally_hash *out, struct tally_sealed *record,
		  const char *damage)
{
	const char *bytes;
	Size		len;

	*out_has = get_bytes(slot, column, &bytes, &len) &&
		len == TALLY_HASH_SIZE;
	if (*out_has)
		memcpy(out->b, bytes, TALLY_HASH_SIZE);
	else
		record->damage = damage;
}

static void
read_time(TupleTableSlot *slot, struct tally_sealed *record)
{
	TimestampTz time;

	if (!get_int8(slot, TALLY_RECORD_TIME, &time))
	{
		record->damage = "its time is null";
		return;
	}
	if (time < -EPOCH_SHIFT_US || time >= YEAR_10000_US - EPOCH_SHIFT_US)
		record->damage = "its time is not in the years 1970 to 9999";
	else
	{
		record->has_time = true;
		record->time_us = time + EPOCH_SHIFT_US;
	}
}

static void
read_names(TupleTableSlot *slot, struct tally_sealed *record)
{
	static const char no_salt[TALLY_SALT_SIZE];
	const char *salt;
	Size		len;

	if (get_bytes(slot, TALLY_RECORD_KEY, &record->key, &record->key_len) &&
		record->key_len > TALLY_KEY_MAX)
		record->damage = "its key is longer than any";
	if (get_bytes(slot, TALLY_RECORD_ID, &record->id, &record->id_len) &&
		(record->id_len == 0 || record->id_len > TALLY_ID_MAX))
		record->damage = "its id is empty, or longer than any";
	if (!get_bytes(slot, TALLY_RECORD_SALT, &salt, &len))
		return;
	if (len != TALLY_SALT_SIZE)
		record->damage = "its salt is not 16 bytes long";
	else if (memcmp(salt, no_salt, TALLY_SALT_SIZE) == 0)
		record->damage = "its salt is the one that is not written";
	else
		record->salt = (const uint8 *) salt;
}

static void
read_record(TupleTableSlot *slot, struct tally_sealed *record)
{
	memset(record, 0, sizeof(*record));
	slot_getallattrs(slot);
	record->tid = slot->tts_tid;
	record->has_chain = get_int8(slot, TALLY_RECORD_CHAIN_ID,
								 &record->chain_id) && record->chain_id > 0;
	record->has_seq = get_int8(slot, TALLY_RECORD_SEQ, &record->seq) &&
		record->seq > 0 && record->seq <= (int64) TALLY_SEQ_MAX;
	if (!record->has_chain)
		record->damage = "its chain_id is null, or none";
	if (!record->has_seq)
		record->damage = "its seq is null, or none";
	(void) get_int8(slot, TALLY_RECORD_EPOCH, &record->epoch);
	(void) get_int8(slot, TALLY_RECORD_EVENT_ID, &record->event_id);
	read_hash(slot, TALLY_RECORD_DIGEST, &record->has_digest, &record->digest,
			  record, "its digest is not 32 bytes long");
	read_hash(slot, TALLY_RECORD_PREV, &record->has_prev, &record->prev,
			  record, "its prev is not 32 bytes long");
	read_hash(slot, TALLY_RECORD_HASH, &record->has_hash, &record->hash,
			  record, "its hash is not 32 bytes long");
	read_time(slot, record);
	read_names(slot, record);
}

void
tally_record_walk(struct tally_verifier *v, int64 chain_id, tally_record_fn fn,
				  void *arg)
{
	TupleTableSlot *slot = table_slot_create(v->record, NULL);
	TableScanDesc scan = table_beginscan(v->record, v->snapshot, 0, NULL);
	MemoryContext saved = MemoryContextSwitchTo(v->scratch);
	struct tally_sealed record;
	bool		go_on = true;
	bool		isnull;

	while (go_on && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (chain_id != 0 &&
			(DatumGetInt64(slot_getattr(slot, TALLY_RECORD_CHAIN_ID,
										&isnull)) != chain_id || isnull))
			continue;
		read_record(slot, &record);
		go_on = fn(v, &record, arg);
		MemoryContextReset(v->scratch);
	}
	MemoryContextSwitchTo(saved);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	tally_hasher_check();
}

bool
tally_record_fetch(struct tally_verifier *v, const ItemPointerData * tid,
				   tally_record_fn fn, void *arg)
{
	TupleTableSlot *slot = table_slot_create(v->record, NULL);
	ItemPointerData copy = *tid;
	struct tally_sealed record;
	bool		found;

	found = table_tuple_fetch_row_version(v->record, &copy, v->snapshot, slot);
	if (found)
	{
		read_record(slot, &record);
		(void) fn(v, &record, arg);
	}
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

struct tally_parts
tally_record_parts(const struct tally_sealed *record)
{
	struct tally_parts parts = {
		.has_digest = record->has_digest,
		.has_time = record->has_time,
		.digest = record->digest,
		.time_us = record->time_us,
		.id = record->id,
		.id_len = record->id_len,
	};

	return parts;
}

bool
tally_record_hash(const struct tally_sealed *record,
				  const struct tally_chain *chain, int64 seq,
				  const struct tally_hash *prev, struct tally_hash *out)
{
	struct tally_parts parts = tally_record_parts(record);

	return tally_parts_hash(tally_hasher_get(), &parts, chain->seen.escaped,
							chain->seen.escaped_len, seq, prev, out);
}
