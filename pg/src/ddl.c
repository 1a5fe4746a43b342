/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event triggers: what PostgreSQL tells of DDL, and whom that concerns.
 *
 *	ddl_command_start	what could not be taken back later, for it commits in
 *						between (CONCURRENTLY), or drops these triggers
 *	sql_drop			what was dropped, also by CASCADE
 *	ddl_command_end		what was created and altered
 *	table_rewrite		rows that are about to get another xmin
 *
 * They are enabled ALWAYS: session_replication_role is no way past them.  That
 * a superuser can disable them is what verifying is for.
 *
 * tally.attach and its like change the catalog below the level of commands,
 * and pass unseen.
 */
#include "postgres.h"

#include "attach.h"
#include "compat.h"
#include "ddl.h"
#include "origin.h"
#include "settings.h"
#include "store.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/deparse_utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

/* ---- whether ------------------------------------------------------- */

static EventTriggerData *
get_data(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this is a function of tally's event triggers")));
	return (EventTriggerData *) fcinfo->context;
}

/*
 * Is nothing sealed here, or not yet again?  Where somebody has taken the
 * extension's own tables to pieces nothing can be sealed, and whoever wants to
 * put them together again must not be kept from it.  A dump that comes back
 * makes tables, keys and triggers one by one, after tally.attachment was
 * filled; what it left is judged by tally.restored().
 */
static bool
is_idle(void)
{
	return IsBinaryUpgrade || tally_mode == TALLY_MODE_REPLICA ||
		!tally_store_has_tables() || tally_ddl_all_roots() == NIL ||
		tally_origin_is_foreign();
}

/* ---- what PostgreSQL tells ----------------------------------------- */

/*
 * The rows of pg_event_trigger_ddl_commands() or ..._dropped_objects(), which
 * are called without a query: no right is asked for, no name looked up.
 */
static Tuplestorestate *
call_list(Oid function, TupleTableSlot **out_slot)
{
	FmgrInfo	flinfo;
	ReturnSetInfo result = {.type = T_ReturnSetInfo};

	LOCAL_FCINFO(call, 0);

	fmgr_info(function, &flinfo);
	result.econtext = CreateStandaloneExprContext();
	result.allowedModes = SFRM_Materialize;
	InitFunctionCallInfoData(*call, &flinfo, 0, InvalidOid, NULL,
							 (Node *) &result);
	(void) FunctionCallInvoke(call);
	*out_slot = MakeSingleTupleTableSlot(result.setDesc,
										 &TTSOpsMinimalTuple);
	return result.setResult;
}

static Datum
get(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? (Datum) 0 : value;
}

/* ---- ddl_command_end ----------------------------------------------- */

/* What there is to do when all commands were looked at. */
struct work
{
	bool		all;			/* every root may be concerned */
	List	   *roots;
};

static Oid
table_of_trigger(Oid trigger)
{
	bool		isnull;
	HeapTuple	tuple;
	Relation	catalog = relation_open(TriggerRelationId, AccessShareLock);
	Oid			table = InvalidOid;

	tuple = get_catalog_object_by_oid(catalog, Anum_pg_trigger_oid, trigger);
	if (HeapTupleIsValid(tuple))
		table = DatumGetObjectId(heap_getattr(tuple, Anum_pg_trigger_tgrelid,
											  RelationGetDescr(catalog),
											  &isnull));
	relation_close(catalog, AccessShareLock);
	return table;
}

static void
take_relation(struct work *work, Oid relation)
{
	switch (get_rel_relkind(relation))
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
			work->roots = tally_ddl_add_roots(work->roots, relation);
			work->all |= tally_ddl_has_row_type_user(relation);
			break;
		case RELKIND_COMPOSITE_TYPE:
			work->all = true;
			break;
	}
}

static void
take_object(struct work *work, Oid class, Oid object)
{
	switch (class)
	{
		case RelationRelationId:
			take_relation(work, object);
			break;
		case TriggerRelationId:
			take_relation(work, table_of_trigger(object));
			break;
		case TypeRelationId:
		case NamespaceRelationId:
			work->all = true;
			break;
	}
}

static Oid
find(const RangeVar *name)
{
	return RangeVarGetRelid(name, NoLock, true);
}

/*
 * A partition that was detached, and the tables that held its rows.  What
 * FINALIZE ends, CONCURRENTLY began: then the rows went, and it was judged.
 */
static void
leave(List *roots, const AlterTableCmd *cmd)
{
	Oid			partition = find(castNode(PartitionCmd, cmd->def)->name);
	ListCell   *cell;

	foreach(cell, roots)
	{
		if (cmd->subtype == AT_DetachPartition)
			tally_ddl_settle_partition(lfirst_oid(cell), partition,
									   tally_attach_name(partition));
	}
	if (roots != NIL && OidIsValid(partition))
		tally_attach_unguard(partition);
}

