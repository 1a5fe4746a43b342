/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records and rows of one key, against each other.
 *
 * Both are put in any order and come out sorted by a hash of source and key,
 * the rows before the records, and these by chain and seq.
 *
 * What a record must show depends on what comes behind it in its chain.
 *
 *	the last				a row that it holds for; or it is a deletion
 *	under append-only		a row, even if others follow: the row may have
 *							been sealed again, as it was
 *	any other				nothing: the row was changed, or deleted
 *
 * A record that was named already, or whose event is lost, may have been a
 * deletion; so it is taken for one, and no finding follows from another.
 */
#include "postgres.h"

#include "hasher.h"
#include "verify_match.h"
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
	MATCH_KEY,
	MATCH_EVENT,
	MATCH_COLUMNS,
};

/* Flags of a record; of a row, its age and from FLAG_CLASSES on nclasses. */
#define FLAG_DELETION 1
#define FLAG_KEPT 2
#define FLAG_ACCUSED 4
#define FLAG_AGE_MASK 15
#define FLAG_CLASSES 16

struct group_row
{
	struct tally_match_row row;
	bool		is_proven;		/* by a record that stands for what is there */
	bool		is_named;		/* told as what a record does not hold for */
	bool		is_done;
};

struct group_record
{
	struct tally_match_record record;
	struct group_row *row;		/* that it holds for, or NULL */
	const struct group_record *later;	/* in its chain, that stands */
	bool		stands;			/* for what is there now */
};

/* What has one hash: one key, as good as always. */
struct group
{
	MemoryContext context;
	int64		hash;
	int			nrows;
	int			rows_size;
	struct group_row *rows;
	int			nrecords;
	int			records_size;
	struct group_record *records;
};

struct tally_match
{
	struct tally_sorter *sorter;
	struct tally_sorter *lonely;	/* rows, if some have several keys */
};

static const Oid types[MATCH_COLUMNS] = {
	INT8OID, INT8OID, INT8OID, INT4OID, INT4OID, INT8OID, OIDOID, TIDOID,
	BYTEAOID, BYTEAOID, TEXTOID, TEXTOID,
};

/* ---- putting ---------------------------------------------------------- */

void
tally_match_open(struct tally_verifier *v)
{
	v->match = palloc0(sizeof(*v->match));
	v->match->sorter = tally_sorter_new(MATCH_COLUMNS, types, 3, 1);
}

static int64
hash_key(struct tally_verifier *v, const struct tally_source *source,
		 const char *key, Size key_len)
{
	uint64		keys[2] = {v->seed[0] + source->number + 1, v->seed[1]};

	return (int64) tally_sum_hash(keys, key, key_len);
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
	values[MATCH_CHAIN] = Int64GetDatum(record->chain->id);
	values[MATCH_SEQ] = Int64GetDatum(record->seq);
	values[MATCH_FORM] = Int32GetDatum(record->use->form->number);
	values[MATCH_FLAGS] = Int32GetDatum((record->is_deletion ? FLAG_DELETION : 0) |
										(record->is_kept ? FLAG_KEPT : 0) |
										(record->is_accused ? FLAG_ACCUSED : 0));
	values[MATCH_USE] = Int64GetDatum(record->use->id);
	nulls[MATCH_RELATION] = true;
	values[MATCH_TID] = PointerGetDatum(&tid);
	values[MATCH_DIGEST] = tally_sorter_bytes(&room[0], record->digest.b,
											  TALLY_HASH_SIZE);
	nulls[MATCH_OTHER] = record->salt == NULL;
	if (record->salt != NULL)
		values[MATCH_OTHER] = tally_sorter_bytes(&room[1], record->salt,
												 TALLY_SALT_SIZE);
	values[MATCH_KEY] = PointerGetDatum(cstring_to_text_with_len(record->key,
																 (int) record->key_len));
	nulls[MATCH_EVENT] = true;
	tally_sorter_put(v->match->sorter, values, nulls);
}

