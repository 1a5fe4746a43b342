/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.verify(), tally.verify_against() and tally.verify_summary().
 * Two fast ways, for what is usual:
 *	Links	a record's header is checked as it is met, in any order; runs
 *			(verify_runs.c) show that each chain is one line.  Only chains
 *			of which they do not are sorted and judged record by record.
 *	Rows	where every record stands for a row (append-only, no salts, one
 *			form), the sum of what the records say and the sum of what the
 *			rows say are the same exactly if both are (verify_sum.h).  Only
 *			sources of which they are not, and those of other kinds, are
 *			sorted and compared key by key.
 *
 * So a second walk is only made when something is wrong, or when updates and
 * deletions are sealed.
 */
#include "postgres.h"

#include "compat.h"
#include "store.h"
#include "verify.h"
#include "verify_accused.h"
#include "verify_backfill.h"
#include "verify_chains.h"
#include "verify_index.h"
#include "verify_kept.h"
#include "verify_links.h"
#include "verify_entries.h"
#include "verify_match.h"
#include "verify_origin.h"
#include "verify_outside.h"
#include "verify_parts.h"
#include "verify_record.h"
#include "verify_retired.h"
#include "verify_rewritten.h"
#include "verify_rows.h"
#include "verify_sources.h"
#include "verify_tracked.h"
#include "verify_verdict.h"
#include "result.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "portability/instr_time.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* What the walks over records have in hand. */
struct walk
{
	int64		records;		/* of the scope */
	bool		has_orphans;	/* that name neither row nor event */
};

/* ---- the walks over records ------------------------------------------- */

static bool
is_in_scope(struct tally_verifier *v, const struct tally_sealed *record)
{
	struct tally_chain *only = tally_chains_only(v);

	return only == NULL ||
		(record->has_chain && record->chain_id == only->seen.id);
}

static bool
take_record(struct tally_verifier *v, const struct tally_sealed *record,
			void *arg)
{
	struct tally_chain *log = tally_chains_log(v);
	struct walk *walk = arg;

	if (log != NULL && record->has_chain && record->chain_id == log->seen.id)
		tally_entries_take(v, record);
	if (!is_in_scope(v, record))
		return true;
	if (record->seq >= v->scope.from && record->seq <= v->scope.to)
		walk->records++;
	if (tally_scope_is_near(&v->scope, record))
		tally_links_take(v, record);
	tally_sources_take(v, record);
	if (record->event_id != 0)
		tally_kept_take(v, record);
	else if (record->epoch == 0)
		walk->has_orphans = true;
	return true;
}

/*
 * A record of a row that names no event: is it one of its epoch's?  If not, it
 * is told.
 */
static bool
judge_shape(struct tally_verifier *v, const struct tally_match_record *match)
{
	const struct tally_epoch *epoch = match->use->epoch;
	struct tally_subject subject = {
		match->chain->seen.name, match->seq, epoch->label
	};
	const char *fault = NULL;

	if (epoch->keep_event)
		fault = "events of its table are kept, but it names none";
	else if (epoch->salted && match->salt == NULL)
		fault = "rows of its table are salted, but it has no salt";
	else if (!epoch->salted && match->salt != NULL)
		fault = "rows of its table are not salted, but it has a salt";
	if (fault == NULL)
		return false;
	subject.key = pnstrdup(match->key, match->key_len);
	tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject, "%s", fault);
	return true;
}

/*
 * A record of another chain than was asked for: may it matter?  Attached anew
 * in another form, a table's rows go on in another chain.
 */
static bool
is_beside_scope(struct tally_verifier *v, const struct tally_sealed *record)
{
	const struct tally_use *use = tally_sources_find(v, record->epoch);

	return use != NULL && use->source != NULL && use->source->is_relevant &&
		list_length(use->source->forms) > 1 && record->key != NULL &&
		record->has_chain && record->has_digest;
}

