/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left over: records that no row proves, rows that no record proves.
 *
 * A record's key and epoch are not hashed; whoever changes one of them makes
 * two things of one.  The digest brings them together again.  Of each side as
 * many are remembered as somebody would change by hand; the rest is told at
 * once, as two.
 */
#include "postgres.h"

#include "verify_match.h"
#include "verify_rewritten.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#define PAIRS_MAX 1024

/* No longer event is remembered. */
#define EVENT_MAX (64 * 1024)

/*
 * Of an unknown epoch with more records only their number is told; and of one
 * that a record of tally:log names, for it is that one's fault.
 */
#define FEW 16

struct record
{
	struct tally_match_record record;
	enum tally_finding_kind kind;
	const char *detail;
};

struct row
{
	struct tally_match_row row;
	bool		has_record;		/* that does not hold for it */
	struct tally_match_record record;
	const struct tally_match_record *claim; /* one that does */
	struct row *main;			/* that this is another form of, or NULL */
};

struct tally_pairs
{
	int			nrecords;
	int			nrows;
	struct row *last;			/* that was added, or NULL */
	struct record records[PAIRS_MAX];
	struct row	rows[PAIRS_MAX];
};

void
tally_pairs_open(struct tally_verifier *v)
{
	v->pairs = palloc(sizeof(*v->pairs));
	v->pairs->nrecords = v->pairs->nrows = 0;
	v->pairs->last = NULL;
}

static bool
is_known(const struct tally_use *use)
{
	return use != NULL && use->epoch != NULL;
}

static struct tally_subject
subject_of(const struct tally_match_record *record)
{
	struct tally_subject subject = {NULL, record->seq};

	if (record->chain != NULL)
		subject.chain = record->chain->seen.name;
	if (is_known(record->use))
		subject.source = record->use->epoch->label;
	if (record->key != NULL)
		subject.key = pnstrdup(record->key, record->key_len);
	return subject;
}

/* A record that is told is no longer one of those that are only counted. */
static void
leave_unknown(const struct tally_match_record *record)
{
	if (record->use != NULL && record->use->epoch == NULL)
		record->use->records--;
}

static void
tell_record(struct tally_verifier *v, const struct record *record)
{
	struct tally_subject subject = subject_of(&record->record);

	if (record->record.is_accused)
		return;
	if (record->kind != TALLY_NOT_JUDGED)
	{
		tally_report_tell(v, record->kind, &subject, "%s", record->detail);
		leave_unknown(&record->record);
	}
	else if (!record->record.use->is_named &&
			 record->record.use->total <= FEW)
	{
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "it names event %lld as its table's attach event, which tally:log does not seal",
						  (long long) record->record.use->id);
		leave_unknown(&record->record);
	}
}

static void
tell_row(struct tally_verifier *v, const struct tally_match_row *row)
{
	struct tally_source *source = row->form->source;
	struct tally_subject subject = {0};

	if (row->chain_id != 0)
		subject.chain = tally_chains_get(v, row->chain_id)->seen.name;
	subject.source = row->form->epoch->label;
	subject.key = pnstrdup(row->key, row->key_len);
	if (row->age == TALLY_AGE_LEGACY)
		source->legacy += tally_chains_only(v) == NULL;
	else if (row->age == TALLY_AGE_UNKNOWN)
		source->unknown_age++;
	else if (row->age == TALLY_AGE_BETWEEN)
		tally_report_tell(v, TALLY_UNSEALED, &subject,
						  "no record seals the row; it was written after tally:log/%lld had detached the table, and before it was attached again",
						  (long long) row->use->detach_seq);
	else
		tally_report_tell(v, TALLY_UNSEALED, &subject,
						  "no record seals the row, which was written after tally:log/%lld had attached the table",
						  (long long) row->use->attach_seq);
}

static void
tell_altered(struct tally_verifier *v, const struct tally_match_record *record,
			 const struct tally_match_row *row)
{
	struct tally_subject subject = subject_of(record);

	if (row->age == TALLY_AGE_LEFT_OUT || row->age == TALLY_AGE_NARROWED)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "the row is another than was sealed: only_when leaves it out");
	else
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "the row is another than was sealed");
}

