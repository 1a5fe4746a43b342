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
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/match.h"

struct tally_pg_match {
	struct tally_pg_sort *sort;
	struct tally_pg_sort *lonely; /* rows, if some have several keys */
	struct tally_pg_sort *events; /* where they are exported to, or NULL */
};

/* An item of the key at hand. */
struct member {
	struct tally_pg_item item;
	const char *key;
	const char *event; /* NULL: it was not kept */
	struct member *row;   /* of a record: that it holds for, or NULL */
	struct member *later; /* of a record: in its chain, that stands */
	bool stands;          /* for what is there now */
	bool is_proven; /* of a row: by a record that stands */
	bool is_named;  /* told as what a record does not hold for */
	bool is_done;
};

/* What has one hash: one key, as good as always. */
struct group {
	struct tally_pg_verifier *v;
	struct tally_pg_arena arena;
	uint64_t hash;
	struct member *rows;
	size_t nrows;
	size_t rows_size;
	struct member *records;
	size_t nrecords;
	size_t records_size;
};

/* ---- putting ---------------------------------------------------------- */

int
tally_pg_match_open(struct tally_pg_verifier *v, struct tally_error *error)
{
	int result;

	v->match = calloc(1, sizeof(*v->match));
	if (v->match == NULL)
		return tally_pg_no_memory(error);
	result = tally_pg_sort_new(&v->match->sort, TALLY_PG_SORT_MEMORY,
	    error);
	if (result != 0)
		return result;
	return tally_pg_sort_new(&v->match->lonely, 1 << 20, error);
}

void
tally_pg_match_close(struct tally_pg_verifier *v)
{
	if (v->match == NULL)
		return;
	tally_pg_sort_free(v->match->sort);
	tally_pg_sort_free(v->match->lonely);
	free(v->match);
	v->match = NULL;
}

void
tally_pg_match_prepare(struct tally_pg_verifier *v,
    const struct tally_pg_record *record, struct tally_pg_item *out)
{
	const struct tally_pg_accusation *named =
	    tally_pg_accused_find(&v->accused, record->tid);

	memset(out, 0, sizeof(*out));
	out->flags = TALLY_PG_IS_RECORD;
	out->use = tally_pg_sources_find(v, record->epoch);
	if (record->has_chain)
		out->chain = tally_pg_chains_get(v, record->chain_id);
	out->seq = record->seq;
	out->tid = record->tid;
	out->digest = record->digest;
	if (record->salt != NULL) {
		out->flags |= TALLY_PG_HAS_SALT;
		memcpy(out->salt, record->salt, TALLY_SALT_SIZE);
	}
	out->key_len = (uint32_t)record->key_len;
	if (named == NULL)
		return;
	out->flags |= TALLY_PG_IS_ACCUSED;
	/* One that was moved still stands for what it stood for. */
	if (named->chain != NULL) {
		out->chain = named->chain;
		out->seq = named->seq;
	}
}

static int
put(struct tally_pg_sort *sort, const struct tally_pg_sort_key *at,
    const struct tally_pg_item *item, const char *key, const char *event,
    struct tally_error *error)
{
	size_t len = sizeof(*item) + item->key_len + item->event_len;
	char small[2048];
	char *room = len <= sizeof(small) ? small : malloc(len);
	int result;

	if (room == NULL)
		return tally_pg_no_memory(error);
	memcpy(room, item, sizeof(*item));
	if (item->key_len > 0)
		memcpy(room + sizeof(*item), key, item->key_len);
	if (item->event_len > 0)
		memcpy(room + sizeof(*item) + item->key_len, event,
		    item->event_len);
	result = tally_pg_sort_put(sort, at, room, len, error);
	if (room != small)
		free(room);
	return result;
}

int
tally_pg_match_put(struct tally_pg_verifier *v,
    const struct tally_pg_item *item, const char *key, const char *event,
    struct tally_error *error)
{
	bool is_record = (item->flags & TALLY_PG_IS_RECORD) != 0;
	const struct tally_pg_source *source =
	    is_record ? item->use->source : item->form->source;
	uint64_t keys[2] = { v->seed[0] + (uint64_t)source->number + 1,
		v->seed[1] };
	struct tally_pg_sort_key at = {
		tally_pg_sum_hash(keys, key, item->key_len),
		is_record ? (uint64_t)item->chain->id : 0,
		is_record ? (uint64_t)item->seq : 0,
	};