static void
put_row(struct tally_sorter *sorter, int64 first, int64 second,
		const struct tally_match_row *row)
{
	ItemPointerData tid = row->tid;
	struct tally_short_bytes room[2];
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
	values[MATCH_KEY] = PointerGetDatum(cstring_to_text_with_len(row->key,
																 (int) row->key_len));
	nulls[MATCH_EVENT] = row->event == NULL;
	if (row->event != NULL)
		values[MATCH_EVENT] = PointerGetDatum(cstring_to_text_with_len(row->event,
																	   (int) row->event_len));
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
}

/* ---- one key ---------------------------------------------------------- */

bool
tally_match_holds(const struct tally_hash *digest, const uint8 *salt,
				  const struct tally_match_row *row)
{
	static const char head[] = "{\"op\":\"update\",";
	struct tally_hasher *hasher = tally_hasher_get();
	static const uint8 domain = 0x02;
	struct tally_hash hash;

	if (salt == NULL)
		return tally_hash_equal(digest, &row->digest) ||
			tally_hash_equal(digest, &row->update);
	if (row->event == NULL)
		return false;
	hash = tally_hash_commitment(hasher, salt, row->event, row->event_len);
	if (tally_hash_equal(digest, &hash))
		return true;
	/* An update is written like an insertion, but for one member before. */
	tally_hash_begin(hasher);
	tally_hash_add(hasher, &domain, 1);
	tally_hash_add(hasher, salt, TALLY_SALT_SIZE);
	tally_hash_add(hasher, head, sizeof(head) - 1);
	tally_hash_add(hasher, row->event + 1, row->event_len - 1);
	hash = tally_hash_end(hasher);
	return tally_hash_equal(digest, &hash);
}

static struct tally_subject
subject_of(const struct tally_match_record *record)
{
	struct tally_subject subject = {
		record->chain->name, record->seq, record->use->epoch->label,
		pnstrdup(record->key, record->key_len)
	};

	return subject;
}

static bool
has_key(const struct tally_match_row *row, const char *key, Size len)
{
	return row->key_len == len && memcmp(row->key, key, len) == 0;
}

/* The row that the record holds for, or NULL. */
static struct group_row *
find_row(struct group *group, const struct tally_match_record *record)
{
	int			i;

	for (i = 0; i < group->nrows; i++)
	{
		struct tally_match_row *row = &group->rows[i].row;

		if (row->form == record->use->form &&
			has_key(row, record->key, record->key_len) &&
			tally_match_holds(&record->digest, record->salt, row))
			return &group->rows[i];
	}
	return NULL;
}

/* Which of a chain's records of one key stand for what is there now. */
static void
judge_chain(struct group *group, int begin, int end)
{
	const struct group_record *later = NULL;
	int			i;

	for (i = end - 1; i >= begin; i--)
	{
		struct group_record *this = &group->records[i];
		const struct tally_epoch *epoch = this->record.use->epoch;

		if (this->record.is_accused ||
			(this->record.is_deletion && !epoch->append_only))
			return;
		this->stands = true;
		this->later = later;
		this->row = find_row(group, &this->record);
		if (!epoch->append_only)
			return;
		later = this;
	}
}

static bool
is_same_line(const struct group_record *a, const struct group_record *b)
{
	return a->record.chain == b->record.chain &&
		a->record.key_len == b->record.key_len &&
		memcmp(a->record.key, b->record.key, a->record.key_len) == 0;
}

static void
judge_records(struct group *group)
{
	int			begin;
	int			end;

	for (begin = 0; begin < group->nrecords; begin = end)
	{
		for (end = begin + 1; end < group->nrecords; end++)
		{
			if (!is_same_line(&group->records[begin], &group->records[end]))
				break;
		}
		judge_chain(group, begin, end);
	}
}

/* The same row may stand there in several forms. */
static bool
is_same_row(const struct group_row *a, const struct group_row *b)
{
	return a->row.relation == b->row.relation &&
		ItemPointerEquals(unconstify(ItemPointerData *, &a->row.tid),
						  unconstify(ItemPointerData *, &b->row.tid));
}

