/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A type's shape: what the text of its values depends on beside the values.
 */
#include "postgres.h"

#include "shape.h"
#include "types.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* ---- facts ------------------------------------------------------------ */

static void
add_enum(struct tally_shape *shape, Oid type)
{
	Relation	catalog = table_open(EnumRelationId, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_enum_enumtypid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(type));
	scan = systable_beginscan(catalog, EnumTypIdSortOrderIndexId, true, NULL,
							  1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_enum form = (Form_pg_enum) GETSTRUCT(tuple);

		shape->facts = lappend(shape->facts,
							   psprintf("%u %s", form->oid,
										NameStr(form->enumlabel)));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	shape->has_enum = true;
}

/* Its attributes' names are not printed, and may change. */
static void
add_composite(struct tally_shape *shape, Oid type)
{
	TupleDesc	columns = lookup_rowtype_tupdesc_copy(type, -1);
	Oid			relation = get_typ_typrelid(type);
	StringInfoData fact;
	const char *before = "(";
	int			i;

	if (list_member_oid(shape->relations, relation))
		return;
	shape->relations = lappend_oid(shape->relations, relation);
	initStringInfo(&fact);
	appendStringInfoString(&fact, tally_type_name(type, -1));
	for (i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (column->attisdropped)
			continue;
		appendStringInfo(&fact, "%s%d %s", before, column->attnum,
						 tally_type_name(column->atttypid,
										 column->atttypmod));
		before = ",";
		tally_shape_add(shape, column->atttypid);
	}
	appendStringInfoChar(&fact, ')');
	shape->facts = lappend(shape->facts, fact.data);
}

void
tally_shape_add(struct tally_shape *shape, Oid type)
{
	Oid			contained;

	check_stack_depth();
	type = getBaseType(type);
	switch (get_typtype(type))
	{
		case TYPTYPE_ENUM:
			add_enum(shape, type);
			break;
		case TYPTYPE_COMPOSITE:
			add_composite(shape, type);
			break;
		default:
			contained = tally_type_contained(type);
			if (OidIsValid(contained))
				tally_shape_add(shape, contained);
			break;
	}
}

/* ---- comparing -------------------------------------------------------- */

static bool
is_of_enum(const char *fact)
{
	return *fact >= '0' && *fact <= '9';
}

/* What of a value's fact means something in another database: its name. */
static const char *
label_of(const char *fact)
{
	const char *space = strchr(fact, ' ');

	return space == NULL ? fact : space + 1;
}

static bool
is_fact(const struct tally_shape *now, const char *fact, bool is_here)
{
	ListCell   *cell;

	foreach(cell, now->facts)
	{
		const char *other = lfirst(cell);

		if (strcmp(other, fact) == 0)
			return true;
		if (!is_here && is_of_enum(fact) && is_of_enum(other) &&
			strcmp(label_of(other), label_of(fact)) == 0)
			return true;
	}
	return false;
}

/* The fact of now about the same enum value or composite, or NULL. */
static const char *
find_about(const struct tally_shape *now, const char *fact)
{
	Size		len = strcspn(fact, is_of_enum(fact) ? " " : "(") + 1;
	ListCell   *cell;

	foreach(cell, now->facts)
	{
		if (strncmp(lfirst(cell), fact, len) == 0)
			return lfirst(cell);
	}
	return NULL;
}

static char *
describe(const struct tally_epoch *epoch, const struct tally_column *was,
		 const char *fact, const char *now)
{
	const char *column = psprintf("column \"%s\" of table \"%s\"", was->name,
								  epoch->table);

	if (!is_of_enum(fact))
		return psprintf("the type of %s is %s now, was %s", column,
						now != NULL ? now : "without it", fact);
	if (now == NULL)
		return psprintf("the type of %s has no value \"%s\" any more", column,
						label_of(fact));
	return psprintf("the type of %s calls \"%s\" now what was \"%s\"", column,
					label_of(now), label_of(fact));
}

char *
tally_shape_fault(const struct tally_epoch *epoch,
				  const struct tally_column *was, Oid type)
{
	struct tally_shape now = {0};
	bool		is_here;
	int			i;

	if (was->nshapes == 0)
		return NULL;
	tally_shape_add(&now, type);
	is_here = tally_epoch_is_here(epoch);
	for (i = 0; i < was->nshapes; i++)
	{
		if (!is_fact(&now, was->shapes[i], is_here))
			return describe(epoch, was, was->shapes[i],
							find_about(&now, was->shapes[i]));
	}
	return NULL;
}

bool
tally_shape_is_same(const struct tally_column *a, const struct tally_column *b)
{
	int			i;

	if (a->nshapes != b->nshapes)
		return false;
	for (i = 0; i < a->nshapes; i++)
	{
		if (strcmp(a->shapes[i], b->shapes[i]) != 0)
			return false;
	}
	return true;
}
