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

#include "miscadmin.h"
#include "utils/memutils.h"

#define PAIRS_MAX 1024

struct record
{
	struct tally_match_record record;
	enum tally_finding_kind kind;
	const char *detail;
};

struct row
{
	struct tally_match_row row;
	bool		is_claimed;
};

struct tally_pairs
{
	int			nrecords;
	int			nrows;
	struct record records[PAIRS_MAX];
	struct row	rows[PAIRS_MAX];
};

void
tally_pairs_open(struct tally_verifier *v)
{
	v->pairs = palloc(sizeof(*v->pairs));
	v->pairs->nrecords = v->pairs->nrows = 0;
}

static bool
is_known(const struct tally_use *use)
{
	return use != NULL && use->epoch != NULL;
}

static struct tally_subject
subject_of(const struct tally_match_record *record)
{
	struct tally_subject subject = {record->chain->name, record->seq};

	if (is_known(record->use))
		subject.source = record->use->epoch->label;
	if (record->key != NULL)
		subject.key = pnstrdup(record->key, record->key_len);
	return subject;
}

static void
tell_record(struct tally_verifier *v, const struct record *record)
{
	struct tally_subject subject = subject_of(&record->record);

	/* Of these the number is told. */
	if (record->kind != TALLY_NOT_JUDGED)
		tally_report_tell(v, record->kind, &subject, "%s", record->detail);
}

static void
tell_row(struct tally_verifier *v, const struct tally_match_row *row)
{
	struct tally_source *source = row->form->source;
	struct tally_subject subject = {0};

	if (row->chain_id != 0)
		subject.chain = tally_chains_get(v, row->chain_id)->name;
	subject.source = row->form->epoch->label;
	subject.key = pnstrdup(row->key, row->key_len);
	if (row->age == TALLY_AGE_UNKNOWN)
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

/* ---- collecting ------------------------------------------------------- */

static void *
copy_bytes(const void *bytes, Size len)
{
	return bytes == NULL ? NULL : memcpy(palloc(len + 1), bytes, len);
}

void
tally_pairs_add_record(struct tally_verifier *v,
					   const struct tally_match_record *record,
					   enum tally_finding_kind kind, const char *detail)
{
	struct record added = {*record, kind, detail};
	MemoryContext saved;

	if (v->pairs->nrecords == PAIRS_MAX)
	{
		tell_record(v, &added);
		return;
	}
	saved = MemoryContextSwitchTo(v->context);
	added.record.key = copy_bytes(record->key, record->key_len);
	added.record.salt = copy_bytes(record->salt, TALLY_SALT_SIZE);
	MemoryContextSwitchTo(saved);
	v->pairs->records[v->pairs->nrecords++] = added;
}

/* Is it a row of which it matters that no record seals it? */
static bool
is_missed(struct tally_verifier *v, const struct tally_match_row *row)
{
	struct tally_chain *only = tally_chains_only(v);

	if (only != NULL && (row->chain_id != only->id || v->scope.from > 1 ||
						 v->scope.to < PG_INT64_MAX))
		return false;
	if (row->age == TALLY_AGE_LEGACY && only == NULL)
		row->form->source->legacy++;
	return row->age != TALLY_AGE_LEGACY && row->age != TALLY_AGE_LEFT_OUT &&
		row->age != TALLY_AGE_AFTER;
}

void
tally_pairs_add_row(struct tally_verifier *v,
					const struct tally_match_row *row)
{
	struct row	added = {*row};
	MemoryContext saved;

	if (!is_missed(v, row))
		return;
	if (v->pairs->nrows == PAIRS_MAX)
	{
		tell_row(v, row);
		return;
	}
	saved = MemoryContextSwitchTo(v->context);
	added.row.key = copy_bytes(row->key, row->key_len);
	added.row.event = copy_bytes(row->event, row->event_len);
	MemoryContextSwitchTo(saved);
	v->pairs->rows[v->pairs->nrows++] = added;
}

/* ---- bringing together ------------------------------------------------ */

static struct row *
find_row(struct tally_verifier *v, const struct tally_match_record *record)
{
	int			i;

	for (i = 0; i < v->pairs->nrows; i++)
	{
		struct row *row = &v->pairs->rows[i];

		if (!row->is_claimed &&
			tally_match_holds(&record->digest, record->salt, &row->row))
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
	if (record->use != NULL && record->use->epoch == NULL)
		unconstify(struct tally_use *, record->use)->records--;
}

void
tally_pairs_resolve(struct tally_verifier *v)
{
	struct tally_pairs *pairs = v->pairs;
	int			i;

	for (i = 0; i < pairs->nrecords; i++)
	{
		const struct record *record = &pairs->records[i];
		struct row *row = find_row(v, &record->record);

		CHECK_FOR_INTERRUPTS();
		if (row == NULL)
		{
			tell_record(v, record);
			continue;
		}
		row->is_claimed = true;
		tell_pair(v, &record->record, &row->row);
	}
	for (i = 0; i < pairs->nrows; i++)
	{
		if (!pairs->rows[i].is_claimed)
			tell_row(v, &pairs->rows[i].row);
	}
}
