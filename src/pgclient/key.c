/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of one key against the rows that have it.
 *
 * What a record must show depends on what comes behind it in its chain.
 *
 *	the last		a row that it holds for; or it is a deletion
 *	under append-only	a row, even if others follow: the row may have
 *				been sealed again, as it was
 *	any other		nothing: the row was changed, or deleted
 *
 * A record that was named already, or whose event is lost, may have been a
 * deletion; so it is taken for one, and no finding follows from another.
 */
#include <string.h>

#include "core/fail.h"
#include "pgclient/key.h"
#include "pgclient/render.h"
#include "pgclient/retired.h"

/* ---- does a record hold for a row? ------------------------------------ */

/* Under an era there is one kind of event. */
static bool
holds_old(struct tally_pg_verifier *v, const struct tally_pg_member *record,
    const struct tally_pg_member *row)
{
	struct tally_hash hash;

	if ((record->item.flags & TALLY_PG_HAS_SALT) == 0)
		return tally_hash_equal(&record->item.digest, &row->item.old);
	if (row->event == NULL)
		return false;
	hash = tally_pg_op_commitment(&v->hasher, TALLY_PG_BACKFILL,
	    record->item.salt, row->event, row->item.event_len);
	return tally_hash_equal(&record->item.digest, &hash);
}

static bool
holds(struct tally_pg_verifier *v, const struct tally_pg_member *record,
    const struct tally_pg_member *row)
{
	const struct tally_hash *digest = &record->item.digest;
	struct tally_hash hash;

	/* What was not made of the row is zero, and no digest is. */
	if (tally_hash_is_zero(digest))
		return false;
	if (record->item.use->base != NULL)
		return holds_old(v, record, row);
	if ((record->item.flags & TALLY_PG_HAS_SALT) == 0)
		return tally_hash_equal(digest, &row->item.digest) ||
		    tally_hash_equal(digest, &row->item.update);
	if (row->event == NULL)
		return false;
	hash = tally_hash_commitment(&v->hasher, record->item.salt, row->event,
	    row->item.event_len);
	if (tally_hash_equal(digest, &hash))
		return true;
	hash = tally_pg_op_commitment(&v->hasher, TALLY_PG_UPDATE,
	    record->item.salt, row->event, row->item.event_len);
	return tally_hash_equal(digest, &hash);
}

static bool
has_same_key(const struct tally_pg_member *a, const struct tally_pg_member *b)
{
	return a->item.key_len == b->item.key_len &&
	    memcmp(a->key, b->key, a->item.key_len) == 0;
}

bool
tally_pg_key_is_same_line(const struct tally_pg_member *a,
    const struct tally_pg_member *b)
{
	return a->item.chain == b->item.chain && has_same_key(a, b);
}

static bool
is_same_row(const struct tally_pg_member *a, const struct tally_pg_member *b)
{
	return a->item.relation == b->item.relation &&
	    a->item.tid == b->item.tid;
}

/* ---- judging ---------------------------------------------------------- */

static struct tally_pg_member *
find_row(struct tally_pg_key *group, const struct tally_pg_member *record)
{
	for (size_t i = 0; i < group->nrows; i++) {
		struct tally_pg_member *row = &group->rows[i];

		if (row->item.form == record->item.use->form &&
		    has_same_key(row, record) && holds(group->v, record, row))
			return row;
	}
	return NULL;
}

/* Which of a chain's records of one key stand for what is there now. */
static void
judge_line(struct tally_pg_key *group, size_t begin, size_t end)
{
	struct tally_pg_member *later = NULL;

	for (size_t i = end; i-- > begin;) {
		struct tally_pg_member *this = &group->records[i];
		bool append_only = this->item.use->epoch->append_only;

		if (member_has(this, TALLY_PG_IS_ACCUSED) ||
		    (member_has(this, TALLY_PG_IS_DELETION) && !append_only))
			return;
		this->stands = true;
		this->later = later;
		this->row = find_row(group, this);
		if (!append_only)
			return;
		later = this;
	}
}

static void
mark_row(struct tally_pg_key *group, const struct tally_pg_member *row,
    bool proven)
{
	for (size_t i = 0; i < group->nrows; i++) {
		if (!is_same_row(&group->rows[i], row))
			continue;
		if (proven)
			group->rows[i].is_proven = true;
		else
			group->rows[i].is_named = true;
	}
}

/* A row of the record's key that nothing proves and no finding is about. */
static struct tally_pg_member *
find_other_row(struct tally_pg_key *group, const struct tally_pg_member *record)
{
	for (size_t i = 0; i < group->nrows; i++) {
		struct tally_pg_member *row = &group->rows[i];

		if (!row->is_proven && !row->is_named &&
		    has_same_key(row, record))
			return row;
	}
	return NULL;
}

static struct tally_pg_subject
subject_of(const struct tally_pg_member *record)
{
	struct tally_pg_subject subject = {
		.chain = record->item.chain->seen.name,
		.seq = record->item.seq,
		.source = record->item.use->epoch->label,
		.key = record->key,
		.key_len = record->item.key_len,
	};

	return subject;
}

