/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally_pg_verify.
 *
 * Two fast ways, for what is usual (O6):
 *
 *	Links	a record's header is checked as it is met, in any order; runs
 *		(runs.c) show that each chain is one line.  Only chains of
 *		which they do not are asked for in order.
 *	Rows	where every record stands for a row (append-only, no salts, one
 *		form), the sum of what the records say and the sum of what the
 *		rows say are the same exactly if both are (sum.h).  Only
 *		sources of which they are not, and those of other kinds, are
 *		sorted and compared key by key.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/pg.h>

#include "core/fail.h"
#include "pgclient/attached.h"
#include "pgclient/entries.h"
#include "pgclient/ids.h"
#include "pgclient/kept.h"
#include "pgclient/links.h"
#include "pgclient/match.h"
#include "pgclient/outside.h"
#include "pgclient/pairs.h"
#include "pgclient/retired.h"
#include "pgclient/rows.h"
#include "pgclient/session.h"
#include "pgclient/tracked.h"

/* ---- the walks over records ------------------------------------------- */

static int
take_record(struct tally_pg_verifier *v, struct tally_pg_worker *worker,
    const struct tally_pg_record *record, struct tally_error *error)
{
	struct tally_pg_chain *chain = NULL;
	int result = 0;

	if (record->has_chain) {
		chain = tally_pg_chains_get(v, record->chain_id);
		if (chain == NULL)
			return tally_pg_no_memory(error);
	}
	if (chain != NULL && chain == v->chains.log)
		result = tally_pg_entries_take(v, record, error);
	tally_pg_links_take(v, worker, record, chain);
	if (v->chains.only != NULL && chain != v->chains.only)
		return result;
	atomic_fetch_add_explicit(&v->records, 1, memory_order_relaxed);
	tally_pg_sources_take(v, worker->number, record);
	return result;
}

static int
take_entry(struct tally_pg_verifier *v, struct tally_pg_worker *worker,
    const struct tally_pg_record *record, struct tally_error *error)
{
	(void)worker;
	return tally_pg_entries_take(v, record, error);
}

/* Why the record is none of its epoch's, or NULL. */
static const char *
shape_fault(const struct tally_pg_record *record,
    const struct tally_pg_epoch *epoch)
{
	if (epoch->keep_event)
		return "events of its table are kept, but it names none";
	if (epoch->salted && record->salt == NULL)
		return "rows of its table are salted, but it has no salt";
	if (!epoch->salted && record->salt != NULL)
		return "rows of its table are not salted, but it has a salt";
	return NULL;
}

/* Why a record that names no event is none of a row's, or NULL. */
static const char *
link_fault(const struct tally_pg_record *record,
    const struct tally_pg_item *item)
{
	if (item->use != NULL && item->use->tracked != NULL)
		return "it is of a tracked table, but names no event";
	if (record->epoch == 0)
		return "it names neither the attach event of a row nor an"
		       " event";
	if (record->key == NULL)
		return "it names the attach event of a row, but no key";
	return NULL;
}

/* A record that names no event. */
static int
take_again(struct tally_pg_verifier *v, struct tally_pg_worker *worker,
    const struct tally_pg_record *record, struct tally_error *error)
{
	struct tally_pg_subject subject = { .seq = record->seq,
		.key = record->key,
		.key_len = record->key_len };
	struct tally_pg_item item;
	const char *fault;
	bool claimed;

	(void)worker;
	tally_pg_match_prepare(v, record, &item);
	if ((item.flags & TALLY_PG_IS_ACCUSED) == 0) {
		int result = tally_pg_kept_claim(v, record, &claimed, error);

		if (result != 0 || claimed)
			return result;
	}
	fault = link_fault(record, &item);
	if (fault != NULL)
		return tally_pg_pairs_add_record(v, &item, record->key,
		    TALLY_CONTENT_ALTERED, fault, error);
	if (item.use == NULL || item.use->epoch == NULL || item.chain == NULL)
		return tally_pg_pairs_add_record(v, &item, record->key,
		    TALLY_NOT_JUDGED, NULL, error);
	fault = shape_fault(record, item.use->epoch);
	if (fault != NULL && (item.flags & TALLY_PG_IS_ACCUSED) == 0) {
		subject.chain = item.chain->seen.name;
		subject.source = item.use->epoch->label;
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject, "%s", fault);
		item.flags |= TALLY_PG_IS_ACCUSED;
	}
	return tally_pg_match_put(v, &item, record->key, NULL, error);
}

