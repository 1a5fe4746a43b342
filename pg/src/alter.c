/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.alter: one epoch ends and the next begins, with nothing in between.
 *
 * The lock is that of attach, so nobody who has written to the table is still
 * at it, and whoever waits will be captured under the new epoch.  What is not
 * asked for stays as it is; a column that is gone is left out, one that was
 * renamed goes on under its new name.
 */
#include "postgres.h"

#include "alter.h"
#include "attach.h"
#include "capture.h"
#include "compat.h"
#include "condition.h"
#include "store.h"
#include "types.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "commands/tablecmds.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Arguments of tally.alter, in their order in SQL. */
enum
{
	ARG_TBL,
	ARG_CHAIN_BY,
	ARG_PREFIX,
	ARG_LABEL,
	ARG_COLUMNS,
	ARG_EXCLUDE,
	ARG_ONLY_WHEN,
	ARG_SALTED,
	ARG_KEEP_EVENT,
	ARG_APPEND_ONLY,
	ARG_INCLUDE,
};

/* What a column is today; NULL: it is gone. */
static Form_pg_attribute
find_now(Relation rel, const struct tally_column *column)
{
	Form_pg_attribute now;

	if (column->number > RelationGetNumberOfAttributes(rel))
		return NULL;
	now = TupleDescAttr(RelationGetDescr(rel), column->number - 1);
	return now->attisdropped ? NULL : now;
}

/* Today's name of a column; NULL: it is gone. */
static char *
name_now(Relation rel, const struct tally_column *column)
{
	Form_pg_attribute now = find_now(rel, column);

	return now == NULL ? NULL : pstrdup(NameStr(now->attname));
}

static char *
text_or(FunctionCallInfo fcinfo, int argument, char *old)
{
	char	   *value;

	if (PG_ARGISNULL(argument))
		return old;
	value = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	return *value == '\0' ? NULL : value;
}

static bool
bool_or(FunctionCallInfo fcinfo, int argument, bool old)
{
	return PG_ARGISNULL(argument) ? old : PG_GETARG_BOOL(argument);
}

static bool
has_name(List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

/* Those of before that are still there, but for some. */
static List *
columns_now(Relation rel, const struct tally_epoch *old, List *exclude)
{
	List	   *names = NIL;
	int			i;

	for (i = 0; i < old->ncolumns; i++)
	{
		char	   *name = name_now(rel, &old->columns[i]);

		if (name != NULL && !has_name(exclude, name))
			names = lappend(names, name);
	}
	return names;
}

/* And others. */
static void
choose_columns(FunctionCallInfo fcinfo, Relation rel,
			   const struct tally_epoch *old,
			   struct tally_attach_request *request)
{
	List	   *exclude = tally_attach_get_names(fcinfo, ARG_EXCLUDE, "exclude");

	request->columns = list_concat(tally_attach_get_names(fcinfo, ARG_INCLUDE,
														  "include"),
								   columns_now(rel, old, exclude));
	/* What is named there, and what cannot be excluded, is judged by attach. */
	request->exclude = exclude;
}

/*
 * The epoch's only_when under today's names, or NULL.  What became of a column
 * that has another type now, the condition itself has to bear.
 */
static char *
condition_now(Relation rel, const struct tally_epoch *old)
{
	struct tally_epoch left = *old;
	int			i;

	if (old->only_when == NULL)
		return NULL;
	left.columns = palloc_array(struct tally_column, old->ncolumns);
	left.ncolumns = 0;
	for (i = 0; i < old->ncolumns; i++)
	{
		struct tally_column column = old->columns[i];
		Form_pg_attribute now = find_now(rel, &column);

		if (now == NULL)
			continue;
		column.type_name = tally_type_name(now->atttypid, -1);
		column.typmod = now->atttypmod;
		left.columns[left.ncolumns++] = column;
	}
	return tally_condition_rename(&left, rel);
}

/* Everything as it was, as far as it is still there. */
static void
keep_request(Relation rel, const struct tally_epoch *old,
			 struct tally_attach_request *request)
{
	memset(request, 0, sizeof(*request));
	request->relation = RelationGetRelid(rel);
	if (old->chain_by >= 0)
		request->chain_by = name_now(rel, &old->columns[old->chain_by]);
	request->label = old->label;
	request->prefix = old->prefix;
	request->salted = old->salted;
	request->keep_event = old->keep_event;
	request->append_only = old->append_only;
	request->actor = old->actor;
	request->some_columns = true;
	request->columns = columns_now(rel, old, NIL);
}

static void
refuse_both(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("columns cannot be used together with include or exclude"),
			 errhint("Name either all columns that are sealed, or those that come and go.")));
}

