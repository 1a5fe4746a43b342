/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of DDL under an attached or tracked table.
 *
 *	nothing that is sealed is touched	it goes through
 *	names, more values of an enum		sealed, as an alteration
 *	rows cannot be rendered as they		refused; or, if all events are kept
 *	were								or tally.ddl is "seal", sealed
 *	nothing could be sealed any more	refused
 *	a partition goes					refused, unless it was retired
 *	the table is dropped				refused; or, if tally.ddl is "seal",
 *										sealed, as the end of the epoch
 */
#include "postgres.h"

#include "alter.h"
#include "attach.h"
#include "ddl.h"
#include "log.h"
#include "retire.h"
#include "settings.h"
#include "store.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static const char *
state_of(const struct tally_epoch *epoch)
{
	return epoch->is_tracked ? "tracked by tally" : "attached to tally";
}

/* ---- columns, triggers, the table ---------------------------------- */

static void
refuse_broken(const struct tally_epoch *epoch, const char *why)
{
	char	   *name = tally_attach_name(epoch->relation);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("this cannot be done: \"%s\" is %s", name,
					state_of(epoch)),
			 errdetail_internal("%s", why),
			 errhint("End that first: SELECT tally.%s(%s)",
					 epoch->is_tracked ? "untrack" : "detach",
					 quote_literal_cstr(name))));
}

static void
refuse_rows(const struct tally_epoch *epoch, const char *why)
{
	char	   *name = tally_attach_name(epoch->relation);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("this would make rows of \"%s\" unverifiable, which is attached to tally",
					name),
			 errdetail_internal("%s", why),
			 errhint("First leave the column out: SELECT tally.alter(%s, exclude => '{...}').  Or have it sealed as what was done, after which records from before cannot be compared with their rows: SET LOCAL tally.ddl = 'seal'",
					 quote_literal_cstr(name))));
}

struct kept
{
	Oid			relation;
	bool		all;
};

static bool
look_at_epoch(int64 id, const char *event, void *arg)
{
	struct kept *kept = arg;
	struct tally_epoch *epoch = tally_epoch_parse(id, event);

	if (epoch != NULL && epoch->relation == kept->relation &&
		!epoch->keep_event)
		kept->all = false;
	return kept->all;
}

/* Is every event of the table kept, whenever it was sealed? */
static bool
are_all_kept(const struct tally_epoch *epoch)
{
	struct kept kept = {epoch->relation, epoch->keep_event};

	if (epoch->is_tracked)
		return true;
	if (kept.all)
		tally_log_walk(look_at_epoch, &kept);
	return kept.all;
}

void
tally_ddl_settle(Oid root)
{
	struct tally_epoch *epoch = tally_ddl_epoch(root);
	enum tally_ddl_change change;
	char	   *why;

	/* Of one that cannot be read, nothing is written any more either. */
	if (epoch == NULL)
		return;
	change = tally_ddl_judge(epoch, &why);
	if (change != TALLY_DDL_NOTHING)
	{
		/* When the lock is granted another epoch may be in force, or none. */
		(void) tally_attach_lock(root, ShareRowExclusiveLock);
		epoch = tally_ddl_epoch(root);
		if (epoch == NULL)
			return;
		change = tally_ddl_judge(epoch, &why);
	}
	switch (change)
	{
		case TALLY_DDL_NOTHING:
			return;
		case TALLY_DDL_BROKEN:
			refuse_broken(epoch, why);
			break;
		case TALLY_DDL_ROWS:
			if (tally_ddl_policy != TALLY_POLICY_SEAL && !are_all_kept(epoch))
				refuse_rows(epoch, why);
			tally_alter_follow(epoch);
			ereport(NOTICE,
					(errmsg("that \"%s\" was changed is sealed in tally:log",
							tally_attach_name(root)),
					 errdetail_internal("%s", why)));
			break;
		case TALLY_DDL_NAMES:
			tally_alter_follow(epoch);
			break;
	}
}

void
tally_ddl_note_column(Oid root, const Node *def)
{
	const struct tally_epoch *epoch = tally_ddl_epoch(root);
	const char *name = castNode(ColumnDef, def)->colname;
	const char *list = psprintf("{%s}", quote_identifier(name));

	if (epoch == NULL)
		return;
	if (epoch->is_tracked)
		ereport(NOTICE,
				(errmsg("column \"%s\" of \"%s\" is in no event yet", name,
						tally_attach_name(root)),
				 errhint("It joins them when the table is untracked and tracked again.")));
	else
		ereport(NOTICE,
				(errmsg("column \"%s\" of \"%s\" is not sealed yet", name,
						tally_attach_name(root)),
				 errhint("It joins the sealed columns by tally.alter(%s, include => %s)",
						 quote_literal_cstr(tally_attach_name(root)),
						 quote_literal_cstr(list))));
}

