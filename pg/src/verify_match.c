/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records and rows of one key, against each other.
 *
 * Both are put in any order and come out sorted by a hash of source and key,
 * the rows before the records, and these by chain and seq.
 */
#include "postgres.h"

#include "hasher.h"
#include "verify_accused.h"
#include "verify_key.h"
#include "verify_sort.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

enum
{
	MATCH_HASH,					/* of source and key; or, lonely, relation */
	MATCH_CHAIN,				/* 0: a row; or, lonely, its place there */
	MATCH_SEQ,					/* of a row, the chain that it belongs to */
	MATCH_FORM,
	MATCH_FLAGS,
	MATCH_USE,					/* the epoch's number, or null */
	MATCH_RELATION,
	MATCH_TID,
	MATCH_DIGEST,
	MATCH_OTHER,				/* of a row its update, of a record its salt */
	MATCH_BACKFILL,
	MATCH_KEY,
	MATCH_EVENT,
	MATCH_COLUMNS,
};

/* Flags of a record; of a row, its age and from FLAG_CLASSES on nclasses. */
#define FLAG_DELETION 1
#define FLAG_KEPT 2
#define FLAG_ACCUSED 4
#define FLAG_PART 8
#define FLAG_AGE_MASK 15
#define FLAG_CLASSES 16

struct tally_match
{
	struct tally_sorter *sorter;
	struct tally_sorter *lonely;	/* rows, if some have several keys */
};

static const Oid types[MATCH_COLUMNS] = {
	INT8OID, INT8OID, INT8OID, INT4OID, INT4OID, INT8OID, OIDOID, TIDOID,
	BYTEAOID, BYTEAOID, BYTEAOID, TEXTOID, TEXTOID,
};

/* ---- putting ---------------------------------------------------------- */

void
tally_match_open(struct tally_verifier *v)
{
	v->match = palloc0(sizeof(*v->match));
	v->match->sorter = tally_sorter_new(MATCH_COLUMNS, types, 4, 1);
}

void
tally_match_prepare(struct tally_verifier *v,
					const struct tally_sealed *sealed,
					struct tally_match_record *out)
{
	memset(out, 0, sizeof(*out));
	out->use = tally_sources_find(v, sealed->epoch);
	if (sealed->has_chain)
		out->chain = tally_chains_get(v, sealed->chain_id);
	out->seq = sealed->seq;
	out->tid = sealed->tid;
	out->has_digest = sealed->has_digest;
	out->digest = sealed->digest;
	out->salt = sealed->salt;
	out->key = sealed->key;
	out->key_len = sealed->key_len;
	out->is_accused = tally_accused_is(v, &sealed->tid);
	/* One that was moved still stands for what it stood for. */
	(void) tally_accused_place(v, &sealed->tid, &out->chain, &out->seq);
}

static int64
hash_key(struct tally_verifier *v, const struct tally_source *source,
		 const char *key, Size key_len)
{
	struct tally_sip_key keys = {
		{v->seed.k[0] + source->number + 1, v->seed.k[1]},
	};

	return (int64) tally_sip(&keys, key, key_len);
}

static Datum
text_datum(const char *text, Size len)
{
	return PointerGetDatum(cstring_to_text_with_len(text, (int) len));
}

void
tally_match_put_record(struct tally_verifier *v,
					   const struct tally_match_record *record)
{
	struct tally_source *source = record->use->source;
	ItemPointerData tid = record->tid;
	struct tally_short_bytes room[2];
	bool		nulls[MATCH_COLUMNS] = {false};
	Datum		values[MATCH_COLUMNS];

	if (!source->is_sorted)
		return;
	values[MATCH_HASH] = Int64GetDatum(hash_key(v, source, record->key,
												record->key_len));
	values[MATCH_CHAIN] = Int64GetDatum(record->chain->seen.id);
	values[MATCH_SEQ] = Int64GetDatum(record->seq);
	values[MATCH_FORM] = Int32GetDatum(record->use->form->number);
	values[MATCH_FLAGS] =
		Int32GetDatum((record->is_deletion ? FLAG_DELETION : 0) |
					  (record->is_kept ? FLAG_KEPT : 0) |
					  (record->is_accused ? FLAG_ACCUSED : 0) |
					  (record->is_part ? FLAG_PART : 0));
	values[MATCH_USE] = Int64GetDatum(record->use->id);
	nulls[MATCH_RELATION] = true;
	values[MATCH_TID] = PointerGetDatum(&tid);
	values[MATCH_DIGEST] = tally_sorter_bytes(&room[0], record->digest.b,
											  TALLY_HASH_SIZE);
	nulls[MATCH_OTHER] = record->salt == NULL;
	if (record->salt != NULL)
		values[MATCH_OTHER] = tally_sorter_bytes(&room[1], record->salt,
												 TALLY_SALT_SIZE);
	nulls[MATCH_BACKFILL] = true;
	values[MATCH_KEY] = text_datum(record->key, record->key_len);
	nulls[MATCH_EVENT] = true;
	tally_sorter_put(v->match->sorter, values, nulls);
}

