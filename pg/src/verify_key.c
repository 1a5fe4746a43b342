/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of one key against the rows that have it.
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
#include "verify_key.h"

#include "utils/builtins.h"

bool
tally_match_holds(const struct tally_hash *digest, const uint8 *salt,
				  const struct tally_match_row *row)
{
	static const char head[] = "{\"op\":\"update\",";
	struct tally_hasher *hasher = tally_hasher_get();
	static const uint8 domain = 0x02;
	struct tally_hash hash;

	/* What was not made of the row is zero, and no digest is. */
	if (tally_hash_is_zero(digest))
		return false;
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
static struct tally_key_row *
find_row(struct tally_key_group *key, const struct tally_match_record *record)
{
	int			i;

	for (i = 0; i < key->nrows; i++)
	{
		struct tally_match_row *row = &key->rows[i].row;

		if (row->form == record->use->form &&
			has_key(row, record->key, record->key_len) &&
			tally_match_holds(&record->digest, record->salt, row))
			return &key->rows[i];
	}
	return NULL;
}

/* Which of a chain's records of one key stand for what is there now. */
static void
judge_chain(struct tally_key_group *key, int begin, int end)
{
	const struct tally_key_record *later = NULL;
	int			i;

	for (i = end - 1; i >= begin; i--)
	{
		struct tally_key_record *this = &key->records[i];
		const struct tally_epoch *epoch = this->record.use->epoch;

		if (this->record.is_accused ||
			(this->record.is_deletion && !epoch->append_only))
			return;
		this->stands = true;
		this->later = later;
		this->row = find_row(key, &this->record);
		if (!epoch->append_only)
			return;
		later = this;
	}
}

bool
tally_key_same_line(const struct tally_key_record *a,
					const struct tally_key_record *b)
{
	return a->record.chain == b->record.chain &&
		a->record.key_len == b->record.key_len &&
		memcmp(a->record.key, b->record.key, a->record.key_len) == 0;
}

static void
judge_records(struct tally_key_group *key)
{
	int			begin;
	int			end;

	for (begin = 0; begin < key->nrecords; begin = end)
	{
		for (end = begin + 1; end < key->nrecords; end++)
		{
			if (!tally_key_same_line(&key->records[begin], &key->records[end]))
				break;
		}
		judge_chain(key, begin, end);
	}
}

/* The same row may stand there in several forms. */
static bool
is_same_row(const struct tally_key_row *a, const struct tally_key_row *b)
{
	return a->row.relation == b->row.relation &&
		ItemPointerEquals(unconstify(ItemPointerData *, &a->row.tid),
						  unconstify(ItemPointerData *, &b->row.tid));
}

static void
prove_row(struct tally_key_group *key, const struct tally_key_row *proven)
{
	int			i;

	for (i = 0; i < key->nrows; i++)
	{
		if (is_same_row(&key->rows[i], proven))
			key->rows[i].is_proven = true;
	}
}

/* A row of the record's key that nothing proves and no finding is about. */
static struct tally_key_row *
find_other_row(struct tally_key_group *key,
			   const struct tally_match_record *record)
{
	int			i;

	for (i = 0; i < key->nrows; i++)
	{
		struct tally_key_row *row = &key->rows[i];

		if (!row->is_proven && !row->is_named &&
			has_key(&row->row, record->key, record->key_len))
			return row;
	}
	return NULL;
}

static void
name_row(struct tally_key_group *key, const struct tally_key_row *named)
{
	int			i;

	for (i = 0; i < key->nrows; i++)
	{
		if (is_same_row(&key->rows[i], named))
			key->rows[i].is_named = true;
	}
}

/* ---- telling ---------------------------------------------------------- */

static void
tell_detached(struct tally_verifier *v, const struct tally_key_record *this,
			  const struct tally_key_row *other)
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
tell_unproven(struct tally_verifier *v, const struct tally_key_record *this,
			  const struct tally_key_row *other)
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
	else if (other != NULL)
		tally_pairs_add_altered(v, record, &other->row);
	else
		tally_pairs_add_record(v, record, TALLY_MISSING,
							   "its row is not there");
}

/* Its row is there as it was sealed; but in this chain? */
static void
judge_place(struct tally_verifier *v, const struct tally_key_record *this)
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
 * A record that was named already stands for nothing, but some row may be its
 * own, and that is not missed: the one that it holds for, or one of its key,
 * or, if its key is what was changed, one that is left over elsewhere.
 */
static void
excuse_row(struct tally_verifier *v, struct tally_key_group *key,
		   const struct tally_match_record *record)
{
	struct tally_key_row *row = find_row(key, record);

	if (row != NULL)
	{
		prove_row(key, row);
		return;
	}
	row = find_other_row(key, record);
	if (row != NULL)
		name_row(key, row);
	else
		tally_pairs_add_record(v, record, TALLY_NOT_JUDGED, NULL);
}

static void
tell_records(struct tally_verifier *v, struct tally_key_group *key)
{
	struct tally_key_row *other;
	int			i;

	for (i = 0; i < key->nrecords; i++)
	{
		if (key->records[i].row != NULL)
			prove_row(key, key->records[i].row);
	}
	for (i = 0; i < key->nrecords; i++)
	{
		struct tally_key_record *this = &key->records[i];

		if (!this->stands)
			continue;
		if (this->row != NULL)
		{
			judge_place(v, this);
			continue;
		}
		other = find_other_row(key, &this->record);
		tell_unproven(v, this, other);
		if (other != NULL)
			name_row(key, other);
	}
	for (i = 0; i < key->nrecords; i++)
	{
		if (key->records[i].record.is_accused)
			excuse_row(v, key, &key->records[i].record);
	}
}

/* Rows that no record proves: each once for each of its keys. */
static void
pass_rows(struct tally_verifier *v, struct tally_key_group *key)
{
	int			i;
	int			j;

	for (i = key->nrows - 1; i >= 0; i--)
	{
		struct tally_key_row *row = &key->rows[i];

		if (row->is_proven || row->is_named || row->is_done)
			continue;
		for (j = 0; j < i; j++)
		{
			if (is_same_row(&key->rows[j], row) &&
				key->rows[j].row.form->key_class == row->row.form->key_class)
				key->rows[j].is_done = true;
		}
		tally_match_pass_row(v, &row->row);
	}
}

void
tally_key_judge(struct tally_verifier *v, struct tally_key_group *key)
{
	if (key->nrows == 0 && key->nrecords == 0)
		return;
	judge_records(key);
	tell_records(v, key);
	pass_rows(v, key);
}
