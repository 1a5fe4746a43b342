/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the columns of an epoch are now, and whether they are what they were.
 */
#include "postgres.h"

#include "access/relation.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "columns.h"
#include "shape.h"
#include "types.h"

static Form_pg_attribute
column_of(TupleDesc columns, AttrNumber number)
{
	Form_pg_attribute column;

	if (number < 1 || number > columns->natts)
		return NULL;
	column = TupleDescAttr(columns, number - 1);
	return column->attisdropped ? NULL : column;
}

static Form_pg_attribute
column_by_name(TupleDesc columns, const char *name)
{
	Form_pg_attribute column;
	int			i;

	for (i = 0; i < columns->natts; i++)
	{
		column = TupleDescAttr(columns, i);
		if (!column->attisdropped &&
			strcmp(NameStr(column->attname), name) == 0)
			return column;
	}
	return NULL;
}

/* Why column is not the one that the epoch means, or NULL. */
static char *
difference(const struct tally_epoch *epoch, const struct tally_column *was,
		   Form_pg_attribute column)
{
	char	   *type_name;
	char	   *was_name = was->type_name;

	if (column == NULL)
		return psprintf("column \"%s\" of table \"%s\" is gone", was->name,
						epoch->table);
	type_name = tally_type_name(column->atttypid, -1);
	if (strcmp(type_name, was->type_name) == 0)
	{
		if (column->atttypmod == was->typmod)
			return NULL;
		type_name = tally_type_name(column->atttypid, column->atttypmod);
		was_name = tally_type_name(column->atttypid, was->typmod);
	}
	return psprintf("column \"%s\" of table \"%s\" is \"%s\" now, was \"%s\"",
					was->name, epoch->table, type_name, was_name);
}

/* columns: of the epoch's relation. */
static AttrNumber *
find(const struct tally_epoch *epoch, TupleDesc columns, Relation rel,
	 char **out_why)
{
	AttrNumber *numbers = palloc(sizeof(AttrNumber) * epoch->ncolumns);
	Form_pg_attribute column;
	int			i;

	for (i = 0; i < epoch->ncolumns; i++)
	{
		column = column_of(columns, epoch->columns[i].number);
		if (column != NULL && columns != RelationGetDescr(rel))
			column = column_by_name(RelationGetDescr(rel),
									NameStr(column->attname));
		*out_why = difference(epoch, &epoch->columns[i], column);
		if (*out_why != NULL)
			return NULL;
		numbers[i] = column->attnum;
	}
	return numbers;
}

AttrNumber *
tally_columns_find(const struct tally_epoch *epoch, Relation rel,
				   char **out_why)
{
	Relation	parent;
	AttrNumber *numbers;

	if (RelationGetRelid(rel) == epoch->relation)
		return find(epoch, RelationGetDescr(rel), rel, out_why);

	/*
	 * The lock is kept, as PostgreSQL does when it looks from a partition at
	 * its parent: what was found holds until the transaction ends.
	 */
	parent = try_relation_open(epoch->relation, AccessShareLock);
	if (parent == NULL)
	{
		*out_why = psprintf("table \"%s\" is gone", epoch->table);
		return NULL;
	}
	numbers = find(epoch, RelationGetDescr(parent), rel, out_why);
	relation_close(parent, NoLock);
	return numbers;
}

char *
tally_columns_shape_fault(const struct tally_epoch *epoch, Relation rel,
						  const AttrNumber *numbers)
{
	char	   *why = NULL;
	int			i;

	for (i = 0; i < epoch->ncolumns && why == NULL; i++)
		why = tally_shape_fault(epoch, &epoch->columns[i],
								TupleDescAttr(RelationGetDescr(rel),
											  numbers[i] - 1)->atttypid);
	return why;
}
