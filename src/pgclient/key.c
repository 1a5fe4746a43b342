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
 * Behind it comes also what was sealed in a later epoch, in whatever chain:
 * attached anew under another name, a table's rows go on elsewhere.
 *
 * A record that was named already, or whose event is lost, may have been a
 * deletion; so it is taken for one, and no finding follows from another.
 */
#include <string.h>

#include "core/fail.h"
#include "pgclient/escape.h"
#include "pgclient/key.h"
#include "pgclient/pairs.h"
#include "pgclient/render.h"
#include "pgclient/retired.h"

/* Does it hold in the way of its use, and of no other? */
static bool
holds(struct tally_pg_verifier *v, const struct tally_pg_member *record,
    const struct tally_pg_member *row)
{
	if (record->item.use->base != NULL)
		return tally_pg_key_holds_old(v, &record->item, row);
	return tally_pg_key_holds(v, &record->item, row);
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
		    tally_pg_key_is_same(row, record) &&
		    holds(group->v, record, row))
			return row;
	}
	return NULL;
}

/* Does nothing before it stand for what is there now? */
static bool
closes(const struct tally_pg_member *record)
{
	return member_has(record, TALLY_PG_IS_ACCUSED) ||
	    !record->item.use->epoch->append_only;
}

/* The records of one key, in whatever chain. */
struct ends {
	struct tally_pg_member *last; /* that of the last epoch */
	int64_t closed;               /* the last epoch of one that closes */
};

/* Which of a chain's records of one key stand for what is there now. */
static void
judge_line(struct tally_pg_key *group, size_t begin, size_t end,
    const struct ends *ends)
{
	struct tally_pg_member *later = NULL;

	for (size_t i = end; i-- > begin;) {
		struct tally_pg_member *this = &group->records[i];
		const struct tally_pg_use *use = this->item.use;
		bool append_only = use->epoch->append_only;

		if (member_has(this, TALLY_PG_IS_ACCUSED) ||
		    use->attach_seq < ends->closed ||
		    (member_has(this, TALLY_PG_IS_DELETION) && !append_only))
			return;
		this->stands = true;
		this->later = later;
		if (ends->last->item.use->attach_seq > use->attach_seq)
			this->later = ends->last;
		this->row = find_row(group, this);
		if (!append_only)
			return;
		later = this;
	}
}