static void
get_request(FunctionCallInfo fcinfo, Relation rel,
			const struct tally_epoch *old,
			struct tally_attach_request *request)
{
	keep_request(rel, old, request);
	if (!PG_ARGISNULL(ARG_CHAIN_BY))
		request->chain_by = NameStr(*PG_GETARG_NAME(ARG_CHAIN_BY));
	if (request->chain_by != NULL && *request->chain_by == '\0')
		request->chain_by = NULL;
	request->label = text_or(fcinfo, ARG_LABEL, old->label);
	request->prefix = text_or(fcinfo, ARG_PREFIX, old->prefix);
	request->only_when = PG_ARGISNULL(ARG_ONLY_WHEN) ?
		condition_now(rel, old) : text_or(fcinfo, ARG_ONLY_WHEN, NULL);
	request->salted = bool_or(fcinfo, ARG_SALTED, old->salted);
	request->keep_event = bool_or(fcinfo, ARG_KEEP_EVENT, old->keep_event);
	request->append_only = bool_or(fcinfo, ARG_APPEND_ONLY, old->append_only);
	if (PG_ARGISNULL(ARG_COLUMNS))
		choose_columns(fcinfo, rel, old, request);
	else if (!PG_ARGISNULL(ARG_INCLUDE) || !PG_ARGISNULL(ARG_EXCLUDE))
		refuse_both();
	else
		request->columns = tally_attach_get_names(fcinfo, ARG_COLUMNS,
												  "columns");
}

static void
refuse_detached(Oid relation)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s\" is not attached", tally_attach_name(relation)),
			 errhint("Use tally.attach().")));
}

/* The epoch in force. */
static struct tally_epoch *
find_epoch(Oid relation)
{
	struct tally_epoch *epoch = NULL;
	char	   *event;
	int64		id;

	if (!tally_store_find_attachment(relation, SnapshotSelf, &id, NULL))
		refuse_detached(relation);
	tally_attach_refuse_tracked(relation);
	event = tally_store_read_event(id, SnapshotSelf);
	if (event != NULL)
		epoch = tally_epoch_parse(id, event);
	if (epoch == NULL || epoch->relation != relation)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the configuration of table \"%s\" cannot be read",
						tally_attach_name(relation)),
				 errhint("tally.verify() says more.  tally.detach() and tally.attach() begin a new epoch.")));
	return epoch;
}

static void
check_members_not_in_use(List *members)
{
	ListCell   *cell;

	foreach(cell, members)
	{
		Relation	rel = table_open(lfirst_oid(cell), NoLock);

		CheckTableNotInUse(rel, "alter the attachment of");
		table_close(rel, NoLock);
	}
}

/* In the place of the one in force. */
static void
begin_epoch(struct tally_epoch *epoch)
{
	epoch->is_alteration = !epoch->is_tracked;
	epoch->id = tally_capture_log_event(tally_epoch_encode(epoch));
	(void) tally_store_remove_attachment(epoch->relation);
	tally_store_add_attachment(epoch->relation, epoch->id, epoch->label);
	/* One command may begin two: rows of another type are rewritten, too. */
	CommandCounterIncrement();
}

PG_FUNCTION_INFO_V1(tally_sql_alter);

Datum
tally_sql_alter(PG_FUNCTION_ARGS)
{
	struct tally_attach_request request;
	struct tally_epoch *old;
	struct tally_epoch epoch = {0};
	Relation	rel;
	List	   *members;
	Oid			relation;

	tally_attach_check_database("tally.alter()");
	relation = tally_attach_get_table(fcinfo);
	/* Before there is a lock, and after it, as in attach. */
	if (!tally_attach_check_owner(relation))
		refuse_detached(relation);
	members = tally_attach_lock(relation, ShareRowExclusiveLock);
	if (!tally_attach_check_owner(relation))
		refuse_detached(relation);
	old = find_epoch(relation);
	check_members_not_in_use(members);
	rel = relation_open(relation, NoLock);
	get_request(fcinfo, rel, old, &request);
	tally_attach_make_epoch(&epoch, rel, &request);
	relation_close(rel, NoLock);
	begin_epoch(&epoch);
	PG_RETURN_VOID();
}

/* ---- following the catalog -------------------------------------------- */

void
tally_alter_follow(const struct tally_epoch *old)
{
	struct tally_attach_request request;
	struct tally_epoch epoch = {0};
	Relation	rel;

	check_members_not_in_use(tally_attach_lock(old->relation,
											   ShareRowExclusiveLock));
	rel = relation_open(old->relation, NoLock);
	keep_request(rel, old, &request);
	request.only_when = condition_now(rel, old);
	epoch.is_tracked = old->is_tracked;
	tally_attach_make_epoch(&epoch, rel, &request);
	relation_close(rel, NoLock);
	/* One that is tracked has no event of its own for this. */
	if (old->is_tracked)
		tally_attach_end(old);
	begin_epoch(&epoch);
}
