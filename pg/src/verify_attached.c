/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attached tables: is everything what the epochs in force say?
 *
 * The catalogs of triggers are read under the snapshot that everything is read
 * under: a table that was attached since has triggers, but no epoch that we
 * could see.  Columns are taken from the relation itself; whoever changes them
 * has to wait for the lock that we hold.
 */
#include "postgres.h"

#include "attachment.h"
#include "columns.h"
#include "store.h"
#include "verify_sources.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/dbcommands.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

static struct tally_subject
subject_of(const struct tally_use *use)
{
	struct tally_subject subject = {
		TALLY_LOG_CHAIN, use->attach_seq, use->epoch->label
	};

	return subject;
}

static char *
qualified_name(Oid relation)
{
	char	   *schema = get_namespace_name(get_rel_namespace(relation));

	return quote_qualified_identifier(schema, get_rel_name(relation));
}

static bool
is_table(Oid relation)
{
	char		kind = get_rel_relkind(relation);

	return kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE;
}

/* ---- roots ------------------------------------------------------------ */

/* The table of this name, as SQL has it; never an error. */
static Oid
find_by_name(const char *table)
{
	List	   *names;
	Oid			schema;

	if (!SplitIdentifierString(pstrdup(table), '.', &names) ||
		list_length(names) != 2)
		return InvalidOid;
	schema = get_namespace_oid(linitial(names), true);
	if (!OidIsValid(schema))
		return InvalidOid;
	return get_relname_relid(lsecond(names), schema);
}

static struct tally_attached_row *
find_row(struct tally_verifier *v, int64 epoch)
{
	ListCell   *cell;

	foreach(cell, tally_sources_attached(v))
	{
		struct tally_attached_row *row = lfirst(cell);

		if (row->epoch == epoch)
			return row;
	}
	return NULL;
}

/*
 * The table that the epoch is of, or InvalidOid.  Where the database was
 * restored from a dump, oids are other ones: then the name counts, and
 * tally.attachment, which the dump holds by name.
 */
static Oid
find_root(struct tally_verifier *v, const struct tally_use *use)
{
	const struct tally_epoch *epoch = use->epoch;
	struct tally_attached_row *row = find_row(v, use->id);
	Oid			root = epoch->relation;

	if (!use->is_here)
		root = row != NULL ? row->relation : find_by_name(epoch->table);
	return is_table(root) ? root : InvalidOid;
}

static void
find_roots(struct tally_verifier *v, struct tally_source *source)
{
	MemoryContext saved = MemoryContextSwitchTo(v->context);
	ListCell   *cell;

	foreach(cell, source->uses)
	{
		struct tally_use *use = lfirst(cell);

		use->root = find_root(v, use);
		if (OidIsValid(use->root))
			source->roots = list_append_unique_oid(source->roots, use->root);
	}
	MemoryContextSwitchTo(saved);
}

/* ---- tally.attachment ------------------------------------------------- */

static void
judge_row(struct tally_verifier *v, const struct tally_use *use)
{
	const struct tally_attached_row *row = find_row(v, use->id);
	struct tally_subject subject = subject_of(use);

	if (row == NULL)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "tally.attachment has no row for it, though it was not detached");
	else if (strcmp(row->label, use->epoch->label) != 0)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "tally.attachment calls it \"%s\"", row->label);
	else if (OidIsValid(use->root) && row->relation != use->root)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "tally.attachment says that it is of table %s, but it is of %s",
						  OidIsValid(row->relation) && is_table(row->relation) ?
						  qualified_name(row->relation) : "(none)",
						  use->epoch->table);
}

/* Rows that belong to no epoch in force. */
static void
judge_others(struct tally_verifier *v)
{
	struct tally_subject subject = {TALLY_LOG_CHAIN};
	List	   *seen = NIL;
	ListCell   *cell;

	foreach(cell, tally_sources_attached(v))
	{
		const struct tally_attached_row *row = lfirst(cell);
		struct tally_use *use = tally_sources_find(v, row->epoch);

		subject.source = row->label;
		if (use != NULL && use->is_tracked)
			continue;
		if (use != NULL && use->epoch == NULL && use->is_named)
			continue;			/* that its event does not hold was told */
		if (use == NULL || use->epoch == NULL)
			tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
							  "tally.attachment has a row for event %lld, which is no attach event that tally:log seals",
							  (long long) row->epoch);
		else if (use->detach_seq != 0)
			tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
							  "tally.attachment has a row for it, though it was detached by tally:log/%lld",
							  (long long) use->detach_seq);
		else if (list_member_ptr(seen, use))
			tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
							  "tally.attachment has two rows for it");
		seen = lappend(seen, use);
	}
}

/* ---- columns ---------------------------------------------------------- */