	if (!source->is_sorted || source->blind != NULL)
		return 0;
	return put(v->match->sort, &at, item, key, event, error);
}

/* ---- does a record hold for a row? ------------------------------------ */

static bool
holds(struct tally_pg_verifier *v, const struct member *record,
    const struct member *row)
{
	static const char head[] = "{\"op\":\"update\",";
	static const uint8_t domain = 0x02;
	const struct tally_hash *digest = &record->item.digest;
	struct tally_hash hash;

	/* What was not made of the row is zero, and no digest is. */
	if (tally_hash_is_zero(digest))
		return false;
	if ((record->item.flags & TALLY_PG_HAS_SALT) == 0)
		return tally_hash_equal(digest, &row->item.digest) ||
		    tally_hash_equal(digest, &row->item.update);
	if (row->event == NULL)
		return false;
	hash = tally_hash_commitment(&v->hasher, record->item.salt, row->event,
	    row->item.event_len);
	if (tally_hash_equal(digest, &hash))
		return true;
	tally_hash_begin(&v->hasher);
	tally_hash_add(&v->hasher, &domain, 1);
	tally_hash_add(&v->hasher, record->item.salt, TALLY_SALT_SIZE);
	tally_hash_add(&v->hasher, head, sizeof(head) - 1);
	tally_hash_add(&v->hasher, row->event + 1, row->item.event_len - 1);
	hash = tally_hash_end(&v->hasher);
	return tally_hash_equal(digest, &hash);
}

static bool
has_same_key(const struct member *a, const struct member *b)
{
	return a->item.key_len == b->item.key_len &&
	    memcmp(a->key, b->key, a->item.key_len) == 0;
}

static bool
is_same_line(const struct member *a, const struct member *b)
{
	return a->item.chain == b->item.chain && has_same_key(a, b);
}

static bool
is_same_row(const struct member *a, const struct member *b)
{
	return a->item.relation == b->item.relation &&
	    a->item.tid == b->item.tid;
}

static bool
has_flag(const struct member *member, uint32_t flag)
{
	return (member->item.flags & flag) != 0;
}

/* ---- judging ---------------------------------------------------------- */

static struct member *
find_row(struct group *group, const struct member *record)
{
	for (size_t i = 0; i < group->nrows; i++) {
		struct member *row = &group->rows[i];

		if (row->item.form == record->item.use->form &&
		    has_same_key(row, record) && holds(group->v, record, row))
			return row;
	}
	return NULL;
}

