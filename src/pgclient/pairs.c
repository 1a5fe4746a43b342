/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/pairs.h"
#include "pgclient/retired.h"
#include "pgclient/tracked.h"

#define PAIRS_MAX 1024

/* No longer event is remembered. */
#define EVENT_MAX (64 * 1024)

/*
 * Of an unknown epoch with more records only their number is told; and of one
 * that a record of tally:log names, for it is that one's fault.
 */
#define FEW 16

struct record {
	struct tally_pg_item item;
	const char *key;
	enum tally_finding_kind kind;
	const char *detail;
};

struct row {
	struct tally_pg_member row;
	bool has_record; /* that does not hold for it */
	struct record record;
	const struct tally_pg_item *claim; /* one that does */
	struct row *main; /* that this is another form of, or NULL */
};

struct tally_pg_pairs {
	pthread_mutex_t lock; /* of records: workers add some */
	struct tally_pg_arena arena;
	size_t nrecords;
	size_t nrows;
	struct row *last; /* that was added, or NULL */
	struct record records[PAIRS_MAX];
	struct row rows[PAIRS_MAX];
};

int
tally_pg_pairs_open(struct tally_pg_verifier *v, struct tally_error *error)
{
	v->pairs = calloc(1, sizeof(*v->pairs));
	if (v->pairs == NULL)
		return tally_pg_no_memory(error);
	(void)pthread_mutex_init(&v->pairs->lock, NULL);
	return 0;
}

void
tally_pg_pairs_close(struct tally_pg_verifier *v)
{
	if (v->pairs == NULL)
		return;
	(void)pthread_mutex_destroy(&v->pairs->lock);
	tally_pg_arena_wipe(&v->pairs->arena);
	free(v->pairs);
	v->pairs = NULL;
}

/* ---- telling ---------------------------------------------------------- */

static bool
is_accused(const struct tally_pg_item *record)
{
	return (record->flags & TALLY_PG_IS_ACCUSED) != 0;
}

static struct tally_pg_subject
subject_of(const struct tally_pg_item *record, const char *key)
{
	struct tally_pg_subject subject = { .seq = record->seq, .key = key };
	const struct tally_pg_use *use = record->use;

	if (record->chain != NULL)
		subject.chain = record->chain->seen.name;
	if (use != NULL && use->epoch != NULL)
		subject.source = use->epoch->label;
	else if (use != NULL && use->tracked != NULL)
		subject.source = use->tracked->epoch->label;
	if (key != NULL)
		subject.key_len = record->key_len;
	return subject;
}

/* A record that is told is no longer one of those that are only counted. */
static void
leave_unknown(const struct tally_pg_item *record)
{
	if (record->use != NULL && record->use->epoch == NULL &&
	    record->use->tracked == NULL)
		record->use->records--;
}

static void
tell_record(struct tally_pg_verifier *v, const struct record *record)
{
	const struct tally_pg_use *use = record->item.use;
	struct tally_pg_subject subject = subject_of(&record->item,
	    record->key);

	if (is_accused(&record->item))
		return;
	if (record->kind != TALLY_NOT_JUDGED) {
		tally_pg_tell(v, record->kind, &subject, "%s", record->detail);
		leave_unknown(&record->item);
	} else if (use != NULL && use->epoch == NULL && use->tracked == NULL &&
	    !use->is_named && use->total <= FEW) {
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "it names event %" PRId64 " as its table's attach event,"
		    " which tally:log does not seal",
		    use->id);
		leave_unknown(&record->item);
	}
}

static void
tell_row(struct tally_pg_verifier *v, const struct tally_pg_member *row)
{
	struct tally_pg_source *source = row->item.form->source;
	struct tally_pg_subject subject = {
		.chain = row->item.chain == NULL ? NULL
						 : row->item.chain->seen.name,
		.source = row->item.form->epoch->label,
		.key = row->key,
		.key_len = row->item.key_len,
	};

	if (row->item.age == TALLY_PG_AGE_LEGACY)
		source->legacy += v->chains.only == NULL;
	else if (row->item.age == TALLY_PG_AGE_UNKNOWN)
		source->unknown_age++;
	else if (row->item.age == TALLY_PG_AGE_BETWEEN)
		tally_pg_tell(v, TALLY_UNSEALED, &subject,
		    "no record seals the row; it was written after"
		    " tally:log/%lld had detached the table, and before it was"
		    " attached again",
		    (long long)row->item.use->detach_seq);
	else
		tally_pg_tell(v, TALLY_UNSEALED, &subject,
		    "no record seals the row, which was written after"
		    " tally:log/%lld had attached the table",
		    (long long)row->item.use->attach_seq);
}