/* A record stands, but holds for no row; other is a row of its key, or NULL. */
static void
tell_unproven(struct tally_pg_key *group, const struct tally_pg_member *this,
    const struct tally_pg_member *other)
{
	struct tally_pg_verifier *v = group->v;
	struct tally_pg_subject subject = subject_of(this);
	struct tally_pg_form *form = this->item.use->form;
	struct tally_pg_source *source = this->item.use->source;
	bool left_out = other != NULL &&
	    (other->item.age == TALLY_PG_AGE_LEFT_OUT ||
		other->item.age == TALLY_PG_AGE_NARROWED);

	/* It may be among what the server would not give (O4). */
	if (source->blind != NULL)
		return;
	/* Its row went with a partition; should it be there, it is judged. */
	if (other == NULL && !member_has(this, TALLY_PG_IS_DELETION) &&
	    tally_pg_retired_has(v, this->item.chain->seen.id, this->item.seq))
		return;
	if (member_has(this, TALLY_PG_IS_DELETION))
		tally_pg_tell(v, TALLY_INSERTED, &subject,
		    "it deletes a row of a table that is append-only");
	else if (!form->is_rendered)
		form->unjudged += !member_has(this, TALLY_PG_IS_KEPT);
	else if (this->later != NULL && this->later->item.use->form != form)
		tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
		    "its row was sealed again in another form, as record %lld",
		    (long long)this->later->item.seq);
	else if (source->live == NULL && other == NULL)
		source->gone++;
	else if (source->live == NULL)
		tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
		    "the row is another than was sealed; its table was"
		    " detached by tally:log/%lld",
		    (long long)source->last->detach_seq);
	else if (other != NULL)
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "the row is another than was sealed%s",
		    left_out ? ": only_when leaves it out" : "");
	else
		tally_pg_tell(v, TALLY_MISSING, &subject,
		    "its row is not there");
}

/* Its row is there as it was sealed; but in this chain? */
static void
judge_place(struct tally_pg_key *group, const struct tally_pg_member *this)
{
	struct tally_pg_subject subject = subject_of(this);
	const struct tally_pg_chain *chain = this->row->item.chain;

	if (chain == this->item.chain || this->item.chain->seen.renamed ||
	    this->item.chain->seen.name == NULL)
		return;
	if (chain == NULL)
		tally_pg_tell(group->v, TALLY_CONTENT_ALTERED, &subject,
		    "its row belongs to a chain that is not there");
	else if (!chain->seen.renamed)
		tally_pg_tell(group->v, TALLY_CONTENT_ALTERED, &subject,
		    "its row belongs to chain \"%s\"", chain->seen.name);
}

/* A record that was named already: its row is not missed. */
static void
excuse_row(struct tally_pg_key *group, const struct tally_pg_member *record)
{
	struct tally_pg_member *row = find_row(group, record);

	if (row != NULL) {
		mark_row(group, row, true);
		return;
	}
	row = find_other_row(group, record);
	if (row != NULL)
		mark_row(group, row, false);
}

/*
 * Does it seal a row as an old one that is not?  Of rows that were written in
 * a later epoch it is not asked: they are as they were sealed before.
 */
static bool
is_too_young(const struct tally_pg_member *record)
{
	const struct tally_pg_item *row = &record->row->item;

	return record->item.use->base != NULL &&
	    (row->age == TALLY_PG_AGE_SEALED ||
		row->age == TALLY_PG_AGE_BETWEEN) &&
	    row->use->attach_seq <= record->item.use->attach_seq;
}

/* Then it proves nothing; but perhaps another record does. */
static void
judge_age(struct tally_pg_key *group, const struct tally_pg_member *this)
{
	struct tally_pg_subject subject = subject_of(this);
	const struct tally_pg_item *row = &this->row->item;
	bool is_sealed = row->age == TALLY_PG_AGE_SEALED;

	if (!is_too_young(this) || this->row->is_proven || this->row->is_named)
		return;
	tally_pg_tell(group->v, TALLY_UNSEALED, &subject,
	    "it seals its row as one from before the attach, but the row was"
	    " written after tally:log/%lld had %s the table",
	    (long long)(is_sealed ? row->use->attach_seq
				  : row->use->detach_seq),
	    is_sealed ? "attached" : "detached");
	mark_row(group, this->row, false);
}

static void
tell_records(struct tally_pg_key *group)
{
	for (size_t i = 0; i < group->nrecords; i++)
		if (group->records[i].row != NULL &&
		    !is_too_young(&group->records[i]))
			mark_row(group, group->records[i].row, true);
	for (size_t i = 0; i < group->nrecords; i++) {
		struct tally_pg_member *this = &group->records[i];
		struct tally_pg_member *other;

		if (!this->stands)
			continue;
		if (this->row != NULL) {
			judge_place(group, this);
			judge_age(group, this);
			continue;
		}
		other = find_other_row(group, this);
		tell_unproven(group, this, other);
		if (other != NULL)
			mark_row(group, other, false);
	}
	for (size_t i = 0; i < group->nrecords; i++)
		if (member_has(&group->records[i], TALLY_PG_IS_ACCUSED))
			excuse_row(group, &group->records[i]);
}