/* ---- collecting ------------------------------------------------------- */

static void *
copy_bytes(const void *bytes, Size len)
{
	return bytes == NULL ? NULL : memcpy(palloc(len + 1), bytes, len);
}

static void
keep_record(struct tally_verifier *v, struct tally_match_record *record)
{
	MemoryContext saved = MemoryContextSwitchTo(v->context);

	record->key = copy_bytes(record->key, record->key_len);
	record->salt = copy_bytes(record->salt, TALLY_SALT_SIZE);
	MemoryContextSwitchTo(saved);
}

static void
keep_row(struct tally_verifier *v, struct tally_match_row *row)
{
	MemoryContext saved = MemoryContextSwitchTo(v->context);

	row->key = copy_bytes(row->key, row->key_len);
	row->event = copy_bytes(row->event, row->event_len);
	MemoryContextSwitchTo(saved);
}

void
tally_pairs_add_record(struct tally_verifier *v,
					   const struct tally_match_record *record,
					   enum tally_finding_kind kind, const char *detail)
{
	struct record added = {*record, kind, detail};

	if (v->pairs->nrecords == PAIRS_MAX)
	{
		tell_record(v, &added);
		return;
	}
	keep_record(v, &added.record);
	v->pairs->records[v->pairs->nrecords++] = added;
}

/* Is it a row of which it matters that no record seals it? */
static bool
is_missed(struct tally_verifier *v, const struct tally_match_row *row)
{
	struct tally_chain *only = tally_chains_only(v);

	if (only != NULL && (row->chain_id != only->seen.id || v->scope.from > 1 ||
						 v->scope.to < PG_INT64_MAX))
		return false;
	if (row->age == TALLY_AGE_NARROWED)
		row->use->narrowed++;
	if (row->age == TALLY_AGE_REWRITTEN)
		return tally_rewritten_take(v, row->relation);
	return row->age == TALLY_AGE_LEGACY || row->age == TALLY_AGE_SEALED ||
		row->age == TALLY_AGE_BETWEEN || row->age == TALLY_AGE_UNKNOWN;
}

void
tally_pairs_add_row(struct tally_verifier *v,
					const struct tally_match_row *row)
{
	struct row	added = {*row};

	v->pairs->last = NULL;
	if (!is_missed(v, row))
		return;
	/* Of old rows there may be many, which must not leave out the others. */
	if (v->pairs->nrows == PAIRS_MAX ||
		(row->age == TALLY_AGE_LEGACY &&
		 (row->form->source->eras == NIL ||
		  v->pairs->nrows >= PAIRS_MAX / 2)) ||
		(row->event != NULL && row->event_len > EVENT_MAX))
	{
		tell_row(v, row);
		return;
	}
	keep_row(v, &added.row);
	v->pairs->last = &v->pairs->rows[v->pairs->nrows++];
	*v->pairs->last = added;
}

void
tally_pairs_add_form(struct tally_verifier *v,
					 const struct tally_match_row *row)
{
	struct row	added = {*row};

	added.main = v->pairs->last;
	if (added.main == NULL || v->pairs->nrows == PAIRS_MAX ||
		(row->event != NULL && row->event_len > EVENT_MAX))
		return;
	keep_row(v, &added.row);
	v->pairs->rows[v->pairs->nrows++] = added;
}

void
tally_pairs_add_altered(struct tally_verifier *v,
						const struct tally_match_record *record,
						const struct tally_match_row *row)
{
	struct row	added = {*row, true, *record};

	if (v->pairs->nrows == PAIRS_MAX ||
		(row->event != NULL && row->event_len > EVENT_MAX))
	{
		tell_altered(v, record, row);
		return;
	}
	keep_row(v, &added.row);
	keep_record(v, &added.record);
	v->pairs->rows[v->pairs->nrows++] = added;
}

/* ---- bringing together ------------------------------------------------ */

