/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.attach and tally.detach: an epoch begins, an epoch ends.
 *
 * Both run with the caller's rights; what the caller may not do by himself is
 * done below the executor (store.c) or as the extension's owner
 * (attach_trigger.c).  Neither touches what this transaction has captured: it
 * is sealed under the epoch under which it was captured, also if that has
 * ended meanwhile.
 */
#include "postgres.h"

#include "attach.h"
#include "capture.h"
#include "store.h"

#include "access/relation.h"
#include "access/table.h"
#include "commands/tablecmds.h"
#include "fmgr.h"
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

PG_FUNCTION_INFO_V1(tally_sql_attach);

Datum
tally_sql_attach(PG_FUNCTION_ARGS)
{
	struct tally_attach_request request;
	struct tally_epoch epoch = {0};
	Relation	rel;
	List	   *members;

	tally_attach_check_database("tally.attach()");
	tally_attach_get_request(fcinfo, &request);
	/* Before there is a lock: not everybody may lock every table. */
	if (!tally_attach_check_owner(request.relation))
		refuse_missing(request.relation);
	members = tally_attach_lock(request.relation, ShareRowExclusiveLock);
	/* And after it, for meanwhile it may have gone, to whomever. */
	if (!tally_attach_check_owner(request.relation))
		refuse_missing(request.relation);
	rel = relation_open(request.relation, NoLock);
	tally_attach_check_table(rel, members);
	tally_attach_make_epoch(&epoch, rel, &request);
	relation_close(rel, NoLock);

	epoch.id = tally_capture_log_event(tally_epoch_encode(&epoch));
	tally_store_add_attachment(epoch.relation, epoch.id, epoch.label);
	/* Restored from a dump, a table has the triggers of where it was. */
	tally_attach_drop_triggers(epoch.relation);
	tally_attach_make_triggers(epoch.relation);
	PG_RETURN_VOID();
}

/* The epoch that a detach ends. */
static void
find_epoch_to_end(Oid relation, int64 *out_epoch, char **out_label)
{
	Oid			attached;

	if (tally_store_find_attachment(relation, SnapshotSelf, out_epoch,
									out_label))
	{
		tally_attach_refuse_tracked(relation);
		return;
	}
	if (get_rel_name(relation) == NULL)
		refuse_missing(relation);
	attached = tally_attach_find(relation);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s\" is not attached", tally_attach_name(relation)),
			 OidIsValid(attached) ?
			 errdetail("It is a partition of \"%s\", which is attached.",
					   tally_attach_name(attached)) : 0));
}

/* The name that a table has, or had when it was attached. */
static char *
find_table_name(Oid relation, int64 id)
{
	struct tally_epoch *epoch;
	char	   *event;

	if (get_rel_name(relation) != NULL)
		return tally_attach_name(relation);
	event = tally_store_read_event(id, SnapshotSelf);
	epoch = event == NULL ? NULL : tally_epoch_parse(id, event);
	return epoch != NULL ? epoch->table : tally_attach_name(relation);
}

static void
check_members_not_in_use(List *members)
{
	ListCell   *cell;

	foreach(cell, members)
	{
		Relation	rel = table_open(lfirst_oid(cell), NoLock);

		CheckTableNotInUse(rel, "detach");
		table_close(rel, NoLock);
	}
}

PG_FUNCTION_INFO_V1(tally_sql_detach);

/*
 * Works also where somebody else was faster: with triggers that are gone,
 * and with a table that is gone, which then whoever may detach can detach.
 *
 * The lock is the one that dropping a trigger takes anyway; to begin with a
 * weaker one would be to ask for a deadlock.  Since it makes readers wait too,
 * what would be refused is refused before, and judged once more after it.
 */
Datum
tally_sql_detach(PG_FUNCTION_ARGS)
{
	struct tally_detach detach = {0};
	List	   *members;
	int64		epoch;
	bool		exists;

	tally_attach_check_database("tally.detach()");
	detach.relation = tally_attach_get_table(fcinfo);
	(void) tally_attach_check_owner(detach.relation);
	find_epoch_to_end(detach.relation, &epoch, &detach.label);
	members = tally_attach_lock(detach.relation, AccessExclusiveLock);
	exists = tally_attach_check_owner(detach.relation);
	find_epoch_to_end(detach.relation, &epoch, &detach.label);
	detach.table = find_table_name(detach.relation, epoch);
	tally_moment_take(&detach.moment, true);
	if (exists)
		check_members_not_in_use(members);

	(void) tally_capture_log_event(tally_detach_encode(&detach));
	(void) tally_store_remove_attachment(detach.relation);
	if (exists)
		tally_attach_drop_triggers(detach.relation);
	PG_RETURN_VOID();
}