/* Such a record that names an event. */
static bool
take_beside(struct tally_verifier *v, const struct tally_sealed *record,
			void *arg)
{
	if (record->event_id != 0 && !is_in_scope(v, record) &&
		is_beside_scope(v, record))
		tally_kept_take(v, record);
	return true;
}

/* A record that names no event. */
static bool
take_again(struct tally_verifier *v, const struct tally_sealed *record,
		   void *arg)
{
	struct tally_match_record match;

	if (record->event_id != 0 ||
		(!is_in_scope(v, record) && !is_beside_scope(v, record)))
		return true;
	tally_match_prepare(v, record, &match);
	if (!match.is_accused && tally_kept_claim(v, record))
		return true;
	if (match.use != NULL && match.use->is_tracked)
		tally_pairs_add_record(v, &match, TALLY_CONTENT_ALTERED,
							   "it is of a tracked table, but names no event");
	else if (record->epoch == 0)
		tally_pairs_add_record(v, &match, TALLY_CONTENT_ALTERED,
							   "it names neither the attach event of a row nor an event");
	else if (record->key == NULL)
		tally_pairs_add_record(v, &match, TALLY_CONTENT_ALTERED,
							   "it names the attach event of a row, but no key");
	else if (match.use->epoch == NULL || match.chain == NULL)
		tally_pairs_add_record(v, &match, TALLY_NOT_JUDGED, NULL);
	else
	{
		if (!match.is_accused)
			match.is_accused = judge_shape(v, &match);
		tally_match_put_record(v, &match);
	}
	return true;
}

/* ---- rows ------------------------------------------------------------- */

/* Can the sums tell whether records and rows are the same? */
static bool
can_be_summed(struct tally_verifier *v, const struct tally_source *source)
{
	ListCell   *cell;

	if (v->scope.chain != NULL || list_length(source->forms) != 1)
		return false;
	foreach(cell, source->uses)
	{
		const struct tally_epoch *epoch =
		((struct tally_use *) lfirst(cell))->epoch;

		if (!epoch->append_only || epoch->salted || epoch->keep_event)
			return false;
	}
	return true;
}

static bool
is_sum_right(const struct tally_source *source)
{
	struct tally_sum records = {0};
	struct tally_sum old = tally_backfill_sum(source);
	ListCell   *cell;

	foreach(cell, source->uses)
	{
		const struct tally_use *use = lfirst(cell);

		records.total += use->sum.total;
		records.count += use->sum.count;
	}
	return tally_sum_equal(&records, &source->rows) &&
		(old.count == 0 || tally_sum_equal(&old, &source->old_rows));
}

/* They will be counted again. */
static void
forget_narrowed(const struct tally_source *source)
{
	ListCell   *cell;

	foreach(cell, source->uses)
		((struct tally_use *) lfirst(cell))->narrowed = 0;
}

/* Whoever retires a partition wants to know of its own table alone. */
static void
narrow_to_retiring(struct tally_verifier *v)
{
	ListCell   *cell;

	foreach(cell, tally_sources_all(v))
	{
		struct tally_source *source = lfirst(cell);

		source->is_relevant = list_member_oid(source->roots,
											  v->retiring->root);
		if (source->is_relevant)
			v->retiring->label = pstrdup(source->label);
	}
}

/* Adds up what can be; says which sources have to be sorted. */
static bool
sum_sources(struct tally_verifier *v)
{
	bool		sorted = false;
	ListCell   *cell;

	foreach(cell, tally_sources_all(v))
	{
		struct tally_source *source = lfirst(cell);

		if (!source->is_relevant)
			continue;
		if (source->roots == NIL)
		{
			tally_verdict_gone(v, source);
			continue;
		}
		source->is_sorted = true;
		tally_parts_find(v, source);
		if (v->retiring == NULL && can_be_summed(v, source))
		{
			tally_rows_sum(v, source);
			source->is_sorted = !is_sum_right(source);
			if (source->is_sorted)
				forget_narrowed(source);
			else
				source->legacy = source->old_rows.count -
					tally_backfill_sum(source).count;
		}
		sorted |= source->is_sorted;
	}
	return sorted;
}

