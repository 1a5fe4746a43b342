/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaching: which columns an event holds, and which of them are its key.
 */
#include "postgres.h"

#include "attach.h"
#include "compat.h"
#include "shape.h"
#include "types.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* What is to become of a column. */
enum choice
{
	CHOICE_OUT = 0,
	CHOICE_IN,
	CHOICE_NEEDED,				/* key or chain_by: cannot be left out */
};

struct choices
{
	Relation	rel;
	const struct tally_attach_request *request;
	int			nkeys;
	AttrNumber	keys[INDEX_MAX_KEYS];
	AttrNumber	chain_by;		/* or InvalidAttrNumber */
	enum choice *of;			/* by attribute number - 1 */
};

static Form_pg_attribute
attribute(const struct choices *choices, AttrNumber number)
{
	return TupleDescAttr(RelationGetDescr(choices->rel), number - 1);
}

/* The number of a column that was named by the caller. */
static AttrNumber
find_column(Relation rel, const char *name)
{
	AttrNumber	number = get_attnum(RelationGetRelid(rel), name);

	if (number == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"%s\" does not exist", name,
						tally_attach_name(RelationGetRelid(rel)))));
	if (number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("system column \"%s\" cannot be sealed", name),
				 errdetail("Its value is no part of the row, and changes without it.")));
	return number;
}

/* The key of an index; of the columns that it merely includes nothing. */
static void
take_index(struct choices *choices, Form_pg_index index)
{
	int			i;

	choices->nkeys = index->indnkeyatts;
	for (i = 0; i < choices->nkeys; i++)
		choices->keys[i] = index->indkey.values[i];
}

/*
 * Judges one index: the primary key is taken, and so is the replica identity
 * as long as there is no primary key.  Returns false for a primary key that is
 * deferrable.
 *
 * Why not that: while a transaction swaps the keys of two rows, both have the
 * same one.  The last record of a key would then be the deletion of the one
 * row, although the other has this key now.
 */
static bool
try_index(struct choices *choices, Oid oid, bool is_identity)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(oid));
	Form_pg_index index;
	bool		usable;
	bool		is_primary;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", oid);
	index = (Form_pg_index) GETSTRUCT(tuple);
	usable = index->indisvalid && index->indimmediate;
	is_primary = index->indisprimary;
	if (usable && (is_primary || (is_identity && choices->nkeys == 0)))
		take_index(choices, index);
	ReleaseSysCache(tuple);
	return usable || !is_primary;
}

static void
choose_keys(struct choices *choices)
{
	Relation	rel = choices->rel;
	Oid			identity = InvalidOid;
	bool		deferrable = false;
	ListCell   *cell;

	if (rel->rd_rel->relreplident == REPLICA_IDENTITY_INDEX)
		identity = RelationGetReplicaIndex(rel);
	foreach(cell, RelationGetIndexList(rel))
	{
		if (!try_index(choices, lfirst_oid(cell),
					   lfirst_oid(cell) == identity))
			deferrable = true;
	}
	if (choices->nkeys > 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 deferrable ?
			 errmsg("the primary key of table \"%s\" is deferrable",
					tally_attach_name(RelationGetRelid(rel))) :
			 errmsg("table \"%s\" has no primary key",
					tally_attach_name(RelationGetRelid(rel))),
			 errdetail("A record says by the key which row it is of, so at every moment there must be one row of a key at most."),
			 errhint("Add a primary key that is not deferrable, or choose a unique index over columns that are NOT NULL with ALTER TABLE ... REPLICA IDENTITY USING INDEX.")));
}

static void
choose_wanted(struct choices *choices)
{
	const struct tally_attach_request *request = choices->request;
	int			natts = RelationGetNumberOfAttributes(choices->rel);
	ListCell   *cell;
	int			i;

	for (i = 0; i < natts; i++)
	{
		if (!attribute(choices, i + 1)->attisdropped && !request->some_columns)
			choices->of[i] = CHOICE_IN;
	}
	foreach(cell, request->columns)
		choices->of[find_column(choices->rel, lfirst(cell)) - 1] = CHOICE_IN;
	foreach(cell, request->exclude)
		choices->of[find_column(choices->rel, lfirst(cell)) - 1] = CHOICE_OUT;
}

/* what: why the column is needed. */
static void
need(struct choices *choices, AttrNumber number, const char *what)
{
	const char *name = NameStr(attribute(choices, number)->attname);
	ListCell   *cell;

	foreach(cell, choices->request->exclude)
	{
		if (strcmp(lfirst(cell), name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" cannot be excluded: it %s", name,
							what)));
	}
	choices->of[number - 1] = CHOICE_NEEDED;
}

