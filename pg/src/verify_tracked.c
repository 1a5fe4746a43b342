/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracked tables: are their records of them, and is everything what the epochs
 * in force say?
 *
 * Their rows are compared with nothing.  That a record and its event are the
 * same is judged with all events that are kept (verify_kept.c).
 */
#include "postgres.h"

#include "columns.h"
#include "store.h"
#include "track.h"
#include "verify_chains.h"
#include "verify_origin.h"
#include "verify_sources.h"
#include "verify_tracked.h"

#include "core/jcs.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* An epoch that tally:log seals. */
struct tracked
{
	int64		id;				/* tally.event.id of the track event */
	struct tally_epoch *epoch;
	int64		track_seq;		/* in tally:log */
	int64		untrack_seq;	/* 0: it is in force */
	char	   *tail;			/* with which its events end */
};

/* ---- tally:log -------------------------------------------------------- */

static struct tracked *
find(struct tally_verifier *v, int64 id)
{
	ListCell   *cell;

	foreach(cell, v->tracked)
	{
		struct tracked *tracked = lfirst(cell);

		if (tracked->id == id)
			return tracked;
	}
	return NULL;
}

static char *
tail_of(const struct tally_epoch *epoch)
{
	static const char before[] = ",\"table\":";
	Size		len = strlen(epoch->label);
	char	   *tail = palloc(sizeof(before) + TALLY_JCS_QUOTED_MAX(len) + 2);
	char	   *p = tail + sizeof(before) - 1;

	memcpy(tail, before, sizeof(before));
	p += tally_jcs_quote(epoch->label, len, p);
	strcpy(p, "}");
	return tail;
}

/* The epoch in force of the same label ends. */
static void
end_epoch(struct tally_verifier *v, const char *label, int64 seq)
{
	ListCell   *cell;

	foreach(cell, v->tracked)
	{
		struct tracked *tracked = lfirst(cell);

		if (tracked->untrack_seq == 0 &&
			strcmp(tracked->epoch->label, label) == 0)
			tracked->untrack_seq = seq;
	}
}

bool
tally_tracked_replay(struct tally_verifier *v, const struct tally_entry *entry)
{
	struct tally_epoch *epoch = tally_track_parse(entry->event_id,
												  entry->event);
	struct tally_detach *end;
	struct tracked *tracked;

	if (epoch == NULL)
	{
		end = tally_untrack_parse(entry->event);
		if (end == NULL)
			return false;
		end_epoch(v, end->label, entry->seq);
		return true;
	}
	/* If the untrack in between cannot be read, that was told. */
	end_epoch(v, epoch->label, entry->seq);
	epoch->is_elsewhere = !tally_origins_is_here(v, entry->seq, epoch);
	tracked = palloc0_object(struct tracked);
	tracked->id = entry->event_id;
	tracked->epoch = epoch;
	tracked->track_seq = entry->seq;
	tracked->tail = tail_of(epoch);
	v->tracked = lappend(v->tracked, tracked);
	tally_sources_get(v, entry->event_id)->is_tracked = true;
	return true;
}

/* ---- records ---------------------------------------------------------- */

static bool
ends_with(const char *event, const char *tail)
{
	Size		len = strlen(event);
	Size		tail_len = strlen(tail);

	return len > tail_len && strcmp(event + len - tail_len, tail) == 0;
}

bool
tally_tracked_judge_record(struct tally_verifier *v,
						   const struct tally_sealed *record,
						   const char *event)
{
	const struct tracked *tracked = find(v, record->epoch);
	struct tally_subject subject = {0};

	if (tracked == NULL)
		return false;
	subject.source = tracked->epoch->label;
	subject.seq = record->seq;
	if (record->has_chain)
		subject.chain = tally_chains_get(v, record->chain_id)->seen.name;
	if (record->key != NULL)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "it is of a tracked table, but names a row");
	if (event != NULL && !ends_with(event, tracked->tail))
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "its event is not one of the table that tally:log/%lld tracks, which it names",
						  (long long) tracked->track_seq);
	return true;
}

/* ---- triggers --------------------------------------------------------- */

static struct tally_subject
subject_of(const struct tracked *tracked)
{
	struct tally_subject subject = {
		TALLY_LOG_CHAIN, tracked->track_seq, tracked->epoch->label
	};

	return subject;
}

static bool
is_null(HeapTuple tuple, int column)
{
	return heap_attisnull(tuple, column, NULL);
}

/* Why it does not do what track made it for, or NULL. */
static const char *
trigger_fault(const struct tally_track_trigger *expected, HeapTuple tuple)
{
	Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);

	if (form->tgenabled == TRIGGER_DISABLED)
		return "is disabled";
	if (form->tgenabled == TRIGGER_FIRES_ON_REPLICA)
		return "fires on replicas only";
	if (form->tgtype != (TRIGGER_TYPE_AFTER | expected->events))
		return "fires at other events than it should";
	if (!is_null(tuple, Anum_pg_trigger_tgqual))
		return "has a condition";
	if (form->tgattr.dim1 != 0)
		return "looks at some columns only";
	if (is_null(tuple, Anum_pg_trigger_tgoldtable) == expected->has_old ||
		is_null(tuple, Anum_pg_trigger_tgnewtable) == expected->has_new)
		return "has other transition tables than it should";
	return NULL;
}

static bool
is_ours(struct tally_verifier *v, Form_pg_trigger form)
{
	char	   *function = get_func_name(form->tgfoid);

	return function != NULL && strcmp(function, TALLY_TRACK_FUNCTION) == 0 &&
		get_func_namespace(form->tgfoid) == v->schema;
}

