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
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* ---- facts ------------------------------------------------------------ */

static void
add_enum(struct tally_shape *shape, Oid type)
{
	Relation	catalog;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	/* ALTER TYPE holds this exclusively, and looks for epochs with it. */
	if (shape->hold)
		LockDatabaseObject(TypeRelationId, type, 0, ShareLock);
	catalog = table_open(EnumRelationId, AccessShareLock);
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

/*
 * Are two facts about composites the same but for the numbers of attributes?
 * A dump leaves out those that were dropped, and numbers are not printed.
 */
static bool
is_same_but_numbers(const char *a, const char *b)
{
	char		before = '\0';

	for (;;)
	{
		if (before == '(' || before == ',')
		{
			Size		a_digits = strspn(a, "0123456789");
			Size		b_digits = strspn(b, "0123456789");

			if (a_digits > 0 && a[a_digits] == ' ' &&
				b_digits > 0 && b[b_digits] == ' ')
			{
				a += a_digits;
				b += b_digits;
			}
		}
		if (*a != *b)
			return false;
		if (*a == '\0')
			return true;
		before = *a++;
		b++;
	}
}

/* The same fact, though in another place? */
static bool
is_same_elsewhere(const char *a, const char *b)
{
	if (is_of_enum(a) != is_of_enum(b))
		return false;
	return is_of_enum(a) ? strcmp(label_of(a), label_of(b)) == 0 :
		is_same_but_numbers(a, b);
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
		if (!is_here && is_same_elsewhere(other, fact))
			return true;
	}
	return false;
}

/* Both facts are about the same value or composite. */
static bool
is_about_same(const char *a, const char *b)
{
	Size		len = strcspn(a, is_of_enum(a) ? " " : "(") + 1;

	return strncmp(a, b, len) == 0;
}

/* The fact of now about the same enum value or composite, or NULL. */
static const char *
find_about(const struct tally_shape *now, const char *fact)
{
	ListCell   *cell;

	foreach(cell, now->facts)
	{
		if (is_about_same(fact, lfirst(cell)))
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

/* Is a value of an enum the same, or a composite in all that it is? */
static bool
is_same_here(const char *a, const char *b)
{
	return is_of_enum(a) ? is_about_same(a, b) : strcmp(a, b) == 0;
}

char *
tally_shape_translate(const char *fact, const struct tally_column *was,
					  const struct tally_column *now, bool by_label)
{
	int			i;

	for (i = 0; i < was->nshapes; i++)
	{
		if (!(by_label ? is_same_elsewhere(fact, was->shapes[i]) :
			  is_same_here(fact, was->shapes[i])))
			continue;
		if (!is_of_enum(fact))
			return pstrdup(now->shapes[i]);
		return psprintf("%.*s %s", (int) strcspn(now->shapes[i], " "),
						now->shapes[i], label_of(fact));
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

bool
tally_shape_is_compatible(const struct tally_column *a,
						  const struct tally_column *b)
{
	int			i;
	int			j;

	for (i = 0; i < a->nshapes; i++)
	{
		for (j = 0; j < b->nshapes; j++)
		{
			if (is_about_same(a->shapes[i], b->shapes[j]) &&
				strcmp(a->shapes[i], b->shapes[j]) != 0)
				return false;
		}
	}
	return true;
}