/* "r.chain_id IN (the only chain, tally:log)", or NULL. */
static const char *
scope_filter(struct tally_pg_verifier *v, bool with_log)
{
	const struct tally_pg_chain *only = v->chains.only;
	const struct tally_pg_chain *log = v->chains.log;

	if (only == NULL)
		return NULL;
	return tally_pg_arena_format(&v->arena,
	    "r.chain_id IN (%" PRId64 ", %" PRId64 ")", only->seen.id,
	    with_log && log != NULL ? log->seen.id : only->seen.id);
}

static int
judge_records(struct tally_pg_verifier *v, struct tally_error *error)
{
	bool renamed = false;
	int result = tally_pg_records_walk(v, scope_filter(v, true),
	    take_record, error);

	if (result == 0)
		result = tally_pg_chains_settle_log(v, &renamed, error);
	if (result == 0 && renamed) {
		char filter[64];

		tally_pg_entries_forget(v);
		snprintf(filter, sizeof(filter), "r.chain_id = %" PRId64,
		    v->chains.log->seen.id);
		result = tally_pg_records_walk(v, filter, take_entry, error);
	}
	return result != 0 ? result : tally_pg_links_judge(v, error);
}

/* ---- rows ------------------------------------------------------------- */

/* Can the sums tell whether records and rows are the same? */
static bool
can_be_summed(const struct tally_pg_verifier *v,
    const struct tally_pg_source *source)
{
	if (v->chains.only != NULL || source->nforms != 1 || !source->is_here)
		return false;
	for (const struct tally_pg_use *use = source->uses; use != NULL;
	     use = use->next)
		if (!use->epoch->append_only || use->epoch->salted ||
		    use->epoch->keep_event)
			return false;
	return true;
}

/* What the source's eras sealed. */
static struct tally_sum
sum_eras(const struct tally_pg_source *source)
{
	struct tally_sum sum = { 0, 0 };

	for (const struct tally_pg_use *use = source->eras; use != NULL;
	     use = use->next)
		tally_sum_join(&sum, &use->sum);
	return sum;
}

static bool
is_sum_right(const struct tally_pg_source *source)
{
	struct tally_sum records = { 0, 0 };
	struct tally_sum old = sum_eras(source);

	for (const struct tally_pg_use *use = source->uses; use != NULL;
	     use = use->next)
		tally_sum_join(&records, &use->sum);
	return tally_sum_equal(&records, &source->rows) &&
	    (old.count == 0 || tally_sum_equal(&old, &source->old_rows));
}

static uint64_t
count_records(const struct tally_pg_source *source)
{
	uint64_t count = 0;

	for (const struct tally_pg_use *use = source->uses; use != NULL;
	     use = use->next)
		count += use->records;
	return count + sum_eras(source).count;
}

/* No table of the source is there. */
static void
tell_gone(struct tally_pg_verifier *v, const struct tally_pg_source *source)
{
	const struct tally_pg_use *last = source->last;
	struct tally_pg_subject subject = {
		.chain = TALLY_PG_LOG_CHAIN,
		.seq = last->attach_seq,
		.source = source->label,
	};
	uint64_t count = count_records(source);

	if (source->live != NULL)
		tally_pg_tell(v, TALLY_MISSING, &subject,
		    "table \"%s\" is gone: its %" PRIu64
		    " records have no rows",
		    last->epoch->table, count);
	else if (count > 0)
		tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
		    "table \"%s\", which tally:log/%" PRId64
		    " detached, is gone: its %" PRIu64 " records have no rows",
		    last->epoch->table, last->detach_seq, count);
}

