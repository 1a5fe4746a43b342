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
 * Behind it comes also what was sealed in a later epoch, in whatever chain:
 * attached anew under another name, a table's rows go on elsewhere.
 *
 * A record that was named already, or whose event is lost, may have been a
 * deletion; so it is taken for one, and no finding follows from another.
 */
#include "postgres.h"

#include "verify_key.h"
#include "verify_retired.h"

#include "utils/builtins.h"

/* Does it hold in the way of its use, and of no other? */
static bool
holds(const struct tally_match_record *record,
	  const struct tally_match_row *row)
{
	if (record->use->base != NULL)
		return tally_match_holds_old(&record->digest, record->salt, row);
	return tally_match_holds(&record->digest, record->salt, row);
}

static struct tally_subject
subject_of(const struct tally_match_record *record)
{
	struct tally_subject subject = {
		record->chain->seen.name, record->seq, record->use->epoch->label,
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
			holds(record, row))
			return &key->rows[i];
	}
	return NULL;
}

/* Does nothing before it stand for what is there now? */
static bool
closes(const struct tally_match_record *record)
{
	return record->is_accused || !record->use->epoch->append_only;
}

/*
 * Which of a chain's records of one key stand for what is there now.  last: the
 * one of the last epoch, in any chain; closed: the last epoch of one that
 * closes, likewise.
 */
