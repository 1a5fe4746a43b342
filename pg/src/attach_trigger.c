/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaching and detaching: the triggers.
 *
 * They are made by oid and not by a command's text, so nothing has to be
 * quoted and no name can be taken for another.  The right to execute the
 * trigger functions has the extension's owner alone (whoever could make
 * triggers of them could make inserts fail on tables that are not attached),
 * so for this moment we are the owner.  Should there be an error, the end of
 * the (sub)transaction gives the caller his own rights back.
 */
#include "postgres.h"

#include "attach.h"
#include "attachment.h"
#include "store.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static Oid
function_owner(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* As the function's owner. */
void
tally_attach_make_trigger(Oid relation, CreateTrigStmt *trigger,
						  const char *name)
{
	Oid			function = tally_attach_find_function(name);
	Oid			user;
	int			context;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(function_owner(function),
						   context | SECURITY_LOCAL_USERID_CHANGE);
	(void) CreateTrigger(trigger, NULL, relation, InvalidOid, InvalidOid,
						 InvalidOid, function, InvalidOid, NULL, false, false);
	SetUserIdAndSecContext(user, context);
}

/* PostgreSQL makes one for each partition too, also for those to come. */
static void
make_row_trigger(Oid relation)
{
	CreateTrigStmt *trigger = makeNode(CreateTrigStmt);

	trigger->trigname = pstrdup(TALLY_TRIGGER_ROW);
	trigger->row = true;
	trigger->timing = TRIGGER_TYPE_AFTER;
	trigger->events = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE |
		TRIGGER_TYPE_DELETE;
	tally_attach_make_trigger(relation, trigger, "capture");
}

static void
make_truncate_trigger(Oid relation)
{
	CreateTrigStmt *trigger = makeNode(CreateTrigStmt);

	trigger->trigname = pstrdup(TALLY_TRIGGER_TRUNCATE);
	trigger->timing = TRIGGER_TYPE_BEFORE;
	trigger->events = TRIGGER_TYPE_TRUNCATE;
	tally_attach_make_trigger(relation, trigger, "refuse_truncate");
}

/* Those of the table and its partitions that have no trigger of TRUNCATE. */
static List *
find_unguarded(Oid relation)
{
	List	   *found = NIL;
	ListCell   *cell;
	Relation	rel;

	foreach(cell, find_all_inheritors(relation, AccessShareLock, NULL))
	{
		char		kind = get_rel_relkind(lfirst_oid(cell));

		if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
			continue;
		rel = table_open(lfirst_oid(cell), NoLock);
		if (tally_attach_find_trigger(rel, "refuse_truncate",
									  TRIGGER_TYPE_BEFORE |
									  TRIGGER_TYPE_TRUNCATE) == NULL)
			found = lappend_oid(found, lfirst_oid(cell));
		table_close(rel, NoLock);
	}
	return found;
}

bool
tally_attach_is_guarded(Oid relation)
{
	return find_unguarded(relation) == NIL;
}

/*
 * PostgreSQL makes no triggers of statements for partitions: each gets its
 * own, those to come by the event triggers.
 */
void
tally_attach_guard(Oid relation)
{
	ListCell   *cell;

	foreach(cell, find_unguarded(relation))
		make_truncate_trigger(lfirst_oid(cell));
	CommandCounterIncrement();
}

void
tally_attach_make_triggers(Oid relation)
{
	make_row_trigger(relation);
	tally_attach_guard(relation);
}

/* The table's own triggers of ours; those of its partitions go with them. */
static List *
find_triggers(Oid relation, Oid function)
{
	Relation	rel = table_open(relation, NoLock);
	TriggerDesc *triggers = rel->trigdesc;
	List	   *found = NIL;
	int			i;

	for (i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (trigger->tgfoid == function && !trigger->tgisclone)
			found = lappend_oid(found, trigger->tgoid);
	}
	table_close(rel, NoLock);
	return found;
}

void
tally_attach_drop_triggers_of(Oid relation, const char *function)
{
	Oid			oid = tally_attach_find_function(function);
	ObjectAddress address;
	ListCell   *cell;

	foreach(cell, find_triggers(relation, oid))
	{
		ObjectAddressSet(address, TriggerRelationId, lfirst_oid(cell));
		performDeletion(&address, DROP_RESTRICT, 0);
	}
	CommandCounterIncrement();
}

void
tally_attach_unguard(Oid relation)
{
	ListCell   *cell;

	foreach(cell, find_all_inheritors(relation, AccessShareLock, NULL))
		tally_attach_drop_triggers_of(lfirst_oid(cell), "refuse_truncate");
}

void
tally_attach_drop_triggers(Oid relation)
{
	tally_attach_drop_triggers_of(relation, "capture");
	tally_attach_unguard(relation);
}