static void
prove_row(struct group *group, const struct group_row *proven)
{
	int			i;

	for (i = 0; i < group->nrows; i++)
	{
		if (is_same_row(&group->rows[i], proven))
			group->rows[i].is_proven = true;
	}
}

/* A row of the record's key that nothing proves and no finding is about. */
static struct group_row *
find_other_row(struct group *group, const struct tally_match_record *record)
{
	int			i;

	for (i = 0; i < group->nrows; i++)
	{
		struct group_row *row = &group->rows[i];

		if (!row->is_proven && !row->is_named &&
			has_key(&row->row, record->key, record->key_len))
			return row;
	}
	return NULL;
}

static void
name_row(struct group *group, const struct group_row *named)
{
	int			i;

	for (i = 0; i < group->nrows; i++)
	{
		if (is_same_row(&group->rows[i], named))
			group->rows[i].is_named = true;
	}
}

/* ---- telling ---------------------------------------------------------- */

static void
tell_detached(struct tally_verifier *v, const struct group_record *this,
			  const struct group_row *other)
{
	struct tally_subject subject = subject_of(&this->record);
	struct tally_source *source = this->record.use->source;
	struct tally_use *last = llast(source->uses);

	if (other == NULL)
		source->gone++;
	else
		tally_report_tell(v, TALLY_NOT_JUDGED, &subject,
						  "the row is another than was sealed; its table was detached by tally:log/%lld",
						  (long long) last->detach_seq);
}

/* A record stands, but holds for no row; other is a row of its key, or NULL. */
static void
tell_unproven(struct tally_verifier *v, const struct group_record *this,
			  const struct group_row *other)
{
	const struct tally_match_record *record = &this->record;
	struct tally_subject subject = subject_of(record);

	if (record->is_deletion)
		tally_report_tell(v, TALLY_INSERTED, &subject,
						  "it deletes a row of a table that is append-only");
	else if (!record->use->form->is_rendered)
	{
		if (!record->is_kept)
			record->use->form->unjudged++;
	}
	else if (this->later != NULL &&
			 this->later->record.use->form != record->use->form)
		tally_report_tell(v, TALLY_NOT_JUDGED, &subject,
						  "its row was sealed again in another form, as record %lld",
						  (long long) this->later->record.seq);
	else if (record->use->source->live == NULL)
		tell_detached(v, this, other);
	else if (other != NULL && other->row.age == TALLY_AGE_LEFT_OUT)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "the row is another than was sealed: only_when leaves it out");
	else if (other != NULL)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "the row is another than was sealed");
	else
		tally_pairs_add_record(v, record, TALLY_MISSING,
							   "its row is not there");
}

/* Its row is there as it was sealed; but in this chain? */
static void
judge_place(struct tally_verifier *v, const struct group_record *this)
{
	const struct tally_match_record *record = &this->record;
	struct tally_subject subject = subject_of(record);
	struct tally_chain *chain;

	if (this->row->row.chain_id == record->chain->id ||
		record->chain->renamed || record->chain->name == NULL)
		return;
	if (this->row->row.chain_id == 0)
	{
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "its row belongs to a chain that is not there");
		return;
	}
	chain = tally_chains_get(v, this->row->row.chain_id);
	if (!chain->renamed)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "its row belongs to chain \"%s\"", chain->name);
}

/*
 * Records that were named already stand for nothing, but some row may be
 * theirs: as many rows as there are of them are not told.
 */
static void
excuse_rows(struct group *group)
{
	struct group_row *row;
	int			i;

	for (i = 0; i < group->nrecords; i++)
	{
		if (!group->records[i].record.is_accused)
			continue;
		row = find_other_row(group, &group->records[i].record);
		if (row != NULL)
			name_row(group, row);
	}
}