static void
put_row(struct tally_sorter *sorter, int64 first, int64 second,
		const struct tally_match_row *row)
{
	ItemPointerData tid = row->tid;
	struct tally_short_bytes room[3];
	bool		nulls[MATCH_COLUMNS] = {false};
	Datum		values[MATCH_COLUMNS];

	values[MATCH_HASH] = Int64GetDatum(first);
	values[MATCH_CHAIN] = Int64GetDatum(second);
	values[MATCH_SEQ] = Int64GetDatum(row->chain_id);
	values[MATCH_FORM] = Int32GetDatum(row->form->number);
	values[MATCH_FLAGS] = Int32GetDatum(row->age |
										row->nclasses * FLAG_CLASSES);
	nulls[MATCH_USE] = row->use == NULL;
	if (row->use != NULL)
		values[MATCH_USE] = Int64GetDatum(row->use->id);
	values[MATCH_RELATION] = ObjectIdGetDatum(row->relation);
	values[MATCH_TID] = PointerGetDatum(&tid);
	values[MATCH_DIGEST] = tally_sorter_bytes(&room[0], row->digest.b,
											  TALLY_HASH_SIZE);
	values[MATCH_OTHER] = tally_sorter_bytes(&room[1], row->update.b,
											 TALLY_HASH_SIZE);
	nulls[MATCH_BACKFILL] = !row->form->has_backfill;
	if (row->form->has_backfill)
		values[MATCH_BACKFILL] = tally_sorter_bytes(&room[2], row->backfill.b,
													TALLY_HASH_SIZE);
	values[MATCH_KEY] = text_datum(row->key, row->key_len);
	nulls[MATCH_EVENT] = row->event == NULL;
	if (row->event != NULL)
		values[MATCH_EVENT] = text_datum(row->event, row->event_len);
	tally_sorter_put(sorter, values, nulls);
}

void
tally_match_put_row(struct tally_verifier *v, const struct tally_match_row *row)
{
	put_row(v->match->sorter,
			hash_key(v, row->form->source, row->key, row->key_len), 0, row);
}

/* ---- getting ---------------------------------------------------------- */

static void
get_text(Datum value, const char **out, Size *out_len)
{
	text	   *bytes = DatumGetTextPCopy(value);

	*out = VARDATA_ANY(bytes);
	*out_len = VARSIZE_ANY_EXHDR(bytes);
}

static void
get_row(struct tally_verifier *v, const Datum *values, const bool *nulls,
		struct tally_match_row *row)
{
	int32		flags = DatumGetInt32(values[MATCH_FLAGS]);

	memset(row, 0, sizeof(*row));
	row->form = tally_sources_form(v, DatumGetInt32(values[MATCH_FORM]));
	row->relation = DatumGetObjectId(values[MATCH_RELATION]);
	row->tid = *(ItemPointer) DatumGetPointer(values[MATCH_TID]);
	row->age = flags & FLAG_AGE_MASK;
	row->nclasses = flags / FLAG_CLASSES;
	if (!nulls[MATCH_USE])
		row->use = tally_sources_find(v, DatumGetInt64(values[MATCH_USE]));
	row->chain_id = DatumGetInt64(values[MATCH_SEQ]);
	row->digest = tally_sorter_hash(values[MATCH_DIGEST]);
	row->update = tally_sorter_hash(values[MATCH_OTHER]);
	if (!nulls[MATCH_BACKFILL])
		row->backfill = tally_sorter_hash(values[MATCH_BACKFILL]);
	get_text(values[MATCH_KEY], &row->key, &row->key_len);
	if (!nulls[MATCH_EVENT])
		get_text(values[MATCH_EVENT], &row->event, &row->event_len);
}

static void
get_record(struct tally_verifier *v, const Datum *values, const bool *nulls,
		   struct tally_match_record *record)
{
	int32		flags = DatumGetInt32(values[MATCH_FLAGS]);

	memset(record, 0, sizeof(*record));
	record->use = tally_sources_find(v, DatumGetInt64(values[MATCH_USE]));
	record->chain = tally_chains_get(v, DatumGetInt64(values[MATCH_CHAIN]));
	record->seq = DatumGetInt64(values[MATCH_SEQ]);
	record->tid = *(ItemPointer) DatumGetPointer(values[MATCH_TID]);
	record->has_digest = true;
	record->digest = tally_sorter_hash(values[MATCH_DIGEST]);
	if (!nulls[MATCH_OTHER])
	{
		uint8	   *salt = palloc(TALLY_SALT_SIZE);

		memcpy(salt, VARDATA_ANY(DatumGetPointer(values[MATCH_OTHER])),
			   TALLY_SALT_SIZE);
		record->salt = salt;
	}
	get_text(values[MATCH_KEY], &record->key, &record->key_len);
	record->is_deletion = (flags & FLAG_DELETION) != 0;
	record->is_kept = (flags & FLAG_KEPT) != 0;
	record->is_accused = (flags & FLAG_ACCUSED) != 0;
	record->is_part = (flags & FLAG_PART) != 0;
}