static void
tell_altered(struct tally_pg_verifier *v, const struct row *row)
{
	struct tally_pg_subject subject = subject_of(&row->record.item,
	    row->record.key);
	bool left_out = row->row.item.age == TALLY_PG_AGE_LEFT_OUT ||
	    row->row.item.age == TALLY_PG_AGE_NARROWED;

	tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
	    "the row is another than was sealed%s",
	    left_out ? ": only_when leaves it out" : "");
}

/* ---- collecting ------------------------------------------------------- */

static bool
keep_record(struct tally_pg_pairs *pairs, struct record *record)
{
	if (record->key == NULL)
		return true;
	record->key = tally_pg_arena_copy(&pairs->arena, record->key,
	    record->item.key_len);
	return record->key != NULL;
}

static bool
keep_row(struct tally_pg_pairs *pairs, struct tally_pg_member *row)
{
	row->key = tally_pg_arena_copy(&pairs->arena, row->key,
	    row->item.key_len);
	if (row->event == NULL)
		return row->key != NULL;
	row->event = tally_pg_arena_copy(&pairs->arena, row->event,
	    row->item.event_len);
	return row->key != NULL && row->event != NULL;
}

int
tally_pg_pairs_add_record(struct tally_pg_verifier *v,
    const struct tally_pg_item *item, const char *key,
    enum tally_finding_kind kind, const char *detail, struct tally_error *error)
{
	struct tally_pg_pairs *pairs = v->pairs;
	struct record added = { *item, key, kind, detail };
	int result = 0;

	(void)pthread_mutex_lock(&pairs->lock);
	if (pairs->nrecords == PAIRS_MAX)
		tell_record(v, &added);
	else if (!keep_record(pairs, &added))
		result = tally_pg_no_memory(error);
	else
		pairs->records[pairs->nrecords++] = added;
	(void)pthread_mutex_unlock(&pairs->lock);
	return result;
}

/* Is it a row of which it matters that no record seals it? */
static bool
is_missed(struct tally_pg_verifier *v, const struct tally_pg_item *row)
{
	if (row->form->source->blind != NULL ||
	    (v->chains.only != NULL && row->chain != v->chains.only))
		return false;
	if (row->age == TALLY_PG_AGE_NARROWED)
		atomic_fetch_add(&row->use->narrowed, 1);
	if (row->age == TALLY_PG_AGE_REWRITTEN)
		return tally_pg_rewritten_take(v, row->relation);
	return row->age == TALLY_PG_AGE_LEGACY ||
	    row->age == TALLY_PG_AGE_SEALED ||
	    row->age == TALLY_PG_AGE_BETWEEN ||
	    row->age == TALLY_PG_AGE_UNKNOWN;
}

static bool
is_too_long(const struct tally_pg_member *row)
{
	return row->event != NULL && row->item.event_len > EVENT_MAX;
}

int
tally_pg_pairs_add_row(struct tally_pg_verifier *v,
    const struct tally_pg_member *row, struct tally_error *error)
{
	struct tally_pg_pairs *pairs = v->pairs;
	struct row added = { .row = *row };

	pairs->last = NULL;
	if (!is_missed(v, &row->item))
		return 0;
	/* There may be many old ones, which must not leave out others. */
	if (pairs->nrows == PAIRS_MAX || is_too_long(row) ||
	    (row->item.age == TALLY_PG_AGE_LEGACY &&
		(row->item.form->source->eras == NULL ||
		    pairs->nrows >= PAIRS_MAX / 2))) {
		tell_row(v, row);
		return 0;
	}
	if (!keep_row(pairs, &added.row))
		return tally_pg_no_memory(error);
	pairs->last = &pairs->rows[pairs->nrows++];
	*pairs->last = added;
	return 0;
}

int
tally_pg_pairs_add_form(struct tally_pg_verifier *v,
    const struct tally_pg_member *row, struct tally_error *error)
{
	struct tally_pg_pairs *pairs = v->pairs;
	struct row added = { .row = *row, .main = pairs->last };

	if (added.main == NULL || pairs->nrows == PAIRS_MAX || is_too_long(row))
		return 0;
	if (!keep_row(pairs, &added.row))
		return tally_pg_no_memory(error);
	pairs->rows[pairs->nrows++] = added;
	return 0;
}