/* A row that no record proves, under none of its keys. */
void
tally_pg_key_tell_row(struct tally_pg_verifier *v,
    const struct tally_pg_member *row)
{
	struct tally_pg_source *source = row->item.form->source;
	struct tally_pg_subject subject = {
		.chain = row->item.chain == NULL ? NULL
						 : row->item.chain->seen.name,
		.source = row->item.form->epoch->label,
		.key = row->key,
		.key_len = row->item.key_len,
	};

	if (source->blind != NULL ||
	    (v->chains.only != NULL && row->item.chain != v->chains.only))
		return;
	if (row->item.age == TALLY_PG_AGE_REWRITTEN &&
	    !tally_pg_rewritten_take(v, row->item.relation))
		return;
	switch (row->item.age) {
	case TALLY_PG_AGE_LEGACY:
		source->legacy += v->chains.only == NULL;
		break;
	case TALLY_PG_AGE_NARROWED:
		atomic_fetch_add(&row->item.use->narrowed, 1);
		break;
	case TALLY_PG_AGE_UNKNOWN:
		source->unknown_age++;
		break;
	case TALLY_PG_AGE_BETWEEN:
		tally_pg_tell(v, TALLY_UNSEALED, &subject,
		    "no record seals the row; it was written after"
		    " tally:log/%lld had detached the table, and before it was"
		    " attached again",
		    (long long)row->item.use->detach_seq);
		break;
	case TALLY_PG_AGE_REWRITTEN:
	case TALLY_PG_AGE_SEALED:
		tally_pg_tell(v, TALLY_UNSEALED, &subject,
		    "no record seals the row, which was written after"
		    " tally:log/%lld had attached the table",
		    (long long)row->item.use->attach_seq);
		break;
	default:
		break;
	}
}

/* Rows that no record proves: each once for each of its keys. */
static int
pass_rows(struct tally_pg_key *group, struct tally_error *error)
{
	for (size_t i = group->nrows; i-- > 0;) {
		struct tally_pg_member *row = &group->rows[i];
		struct tally_sort_key at = { row->item.relation, row->item.tid,
			0 };
		int result;

		if (row->is_proven || row->is_named || row->is_done)
			continue;
		for (size_t j = 0; j < i; j++)
			if (is_same_row(&group->rows[j], row) &&
			    group->rows[j].item.form->key_class ==
				row->item.form->key_class)
				group->rows[j].is_done = true;
		if (row->item.nclasses <= 1) {
			tally_pg_key_tell_row(group->v, row);
			continue;
		}
		row->item.event_len = 0;
		result = tally_pg_item_put(group->lonely, &at, &row->item,
		    row->key, NULL, error);
		if (result != 0)
			return result;
	}
	return 0;
}

/* The event as it was sealed, which the row shows without its op. */
static int
export_record(struct tally_pg_key *group, const struct tally_pg_member *record,
    struct tally_error *error)
{
	struct tally_pg_verifier *v = group->v;
	const char *head = record->item.use->base != NULL ? TALLY_PG_BACKFILL
							  : TALLY_PG_UPDATE;
	const struct tally_sort_key at = {
		(uint64_t)record->item.chain->seen.id,
		(uint64_t)record->item.seq,
		0,
	};
	const struct tally_pg_member *row = find_row(group, record);
	struct tally_pg_text event = { 0 };
	const uint8_t *salt = member_has(record, TALLY_PG_HAS_SALT)
	    ? record->item.salt
	    : NULL;
	struct tally_hash digest;
	int result;

	if (row == NULL || row->event == NULL)
		return 0;
	tally_pg_text_add(&event, row->event, row->item.event_len);
	digest = tally_hash_commitment(&v->hasher, salt, row->event,
	    row->item.event_len);
	if (!tally_hash_equal(&digest, &record->item.digest)) {
		tally_pg_text_reset(&event);
		tally_pg_text_put(&event, head);
		tally_pg_text_add(&event, row->event + 1,
		    row->item.event_len - 1);
	}
	result = event.failed
	    ? tally_pg_no_memory(error)
	    : tally_sort_put(group->events, &at, event.at, event.len, error);
	tally_pg_text_wipe(&event);
	return result;
}

static int
export_group(struct tally_pg_key *group, struct tally_error *error)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < group->nrecords; i++)
		result = export_record(group, &group->records[i], error);
	group->nrows = group->nrecords = 0;
	tally_pg_arena_wipe(&group->arena);
	return result;
}

int
tally_pg_key_judge(struct tally_pg_key *group, struct tally_error *error)
{
	size_t begin, end;
	int result;

	if (group->events != NULL)
		return export_group(group, error);

	for (begin = 0; begin < group->nrecords; begin = end) {
		for (end = begin + 1; end < group->nrecords; end++)
			if (!tally_pg_key_is_same_line(&group->records[begin],
				&group->records[end]))
				break;
		judge_line(group, begin, end);
	}
	tell_records(group);
	result = pass_rows(group, error);
	group->nrows = group->nrecords = 0;
	tally_pg_arena_wipe(&group->arena);
	return result;
}