/* ---- key by key --------------------------------------------------------- */

/* A row that no record of this key proves. */
static void
take_unproven(struct tally_verifier *v, const struct tally_match_row *row)
{
	int64		place = (int64) ItemPointerGetBlockNumber(&row->tid) << 16 |
	ItemPointerGetOffsetNumber(&row->tid);

	if (row->nclasses <= 1)
		tally_pairs_add_row(v, row);
	else
	{
		if (v->match->lonely == NULL)
		{
			MemoryContext saved = MemoryContextSwitchTo(v->context);

			/* Of its forms, the last one is told. */
			v->match->lonely = tally_sorter_new(MATCH_COLUMNS, types, 4, 2);
			MemoryContextSwitchTo(saved);
		}
		put_row(v->match->lonely, (int64) row->relation, place, row);
	}
}

static void
judge_key(struct tally_verifier *v, struct tally_key_group *key)
{
	tally_key_judge(v, key, take_unproven);
	MemoryContextReset(key->context);
	key->nrows = key->rows_size = 0;
	key->nrecords = key->records_size = 0;
}

static void *
make_room(void *items, int count, int *size, Size item)
{
	if (count < *size)
		return items;
	*size = Max(2 * *size, 4);
	if (count == 0)
		return palloc(*size * item);
	return repalloc_huge(items, *size * item);
}

/*
 * A record that stands for nothing once there is another behind it need not
 * be remembered: however often a row was changed, its group stays small.
 */
static bool
is_superseded(const struct tally_key_record *before,
			  const struct tally_key_record *after)
{
	return tally_key_same_line(before, after) && !before->record.is_accused &&
		(!after->record.use->epoch->append_only ||
		 after->record.is_accused);
}

static void
add_record(struct tally_verifier *v, struct tally_key_group *key,
		   const Datum *values, const bool *nulls)
{
	struct tally_key_record added = {0};

	get_record(v, values, nulls, &added.record);
	if (key->nrecords > 0 &&
		is_superseded(&key->records[key->nrecords - 1], &added))
		key->nrecords--;
	key->records = make_room(key->records, key->nrecords,
							 &key->records_size, sizeof(added));
	key->records[key->nrecords++] = added;
}

static void
add_row(struct tally_verifier *v, struct tally_key_group *key,
		const Datum *values, const bool *nulls)
{
	struct tally_key_row *added;

	key->rows = make_room(key->rows, key->nrows, &key->rows_size,
						  sizeof(*added));
	added = &key->rows[key->nrows++];
	memset(added, 0, sizeof(*added));
	get_row(v, values, nulls, &added->row);
}

static void
walk_keys(struct tally_verifier *v)
{
	struct tally_key_group key = {0};
	MemoryContext saved;
	Datum	   *values;
	bool	   *nulls;

	key.context = AllocSetContextCreate(v->context, "tally key",
										ALLOCSET_DEFAULT_SIZES);
	while (tally_sorter_next(v->match->sorter, &values, &nulls))
	{
		CHECK_FOR_INTERRUPTS();
		saved = MemoryContextSwitchTo(key.context);
		if (key.hash != DatumGetInt64(values[MATCH_HASH]))
			judge_key(v, &key);
		key.hash = DatumGetInt64(values[MATCH_HASH]);
		if (DatumGetInt64(values[MATCH_CHAIN]) == 0)
			add_row(v, &key, values, nulls);
		else
			add_record(v, &key, values, nulls);
		MemoryContextSwitchTo(saved);
	}
	saved = MemoryContextSwitchTo(key.context);
	judge_key(v, &key);
	MemoryContextSwitchTo(saved);
	MemoryContextDelete(key.context);
}

/* A row with several keys is without a record if it is under each of them. */
static void
walk_lonely(struct tally_verifier *v)
{
	struct tally_match_row row = {0};
	MemoryContext saved;
	Datum	   *values;
	bool	   *nulls;
	int64		relation = 0;
	int64		place = 0;
	int			count = 0;

	tally_sorter_sort(v->match->lonely);
	saved = MemoryContextSwitchTo(v->scratch);
	while (tally_sorter_next(v->match->lonely, &values, &nulls))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(v->scratch);
		if (relation != DatumGetInt64(values[MATCH_HASH]) ||
			place != DatumGetInt64(values[MATCH_CHAIN]))
			count = 0;
		relation = DatumGetInt64(values[MATCH_HASH]);
		place = DatumGetInt64(values[MATCH_CHAIN]);
		get_row(v, values, nulls, &row);
		if (++count == row.nclasses)
			tally_pairs_add_row(v, &row);
	}
	MemoryContextSwitchTo(saved);
	tally_sorter_free(v->match->lonely);
}

void
tally_match_judge(struct tally_verifier *v)
{
	tally_sorter_sort(v->match->sorter);
	walk_keys(v);
	tally_sorter_free(v->match->sorter);
	if (v->match->lonely != NULL)
		walk_lonely(v);
	tally_hasher_check();
}
