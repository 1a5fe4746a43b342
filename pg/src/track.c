/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.track and tally.untrack: an epoch of a tracked table begins and ends.
 *
 * What can be said of a table, of its columns and of a condition is attach's;
 * so are the locks, and whose table it is.
 */
#include "postgres.h"

#include "attach.h"
#include "capture.h"
#include "store.h"
#include "track.h"

#include "access/relation.h"
#include "access/table.h"
#include "commands/tablecmds.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static void
refuse_missing(Oid relation)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("table with oid %u does not exist", relation)));
}

/*
 * Statement triggers fire for the table that a statement names, whichever the
 * rows lie in.
 */
static const char *
track_fault(Relation rel)
{
	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		return "It is partitioned: statements that name a partition would not be seen.  Attach it instead, with append_only => false.";
	if (rel->rd_rel->relispartition)
		return "It is a partition: statements that name the partitioned table would not be seen.  Attach that one instead, with append_only => false.";
	return tally_attach_fault(rel);
}

static void
check_table(Relation rel)
{
	Oid			relation = RelationGetRelid(rel);
	const char *fault = track_fault(rel);

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" cannot be tracked",
						tally_attach_name(relation)),
				 errdetail_internal("%s", fault)));
	if (OidIsValid(tally_attach_find(relation)))
	{
		bool		tracked = tally_attach_find_tracked(relation) != NULL;

		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("\"%s\" is %s already", tally_attach_name(relation),
						tracked ? "tracked" : "attached"),
				 errhint("To track it in another way, use %s first.",
						 tracked ? "tally.untrack()" : "tally.detach()")));
	}
	CheckTableNotInUse(rel, "track");
}

PG_FUNCTION_INFO_V1(tally_sql_track);

Datum
tally_sql_track(PG_FUNCTION_ARGS)
{
	struct tally_attach_request request;
	struct tally_epoch epoch = {0};
	Relation	rel;

	tally_attach_check_database("tally.track()");
	tally_attach_get_tracked(fcinfo, &request);
	/* Before there is a lock: not everybody may lock every table. */
	if (!tally_attach_check_owner(request.relation))
		refuse_missing(request.relation);
	(void) tally_attach_lock(request.relation, ShareRowExclusiveLock);
	if (!tally_attach_check_owner(request.relation))
		refuse_missing(request.relation);
	rel = relation_open(request.relation, NoLock);
	check_table(rel);
	epoch.is_tracked = true;
	tally_attach_make_epoch(&epoch, rel, &request);
	relation_close(rel, NoLock);

	epoch.id = tally_capture_log_event(tally_epoch_encode(&epoch));
	tally_store_add_attachment(epoch.relation, epoch.id, epoch.label);
	/* Restored from a dump, a table has the triggers of where it was. */
	tally_track_drop_triggers(epoch.relation);
	tally_track_make_triggers(epoch.relation);
	PG_RETURN_VOID();
}

static struct tally_epoch *
require_tracked(Oid relation)
{
	struct tally_epoch *epoch = tally_attach_find_tracked(relation);

	if (epoch != NULL)
		return epoch;
	if (get_rel_name(relation) == NULL)
		refuse_missing(relation);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s\" is not tracked", tally_attach_name(relation))));
}

PG_FUNCTION_INFO_V1(tally_sql_untrack);

/*
 * Works also where triggers, or the table, are gone: as tally.detach, and with
 * its lock.
 */
Datum
tally_sql_untrack(PG_FUNCTION_ARGS)
{
	struct tally_detach end = {.is_tracked = true};
	struct tally_epoch *epoch;
	Relation	rel;
	bool		exists;

	tally_attach_check_database("tally.untrack()");
	end.relation = PG_GETARG_OID(0);
	(void) tally_attach_check_owner(end.relation);
	(void) require_tracked(end.relation);
	(void) tally_attach_lock(end.relation, AccessExclusiveLock);
	exists = tally_attach_check_owner(end.relation);
	epoch = require_tracked(end.relation);
	end.label = epoch->label;
	end.table = exists ? tally_attach_name(end.relation) : epoch->table;
	tally_moment_take_bare(&end.moment);
	if (exists)
	{
		rel = table_open(end.relation, NoLock);
		CheckTableNotInUse(rel, "untrack");
		table_close(rel, NoLock);
	}
	(void) tally_capture_log_event(tally_detach_encode(&end));
	(void) tally_store_remove_attachment(end.relation);
	if (exists)
		tally_track_drop_triggers(end.relation);
	PG_RETURN_VOID();
}