static void
judge_columns(struct tally_verifier *v, const struct tally_use *use,
			  Relation rel)
{
	struct tally_subject subject = subject_of(use);
	struct tally_epoch epoch = *use->epoch;
	AttrNumber *numbers;
	char	   *why;
	int			i;

	/* As it is named now, should it have been restored elsewhere. */
	epoch.relation = RelationGetRelid(rel);
	epoch.is_elsewhere = !use->is_told;
	numbers = tally_columns_find(&epoch, rel, &why);
	if (numbers == NULL)
	{
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject, "%s", why);
		return;
	}
	why = tally_columns_shape_fault(&epoch, rel, numbers);
	if (why != NULL)
		tally_report_tell(v, TALLY_NOT_JUDGED, &subject, "%s", why);
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

/* ---- triggers --------------------------------------------------------- */

/* What a trigger of ours is to be. */
struct expected
{
	const char *function;
	const char *name;
	int			type;
	bool		may_lack;
	bool		seen;
};

static const char *
trigger_fault(const struct expected *expected, Form_pg_trigger form,
			  bool has_condition)
{
	if (form->tgenabled == TRIGGER_DISABLED)
		return "is disabled";
	if (form->tgenabled == TRIGGER_FIRES_ON_REPLICA)
		return "fires on replicas only";
	if (form->tgtype != expected->type)
		return "fires at other events than it should";
	if (has_condition)
		return "has a condition";
	if (form->tgattr.dim1 != 0)
		return "looks at some columns only";
	if (form->tgdeferrable)
		return "is deferrable";
	return NULL;
}

static void
judge_trigger(struct tally_verifier *v, const struct tally_use *use,
			  Oid relation, HeapTuple tuple, TupleDesc desc,
			  struct expected *expected)
{
	struct tally_subject subject = subject_of(use);
	Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);
	char	   *function = get_func_name(form->tgfoid);
	const char *fault;
	bool		no_condition;

	if (function == NULL || strcmp(function, expected->function) != 0 ||
		get_func_namespace(form->tgfoid) != v->schema)
		return;
	(void) heap_getattr(tuple, Anum_pg_trigger_tgqual, desc, &no_condition);
	expected->seen = true;
	fault = trigger_fault(expected, form, !no_condition);
	if (fault != NULL)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "trigger \"%s\" of table \"%s\" %s",
						  NameStr(form->tgname), qualified_name(relation),
						  fault);
}

/* One of our triggers, on one table. */
static void
judge_triggers(struct tally_verifier *v, const struct tally_use *use,
			   Oid relation, struct expected expected)
{
	struct tally_subject subject = subject_of(use);
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true,
							  v->snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		judge_trigger(v, use, relation, tuple, RelationGetDescr(catalog),
					  &expected);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	if (!expected.seen && !expected.may_lack)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "trigger \"%s\" of table \"%s\" is gone",
						  expected.name, qualified_name(relation));
}

/*
 * PostgreSQL clones the row trigger to partitions.  The other one the event
 * triggers make, and where they keep still (in a replica, in a copy) it is
 * missing through nobody's fault; that rows are missing is told anyway.
 */
static void
judge_member(struct tally_verifier *v, const struct tally_use *use,
			 Oid relation)
{
	const struct expected row = {
		"capture", TALLY_TRIGGER_ROW, TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT |
		TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE
	};
	const struct expected truncate = {
		"refuse_truncate", TALLY_TRIGGER_TRUNCATE,
		TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE, relation != use->root
	};
	struct tally_subject subject = subject_of(use);
	Relation	rel = try_relation_open(relation, AccessShareLock);

	if (rel == NULL)
		return;
	judge_triggers(v, use, relation, row);
	judge_triggers(v, use, relation, truncate);
	if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "table \"%s\" is unlogged now",
						  qualified_name(relation));
	if (relation == use->root)
		judge_columns(v, use, rel);
	relation_close(rel, NoLock);
}

/* ---- all of it -------------------------------------------------------- */

static void
judge_use(struct tally_verifier *v, const struct tally_use *use)
{
	ListCell   *cell;

	judge_row(v, use);
	/* That a table is gone is told where its rows are missed. */
	if (!OidIsValid(use->root))
		return;
	foreach(cell, find_all_inheritors(use->root, AccessShareLock, NULL))
		judge_member(v, use, lfirst_oid(cell));
}

void
tally_attached_judge(struct tally_verifier *v)
{
	ListCell   *cell;
	ListCell   *inner;

	foreach(cell, tally_sources_all(v))
	{
		struct tally_source *source = lfirst(cell);

		find_roots(v, source);
		foreach(inner, source->uses)
		{
			struct tally_use *use = lfirst(inner);

			CHECK_FOR_INTERRUPTS();
			if (use->detach_seq == 0 && source->is_relevant)
				judge_use(v, use);
		}
	}
	if (v->scope.chain == NULL)
		judge_others(v);
}
