/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaching: the table.  Whose it is, its locks, and which tables can be
 * sealed at all.
 */
#include "postgres.h"

#include "attach.h"
#include "compat.h"
#include "store.h"

#include "access/heapam.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_inherits.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

char *
tally_attach_name(Oid relation)
{
	char	   *name = get_rel_name(relation);
	char	   *schema = get_namespace_name(get_rel_namespace(relation));
	bool		saved = quote_all_identifiers;

	if (name == NULL || schema == NULL)
		return psprintf("%u", relation);
	/* It is in the event, which does not depend on the session (P2). */
	quote_all_identifiers = false;
	name = quote_qualified_identifier(schema, name);
	quote_all_identifiers = saved;
	return name;
}

bool
tally_attach_check_owner(Oid relation)
{
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)))
		return false;
	if (!TALLY_OWNS_RELATION(relation, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(get_rel_relkind(relation)),
					   get_rel_name(relation));
	return true;
}

List *
tally_attach_lock(Oid relation, LOCKMODE mode)
{
	LockRelationOid(tally_store_tables()->attachment, ShareRowExclusiveLock);
	LockRelationOid(relation, mode);
	if (get_rel_relkind(relation) != RELKIND_PARTITIONED_TABLE)
		return list_make1_oid(relation);
	return find_all_inheritors(relation, mode, NULL);
}

Oid
tally_attach_find(Oid relation)
{
	int64		epoch;

	while (!tally_store_find_attachment(relation, SnapshotSelf, &epoch, NULL))
	{
		if (!get_rel_relispartition(relation))
			return InvalidOid;
		relation = get_partition_parent(relation, true);
	}
	return relation;
}

struct tally_epoch *
tally_attach_find_tracked(Oid relation)
{
	int64		id;
	char	   *event;

	if (!tally_store_find_attachment(relation, SnapshotSelf, &id, NULL))
		return NULL;
	event = tally_store_read_event(id, SnapshotSelf);
	return event == NULL ? NULL : tally_track_parse(id, event);
}

void
tally_attach_refuse_tracked(Oid relation)
{
	if (tally_attach_find_tracked(relation) == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s\" is tracked, not attached",
					tally_attach_name(relation)),
			 errhint("tally.untrack() ends that; a table is either attached or tracked.")));
}

/* Why relations of this kind cannot be attached, or NULL. */
static const char *
kind_fault(char relkind)
{
	switch (relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
			return NULL;
		case RELKIND_FOREIGN_TABLE:
			return "It is a foreign table: its rows can change where nothing here would notice.";
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
			return "It is a view: attach the tables that it shows.";
		default:
			return "It is no table.";
	}
}

/* Why rows that are kept like this cannot be sealed, or NULL. */
static const char *
storage_fault(Relation rel)
{
	const char *fault = kind_fault(rel->rd_rel->relkind);

	if (fault != NULL)
		return fault;
	switch (rel->rd_rel->relpersistence)
	{
		case RELPERSISTENCE_TEMP:
			return "It is temporary: no verifier in another session could see its rows.";
		case RELPERSISTENCE_UNLOGGED:
			return "It is unlogged: a crash would empty it, and its records would remain.  Use ALTER TABLE ... SET LOGGED.";
	}
	if (rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_rel->relam != HEAP_TABLE_AM_OID)
		return psprintf("Its access method is \"%s\"; of heap tables only it is known how old a row is.",
						get_am_name(rel->rd_rel->relam));
	return NULL;
}

/* Why this table cannot be attached, whatever its storage, or NULL. */
static const char *
place_fault(Relation rel)
{
	Oid			relation = RelationGetRelid(rel);

	if (IsCatalogRelation(rel))
		return "It is a system catalog.";
	if (RelationGetNamespace(rel) ==
		get_rel_namespace(tally_store_tables()->attachment))
		return "It is in the schema of tally itself.";
	if (rel->rd_rel->relkind != RELKIND_RELATION)
		return NULL;
	if (!rel->rd_rel->relispartition && has_superclass(relation))
		return "It inherits from another table, through which its rows could be changed.  Use partitions instead of inheritance.";
	if (find_inheritance_children(relation, NoLock) != NIL)
		return "Other tables inherit from it, whose rows would be its rows but not be sealed.  Use partitions instead of inheritance.";
	return NULL;
}

const char *
tally_attach_fault(Relation rel)
{
	const char *fault = storage_fault(rel);

	return fault != NULL ? fault : place_fault(rel);
}

static void
refuse(Relation rel, const char *fault)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" cannot be attached",
					tally_attach_name(RelationGetRelid(rel))),
			 errdetail_internal("%s", fault)));
}

/* Rows are sealed once, so of a tree of partitions one table is attached. */
static void
check_not_attached(Relation rel, List *members)
{
	Oid			relation = RelationGetRelid(rel);
	Oid			attached = tally_attach_find(relation);
	ListCell   *cell;

	foreach(cell, members)
	{
		if (!OidIsValid(attached))
			attached = tally_attach_find(lfirst_oid(cell));
	}
	if (OidIsValid(attached))
		tally_attach_refuse_tracked(attached);
	if (attached == relation)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("\"%s\" is attached already",
						tally_attach_name(relation)),
				 errhint("To attach it in another way, use tally.detach() first.")));
	if (OidIsValid(attached))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("\"%s\" cannot be attached",
						tally_attach_name(relation)),
				 errdetail("Its %s \"%s\" is attached already.",
						   list_member_oid(members, attached) ?
						   "partition" : "partitioned table",
						   tally_attach_name(attached))));
}

static void
check_partition(Oid relation)
{
	Relation	rel = table_open(relation, NoLock);
	const char *fault = storage_fault(rel);

	if (fault != NULL)
		refuse(rel, fault);
	CheckTableNotInUse(rel, "attach");
	table_close(rel, NoLock);
}

void
tally_attach_check_table(Relation rel, List *members)
{
	const char *fault = tally_attach_fault(rel);
	ListCell   *cell;

	if (fault != NULL)
		refuse(rel, fault);
	check_not_attached(rel, members);
	CheckTableNotInUse(rel, "attach");
	foreach(cell, members)
	{
		if (lfirst_oid(cell) != RelationGetRelid(rel))
			check_partition(lfirst_oid(cell));
	}
}