static void
judge_trigger(struct tally_verifier *v, const struct tracked *tracked,
			  Oid root, const struct tally_track_trigger *expected)
{
	struct tally_subject subject = subject_of(tracked);
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	const char *fault = "is gone";
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	NameData	name;

	namestrcpy(&name, expected->name);
	ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(root));
	ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber,
				F_NAMEEQ, NameGetDatum(&name));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true,
							  v->snapshot, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		fault = is_ours(v, (Form_pg_trigger) GETSTRUCT(tuple)) ?
			trigger_fault(expected, tuple) : "calls another function";
	if (fault != NULL)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "trigger \"%s\" of table \"%s\" %s",
						  expected->name, tracked->epoch->table, fault);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/* ---- tables ----------------------------------------------------------- */

/* Why statements would pass it by, or would be lost; or NULL. */
static const char *
table_fault(Relation rel)
{
	if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		return "is unlogged now";
	if (rel->rd_rel->relispartition)
		return "is a partition now";
	if (has_superclass(RelationGetRelid(rel)))
		return "inherits from another table now";
	if (find_inheritance_children(RelationGetRelid(rel), NoLock) != NIL)
		return "has tables that inherit from it now";
	return NULL;
}

static void
judge_columns(struct tally_verifier *v, const struct tracked *tracked,
			  Relation rel)
{
	struct tally_subject subject = subject_of(tracked);
	struct tally_epoch epoch = *tracked->epoch;
	AttrNumber *numbers;
	char	   *why;
	int			i;

	epoch.relation = RelationGetRelid(rel);
	numbers = tally_columns_find(&epoch, rel, &why);
	if (numbers == NULL)
	{
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject, "%s", why);
		return;
	}
	for (i = 0; i < epoch.ncolumns; i++)
	{
		const char *name = NameStr(TupleDescAttr(RelationGetDescr(rel),
												 numbers[i] - 1)->attname);

		if (strcmp(name, epoch.columns[i].name) != 0)
			tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
							  "column \"%s\" of table \"%s\" was renamed to \"%s\"",
							  epoch.columns[i].name, epoch.table, name);
	}
}

/* Its row of tally.attachment; NULL, which is told, if there is none. */
static const struct tally_attached_row *
judge_attachment(struct tally_verifier *v, const struct tracked *tracked)
{
	struct tally_subject subject = subject_of(tracked);
	ListCell   *cell;

	foreach(cell, tally_sources_attached(v))
	{
		const struct tally_attached_row *row = lfirst(cell);

		if (row->epoch != tracked->id)
			continue;
		if (strcmp(row->label, tracked->epoch->label) != 0)
			tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
							  "tally.attachment calls it \"%s\"", row->label);
		return row;
	}
	tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
					  "tally.attachment has no row for it, though it was not untracked");
	return NULL;
}

/*
 * The table, or InvalidOid.  Where the database was restored from a dump, oids
 * are other ones.
 */
static Oid
find_root(struct tally_verifier *v, const struct tracked *tracked)
{
	const struct tally_attached_row *row = judge_attachment(v, tracked);
	struct tally_subject subject = subject_of(tracked);
	Oid			root = tracked->epoch->relation;

	if (!tally_epoch_is_here(tracked->epoch))
		return row == NULL ? InvalidOid : row->relation;
	if (row != NULL && row->relation != root)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "tally.attachment says that it is of another table than %s",
						  tracked->epoch->table);
	return root;
}

static void
judge_table(struct tally_verifier *v, const struct tracked *tracked)
{
	struct tally_subject subject = subject_of(tracked);
	Oid			root = find_root(v, tracked);
	Relation	rel = NULL;
	const char *fault;
	int			i;

	if (get_rel_relkind(root) == RELKIND_RELATION)
		rel = try_relation_open(root, AccessShareLock);
	if (rel == NULL)
	{
		tally_report_tell(v, TALLY_MISSING, &subject,
						  "table \"%s\" is gone, and was not untracked",
						  tracked->epoch->table);
		return;
	}
	fault = table_fault(rel);
	if (fault != NULL)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "table \"%s\" %s", tracked->epoch->table, fault);
	for (i = 0; i < TALLY_TRACK_TRIGGERS; i++)
		judge_trigger(v, tracked, root, &tally_track_triggers[i]);
	judge_columns(v, tracked, rel);
	relation_close(rel, NoLock);
}

/* A row of tally.attachment that is of an epoch that has ended. */
static void
judge_ended(struct tally_verifier *v, const struct tracked *tracked)
{
	struct tally_subject subject = subject_of(tracked);
	ListCell   *cell;

	foreach(cell, tally_sources_attached(v))
	{
		const struct tally_attached_row *row = lfirst(cell);

		if (row->epoch == tracked->id)
			tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
							  "tally.attachment has a row for it, though it was untracked by tally:log/%lld",
							  (long long) tracked->untrack_seq);
	}
}

void
tally_tracked_judge(struct tally_verifier *v)
{
	ListCell   *cell;

	foreach(cell, v->tracked)
	{
		const struct tracked *tracked = lfirst(cell);

		CHECK_FOR_INTERRUPTS();
		if (tracked->untrack_seq != 0)
		{
			judge_ended(v, tracked);
			continue;
		}
		judge_table(v, tracked);
		tally_report_not_covered(v,
								 "changes of \"%s\" that were made past its triggers: it is tracked, so no row has to have a record",
								 tracked->epoch->label);
	}
}
