/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backfilling: the order of old rows.
 *
 * It has to be one in which each batch finds its beginning without sorting the
 * table: the leading columns of an index.  The key's columns come behind, so
 * that no two rows are in the same place.  None may be null, since behind a
 * null there is nothing.
 */
#include "postgres.h"

#include "attach.h"
#include "backfill.h"
#include "compat.h"
#include "types.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "commands/defrem.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static Form_pg_attribute
find_attribute(Relation rel, const char *name)
{
	AttrNumber	number = get_attnum(RelationGetRelid(rel), name);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"%s\" does not exist", name,
						tally_attach_name(RelationGetRelid(rel)))));
	return TupleDescAttr(RelationGetDescr(rel), number - 1);
}

#define ORDER_HINT "Choose columns that are NOT NULL and lead an index, or leave order_by out: then it is the key."

static struct tally_backfill_column *
make_column(Relation rel, Form_pg_attribute attribute)
{
	struct tally_backfill_column *column =
	palloc_object(struct tally_backfill_column);
	char	   *why = pstrdup("its values may call functions of users");

	column->number = attribute->attnum;
	column->name = pstrdup(NameStr(attribute->attname));
	column->type = getBaseType(attribute->atttypid);
	if (!attribute->attnotnull)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rows of \"%s\" cannot be taken in the order of column \"%s\": it can be null",
						tally_attach_name(RelationGetRelid(rel)),
						column->name),
				 errhint(ORDER_HINT)));
	if (!tally_type_is_stable(column->type, &column->needs, &why) ||
		(column->needs & TALLY_MAY_CALL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rows of \"%s\" cannot be taken in the order of column \"%s\": %s",
						tally_attach_name(RelationGetRelid(rel)),
						column->name, why),
				 errhint(ORDER_HINT)));
	return column;
}

static bool
has_number(List *order, AttrNumber number)
{
	ListCell   *cell;

	foreach(cell, order)
	{
		if (((struct tally_backfill_column *) lfirst(cell))->number == number)
			return true;
	}
	return false;
}

/* ---- indexes ---------------------------------------------------------- */

/* Is the n-th column of the index this one, as ORDER BY compares it? */
static bool
is_led_by(Relation index, int n, Form_pg_attribute attribute)
{
	Oid			opclass = GetDefaultOpClass(getBaseType(attribute->atttypid),
											BTREE_AM_OID);

	return index->rd_index->indkey.values[n] == attribute->attnum &&
		OidIsValid(opclass) &&
		index->rd_opfamily[n] == get_opclass_family(opclass) &&
		index->rd_indcollation[n] == attribute->attcollation;
}

/* Forwards or backwards, but all columns alike. */
static bool
has_one_direction(Relation index, int count)
{
	int			i;

	for (i = 0; i < count; i++)
	{
		if (index->rd_indoption[i] != index->rd_indoption[0])
			return false;
	}
	return index->rd_indoption[0] == 0 ||
		index->rd_indoption[0] == (INDOPTION_DESC | INDOPTION_NULLS_FIRST);
}

static bool
leads(Relation index, Relation rel, List *order)
{
	int			n = 0;
	ListCell   *cell;

	if (index->rd_rel->relam != BTREE_AM_OID ||
		!index->rd_index->indisvalid ||
		index->rd_index->indnkeyatts < list_length(order) ||
		!heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
		return false;
	foreach(cell, order)
	{
		const struct tally_backfill_column *column = lfirst(cell);

		if (!is_led_by(index, n++,
					   TupleDescAttr(RelationGetDescr(rel),
									 column->number - 1)))
			return false;
	}
	return has_one_direction(index, n);
}

static void
require_index(Relation rel, List *order)
{
	bool		found = false;
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		found = found || leads(index, rel, order);
		index_close(index, NoLock);
	}
	if (found)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no index of \"%s\" begins with the columns of order_by",
					tally_attach_name(RelationGetRelid(rel))),
			 errdetail("Without one each batch would sort the whole table."),
			 errhint("Create one, for the time of the backfill, or leave order_by out: then it is the key.")));
}

/* ---- the order -------------------------------------------------------- */

static List *
add_key(List *order, const struct tally_epoch *epoch, Relation rel)
{
	int			i;

	for (i = 0; i < epoch->nkeys; i++)
	{
		AttrNumber	number = epoch->columns[epoch->keys[i]].number;

		if (!has_number(order, number))
			order = lappend(order,
							make_column(rel,
										TupleDescAttr(RelationGetDescr(rel),
													  number - 1)));
	}
	return order;
}

List *
tally_backfill_order(const struct tally_epoch *epoch, Relation rel,
					 List *names)
{
	List	   *order = NIL;
	ListCell   *cell;

	foreach(cell, names)
	{
		Form_pg_attribute attribute = find_attribute(rel, lfirst(cell));

		if (!has_number(order, attribute->attnum))
			order = lappend(order, make_column(rel, attribute));
	}
	require_index(rel, order);
	return add_key(order, epoch, rel);
}

List *
tally_backfill_names(const struct tally_epoch *era, Relation rel)
{
	List	   *names = NIL;
	int			i;
	int			j;

	for (i = 0; i < era->norder; i++)
	{
		char	   *name = era->order_by[i];

		for (j = 0; j < era->ncolumns; j++)
		{
			char	   *now;

			if (strcmp(era->columns[j].name, name) != 0)
				continue;
			now = get_attname(RelationGetRelid(rel), era->columns[j].number,
							  true);
			name = now == NULL ? name : now;
			break;
		}
		names = lappend(names, name);
	}
	return names;
}