static void
tell_records(struct tally_verifier *v, struct group *group)
{
	struct group_row *other;
	int			i;

	for (i = 0; i < group->nrecords; i++)
	{
		if (group->records[i].row != NULL)
			prove_row(group, group->records[i].row);
	}
	for (i = 0; i < group->nrecords; i++)
	{
		struct group_record *this = &group->records[i];

		if (!this->stands)
			continue;
		if (this->row != NULL)
		{
			judge_place(v, this);
			continue;
		}
		other = find_other_row(group, &this->record);
		tell_unproven(v, this, other);
		if (other != NULL)
			name_row(group, other);
	}
	excuse_rows(group);
}

static void
pass_row(struct tally_verifier *v, const struct tally_match_row *row)
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

			v->match->lonely = tally_sorter_new(MATCH_COLUMNS, types, 3, 2);
			MemoryContextSwitchTo(saved);
		}
		put_row(v->match->lonely, (int64) row->relation, place, row);
	}
}

/* Rows that no record proves: each once for each of its keys. */
static void
pass_rows(struct tally_verifier *v, struct group *group)
{
	int			i;
	int			j;

	for (i = group->nrows - 1; i >= 0; i--)
	{
		struct group_row *row = &group->rows[i];

		if (row->is_proven || row->is_named || row->is_done)
			continue;
		for (j = 0; j < i; j++)
		{
			if (is_same_row(&group->rows[j], row) &&
				group->rows[j].row.form->key_class == row->row.form->key_class)
				group->rows[j].is_done = true;
		}
		pass_row(v, &row->row);
	}
}

/* ---- all keys --------------------------------------------------------- */

static void
judge_group(struct tally_verifier *v, struct group *group)
{
	if (group->nrows > 0 || group->nrecords > 0)
	{
		judge_records(group);
		tell_records(v, group);
		pass_rows(v, group);
	}
	MemoryContextReset(group->context);
	group->nrows = group->rows_size = 0;
	group->nrecords = group->records_size = 0;
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
is_superseded(const struct group_record *before,
			  const struct group_record *after)
{
	return is_same_line(before, after) && !before->record.is_accused &&
		(!after->record.use->epoch->append_only ||
		 after->record.is_accused);
}

static void
add_record(struct tally_verifier *v, struct group *group, const Datum *values,
		   const bool *nulls)
{
	struct group_record added = {0};

	get_record(v, values, nulls, &added.record);
	if (group->nrecords > 0 &&
		is_superseded(&group->records[group->nrecords - 1], &added))
		group->nrecords--;
	group->records = make_room(group->records, group->nrecords,
							   &group->records_size, sizeof(added));
	group->records[group->nrecords++] = added;
}

static void
add_row(struct tally_verifier *v, struct group *group, const Datum *values,
		const bool *nulls)
{
	struct group_row *added;

	group->rows = make_room(group->rows, group->nrows, &group->rows_size,
							sizeof(*added));
	added = &group->rows[group->nrows++];
	memset(added, 0, sizeof(*added));
	get_row(v, values, nulls, &added->row);
}

static void
walk_groups(struct tally_verifier *v)
{
	struct group group = {0};
	MemoryContext saved;
	Datum	   *values;
	bool	   *nulls;

	group.context = AllocSetContextCreate(v->context, "tally key",
										  ALLOCSET_DEFAULT_SIZES);
	while (tally_sorter_next(v->match->sorter, &values, &nulls))
	{
		CHECK_FOR_INTERRUPTS();
		saved = MemoryContextSwitchTo(group.context);
		if (group.hash != DatumGetInt64(values[MATCH_HASH]))
			judge_group(v, &group);
		group.hash = DatumGetInt64(values[MATCH_HASH]);
		if (DatumGetInt64(values[MATCH_CHAIN]) == 0)
			add_row(v, &group, values, nulls);
		else
			add_record(v, &group, values, nulls);
		MemoryContextSwitchTo(saved);
	}
	saved = MemoryContextSwitchTo(group.context);
	judge_group(v, &group);
	MemoryContextSwitchTo(saved);
	MemoryContextDelete(group.context);
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
	walk_groups(v);
	tally_sorter_free(v->match->sorter);
	if (v->match->lonely != NULL)
		walk_lonely(v);
	tally_hasher_check();
}
