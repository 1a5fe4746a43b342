/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.retire: seals which records are of the rows of a partition, so that
 * nobody misses these when the partition goes.
 *
 * The partition is locked against writers and its rows are held against their
 * records, as in a verification; so what is sealed is not what somebody said,
 * but which records were proven by a row of this partition then.  A record
 * without a row before is missed afterwards too.  From then on a trigger
 * refuses every change: what would be written would not be explained.
 */
#include "postgres.h"

#include "attach.h"
#include "capture.h"
#include "ddl.h"
#include "log.h"
#include "pending.h"
#include "retire.h"
#include "retire_event.h"
#include "verify_retired.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/tablecmds.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define TRIGGER_ROW "!tally_retired"
#define TRIGGER_TRUNCATE "!tally_retired_truncate"

/* ---- tally:log ----------------------------------------------------- */

struct search
{
	Oid			partition;
	bool		found;
};

static bool
look_at(int64 id, const char *event, void *arg)
{
	struct search *search = arg;
	const struct tally_retirement *retirement = tally_retirement_parse(event);

	search->found = retirement != NULL &&
		retirement->relation == search->partition;
	return !search->found;
}

bool
tally_retire_has(Oid partition)
{
	struct search search = {partition};

	/* Without the trigger it may have other rows since. */
	if (!tally_ddl_has_trigger(partition, TRIGGER_ROW))
		return false;
	tally_log_walk(look_at, &search);
	return search.found;
}

/* ---- what can be retired ------------------------------------------- */

static void
refuse(Oid partition, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s\" cannot be retired", tally_attach_name(partition)),
			 errdetail("%s", detail), errhint("%s", hint)));
}

/* The attached table that it is a partition of. */
static Oid
require_root(Oid partition)
{
	Oid			root;

	if (!tally_attach_check_owner(partition))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table with oid %u does not exist", partition)));
	root = tally_attach_find(partition);
	if (!OidIsValid(root) || root == partition)
		refuse(partition, "It is no partition of a table that is attached.",
			   "A table that is attached itself is detached: tally.detach()");
	tally_attach_refuse_tracked(root);
	if (tally_retire_has(partition))
		refuse(partition, "It is retired already.",
			   "ALTER TABLE ... DETACH PARTITION and DROP TABLE are free now.");
	return root;
}

/*
 * The verification reads what is committed, as of now.
 */
static void
require_beginning(Oid partition)
{
	if (IsolationUsesXactSnapshot())
		refuse(partition, "The transaction does not see what others have written since it began.",
			   "Use READ COMMITTED.");
	if (tally_pending_count() > 0)
		refuse(partition, "The transaction has written what is not sealed yet.",
			   "Commit first.");
}

/* ---- sealing ------------------------------------------------------- */

static void
seal_part(struct tally_retirement *part)
{
	char	   *text = tally_retirement_encode(part);

	(void) tally_capture_log_event(text);
	pfree(text);
}

/* All ranges, in as many events as they need. */
static void
seal_ranges(const struct tally_retirement *whole)
{
	struct tally_retirement part = *whole;
	Size		len = 0;
	int			i;

	part.nranges = 0;
	for (i = 0; i < whole->nranges; i++)
	{
		bool		same = part.nranges > 0 &&
		strcmp(whole->ranges[i - 1].chain, whole->ranges[i].chain) == 0;

		len += tally_retirement_measure(&whole->ranges[i], same);
		if (len > TALLY_RETIRE_EVENT_MAX && part.nranges > 0)
		{
			seal_part(&part);
			part.ranges += part.nranges;
			part.nranges = 0;
			len = tally_retirement_measure(&whole->ranges[i], false);
		}
		part.nranges++;
	}
	seal_part(&part);
}

/* Each member by itself: each can go alone. */
static void
seal_members(struct tally_retiring *retiring)
{
	struct tally_retirement whole = {0};
	ListCell   *cell;

	whole.label = retiring->label;
	whole.table = tally_attach_name(retiring->root);
	foreach(cell, retiring->members)
	{
		CHECK_FOR_INTERRUPTS();
		whole.relation = lfirst_oid(cell);
		whole.partition = tally_attach_name(whole.relation);
		whole.rows = retiring->rows[foreach_current_index(cell)];
		whole.nranges = tally_retiring_ranges(retiring, whole.relation,
											  &whole.ranges);
		seal_ranges(&whole);
	}
}

static void
make_triggers(Oid partition)
{
	CreateTrigStmt *trigger = makeNode(CreateTrigStmt);

	/* Those of a retirement that does not count any more. */
	tally_attach_drop_triggers_of(partition, "refuse_retired");
	trigger->trigname = pstrdup(TRIGGER_ROW);
	trigger->row = true;
	trigger->timing = TRIGGER_TYPE_BEFORE;
	trigger->events = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE |
		TRIGGER_TYPE_DELETE;
	tally_attach_make_trigger(partition, trigger, "refuse_retired");
	trigger = makeNode(CreateTrigStmt);
	trigger->trigname = pstrdup(TRIGGER_TRUNCATE);
	trigger->timing = TRIGGER_TYPE_BEFORE;
	trigger->events = TRIGGER_TYPE_TRUNCATE;
	tally_attach_make_trigger(partition, trigger, "refuse_retired");
	CommandCounterIncrement();
}

static void
check_not_in_use(List *members)
{
	ListCell   *cell;

	foreach(cell, members)
	{
		Relation	rel = table_open(lfirst_oid(cell), NoLock);

		CheckTableNotInUse(rel, "retire");
		table_close(rel, NoLock);
	}
}

PG_FUNCTION_INFO_V1(tally_sql_retire);

/* How many records were retired. */
Datum
tally_sql_retire(PG_FUNCTION_ARGS)
{
	Oid			partition = PG_GETARG_OID(0);
	struct tally_retiring retiring = {0};

	tally_attach_check_database("tally.retire()");
	/* Before there is a lock, and after it, as in attach. */
	(void) require_root(partition);
	require_beginning(partition);
	retiring.members = tally_attach_lock(partition, ShareRowExclusiveLock);
	retiring.root = require_root(partition);
	check_not_in_use(retiring.members);
	tally_verify_retiring(&retiring, fcinfo->flinfo->fn_oid);

	seal_members(&retiring);
	make_triggers(partition);
	PG_RETURN_INT64(retiring.nrecords);
}

PG_FUNCTION_INFO_V1(tally_sql_refuse_retired);

/* BEFORE each row, and BEFORE TRUNCATE. */
Datum
tally_sql_refuse_retired(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("tally.refuse_retired() is a trigger of tally.retire, and of nobody else")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot change \"%s\": it is retired",
					RelationGetRelationName(data->tg_relation)),
			 errdetail("It is sealed in tally:log which rows go with it."),
			 errhint("Detach it, or drop it.  A detached table can be written to when its triggers \"" TRIGGER_ROW "\" and \"" TRIGGER_TRUNCATE "\" are dropped.")));
}