static void
take_subcommand(const struct CollectedCommand *command,
				const CollectedATSubcmd *sub)
{
	const AlterTableCmd *cmd = castNode(AlterTableCmd, sub->parsetree);
	Oid			table = command->d.alterTable.objectId;
	List	   *roots = tally_ddl_roots_above(table);
	const RangeVar *name;
	ListCell   *cell;

	if (cmd->subtype == AT_DetachPartition ||
		cmd->subtype == AT_DetachPartitionFinalize)
		leave(roots, cmd);
	foreach(cell, roots)
	{
		Oid			root = lfirst_oid(cell);

		if (TALLY_IS_ADD_COLUMN(cmd->subtype) && root == table)
			tally_ddl_note_column(root, cmd->def);
		if (cmd->subtype != AT_AttachPartition)
			continue;
		name = castNode(PartitionCmd, cmd->def)->name;
		tally_ddl_settle_joined(root, find(name));
	}
}

static void
take_command(struct work *work, const struct CollectedCommand *command)
{
	ListCell   *cell;

	if (command->type != SCT_AlterTable)
		return;
	foreach(cell, command->d.alterTable.subcmds)
		take_subcommand(command, lfirst(cell));
}

static void
settle(const struct work *work, bool may_have_come)
{
	ListCell   *cell;

	foreach(cell, work->all ? tally_ddl_all_roots() : work->roots)
	{
		if (may_have_come)
			tally_ddl_guard(lfirst_oid(cell));
		tally_ddl_settle(lfirst_oid(cell));
	}
}

/*
 * Most tables that are made have no parents, and need no look; nor has a
 * schema, but for what is made with it, which PostgreSQL does not tell by
 * itself.
 */
static bool
is_harmless(const EventTriggerData *data)
{
	const Node *stmt = data->parsetree;

	if (IsA(stmt, CreateSchemaStmt))
		return ((const CreateSchemaStmt *) stmt)->schemaElts == NIL;
	return IsA(stmt, CreateStmt) &&
		((const CreateStmt *) stmt)->inhRelations == NIL;
}

PG_FUNCTION_INFO_V1(tally_sql_ddl_end);

Datum
tally_sql_ddl_end(PG_FUNCTION_ARGS)
{
	EventTriggerData *data = get_data(fcinfo);
	struct work work = {false};
	Tuplestorestate *list;
	TupleTableSlot *slot;

	if (is_harmless(data) || is_idle())
		return PointerGetDatum(NULL);
	list = call_list(F_PG_EVENT_TRIGGER_DDL_COMMANDS, &slot);
	while (tuplestore_gettupleslot(list, true, false, slot))
	{
		take_object(&work, DatumGetObjectId(get(slot, 1)),
					DatumGetObjectId(get(slot, 2)));
		take_command(&work, (CollectedCommand *)
					 DatumGetPointer(get(slot, 9)));
	}
	ExecDropSingleTupleTableSlot(slot);
	settle(&work, true);
	return PointerGetDatum(NULL);
}

/* ---- sql_drop ------------------------------------------------------ */

/* The table that a trigger was of, if it is still there. */
static Oid
table_by_address(Datum names)
{
	Datum	   *parts;
	int			count;
	Oid			schema;

	if (names == (Datum) 0)
		return InvalidOid;
	deconstruct_array(DatumGetArrayTypeP(names), TEXTOID, -1, false,
					  TYPALIGN_INT, &parts, NULL, &count);
	if (count != 3)
		return InvalidOid;
	schema = get_namespace_oid(TextDatumGetCString(parts[0]), true);
	return OidIsValid(schema) ?
		get_relname_relid(TextDatumGetCString(parts[1]), schema) : InvalidOid;
}

static void
take_dropped_relation(Oid relation, Datum identity)
{
	Oid			root;
	int64		epoch;

	if (tally_store_find_attachment(relation, SnapshotSelf, &epoch, NULL))
	{
		tally_ddl_settle_gone(relation);
		return;
	}
	root = tally_ddl_lost_root(relation);
	if (OidIsValid(root) && get_rel_name(root) != NULL)
		tally_ddl_settle_partition(root, relation,
								   TextDatumGetCString(identity));
}

static void
take_dropped(struct work *work, TupleTableSlot *slot)
{
	Oid			class = DatumGetObjectId(get(slot, 1));
	Oid			object = DatumGetObjectId(get(slot, 2));

	if (DatumGetBool(get(slot, 6)))
		return;					/* temporary */
	if (class == TriggerRelationId)
		take_relation(work, table_by_address(get(slot, 11)));
	else if (class == RelationRelationId && DatumGetInt32(get(slot, 3)) != 0)
		take_relation(work, object);
	else if (class == RelationRelationId)
		take_dropped_relation(object, get(slot, 10));
}

PG_FUNCTION_INFO_V1(tally_sql_ddl_drop);