/* ---- tables that go ------------------------------------------------ */

void
tally_ddl_settle_gone(Oid root)
{
	struct tally_epoch *epoch = tally_ddl_epoch(root);

	if (epoch == NULL)
		return;
	if (tally_ddl_policy != TALLY_POLICY_SEAL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" cannot be dropped: it is %s", epoch->table,
						state_of(epoch)),
				 errhint("End that first: SELECT tally.%s(%s).  Or have it sealed that it is dropped: SET LOCAL tally.ddl = 'seal'",
						 epoch->is_tracked ? "untrack" : "detach",
						 quote_literal_cstr(epoch->table))));
	tally_attach_end(epoch);
	(void) tally_store_remove_attachment(root);
}

void
tally_ddl_settle_extension(void)
{
	List	   *roots = tally_ddl_all_roots();

	if (roots == NIL || tally_ddl_policy == TALLY_POLICY_SEAL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("extension \"tally\" cannot be dropped: %d tables are attached or tracked, \"%s\" among them",
					list_length(roots), tally_attach_name(linitial_oid(roots))),
			 errdetail("Its log would go with it."),
			 errhint("End that first with tally.detach() and tally.untrack(); tally.status lists the tables.  Or say that you mean it: SET LOCAL tally.ddl = 'seal'")));
}

/* ---- partitions ---------------------------------------------------- */

static bool
has_rows_itself(Oid relation)
{
	Relation	rel = try_relation_open(relation, AccessShareLock);
	TupleTableSlot *slot;
	TableScanDesc scan;
	bool		found;

	if (rel == NULL || rel->rd_rel->relkind != RELKIND_RELATION)
	{
		if (rel != NULL)
			relation_close(rel, NoLock);
		return false;
	}
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, SnapshotSelf, 0, NULL);
	found = table_scan_getnextslot(scan, ForwardScanDirection, slot);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	relation_close(rel, NoLock);
	return found;
}

static bool
has_rows(Oid relation)
{
	ListCell   *cell;

	if (!OidIsValid(relation) || get_rel_name(relation) == NULL)
		return true;			/* it is gone: nobody knows */
	foreach(cell, find_all_inheritors(relation, AccessShareLock, NULL))
	{
		if (has_rows_itself(lfirst_oid(cell)))
			return true;
	}
	return false;
}

void
tally_ddl_settle_concurrently(Oid root, Oid partition)
{
	const char *name = tally_attach_name(partition);

	/* That it is empty does not help: rows may come until it has gone. */
	if (tally_retire_has(partition))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s\" cannot leave \"%s\", which is attached to tally, while others write to it",
					name, tally_attach_name(root)),
			 errdetail("Its rows would be missed when their records are verified."),
			 errhint("Seal first that they go, after which nothing is written to it: SELECT tally.retire(%s).  One that is empty can be detached without CONCURRENTLY.",
					 quote_literal_cstr(name))));
}

void
tally_ddl_settle_partition(Oid root, Oid partition, const char *name)
{
	if (tally_retire_has(partition) || !has_rows(partition))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s\" cannot leave \"%s\", which is attached to tally",
					name, tally_attach_name(root)),
			 errdetail("Its rows would be missed when their records are verified."),
			 errhint("Seal first that they go: SELECT tally.retire(%s)",
					 quote_literal_cstr(name))));
}

void
tally_ddl_guard(Oid root)
{
	struct tally_epoch *epoch;

	if (get_rel_relkind(root) != RELKIND_PARTITIONED_TABLE ||
		tally_attach_is_guarded(root))
		return;
	/* It may be detached while we wait. */
	(void) tally_attach_lock(root, ShareRowExclusiveLock);
	epoch = tally_ddl_epoch(root);
	if (epoch != NULL && !epoch->is_tracked)
		tally_attach_guard(root);
}

void
tally_ddl_settle_joined(Oid root, Oid partition)
{
	if (tally_retire_has(partition) || !has_rows(partition))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s\" has rows, and cannot become a partition of \"%s\", which is attached to tally",
					tally_attach_name(partition), tally_attach_name(root)),
			 errdetail("No record seals these rows."),
			 errhint("Let an empty table become the partition, and insert the rows.")));
}

void
tally_ddl_refuse_concurrently(Oid root, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s cannot be done: \"%s\" is attached to tally", what,
					tally_attach_name(root)),
			 errhint("%s", hint)));
}