/* The row, and the form of it, for which the record holds. */
static struct row *
find_row(struct tally_verifier *v, const struct tally_match_record *record,
		 const struct tally_match_row **out_form)
{
	int			i;

	for (i = 0; i < v->pairs->nrows; i++)
	{
		struct row *form = &v->pairs->rows[i];
		struct row *row = form->main != NULL ? form->main : form;

		if (row->claim != NULL || !record->has_digest ||
			(!tally_match_holds(&record->digest, record->salt, &form->row) &&
			 !tally_match_holds_old(&record->digest, record->salt,
									&form->row)))
			continue;
		*out_form = &form->row;
		return row;
	}
	return NULL;
}

/* The record seals the row, but says that it does not. */
static void
tell_pair(struct tally_verifier *v, const struct tally_match_record *record,
		  const struct tally_match_row *row)
{
	struct tally_subject subject = subject_of(record);

	leave_unknown(record);
	if (record->is_accused)
		return;
	if (record->key != NULL && record->key_len == row->key_len &&
		memcmp(record->key, row->key, row->key_len) == 0)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "it names another epoch than the one under which it sealed its row, of \"%s\"",
						  row->form->epoch->label);
	else
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "its key was changed: it seals row \"%s\" of \"%s\"",
						  pnstrdup(row->key, row->key_len),
						  row->form->epoch->label);
}

/* Another record's row: does the claim explain why that does not hold? */
static bool
is_explained(const struct row *row)
{
	const struct tally_match_record *claim = row->claim;

	return claim != NULL &&
		(claim->is_accused || (claim->chain == row->record.chain &&
							   claim->seq > row->record.seq));
}

/* A record that does not hold for the row of its key: is another its own? */
static void
claim_other(struct tally_verifier *v, struct row *row)
{
	const struct tally_match_row *form;
	struct row *own;

	if (!row->has_record || is_explained(row))
		return;
	own = find_row(v, &row->record, &form);
	if (own == NULL)
		return;
	own->claim = row->claim = &row->record;
	row->has_record = false;
	tell_pair(v, &row->record, form);
}

static int
compare_claims(const void *a, const void *b)
{
	const struct tally_match_record *x = &(*(struct row *const *) a)->record;
	const struct tally_match_record *y = &(*(struct row *const *) b)->record;

	if (x->chain->seen.id != y->chain->seen.id)
		return x->chain->seen.id < y->chain->seen.id ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* In the chains' order: what is told must not hang on how they were sorted. */
static void
claim_others(struct tally_verifier *v)
{
	struct tally_pairs *pairs = v->pairs;
	struct row **altered = palloc_array(struct row *, pairs->nrows + 1);
	int			count = 0;
	int			i;

	for (i = 0; i < pairs->nrows; i++)
	{
		if (pairs->rows[i].has_record)
			altered[count++] = &pairs->rows[i];
	}
	qsort(altered, count, sizeof(*altered), compare_claims);
	for (i = 0; i < count; i++)
		claim_other(v, altered[i]);
	pfree(altered);
}

static void
tell_rest(struct tally_verifier *v, const struct row *row)
{
	if (row->has_record && !is_explained(row))
		tell_altered(v, &row->record, &row->row);
	else if (!row->has_record && row->claim == NULL && row->main == NULL)
		tell_row(v, &row->row);
}

void
tally_pairs_resolve(struct tally_verifier *v)
{
	struct tally_pairs *pairs = v->pairs;
	int			i;

	for (i = 0; i < pairs->nrecords; i++)
	{
		const struct record *record = &pairs->records[i];
		const struct tally_match_row *form;
		struct row *row = find_row(v, &record->record, &form);

		CHECK_FOR_INTERRUPTS();
		if (row == NULL)
		{
			tell_record(v, record);
			continue;
		}
		row->claim = &record->record;
		tell_pair(v, &record->record, form);
	}
	claim_others(v);
	for (i = 0; i < pairs->nrows; i++)
		tell_rest(v, &pairs->rows[i]);
}