Datum
tally_sql_ddl_drop(PG_FUNCTION_ARGS)
{
	EventTriggerData *data = get_data(fcinfo);
	struct work work = {false};
	Tuplestorestate *list;
	TupleTableSlot *slot;

	if (is_idle())
		return PointerGetDatum(NULL);
	list = call_list(F_PG_EVENT_TRIGGER_DROPPED_OBJECTS, &slot);
	while (tuplestore_gettupleslot(list, true, false, slot))
		take_dropped(&work, slot);
	ExecDropSingleTupleTableSlot(slot);
	/* An index that is dropped does not say of which table it was. */
	work.all |= IsA(data->parsetree, DropStmt) &&
		((DropStmt *) data->parsetree)->removeType == OBJECT_INDEX;
	settle(&work, false);
	return PointerGetDatum(NULL);
}

/* ---- ddl_command_start --------------------------------------------- */

static void
look_at_detach(const AlterTableStmt *stmt, const PartitionCmd *cmd)
{
	Oid			table = find(stmt->relation);
	Oid			partition = find(cmd->name);
	ListCell   *cell;

	if (!cmd->concurrent || !OidIsValid(table) || !OidIsValid(partition))
		return;
	foreach(cell, tally_ddl_roots_above(table))
		tally_ddl_settle_concurrently(lfirst_oid(cell), partition);
}

static void
look_at_alter(const AlterTableStmt *stmt)
{
	ListCell   *cell;

	foreach(cell, stmt->cmds)
	{
		const AlterTableCmd *cmd = lfirst(cell);

		if (IsA(cmd, AlterTableCmd) && cmd->subtype == AT_DetachPartition)
			look_at_detach(stmt, castNode(PartitionCmd, cmd->def));
	}
}

static void
look_at_index(List *name)
{
	Oid			index = RangeVarGetRelid(makeRangeVarFromNameList(name),
										 NoLock, true);
	Oid			table = OidIsValid(index) ? IndexGetRelation(index, true) :
	InvalidOid;
	ListCell   *cell;

	if (!OidIsValid(table))
		return;
	foreach(cell, tally_ddl_roots_above(table))
		tally_ddl_refuse_concurrently(lfirst_oid(cell),
									  "DROP INDEX CONCURRENTLY",
									  "Without CONCURRENTLY it can be, unless it is the index of the key.");
}

/* The extension goes with its schema. */
static void
look_at_drop(const DropStmt *stmt)
{
	bool		is_named = stmt->removeType == OBJECT_EXTENSION ||
	stmt->removeType == OBJECT_SCHEMA;
	ListCell   *cell;

	foreach(cell, stmt->objects)
	{
		if (stmt->removeType == OBJECT_INDEX && stmt->concurrent)
			look_at_index(lfirst(cell));
		else if (is_named && strcmp(strVal(lfirst(cell)), TALLY_SCHEMA) == 0)
			tally_ddl_settle_extension();
	}
}

static Oid
owner_of_extension(void)
{
	Relation	catalog = relation_open(ExtensionRelationId, AccessShareLock);
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	tuple = get_catalog_object_by_oid(catalog, Anum_pg_extension_oid,
									  get_extension_oid(TALLY_SCHEMA, true));
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	relation_close(catalog, AccessShareLock);
	return owner;
}

static void
look_at_owned(const DropOwnedStmt *stmt)
{
	Oid			owner = owner_of_extension();
	ListCell   *cell;

	foreach(cell, stmt->roles)
	{
		if (get_rolespec_oid(lfirst(cell), true) == owner)
			tally_ddl_settle_extension();
	}
}

PG_FUNCTION_INFO_V1(tally_sql_ddl_start);

Datum
tally_sql_ddl_start(PG_FUNCTION_ARGS)
{
	EventTriggerData *data = get_data(fcinfo);
	Node	   *stmt = data->parsetree;

	if (is_idle())
		return PointerGetDatum(NULL);
	if (IsA(stmt, AlterTableStmt))
		look_at_alter((AlterTableStmt *) stmt);
	else if (IsA(stmt, DropStmt))
		look_at_drop((DropStmt *) stmt);
	else if (IsA(stmt, DropOwnedStmt))
		look_at_owned((DropOwnedStmt *) stmt);
	return PointerGetDatum(NULL);
}

/* ---- table_rewrite ------------------------------------------------- */

PG_FUNCTION_INFO_V1(tally_sql_ddl_rewrite);

Datum
tally_sql_ddl_rewrite(PG_FUNCTION_ARGS)
{
	const Oid	ask = F_PG_EVENT_TRIGGER_TABLE_REWRITE_OID;
	Oid			table;
	ListCell   *cell;

	(void) get_data(fcinfo);
	if (is_idle())
		return PointerGetDatum(NULL);
	table = DatumGetObjectId(OidFunctionCall0(ask));
	foreach(cell, tally_ddl_roots_above(table))
		tally_ddl_settle_rewrite(lfirst_oid(cell), table);
	return PointerGetDatum(NULL);
}
