/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which attached and tracked tables a command may have touched.
 *
 * pg_inherits is read for both, partitions and plain inheritance, up and down:
 * of a command on a parent only the parent is reported, whatever it did to the
 * children.
 */
#include "postgres.h"

#include "ddl.h"
#include "store.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* ---- up and down --------------------------------------------------- */

/* What was there, and this transaction has taken it away. */
static bool
is_cut_by_us(HeapTuple tuple)
{
	HeapTupleHeader header = tuple->t_data;
	TransactionId cut_by;

	if ((header->t_infomask & HEAP_XMAX_INVALID) != 0 ||
		HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask))
		return false;
	cut_by = HeapTupleHeaderGetUpdateXid(header);
	return TransactionIdIsCurrentTransactionId(cut_by);
}

/*
 * The parents; with a command of this transaction, those from which that has
 * parted it.
 */
static List *
parents_of(Oid relation, CommandId cut_by)
{
	const bool	with_cut = cut_by != InvalidCommandId;
	Relation	catalog = table_open(InheritsRelationId, AccessShareLock);
	List	   *parents = NIL;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(catalog, InheritsRelidSeqnoIndexId, true,
							  with_cut ? SnapshotAny : SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_inherits form = (Form_pg_inherits) GETSTRUCT(tuple);

		if (!with_cut || (is_cut_by_us(tuple) &&
						  HeapTupleHeaderGetCmax(tuple->t_data) == cut_by))
			parents = list_append_unique_oid(parents, form->inhparent);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return parents;
}

static bool
has_trigger(Oid relation, const char *name, Snapshot snapshot)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	bool		found = false;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(name));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true,
							  snapshot, 2, keys);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = snapshot != SnapshotAny || is_cut_by_us(tuple);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

bool
tally_ddl_has_trigger(Oid relation, const char *name)
{
	/* Or it went with the table, or with the link by which it was inherited. */
	return has_trigger(relation, name, SnapshotSelf) ||
		has_trigger(relation, name, SnapshotAny);
}

static bool
is_root(Oid relation)
{
	int64		epoch;

	return tally_store_find_attachment(relation, SnapshotSelf, &epoch, NULL);
}

static List *
add_upwards(List *roots, Oid relation)
{
	List	   *seen = list_make1_oid(relation);
	int			i;

	/* The list grows while it is walked. */
	for (i = 0; i < list_length(seen); i++)
	{
		Oid			at = list_nth_oid(seen, i);

		if (is_root(at))
			roots = list_append_unique_oid(roots, at);
		seen = list_concat_unique_oid(seen,
									  parents_of(at, InvalidCommandId));
	}
	return roots;
}

List *
tally_ddl_roots_above(Oid relation)
{
	return add_upwards(NIL, relation);
}

List *
tally_ddl_add_roots(List *roots, Oid relation)
{
	ListCell   *cell;

	roots = add_upwards(roots, relation);
	if (!has_subclass(relation))
		return roots;
	foreach(cell, find_all_inheritors(relation, NoLock, NULL))
	{
		if (is_root(lfirst_oid(cell)))
			roots = list_append_unique_oid(roots, lfirst_oid(cell));
	}
	return roots;
}

/*
 * The command of this transaction that dropped the relation; InvalidCommandId:
 * it is there.  Its row in pg_class may have been updated before that.
 */
static CommandId
dropped_by(Oid relation)
{
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	CommandId	last = InvalidCommandId;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	scan = systable_beginscan(catalog, ClassOidIndexId, true, SnapshotAny, 1,
							  &key);
	while (get_rel_name(relation) == NULL &&
		   HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (is_cut_by_us(tuple) &&
			(last == InvalidCommandId ||
			 HeapTupleHeaderGetCmax(tuple->t_data) > last))
			last = HeapTupleHeaderGetCmax(tuple->t_data);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return last;
}

/*
 * A partition that is dropped loses its parent by the command that drops it.
 * If it was detached before, in the same transaction, that was judged then,
 * and what was written to it since is nobody's matter.
 */
Oid
tally_ddl_lost_root(Oid relation)
{
	List	   *seen = list_make1_oid(relation);
	int			i;

	for (i = 0; i < list_length(seen); i++)
	{
		Oid			at = list_nth_oid(seen, i);
		CommandId	dropped = dropped_by(at);

		if (i > 0 && is_root(at))
			return at;
		if (dropped != InvalidCommandId)
			seen = list_concat_unique_oid(seen, parents_of(at, dropped));
		if (i > 0)
			seen = list_concat_unique_oid(seen,
										  parents_of(at, InvalidCommandId));
	}
	return InvalidOid;
}

List *
tally_ddl_all_roots(void)
{
	Relation	rel = table_open(tally_store_tables()->attachment,
								 AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, SnapshotSelf,
										  0, NULL);
	List	   *roots = NIL;
	HeapTuple	tuple;
	Datum		value;
	bool		isnull;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		value = heap_getattr(tuple, TALLY_ATTACHMENT_RELATION,
							 RelationGetDescr(rel), &isnull);
		if (!isnull)
			roots = lappend_oid(roots, DatumGetObjectId(value));
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
	/* Whoever locks several does it in one order. */
	list_sort(roots, list_oid_cmp);
	return roots;
}

/* ---- row types ----------------------------------------------------- */

/* Does anything depend on the type, but for what it is made of? */
static bool
has_user(Oid type)
{
	Relation	catalog = table_open(DependRelationId, AccessShareLock);
	bool		found = false;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(TypeRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(type));
	scan = systable_beginscan(catalog, DependReferenceIndexId, true, NULL, 2,
							  keys);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = ((Form_pg_depend) GETSTRUCT(tuple))->deptype ==
			DEPENDENCY_NORMAL;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

bool
tally_ddl_has_row_type_user(Oid relation)
{
	Oid			type = get_rel_type_id(relation);
	Oid			array;

	if (!OidIsValid(type))
		return false;
	array = get_array_type(type);
	return has_user(type) || (OidIsValid(array) && has_user(array));
}

/* ---- the epoch ----------------------------------------------------- */

struct tally_epoch *
tally_ddl_epoch(Oid root)
{
	struct tally_epoch *epoch;
	char	   *event;
	int64		id;

	if (!tally_store_find_attachment(root, SnapshotSelf, &id, NULL))
		return NULL;
	event = tally_store_read_event(id, SnapshotSelf);
	if (event == NULL)
		return NULL;
	epoch = tally_epoch_parse(id, event);
	if (epoch == NULL)
		epoch = tally_track_parse(id, event);
	return epoch != NULL && epoch->relation == root ? epoch : NULL;
}
