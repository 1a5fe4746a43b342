/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of a source as a whole, with numbers; and what was not covered.
 */
#include "postgres.h"

#include "store.h"
#include "verify_backfill.h"
#include "verify_chains.h"
#include "verify_outside.h"
#include "verify_verdict.h"

/* ---- sources ---------------------------------------------------------- */

static int64
count_records(const struct tally_source *source)
{
	int64		count = 0;
	ListCell   *cell;

	foreach(cell, source->uses)
		count += ((struct tally_use *) lfirst(cell))->records;
	return count + tally_backfill_sum(source).count;
}

void
tally_verdict_gone(struct tally_verifier *v, const struct tally_source *source)
{
	struct tally_subject subject = {TALLY_LOG_CHAIN, 0, source->label};
	const struct tally_use *last = llast(source->uses);
	long long	count = count_records(source);

	subject.seq = last->attach_seq;
	if (source->live != NULL)
		tally_report_tell(v, TALLY_MISSING, &subject,
						  "table \"%s\" is gone: its %lld records have no rows",
						  last->epoch->table, count);
	else if (count > 0)
		tally_report_tell(v, TALLY_NOT_JUDGED, &subject,
						  "table \"%s\", which tally:log/%lld detached, is gone: its %lld records have no rows",
						  last->epoch->table, (long long) last->detach_seq,
						  count);
}

static void
tell_form(struct tally_verifier *v, const struct tally_form *form)
{
	struct tally_subject subject = {NULL, 0, form->epoch->label};

	if (form->unjudged > 0)
		tally_report_tell(v, TALLY_NOT_JUDGED, &subject,
						  "%lld records cannot be compared with their rows: %s",
						  (long long) form->unjudged,
						  form->why != NULL ? form->why : "its table is gone");
}

static void
tell_use(struct tally_verifier *v, const struct tally_use *use)
{
	struct tally_subject subject = {
		TALLY_LOG_CHAIN, use->attach_seq, use->epoch->label
	};

	if (use->narrowed > 0)
		tally_report_tell(v, TALLY_NOT_JUDGED, &subject,
						  "only_when leaves out %lld rows that would have been sealed before",
						  (long long) use->narrowed);
}

void
tally_verdict_source(struct tally_verifier *v,
					 const struct tally_source *source)
{
	struct tally_subject subject = {NULL, 0, source->label};
	const struct tally_use *last = llast(source->uses);
	ListCell   *cell;

	if (source->legacy > 0)
		tally_report_tell(v, TALLY_LEGACY, &subject,
						  "%lld rows were there before the table was attached, and are not sealed",
						  (long long) source->legacy);
	if (source->unknown_age > 0)
		tally_report_tell(v, TALLY_NOT_JUDGED, &subject,
						  "no record seals %lld rows of which it is not known when they were written",
						  (long long) source->unknown_age);
	if (source->gone > 0)
		tally_report_tell(v, TALLY_NOT_JUDGED, &subject,
						  "the rows of %lld records are not there; the table was detached by tally:log/%lld",
						  (long long) source->gone,
						  (long long) last->detach_seq);
	foreach(cell, source->forms)
		tell_form(v, lfirst(cell));
	foreach(cell, source->uses)
		tell_use(v, lfirst(cell));
}

/* ---- what was not covered --------------------------------------------- */

static void
tell_uncovered_source(struct tally_verifier *v,
					  const struct tally_source *source)
{
	const struct tally_use *before = NULL;
	ListCell   *cell;

	foreach(cell, source->uses)
	{
		const struct tally_use *use = lfirst(cell);

		/* tally.restored ends and begins epochs at one moment. */
		if (before != NULL && before->is_here == use->is_here &&
			!use->epoch->is_alteration)
			tally_report_not_covered(v,
									 "what was done to rows of \"%s\" while it was detached, from tally:log/%lld to %lld, and undone, or sealed as it was then",
									 source->label,
									 (long long) before->detach_seq,
									 (long long) use->attach_seq);
		before = use;
	}
	foreach(cell, source->forms)
	{
		const struct tally_form *form = lfirst(cell);

		if (form->parts > 0)
			tally_report_not_covered(v,
									 "columns that have changed, in %lld records of \"%s\" whose kept events hold: %s",
									 (long long) form->parts, source->label,
									 form->why);
		if (form->kept > 0)
			tally_report_not_covered(v,
									 "the rows of %lld records of \"%s\", whose kept events hold: %s",
									 (long long) form->kept, source->label,
									 form->why != NULL ? form->why :
									 "its table is gone");
	}
	tally_backfill_tell_uncovered(v, source);
	if (source->retired > 0)
		tally_report_not_covered(v,
								 "the rows of %lld records of \"%s\", which went with partitions that were retired",
								 (long long) source->retired, source->label);
	if (source->live == NULL)
		tally_report_not_covered(v,
								 "rows of \"%s\" that were written after tally:log/%lld detached it",
								 source->label,
								 (long long) before->detach_seq);
}

void
tally_verdict_uncovered(struct tally_verifier *v)
{
	ListCell   *cell;

	if (tally_outside_count(v) == 0)
		tally_report_not_covered(v,
								 "records cut off at the end of a chain, ends of chains written anew with all their hashes, and whole chains that are gone: only heads that were kept elsewhere show these (tally.verify_against)");
	else
	{
		tally_report_not_covered(v,
								 "records behind the heads that were given, and chains begun since that are gone");
		if (tally_outside_unwatched(v) > 0)
			tally_report_not_covered(v,
									 "the ends of %lld chains of which no head was given",
									 (long long) tally_outside_unwatched(v));
	}
	if (v->scope.chain != NULL)
		tally_report_not_covered(v, "chains other than \"%s\"",
								 v->scope.chain);
	if (v->scope.from > 1 || v->scope.to < PG_INT64_MAX)
		tally_report_not_covered(v,
								 "records before %lld and after %lld, and rows that no record seals",
								 (long long) v->scope.from,
								 (long long) v->scope.to);
	foreach(cell, tally_sources_all(v))
	{
		if (((struct tally_source *) lfirst(cell))->is_relevant)
			tell_uncovered_source(v, lfirst(cell));
	}
}