static void
judge_lines(struct tally_pg_key *group)
{
	struct ends ends = { &group->records[0], 0 };
	size_t begin, end;

	for (begin = 0; begin < group->nrecords; begin++) {
		struct tally_pg_member *this = &group->records[begin];
		int64_t attached = this->item.use->attach_seq;

		if (attached > ends.last->item.use->attach_seq)
			ends.last = this;
		if (closes(this) && attached > ends.closed)
			ends.closed = attached;
	}
	for (begin = 0; begin < group->nrecords; begin = end) {
		for (end = begin + 1; end < group->nrecords; end++)
			if (!tally_pg_key_is_same_line(&group->records[begin],
				&group->records[end]))
				break;
		judge_line(group, begin, end, &ends);
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

/*
 * A row of the record's key that no finding is about, and that another record
 * proves, or none.
 */
static struct tally_pg_member *
find_other_row(struct tally_pg_key *group, const struct tally_pg_member *record,
    bool is_proven)
{
	for (size_t i = 0; i < group->nrows; i++) {
		struct tally_pg_member *row = &group->rows[i];

		if (row->is_proven == is_proven && !row->is_named &&
		    tally_pg_key_is_same(row, record))
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

/* A record that stands, and holds for no row; rows of its key, or NULL. */
struct missed {
	const struct tally_pg_member *this;
	const struct tally_pg_member *other;  /* that nothing proves */
	const struct tally_pg_member *proven; /* that another record proves */
};

static void
tell_detached(struct tally_pg_verifier *v, const struct missed *missed)
{
	struct tally_pg_subject subject = subject_of(missed->this);
	struct tally_pg_source *source = missed->this->item.use->source;

	if (missed->other == NULL)
		source->gone++;
	else
		tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
		    "the row is another than was sealed; its table was"
		    " detached by tally:log/%lld",
		    (long long)source->last->detach_seq);
}

/* Is the other row a matter of this record? */
static bool
is_own_matter(const struct missed *missed)
{
	return missed->other == NULL ||
	    !tally_pg_escape_is_of_later(&missed->other->item,
		missed->this->item.use);
}

/* *out_own: as above, if a later epoch lets the row be changed. */
static int
tell_missed(struct tally_pg_verifier *v, const struct missed *missed,
    bool *out_own, struct tally_error *error)
{
	const struct tally_pg_member *this = missed->this;
	const struct tally_pg_member *row = missed->other != NULL
	    ? missed->other
	    : missed->proven;
	const struct tally_pg_use *escape = tally_pg_escape_find(this->item.use,
	    row != NULL ? &row->item : NULL);
	struct tally_pg_subject subject = subject_of(this);

	*out_own = true;
	if (this->item.use->source->live == NULL) {
		tell_detached(v, missed);
	} else if (escape != NULL) {
		tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
		    "its row is %s; since tally:log/%lld it could be changed"
		    " without a record of this key",
		    row != NULL ? "another than was sealed" : "not there",
		    (long long)escape->attach_seq);
		*out_own = is_own_matter(missed);
	} else if (missed->other != NULL) {
		return tally_pg_pairs_add_altered(v, this, missed->other,
		    error);
	} else if (missed->proven != NULL && this->later != NULL) {
		/* The row of its key is another, and was sealed as such. */
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "the row is another than was sealed, and was sealed again"
		    " as record %lld of chain \"%s\"",
		    (long long)this->later->item.seq,
		    this->later->item.chain->seen.name);
	} else {
		return tally_pg_pairs_add_record(v, &this->item, this->key,
		    TALLY_MISSING, "its row is not there", error);
	}
	return 0;
}

/* Likewise; the other row is named by it if it is a matter of this record. */
static int
tell_unproven(struct tally_pg_key *group, const struct missed *missed,
    bool *out_own, struct tally_error *error)
{
	struct tally_pg_verifier *v = group->v;
	const struct tally_pg_member *this = missed->this;
	struct tally_pg_subject subject = subject_of(this);
	struct tally_pg_form *form = this->item.use->form;
	bool is_deletion = member_has(this, TALLY_PG_IS_DELETION);

	*out_own = true;
	/* It may be among what the server would not give (O4). */
	if (this->item.use->source->blind != NULL)
		return 0;
	/* Its row went with a partition; should it be there, it is judged. */
	if (missed->other == NULL && !is_deletion &&
	    tally_pg_retired_has(v, this->item.chain->seen.id, this->item.seq))
		return 0;
	if (is_deletion) {
		tally_pg_tell(v, TALLY_INSERTED, &subject,
		    "it deletes a row of a table that is append-only");
		return 0;
	}
	if ((form->is_rendered &&
		(form->part == NULL || member_has(this, TALLY_PG_IS_PART))) ||
	    (missed->other == NULL && missed->proven == NULL &&
		tally_pg_escape_has_key(form)))
		return tell_missed(v, missed, out_own, error);
	form->unjudged += !member_has(this, TALLY_PG_IS_KEPT);
	*out_own = is_own_matter(missed);
	return 0;
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

/*
 * A record that was named already stands for nothing, but some row may be its
 * own, and that is not missed: the one that it holds for, or one of its key,
 * or, if its key is what was changed, one that is left over elsewhere.
 */
static int
excuse_row(struct tally_pg_key *group, const struct tally_pg_member *record,
    struct tally_error *error)
{
	struct tally_pg_member *row = find_row(group, record);

	if (row != NULL) {
		mark_row(group, row, true);
		return 0;
	}
	row = find_other_row(group, record, false);
	if (row == NULL)
		return tally_pg_pairs_add_record(group->v, &record->item,
		    record->key, TALLY_NOT_JUDGED, NULL, error);
	mark_row(group, row, false);
	return 0;
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

static int
tell_record(struct tally_pg_key *group, const struct tally_pg_member *this,
    struct tally_error *error)
{
	struct missed missed = { .this = this };
	bool own = true;
	int result;

	if (this->row != NULL) {
		judge_place(group, this);
		judge_age(group, this);
		return 0;
	}
	missed.other = find_other_row(group, this, false);
	missed.proven = find_other_row(group, this, true);
	result = tell_unproven(group, &missed, &own, error);
	if (missed.other != NULL && own)
		mark_row(group, missed.other, false);
	return result;
}

static int
tell_records(struct tally_pg_key *group, struct tally_error *error)
{
	int result = 0;

	for (size_t i = 0; i < group->nrecords; i++)
		if (group->records[i].row != NULL &&
		    !is_too_young(&group->records[i]))
			mark_row(group, group->records[i].row, true);
	for (size_t i = 0; result == 0 && i < group->nrecords; i++)
		if (group->records[i].stands)
			result = tell_record(group, &group->records[i], error);
	for (size_t i = 0; result == 0 && i < group->nrecords; i++)
		if (member_has(&group->records[i], TALLY_PG_IS_ACCUSED))
			result = excuse_row(group, &group->records[i], error);
	return result;
}

/* The other forms of the row, which are done with it. */
static int
pass_forms(struct tally_pg_key *group, size_t number, struct tally_error *error)
{
	const struct tally_pg_member *row = &group->rows[number];
	int result = 0;

	for (size_t i = 0; result == 0 && i < number; i++) {
		struct tally_pg_member *other = &group->rows[i];

		if (!is_same_row(other, row) ||
		    other->item.form->key_class != row->item.form->key_class)
			continue;
		other->is_done = true;
		if (row->item.nclasses <= 1)
			result = tally_pg_pairs_add_form(group->v, other,
			    error);
	}
	return result;
}

/* Rows that no record proves: each once for each of its keys. */
static int
pass_rows(struct tally_pg_key *group, struct tally_error *error)
{
	for (size_t i = group->nrows; i-- > 0;) {
		struct tally_pg_member *row = &group->rows[i];
		struct tally_sort_key at = { row->item.relation, row->item.tid,
			tally_pg_item_order(&row->item) };
		int result;

		if (row->is_proven || row->is_named || row->is_done)
			continue;
		if (row->item.nclasses <= 1)
			result = tally_pg_pairs_add_row(group->v, row, error);
		else
			result = tally_pg_item_put(group->lonely, &at,
			    &row->item, row->key, row->event, error);
		if (result == 0)
			result = pass_forms(group, i, error);
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
	int result = 0;

	if (group->events != NULL)
		return export_group(group, error);
	if (group->nrecords > 0) {
		judge_lines(group);
		result = tell_records(group, error);
	}
	if (result == 0)
		result = pass_rows(group, error);
	group->nrows = group->nrecords = 0;
	tally_pg_arena_wipe(&group->arena);
	return result;
}