int
tally_pg_pairs_add_altered(struct tally_pg_verifier *v,
    const struct tally_pg_member *record, const struct tally_pg_member *row,
    struct tally_error *error)
{
	struct tally_pg_pairs *pairs = v->pairs;
	struct row added = { .row = *row, .has_record = true };

	added.record.item = record->item;
	added.record.key = record->key;
	if (pairs->nrows == PAIRS_MAX || is_too_long(row)) {
		tell_altered(v, &added);
		return 0;
	}
	if (!keep_row(pairs, &added.row) || !keep_record(pairs, &added.record))
		return tally_pg_no_memory(error);
	pairs->rows[pairs->nrows++] = added;
	return 0;
}

/* ---- bringing together ------------------------------------------------ */

/* The row, and the form of it, for which the record holds. */
static struct row *
find_row(struct tally_pg_verifier *v, const struct tally_pg_item *record,
    const struct tally_pg_member **out_form)
{
	for (size_t i = 0; i < v->pairs->nrows; i++) {
		struct row *form = &v->pairs->rows[i];
		struct row *row = form->main != NULL ? form->main : form;

		if (row->claim != NULL ||
		    (!tally_pg_key_holds(v, record, &form->row) &&
			!tally_pg_key_holds_old(v, record, &form->row)))
			continue;
		*out_form = &form->row;
		return row;
	}
	return NULL;
}

/* The record seals the row, but says that it does not. */
static void
tell_pair(struct tally_pg_verifier *v, const struct tally_pg_item *record,
    const char *key, const struct tally_pg_member *row)
{
	struct tally_pg_subject subject = subject_of(record, key);

	leave_unknown(record);
	if (is_accused(record))
		return;
	if (key != NULL && record->key_len == row->item.key_len &&
	    memcmp(key, row->key, record->key_len) == 0)
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "it names another epoch than the one under which it sealed"
		    " its row, of \"%s\"",
		    row->item.form->epoch->label);
	else
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "its key was changed: it seals row \"%.*s\" of \"%s\"",
		    (int)row->item.key_len, row->key,
		    row->item.form->epoch->label);
}

/* Another record's row: does the claim explain why that does not hold? */
static bool
is_explained(const struct row *row)
{
	const struct tally_pg_item *claim = row->claim;

	return claim != NULL &&
	    (is_accused(claim) ||
		(claim->chain == row->record.item.chain &&
		    claim->seq > row->record.item.seq));
}

/* A record that does not hold for the row of its key: is another its own? */
static void
claim_other(struct tally_pg_verifier *v, struct row *row)
{
	const struct tally_pg_member *form;
	struct row *own;

	if (!row->has_record || is_explained(row))
		return;
	own = find_row(v, &row->record.item, &form);
	if (own == NULL)
		return;
	own->claim = row->claim = &row->record.item;
	row->has_record = false;
	tell_pair(v, &row->record.item, row->record.key, form);
}

static int
compare_claims(const void *a, const void *b)
{
	const struct tally_pg_item *x = &(*(struct row *const *)a)->record.item;
	const struct tally_pg_item *y = &(*(struct row *const *)b)->record.item;

	if (x->chain->seen.id != y->chain->seen.id)
		return x->chain->seen.id < y->chain->seen.id ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* In the chains' order: what is told must not hang on how they were sorted. */
static void
claim_others(struct tally_pg_verifier *v)
{
	struct tally_pg_pairs *pairs = v->pairs;
	struct row *altered[PAIRS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < pairs->nrows; i++)
		if (pairs->rows[i].has_record)
			altered[count++] = &pairs->rows[i];
	qsort(altered, count, sizeof(struct row *), compare_claims);
	for (size_t i = 0; i < count; i++)
		claim_other(v, altered[i]);
}

static void
tell_rest(struct tally_pg_verifier *v, const struct row *row)
{
	if (row->has_record && !is_explained(row))
		tell_altered(v, row);
	else if (!row->has_record && row->claim == NULL && row->main == NULL)
		tell_row(v, &row->row);
}

void
tally_pg_pairs_resolve(struct tally_pg_verifier *v)
{
	struct tally_pg_pairs *pairs = v->pairs;

	for (size_t i = 0; i < pairs->nrecords; i++) {
		const struct record *record = &pairs->records[i];
		const struct tally_pg_member *form;
		struct row *row = find_row(v, &record->item, &form);

		if (row == NULL) {
			tell_record(v, record);
			continue;
		}
		row->claim = &record->item;
		tell_pair(v, &record->item, record->key, form);
	}
	claim_others(v);
	for (size_t i = 0; i < pairs->nrows; i++)
		tell_rest(v, &pairs->rows[i]);
}