/* Which of a chain's records of one key stand for what is there now. */
static void
judge_line(struct group *group, size_t begin, size_t end)
{
	struct member *later = NULL;

	for (size_t i = end; i-- > begin;) {
		struct member *this = &group->records[i];
		bool append_only = this->item.use->epoch->append_only;

		if (has_flag(this, TALLY_PG_IS_ACCUSED) ||
		    (has_flag(this, TALLY_PG_IS_DELETION) && !append_only))
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
mark_row(struct group *group, const struct member *row, bool proven)
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
static struct member *
find_other_row(struct group *group, const struct member *record)
{
	for (size_t i = 0; i < group->nrows; i++) {
		struct member *row = &group->rows[i];

		if (!row->is_proven && !row->is_named &&
		    has_same_key(row, record))
			return row;
	}
	return NULL;
}

static struct tally_pg_subject
subject_of(const struct member *record)
{
	struct tally_pg_subject subject = {
		.chain = record->item.chain->name,
		.seq = record->item.seq,
		.source = record->item.use->epoch->label,
		.key = record->key,
		.key_len = record->item.key_len,
	};

	return subject;
}

/* A record stands, but holds for no row; other is a row of its key, or NULL. */
static void
tell_unproven(struct group *group, const struct member *this,
    const struct member *other)
{
	struct tally_pg_verifier *v = group->v;
	struct tally_pg_subject subject = subject_of(this);
	struct tally_pg_form *form = this->item.use->form;
	struct tally_pg_source *source = this->item.use->source;
	bool left_out = other != NULL &&
	    (other->item.age == TALLY_PG_AGE_LEFT_OUT ||
		other->item.age == TALLY_PG_AGE_NARROWED);

	if (has_flag(this, TALLY_PG_IS_DELETION))
		tally_pg_tell(v, TALLY_INSERTED, &subject,
		    "it deletes a row of a table that is append-only");
	else if (!form->is_rendered)
		form->unjudged += !has_flag(this, TALLY_PG_IS_KEPT);
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
judge_place(struct group *group, const struct member *this)
{
	struct tally_pg_subject subject = subject_of(this);
	const struct tally_pg_chain *chain = this->row->item.chain;

	if (chain == this->item.chain || this->item.chain->renamed ||
	    this->item.chain->name == NULL)
		return;
	if (chain == NULL)
		tally_pg_tell(group->v, TALLY_CONTENT_ALTERED, &subject,
		    "its row belongs to a chain that is not there");
	else if (!chain->renamed)
		tally_pg_tell(group->v, TALLY_CONTENT_ALTERED, &subject,
		    "its row belongs to chain \"%s\"", chain->name);
}

/* A record that was named already: its row is not missed. */
static void
excuse_row(struct group *group, const struct member *record)
{
	struct member *row = find_row(group, record);

	if (row != NULL) {
		mark_row(group, row, true);
		return;
	}
	row = find_other_row(group, record);
	if (row != NULL)
		mark_row(group, row, false);
}

static void
tell_records(struct group *group)
{
	for (size_t i = 0; i < group->nrecords; i++)
		if (group->records[i].row != NULL)
			mark_row(group, group->records[i].row, true);
	for (size_t i = 0; i < group->nrecords; i++) {
		struct member *this = &group->records[i];
		struct member *other;

		if (!this->stands)
			continue;
		if (this->row != NULL) {
			judge_place(group, this);
			continue;
		}
		other = find_other_row(group, this);
		tell_unproven(group, this, other);
		if (other != NULL)
			mark_row(group, other, false);
	}
	for (size_t i = 0; i < group->nrecords; i++)
		if (has_flag(&group->records[i], TALLY_PG_IS_ACCUSED))
			excuse_row(group, &group->records[i]);
}

/* A row that no record proves, under none of its keys. */
static void
tell_row(struct tally_pg_verifier *v, const struct member *row)
{
	struct tally_pg_source *source = row->item.form->source;
	struct tally_pg_subject subject = {
		.chain = row->item.chain == NULL ? NULL : row->item.chain->name,
		.source = row->item.form->epoch->label,
		.key = row->key,
		.key_len = row->item.key_len,
	};

	if (v->chains.only != NULL && row->item.chain != v->chains.only)
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
pass_rows(struct group *group, struct tally_error *error)
{
	for (size_t i = group->nrows; i-- > 0;) {
		struct member *row = &group->rows[i];
		struct tally_pg_sort_key at = { row->item.relation,
			row->item.tid, 0 };
		int result;

		if (row->is_proven || row->is_named || row->is_done)
			continue;
		for (size_t j = 0; j < i; j++)
			if (is_same_row(&group->rows[j], row) &&
			    group->rows[j].item.form->key_class ==
				row->item.form->key_class)
				group->rows[j].is_done = true;
		if (row->item.nclasses <= 1) {
			tell_row(group->v, row);
			continue;
		}
		row->item.event_len = 0;
		result = put(group->v->match->lonely, &at, &row->item,
		    row->key, NULL, error);
		if (result != 0)
			return result;
	}
	return 0;
}

void
tally_pg_match_export(struct tally_pg_verifier *v,
    struct tally_pg_sort *events)
{
	v->match->events = events;
}

/* The event as it was sealed, which the row shows without its op. */
static int
export_record(struct group *group, const struct member *record,
    struct tally_error *error)
{
	static const char head[] = "{\"op\":\"update\",";
	struct tally_pg_verifier *v = group->v;
	const struct tally_pg_sort_key at = { (uint64_t)record->item.seq, 0, 0 };
	const struct member *row = find_row(group, record);
	struct tally_pg_text event = { 0 };
	const uint8_t *salt = has_flag(record, TALLY_PG_HAS_SALT)
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
	    : tally_pg_sort_put(v->match->events, &at, event.at, event.len,
		  error);
	tally_pg_text_wipe(&event);
	return result;
}

static int
export_group(struct group *group, struct tally_error *error)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < group->nrecords; i++)
		result = export_record(group, &group->records[i], error);
	group->nrows = group->nrecords = 0;
	tally_pg_arena_wipe(&group->arena);
	return result;
}

static int
judge_group(struct group *group, struct tally_error *error)
{
	size_t begin, end;
	int result;

	if (group->v->match->events != NULL)
		return export_group(group, error);

	for (begin = 0; begin < group->nrecords; begin = end) {
		for (end = begin + 1; end < group->nrecords; end++)
			if (!is_same_line(&group->records[begin],
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

/* ---- key by key ------------------------------------------------------- */

/*
 * A record that stands for nothing once there is another behind it need not
 * be remembered: however often a row was changed, its group stays small.
 */
static bool
is_superseded(const struct member *before, const struct member *after)
{
	return is_same_line(before, after) &&
	    !has_flag(before, TALLY_PG_IS_ACCUSED) &&
	    (!after->item.use->epoch->append_only ||
		has_flag(after, TALLY_PG_IS_ACCUSED));
}

static bool
get(struct tally_pg_arena *arena, const void *item, struct member *out)
{
	const char *p = (const char *)item + sizeof(out->item);

	memset(out, 0, sizeof(*out));
	memcpy(&out->item, item, sizeof(out->item));
	out->key = tally_pg_arena_copy(arena, p, out->item.key_len);
	if (out->item.event_len > 0)
		out->event = tally_pg_arena_copy(arena, p + out->item.key_len,
		    out->item.event_len);
	return out->key != NULL &&
	    (out->item.event_len == 0 || out->event != NULL);
}

static bool
add(struct member **members, size_t *count, size_t *size,
    const struct member *member)
{
	if (*count == *size) {
		size_t more = *size > 0 ? *size * 2 : 4;
		struct member *room = realloc(*members, more * sizeof(*room));

		if (room == NULL)
			return false;
		*members = room;
		*size = more;
	}
	(*members)[(*count)++] = *member;
	return true;
}

static bool
take(struct group *group, const void *item)
{
	struct member member;

	if (!get(&group->arena, item, &member))
		return false;
	if (!has_flag(&member, TALLY_PG_IS_RECORD))
		return add(&group->rows, &group->nrows, &group->rows_size,
		    &member);
	if (group->nrecords > 0 &&
	    is_superseded(&group->records[group->nrecords - 1], &member))
		group->nrecords--;
	return add(&group->records, &group->nrecords, &group->records_size,
	    &member);
}

static int
walk_keys(struct tally_pg_verifier *v, struct tally_error *error)
{
	struct group group = { .v = v };
	struct tally_pg_sort_key at;
	const void *item;
	size_t len;
	int result = tally_pg_sort_end(v->match->sort, error);

	while (result == 0) {
		result = tally_pg_sort_next(v->match->sort, &at, &item, &len,
		    error);
		if (result != 0)
			break;
		if (at.a != group.hash)
			result = judge_group(&group, error);
		group.hash = at.a;
		if (result == 0 && !take(&group, item))
			result = tally_pg_no_memory(error);
	}
	if (result == TALLY_END)
		result = judge_group(&group, error);
	tally_pg_arena_wipe(&group.arena);
	free(group.rows);
	free(group.records);
	return result;
}

/* A row with several keys is without a record if it is under each of them. */
static int
walk_lonely(struct tally_pg_verifier *v, struct tally_error *error)
{
	struct tally_pg_arena arena = { NULL };
	struct tally_pg_sort_key before = { 0 };
	struct tally_pg_sort_key at;
	struct member row;
	const void *item;
	size_t len;
	int count = 0;
	int result = tally_pg_sort_end(v->match->lonely, error);

	while (result == 0) {
		result = tally_pg_sort_next(v->match->lonely, &at, &item, &len,
		    error);
		if (result != 0)
			break;
		if (at.a != before.a || at.b != before.b)
			count = 0;
		before = at;
		if (!get(&arena, item, &row))
			result = tally_pg_no_memory(error);
		else if (++count == row.item.nclasses)
			tell_row(v, &row);
		tally_pg_arena_wipe(&arena);
	}
	return result == TALLY_END ? 0 : result;
}

int
tally_pg_match_judge(struct tally_pg_verifier *v, struct tally_error *error)
{
	int result = walk_keys(v, error);

	return result != 0 ? result : walk_lonely(v, error);
}