/* Those whose sums were not right, or are none, have to be sorted. */
static bool
settle_sums(struct tally_pg_verifier *v)
{
	bool sorted = false;

	for (struct tally_pg_source *source = v->sources->all; source != NULL;
	     source = source->next) {
		if (source->nroots == 0 || source->blind != NULL)
			continue;
		if (!source->is_sorted && is_sum_right(source)) {
			source->legacy = source->old_rows.count -
			    sum_eras(source).count;
			continue;
		}
		source->is_sorted = true;
		sorted = true;
		/* They will be counted again. */
		for (struct tally_pg_use *use = source->uses; use != NULL;
		     use = use->next)
			atomic_store(&use->narrowed, 0);
	}
	return sorted;
}

static void
tell_source(struct tally_pg_verifier *v, const struct tally_pg_source *source)
{
	struct tally_pg_subject subject = { .source = source->label };

	if (source->legacy > 0)
		tally_pg_tell(v, TALLY_LEGACY, &subject,
		    "%" PRIu64 " rows were there before the table was"
		    " attached, and are not sealed",
		    source->legacy);
	if (source->unknown_age > 0)
		tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
		    "no record seals %" PRIu64 " rows of which it is not known"
		    " when they were written",
		    source->unknown_age);
	if (source->gone > 0)
		tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
		    "the rows of %" PRIu64 " records are not there; the table"
		    " was detached by tally:log/%" PRId64,
		    source->gone, source->last->detach_seq);
	if (source->blind != NULL)
		tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
		    "%" PRIu64 " records cannot be compared with their rows:"
		    " %s",
		    count_records(source), source->blind);
	for (const struct tally_pg_form *form = source->forms; form != NULL;
	     form = form->next)
		if (form->unjudged > 0)
			tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
			    "%" PRIu64 " records cannot be compared with their"
			    " rows: %s",
			    form->unjudged,
			    form->why != NULL ? form->why
					      : "its table is gone");
	for (struct tally_pg_use *use = source->uses; use != NULL;
	     use = use->next) {
		uint64_t narrowed = atomic_load(&use->narrowed);

		subject.chain = TALLY_PG_LOG_CHAIN;
		subject.seq = use->attach_seq;
		if (narrowed > 0)
			tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
			    "only_when leaves out %" PRIu64
			    " rows that would have been sealed before",
			    narrowed);
	}
}

static int
match_rows(struct tally_pg_verifier *v, struct tally_pg_rows *rows,
    struct tally_error *error)
{
	bool sorted = settle_sums(v);
	const char *scope = scope_filter(v, false);
	const char *filter = scope == NULL
	    ? "r.event_id IS NULL"
	    : tally_pg_arena_format(&v->arena, "r.event_id IS NULL AND %s",
		  scope);
	int result = tally_pg_match_open(v, error);

	if (result == 0)
		result = tally_pg_pairs_open(v, error);
	if (result == 0)
		result = tally_pg_kept_judge(v, error);
	if (result != 0)
		return result;
	/* Records of no row and no event are to be found in any case. */
	if (!sorted && !tally_pg_kept_has_strays(v) &&
	    !tally_pg_sources_has_unknown(v))
		filter = tally_pg_arena_format(&v->arena,
		    "%s AND (r.epoch IS NULL OR r.key IS NULL)", filter);
	if (filter == NULL)
		return tally_pg_no_memory(error);
	result = tally_pg_records_walk(v, filter, take_again, error);
	if (result == 0)
		tally_pg_kept_finish(v);
	if (result == 0 && sorted)
		result = tally_pg_rows_read(v, rows, true, error);
	if (result == 0)
		result = tally_pg_match_judge(v, error);
	if (result == 0)
		tally_pg_pairs_resolve(v);
	return result;
}

static int
judge_rows(struct tally_pg_verifier *v, struct tally_error *error)
{
	struct tally_pg_source *source;
	struct tally_pg_rows *rows = NULL;
	int result;

	for (source = v->sources->all; source != NULL; source = source->next) {
		if (source->nroots == 0)
			tell_gone(v, source);
		source->is_sorted = source->nroots > 0 &&
		    !can_be_summed(v, source);
	}
	result = tally_pg_rows_open(v, &rows, error);
	if (result == 0)
		result = tally_pg_rows_read(v, rows, false, error);
	if (result == 0)
		result = match_rows(v, rows, error);
	tally_pg_rows_close(rows);
	for (source = v->sources->all; result == 0 && source != NULL;
	     source = source->next)
		tell_source(v, source);
	if (result == 0) {
		tally_pg_rewritten_tell(v);
		tally_pg_sources_tell_unknown(v);
	}
	return result;
}