static void
put_rows(struct tally_verifier *v)
{
	ListCell   *cell;

	foreach(cell, tally_sources_all(v))
	{
		struct tally_source *source = lfirst(cell);

		if (source->is_sorted)
			tally_rows_put(v, source);
	}
}

static void
judge_rows(struct tally_verifier *v, const struct walk *walk)
{
	bool		sorted;
	ListCell   *cell;

	if (v->retiring != NULL)
		narrow_to_retiring(v);
	sorted = sum_sources(v);

	tally_match_open(v);
	if (sorted && v->scope.chain != NULL)
		tally_record_walk(v, 0, take_beside, NULL);
	tally_kept_judge(v);
	if (sorted || walk->has_orphans || tally_kept_has_strays(v) ||
		tally_sources_has_unknown(v))
		tally_record_walk(v, 0, take_again, NULL);
	if (sorted)
		put_rows(v);
	tally_match_judge(v);
	tally_pairs_resolve(v);
	tally_kept_finish(v);
	foreach(cell, tally_sources_all(v))
	{
		if (((struct tally_source *) lfirst(cell))->is_relevant)
			tally_verdict_source(v, lfirst(cell));
	}
	tally_rewritten_tell(v);
	tally_sources_tell_unknown(v);
}

/* ---- one verification ------------------------------------------------- */

/* What the caller asked for, and the figures of the answer. */
struct request
{
	struct tally_scope scope;
	const char *heads;			/* or NULL */
	ReturnSetInfo *result;		/* where findings go, or NULL */
	struct tally_retiring *retiring;	/* likewise */
	Oid			function;
	int64		records;
	int64		chains;
};

static void
judge(struct tally_verifier *v, struct request *request)
{
	struct walk walk = {0};

	tally_chains_load(v);
	if (request->heads != NULL)
		tally_outside_load(v, request->heads);
	tally_accused_open(v);
	tally_links_open(v);
	tally_entries_open(v);
	tally_sources_open(v);
	tally_kept_open(v);
	tally_pairs_open(v);
	tally_record_walk(v, 0, take_record, &walk);
	tally_links_judge(v);
	tally_index_judge(v);
	tally_replay_log(v);
	tally_origins_judge(v, walk.records);
	tally_attached_judge(v);
	tally_tracked_judge(v);
	judge_rows(v, &walk);
	tally_outside_judge(v);
	tally_verdict_uncovered(v);
	request->records = walk.records;
	request->chains = tally_chains_count(v);
}

/*
 * Locks the attached tables before the snapshot is taken: a table that is
 * rewritten in between (ALTER TABLE) would seem to be empty under it.
 */