static void
choose_needed(struct choices *choices)
{
	int			i;

	for (i = 0; i < choices->nkeys; i++)
		need(choices, choices->keys[i], "belongs to the key");
	if (choices->request->chain_by == NULL)
		return;
	choices->chain_by = find_column(choices->rel, choices->request->chain_by);
	need(choices, choices->chain_by, "is what the table is chained by");
}

/* Why a column cannot be sealed, or NULL. */
static const char *
column_fault(Form_pg_attribute column)
{
	int			needs;
	char	   *why;

	if (column->attgenerated != '\0' &&
		column->attgenerated != ATTRIBUTE_GENERATED_STORED)
		return "it is computed whenever it is read";
	return tally_type_is_stable(column->atttypid, &needs, &why) ? NULL : why;
}

/* A name[] as SQL would have it written. */
static char *
names_literal(Datum *names, int count)
{
	ArrayType  *array = construct_array(names, count, NAMEOID, NAMEDATALEN,
										false, TYPALIGN_CHAR);

	return quote_literal_cstr(OidOutputFunctionCall(F_ARRAY_OUT,
													PointerGetDatum(array)));
}

/*
 * The argument with which attach would not stumble over columns: those that
 * the caller excluded already, and all those that cannot be sealed.
 */
static char *
exclude_argument(const struct choices *choices)
{
	int			natts = RelationGetNumberOfAttributes(choices->rel);
	Datum	   *names = palloc_array(Datum, natts);
	Form_pg_attribute column;
	bool		in;
	int			i,
				n = 0;

	for (i = 0; i < natts; i++)
	{
		column = attribute(choices, i + 1);
		in = choices->of[i] == CHOICE_IN && column_fault(column) == NULL;
		if (!in && !column->attisdropped && choices->of[i] != CHOICE_NEEDED)
			names[n++] = NameGetDatum(&column->attname);
	}
	return names_literal(names, n);
}

static void
check_column(const struct choices *choices, AttrNumber number)
{
	Form_pg_attribute column = attribute(choices, number);
	const char *why = column_fault(column);

	if (why == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("column \"%s\" of table \"%s\" cannot be sealed: %s",
					NameStr(column->attname),
					tally_attach_name(RelationGetRelid(choices->rel)), why),
			 choices->of[number - 1] == CHOICE_NEEDED ?
			 errhint("It belongs to the key, or is chain_by, so it cannot be left out.") :
			 choices->request->some_columns ?
			 errhint("Leave it out of columns.") :
			 errhint("Leave out what cannot be sealed: exclude => %s",
					 exclude_argument(choices))));
}

void
tally_attach_shape(struct tally_column *to, Oid type, bool hold)
{
	struct tally_shape shape = {.hold = hold};
	ListCell   *cell;

	tally_shape_add(&shape, type);
	to->nshapes = 0;
	to->shapes = palloc_array(char *, list_length(shape.facts) + 1);
	foreach(cell, shape.facts)
		to->shapes[to->nshapes++] = lfirst(cell);
}

static int
add_column(struct tally_epoch *epoch, Form_pg_attribute column)
{
	struct tally_column *to = &epoch->columns[epoch->ncolumns];

	to->name = pstrdup(NameStr(column->attname));
	to->number = column->attnum;
	to->type_name = tally_type_name(column->atttypid, -1);
	to->typmod = column->atttypmod;
	tally_attach_shape(to, column->atttypid, true);
	return epoch->ncolumns++;
}

/* Puts into the epoch what was chosen. */
static void
fill_epoch(const struct choices *choices, struct tally_epoch *epoch)
{
	int			natts = RelationGetNumberOfAttributes(choices->rel);
	int		   *position = palloc_array(int, natts);
	int			i;

	epoch->columns = palloc_array(struct tally_column, natts);
	epoch->ncolumns = 0;
	for (i = 0; i < natts; i++)
	{
		if (choices->of[i] == CHOICE_OUT)
			continue;
		check_column(choices, i + 1);
		position[i] = add_column(epoch, attribute(choices, i + 1));
	}
	epoch->nkeys = choices->nkeys;
	epoch->keys = palloc_array(int, choices->nkeys + 1);
	for (i = 0; i < choices->nkeys; i++)
		epoch->keys[i] = position[choices->keys[i] - 1];
	epoch->chain_by = choices->chain_by == InvalidAttrNumber ? -1 :
		position[choices->chain_by - 1];
}

void
tally_attach_choose(const struct tally_attach_request *request, Relation rel,
					struct tally_epoch *out_epoch)
{
	struct choices choices = {0};

	choices.rel = rel;
	choices.request = request;
	choices.of = palloc0_array(enum choice, RelationGetNumberOfAttributes(rel));
	if (!out_epoch->is_tracked)
		choose_keys(&choices);
	choose_wanted(&choices);
	choose_needed(&choices);
	fill_epoch(&choices, out_epoch);
}