/* ---- one verification ------------------------------------------------- */

static int
judge(struct tally_pg_verifier *v, struct tally_error *error)
{
	int result = tally_pg_catalog_judge(v, error);

	if (result == 0)
		result = tally_pg_chains_load(v, error);
	if (result == 0)
		result = tally_pg_outside_load(v, error);
	if (result == 0)
		result = tally_pg_links_open(v, error);
	if (result == 0)
		result = tally_pg_entries_open(v, error);
	if (result == 0)
		result = tally_pg_sources_open(v, error);
	if (result == 0)
		result = judge_records(v, error);
	if (result == 0)
		result = tally_pg_sources_load(v, error);
	if (result == 0)
		result = tally_pg_attached_judge(v, error);
	if (result == 0)
		result = tally_pg_tracked_judge(v, error);
	if (result == 0)
		result = judge_rows(v, error);
	if (result == 0 && v->options->ids)
		result = tally_pg_ids_judge(v, error);
	return result != 0 ? result : tally_pg_outside_judge(v, error);
}

static unsigned
not_covered(struct tally_pg_verifier *v)
{
	unsigned bits = v->options->ids ? 0 : TALLY_UNCOVERED_IDS;

	if (!tally_pg_outside_covers_ends(v))
		bits |= TALLY_UNCOVERED_LAST;
	if (!v->options->heads_complete || (bits & TALLY_UNCOVERED_LAST) != 0)
		bits |= TALLY_UNCOVERED_CHAINS;
	if (v->chains.only != NULL)
		bits |= TALLY_UNCOVERED_OTHER_CHAINS;
	for (const struct tally_pg_source *source = v->sources->all;
	     source != NULL; source = source->next)
		if (source->live == NULL || source->uses->next != NULL)
			bits |= TALLY_UNCOVERED_DETACHED;
	return bits;
}

static void
conclude(struct tally_pg_verifier *v, struct tally_verdict *out)
{
	memset(out, 0, sizeof(*out));
	out->records = atomic_load(&v->records);
	out->size = out->records;
	out->chains = tally_pg_chains_count(v);
	out->findings = v->findings;
	memcpy(out->by_kind, v->by_kind, sizeof(out->by_kind));
	out->not_covered = not_covered(v);
	out->seconds = tally_pg_session_seconds(v);
	if (out->records == 0 || out->by_kind[TALLY_NOT_JUDGED] > 0)
		out->verdict = TALLY_UNVERIFIABLE;
	for (int kind = 0; kind < TALLY_KIND_COUNT; kind++)
		if (out->by_kind[kind] > 0 &&
		    tally_finding_is_break((enum tally_finding_kind)kind))
			out->verdict = TALLY_TAMPERED;
}

int
tally_pg_verify(const char *conninfo,
    const struct tally_verify_options *options,
    struct tally_verdict *out_verdict, struct tally_error *error)
{
	static const struct tally_verify_options none;
	struct tally_pg_verifier *v = calloc(1, sizeof(*v));
	int result;

	if (v == NULL)
		return tally_pg_no_memory(error);
	v->options = options != NULL ? options : &none;
	if (v->options->has_root || v->options->resume != NULL ||
	    v->options->keep != NULL) {
		free(v);
		return tally_fail(error, TALLY_E_USAGE,
		    "a database has no root, and cannot be resumed");
	}
	result = tally_pg_session_open(v, conninfo, v->options->jobs, error);
	if (result == 0)
		result = judge(v, error);
	if (result == 0 && tally_hasher_failed(&v->hasher))
		result = tally_fail(error, TALLY_E_MEMORY,
		    "libcrypto cannot hash");
	if (result == 0)
		conclude(v, out_verdict);
	tally_pg_kept_close(v);
	tally_pg_match_close(v);
	tally_pg_pairs_close(v);
	tally_pg_sources_close(v);
	tally_pg_entries_close(v);
	tally_pg_links_close(v);
	tally_pg_session_close(v);
	free(v);
	return result;
}