static void
lock_attached(struct tally_verifier *v)
{
	TupleTableSlot *slot = table_slot_create(v->attachment, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	TableScanDesc scan = table_beginscan(v->attachment, snapshot, 0, NULL);
	Relation	rel;
	bool		isnull;
	Datum		value;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		value = slot_getattr(slot, TALLY_ATTACHMENT_RELATION, &isnull);
		if (isnull)
			continue;
		rel = try_relation_open(DatumGetObjectId(value), AccessShareLock);
		if (rel != NULL)
			relation_close(rel, NoLock);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * The snapshot shows what was committed, and nothing of this transaction: its
 * rows will be sealed when it commits, so now they would seem to lack records.
 */
static void
take_snapshot(struct tally_verifier *v)
{
	PushCopiedSnapshot(GetTransactionSnapshot());
	v->snapshot = GetActiveSnapshot();
	v->snapshot->curcid = FirstCommandId;
}

static void
verify(struct tally_verifier *v, struct request *request)
{
	MemoryContext saved;

	memset(v, 0, sizeof(*v));
	v->context = AllocSetContextCreate(CurrentMemoryContext, "tally verifier",
									   ALLOCSET_DEFAULT_SIZES);
	v->scratch = AllocSetContextCreate(v->context, "tally verifier's row",
									   ALLOCSET_DEFAULT_SIZES);
	saved = MemoryContextSwitchTo(v->context);
	v->scope = request->scope;
	v->retiring = request->retiring;
	v->schema = get_namespace_oid(TALLY_SCHEMA, false);
	if (!pg_strong_random(&v->seed, sizeof(v->seed)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not get random bytes")));
	tally_report_open(v, request->result);
	if (tally_catalog_open(v, request->function))
	{
		lock_attached(v);
		take_snapshot(v);
		judge(v, request);
		PopActiveSnapshot();
	}
	tally_catalog_close(v);
	MemoryContextSwitchTo(saved);
}

void
tally_verify_retiring(struct tally_retiring *retiring, Oid function)
{
	struct request request = {{NULL, 1, PG_INT64_MAX}};
	struct tally_verifier v;

	tally_retiring_begin(retiring);
	request.retiring = retiring;
	request.function = function;
	verify(&v, &request);
	if (retiring->label == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the rows cannot be held against their records"),
				 errhint("tally.verify() says more.")));
}

/* ---- what SQL calls --------------------------------------------------- */

static void
take_scope(FunctionCallInfo fcinfo, struct tally_scope *scope)
{
	scope->chain = PG_ARGISNULL(0) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(0));
	scope->from = PG_ARGISNULL(1) ? 1 : PG_GETARG_INT64(1);
	scope->to = PG_ARGISNULL(2) ? PG_INT64_MAX : PG_GETARG_INT64(2);
	if (scope->chain == NULL && (!PG_ARGISNULL(1) || !PG_ARGISNULL(2)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a range of records needs the chain that they are of")));
	if (scope->from < 1 || scope->to < scope->from)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no range from %lld to %lld",
						(long long) scope->from, (long long) scope->to)));
}

static void
return_findings(FunctionCallInfo fcinfo, struct request *request)
{
	struct tally_verifier v;

	InitMaterializedSRF(fcinfo, 0);
	request->result = (ReturnSetInfo *) fcinfo->resultinfo;
	request->function = fcinfo->flinfo->fn_oid;
	verify(&v, request);
	MemoryContextDelete(v.context);
}

PG_FUNCTION_INFO_V1(tally_sql_verify);

/* tally.verify(chain, from_seq, to_seq): every finding. */
Datum
tally_sql_verify(PG_FUNCTION_ARGS)
{
	struct request request = {0};

	take_scope(fcinfo, &request.scope);
	return_findings(fcinfo, &request);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(tally_sql_verify_against);

/* tally.verify_against(heads): the same, and the heads are held against it. */
Datum
tally_sql_verify_against(PG_FUNCTION_ARGS)
{
	struct request request = {{NULL, 1, PG_INT64_MAX}};

	request.heads = text_to_cstring(PG_GETARG_TEXT_PP(0));
	return_findings(fcinfo, &request);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(tally_sql_verify_summary);

/* tally.verify_summary(chain, from_seq, to_seq, heads): the verdict. */
Datum
tally_sql_verify_summary(PG_FUNCTION_ARGS)
{
	struct request request = {0};
	struct tally_verifier v;
	instr_time	begin;
	instr_time	end;
	Datum		values[6];
	bool		nulls[6] = {false};

	take_scope(fcinfo, &request.scope);
	if (!PG_ARGISNULL(3))
		request.heads = text_to_cstring(PG_GETARG_TEXT_PP(3));
	request.function = fcinfo->flinfo->fn_oid;
	INSTR_TIME_SET_CURRENT(begin);
	verify(&v, &request);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, begin);
	values[0] = CStringGetTextDatum(tally_report_verdict(&v, request.records));
	values[1] = Int64GetDatum(request.records);
	values[2] = Int64GetDatum(request.chains);
	values[3] = Int64GetDatum(tally_report_findings(&v));
	values[4] = Float8GetDatum(INSTR_TIME_GET_DOUBLE(end));
	values[5] = tally_report_uncovered(&v);
	MemoryContextDelete(v.context);
	return tally_result_row(fcinfo, values, nulls);
}