static void
judge_chain(struct tally_key_group *key, int begin, int end,
			const struct tally_key_record *last, int64 closed)
{
	const struct tally_key_record *later = NULL;
	int			i;

	for (i = end - 1; i >= begin; i--)
	{
		struct tally_key_record *this = &key->records[i];
		const struct tally_use *use = this->record.use;
		const struct tally_epoch *epoch = use->epoch;

		if (this->record.is_accused || use->attach_seq < closed ||
			(this->record.is_deletion && !epoch->append_only))
			return;
		this->stands = true;
		this->later = later;
		if (last->record.use->attach_seq > use->attach_seq)
			this->later = last;
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
	const struct tally_key_record *last = &key->records[0];
	int64		closed = 0;
	int			begin;
	int			end;

	for (begin = 0; begin < key->nrecords; begin++)
	{
		const struct tally_key_record *this = &key->records[begin];

		if (this->record.use->attach_seq > last->record.use->attach_seq)
			last = this;
		if (closes(&this->record))
			closed = Max(closed, this->record.use->attach_seq);
	}
	for (begin = 0; begin < key->nrecords; begin = end)
	{
		for (end = begin + 1; end < key->nrecords; end++)
		{
			if (!tally_key_same_line(&key->records[begin], &key->records[end]))
				break;
		}
		judge_chain(key, begin, end, last, closed);
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

/*
 * A row of the record's key that no finding is about, and that another record
 * proves, or none.
 */
static struct tally_key_row *
find_other_row(struct tally_key_group *key,
			   const struct tally_match_record *record, bool is_proven)
{
	int			i;

	for (i = 0; i < key->nrows; i++)
	{
		struct tally_key_row *row = &key->rows[i];

		if (row->is_proven == is_proven && !row->is_named &&
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

static const struct tally_column *
find_column(const struct tally_epoch *epoch, AttrNumber number)
{
	int			i;

	for (i = 0; i < epoch->ncolumns; i++)
	{
		if (epoch->columns[i].number == number)
			return &epoch->columns[i];
	}
	return NULL;
}

/* Does the later epoch seal all columns of the earlier one? */
static bool
has_all_columns(const struct tally_epoch *later,
				const struct tally_epoch *earlier)
{
	int			i;

	for (i = 0; i < earlier->ncolumns; i++)
	{
		if (find_column(later, earlier->columns[i].number) == NULL)
			return false;
	}
	return true;
}

/* The same text over the same columns: under the names that they had then. */
static bool
has_same_condition(const struct tally_epoch *later,
				   const struct tally_epoch *earlier)
{
	int			i;

	if (earlier->only_when == NULL ||
		strcmp(later->only_when, earlier->only_when) != 0)
		return false;
	for (i = 0; i < earlier->ncolumns; i++)
	{
		const struct tally_column *column = &earlier->columns[i];
		const struct tally_column *now = find_column(later, column->number);

		if (now != NULL && strcmp(now->name, column->name) != 0)
			return false;
	}
	return true;
}

/*
 * Could rows that were sealed in the earlier epoch be changed, or deleted, in
 * the later one without a record that tells so under their key of then?
 */
static bool
lets_escape(const struct tally_use *later, const struct tally_use *earlier)
{
	if (!has_all_columns(later->epoch, earlier->epoch))
		return true;
	if (later->epoch->only_when != NULL &&
		!has_same_condition(later->epoch, earlier->epoch))
		return true;
	return !later->epoch->append_only &&
		later->form->key_class != earlier->form->key_class;
}

/*
 * The first epoch that lets rows of use escape, and in whose time or later
 * the row was written, if there is one; or NULL.
 */
static const struct tally_use *
find_escape(const struct tally_use *use, const struct tally_key_row *row)
{
	ListCell   *cell;

	foreach(cell, use->source->uses)
	{
		const struct tally_use *later = lfirst(cell);

		if (later->attach_seq > use->attach_seq &&
			(row == NULL || row->row.use == NULL ||
			 row->row.use->attach_seq >= later->attach_seq) &&
			lets_escape(later, use))
			return later;
	}
	return NULL;
}

/* Was the row written in the time of a later epoch, which is to seal it? */
static bool
is_of_later(const struct tally_key_row *row, const struct tally_use *use)
{
	return row->row.use != NULL &&
		row->row.use->attach_seq > use->attach_seq &&
		(row->row.age == TALLY_AGE_SEALED ||
		 row->row.age == TALLY_AGE_LEFT_OUT ||
		 row->row.age == TALLY_AGE_NARROWED);
}

/* Do rows have this key in a form that can be rendered? */
static bool
is_key_rendered(const struct tally_form *form)
{
	ListCell   *cell;

	foreach(cell, form->source->forms)
	{
		const struct tally_form *other = lfirst(cell);

		if (other->is_rendered && other->key_class == form->key_class)
			return true;
	}
	return false;
}

/* The row of its key is another, and was sealed as such. */
static void
tell_sealed_again(struct tally_verifier *v,
				  const struct tally_key_record *this)
{
	struct tally_subject subject = subject_of(&this->record);
	const struct tally_match_record *later = &this->later->record;

	tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
					  "the row is another than was sealed, and was sealed again as record %lld of chain \"%s\"",
					  (long long) later->seq, later->chain->seen.name);
}

/*
 * No row is as it was sealed.  other: one of its key that nothing proves;
 * proven: one that is; or NULL.  False if other is no matter of this record.
 */
static bool
tell_missed(struct tally_verifier *v, const struct tally_key_record *this,
			const struct tally_key_row *other,
			const struct tally_key_row *proven)
{
	const struct tally_match_record *record = &this->record;
	const struct tally_key_row *row = other != NULL ? other : proven;
	const struct tally_use *escape = find_escape(record->use, row);
	struct tally_subject subject = subject_of(record);

	if (record->use->source->live == NULL)
		tell_detached(v, this, other);
	else if (escape != NULL)
	{
		tally_report_tell(v, TALLY_NOT_JUDGED, &subject,
						  "its row is %s; since tally:log/%lld it could be changed without a record of this key",
						  row != NULL ? "another than was sealed" :
						  "not there", (long long) escape->attach_seq);
		return other == NULL || !is_of_later(other, record->use);
	}
	else if (other != NULL)
		tally_pairs_add_altered(v, record, &other->row);
	else if (proven != NULL && this->later != NULL)
		tell_sealed_again(v, this);
	else
		tally_pairs_add_record(v, record, TALLY_MISSING,
							   "its row is not there");
	return true;
}

/* As much of the record's form as the record can be compared with. */
static bool
is_rendered(const struct tally_match_record *record)
{
	const struct tally_form *form = record->use->form;

	return form->is_rendered && (form->part == NULL || record->is_part);
}

/* The record's form cannot be rendered any more.  Likewise. */
static bool
tell_unrendered(struct tally_verifier *v, const struct tally_key_record *this,
				const struct tally_key_row *other,
				const struct tally_key_row *proven)
{
	const struct tally_match_record *record = &this->record;

	if (other == NULL && proven == NULL && is_key_rendered(record->use->form))
		return tell_missed(v, this, NULL, NULL);
	if (record->is_kept)
		record->use->form->kept++;
	else
		record->use->form->unjudged++;
	return other == NULL || !is_of_later(other, record->use);
}

/* A record stands, but holds for no row.  Likewise. */
static bool
tell_unproven(struct tally_verifier *v, const struct tally_key_record *this,
			  const struct tally_key_row *other,
			  const struct tally_key_row *proven)
{
	const struct tally_match_record *record = &this->record;
	struct tally_subject subject = subject_of(record);

	/* Its row went with a partition; should it be there, it is judged. */
	if (other == NULL && !record->is_deletion &&
		tally_retired_has(v, record->chain, record->seq))
	{
		record->use->source->retired++;
		return true;
	}
	if (!record->is_deletion && !is_rendered(record))
		return tell_unrendered(v, this, other, proven);
	if (!record->is_deletion)
		return tell_missed(v, this, other, proven);
	tally_report_tell(v, TALLY_INSERTED, &subject,
					  "it deletes a row of a table that is append-only");
	return true;
}

/* Its row is there as it was sealed; but in this chain? */
static void
judge_place(struct tally_verifier *v, const struct tally_key_record *this)
{
	const struct tally_match_record *record = &this->record;
	struct tally_subject subject = subject_of(record);
	struct tally_chain *chain;

	if (this->row->row.chain_id == record->chain->seen.id ||
		record->chain->seen.renamed || record->chain->seen.name == NULL)
		return;
	if (this->row->row.chain_id == 0)
	{
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "its row belongs to a chain that is not there");
		return;
	}
	chain = tally_chains_get(v, this->row->row.chain_id);
	if (!chain->seen.renamed)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "its row belongs to chain \"%s\"", chain->seen.name);
}

/*
 * Does it seal a row as an old one that is not?  Of rows that were written in
 * a later epoch it is not asked: they are as they were sealed before.
 */
static bool
is_too_young(const struct tally_key_record *this)
{
	const struct tally_match_row *row = &this->row->row;

	return this->record.use->base != NULL &&
		(row->age == TALLY_AGE_SEALED || row->age == TALLY_AGE_BETWEEN) &&
		row->use->attach_seq <= this->record.use->attach_seq;
}

/* Then it proves nothing; but perhaps another record does. */
static void
judge_age(struct tally_verifier *v, struct tally_key_group *key,
		  const struct tally_key_record *this)
{
	struct tally_subject subject = subject_of(&this->record);

	if (!is_too_young(this) || this->row->is_proven || this->row->is_named)
		return;
	tally_report_tell(v, TALLY_UNSEALED, &subject,
					  "it seals its row as one from before the attach, but the row was written after tally:log/%lld had %s the table",
					  (long long) (this->row->row.age == TALLY_AGE_SEALED ?
								   this->row->row.use->attach_seq :
								   this->row->row.use->detach_seq),
					  this->row->row.age == TALLY_AGE_SEALED ? "attached" :
					  "detached");
	name_row(key, this->row);
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
	row = find_other_row(key, record, false);
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
		if (key->records[i].row != NULL && !is_too_young(&key->records[i]))
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
			tally_retiring_take_record(v, &this->record,
									   this->row->row.relation);
			judge_age(v, key, this);
			continue;
		}
		other = find_other_row(key, &this->record, false);
		if (tell_unproven(v, this, other,
						  find_other_row(key, &this->record, true)) &&
			other != NULL)
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
pass_rows(struct tally_verifier *v, struct tally_key_group *key,
		  void (*take) (struct tally_verifier *v,
						const struct tally_match_row *row))
{
	int			i;
	int			j;

	for (i = key->nrows - 1; i >= 0; i--)
	{
		struct tally_key_row *row = &key->rows[i];

		if (row->is_proven || row->is_named || row->is_done)
			continue;
		take(v, &row->row);
		for (j = 0; j < i; j++)
		{
			if (!is_same_row(&key->rows[j], row) ||
				key->rows[j].row.form->key_class != row->row.form->key_class)
				continue;
			key->rows[j].is_done = true;
			if (row->row.nclasses <= 1)
				tally_pairs_add_form(v, &key->rows[j].row);
		}
	}
}

void
tally_key_judge(struct tally_verifier *v, struct tally_key_group *key,
				void (*take) (struct tally_verifier *v,
							  const struct tally_match_row *row))
{
	if (key->nrecords > 0)
	{
		judge_records(key);
		tell_records(v, key);
	}
	pass_rows(v, key, take);
}
