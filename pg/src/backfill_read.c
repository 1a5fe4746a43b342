/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backfilling: reading old rows in order.
 *
 * By a query, so that partitions are merged and whatever index there is gets
 * used.  It runs as the table's owner, restricted as for REINDEX: planning may
 * call functions that the owner wrote.  Its names and operators are those of
 * pg_catalog, and the types are such whose values call no user's code.
 */
#include "postgres.h"

#include "attach.h"
#include "backfill.h"
#include "compat.h"
#include "pin.h"
#include "types.h"
#include "value.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* What stands before the columns: tableoid and ctid. */
#define FIELDS_BEFORE 2

/* ---- positions -------------------------------------------------------- */

struct reading
{
	List	   *order;
	char	  **texts;
	Datum	   *values;
};

static int
needs_of(List *order)
{
	int			needs = TALLY_NEEDS_NOTHING;
	ListCell   *cell;

	foreach(cell, order)
		needs |= ((struct tally_backfill_column *) lfirst(cell))->needs;
	return needs;
}

static void
read_values(void *arg)
{
	struct reading *reading = arg;
	ListCell   *cell;
	int			n = 0;

	foreach(cell, reading->order)
	{
		const struct tally_backfill_column *column = lfirst(cell);
		Oid			input;
		Oid			param;

		getTypeInputInfo(column->type, &input, &param);
		reading->values[n] = OidInputFunctionCall(input, reading->texts[n],
												  param, -1);
		n++;
	}
}

static void
write_values(void *arg)
{
	struct reading *reading = arg;
	ListCell   *cell;
	int			n = 0;

	foreach(cell, reading->order)
	{
		const struct tally_backfill_column *column = lfirst(cell);
		struct tally_value value;
		int			needs;

		tally_value_init(&value, column->type, &needs);
		(void) tally_value_set(&value, reading->values[n]);
		reading->texts[n++] = pnstrdup(value.str, value.len);
	}
}

/* The columns of a row of the answer, as texts in the given context. */
static char **
get_position(List *order, HeapTuple tuple, TupleDesc desc,
			 MemoryContext context)
{
	MemoryContext saved = MemoryContextSwitchTo(context);
	int			count = list_length(order);
	struct reading reading = {
		order, palloc_array(char *, count), palloc_array(Datum, count)
	};
	bool		isnull = false;
	int			i;

	for (i = 0; i < count; i++)
	{
		reading.values[i] = SPI_getbinval(tuple, desc, FIELDS_BEFORE + i + 1,
										  &isnull);
		if (isnull)
			elog(ERROR, "a column that cannot be null is");
	}
	tally_pin_call(needs_of(order), write_values, &reading);
	pfree(reading.values);
	MemoryContextSwitchTo(saved);
	return reading.texts;
}

/* ---- the query -------------------------------------------------------- */

/* ROW(t.a, t.b), or with parameters from this number on. */
static void
put_row(StringInfo sql, List *order, int first)
{
	ListCell   *cell;
	int			n = 0;

	appendStringInfoString(sql, "ROW(");
	foreach(cell, order)
	{
		const struct tally_backfill_column *column = lfirst(cell);

		if (n > 0)
			appendStringInfoString(sql, ", ");
		if (first > 0)
			appendStringInfo(sql, "$%d", first + n);
		else
			appendStringInfo(sql, "t.%s", quote_identifier(column->name));
		n++;
	}
	appendStringInfoChar(sql, ')');
}

static void
put_order(StringInfo sql, List *order, const char *direction)
{
	ListCell   *cell;

	foreach(cell, order)
	{
		const struct tally_backfill_column *column = lfirst(cell);

		appendStringInfo(sql, "%s t.%s%s",
						 foreach_current_index(cell) == 0 ? " ORDER BY" : ",",
						 quote_identifier(column->name), direction);
	}
}

static void
put_select(StringInfo sql, Relation rel, List *order)
{
	ListCell   *cell;

	appendStringInfoString(sql, "SELECT t.tableoid, t.ctid");
	foreach(cell, order)
		appendStringInfo(sql, ", t.%s",
						 quote_identifier(((struct tally_backfill_column *)
										   lfirst(cell))->name));
	appendStringInfo(sql, " FROM %s%s AS t",
					 rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ? "" :
					 "ONLY ", tally_attach_name(RelationGetRelid(rel)));
}

static void
set(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Rows that a policy hides are an error, not left out. */
static void
set_settings(void)
{
	set("search_path", "pg_catalog, pg_temp");
	set("row_security", "off");
	set("enable_seqscan", "off");
	set("enable_bitmapscan", "off");
	set("enable_sort", "off");
	set("jit", "off");
}

/* The answer is SPI_tuptable. */
static void
run(Relation rel, const char *sql, int nargs, Oid *types, Datum *values)
{
	int			level = NewGUCNestLevel();
	Oid			user;
	int			context;

	set_settings();
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   context | SECURITY_RESTRICTED_OPERATION);
	if (SPI_execute_with_args(sql, nargs, types, values, NULL, true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "rows of the table could not be read");
	SetUserIdAndSecContext(user, context);
	AtEOXact_GUC(false, level);
}

bool
tally_backfill_last(Relation rel, List *order, char ***out)
{
	MemoryContext outside = CurrentMemoryContext;
	StringInfoData sql;
	bool		found;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	initStringInfo(&sql);
	put_select(&sql, rel, order);
	put_order(&sql, order, " DESC");
	appendStringInfoString(&sql, " LIMIT 1");
	run(rel, sql.data, 0, NULL, NULL);
	found = SPI_processed > 0;
	if (found)
		*out = get_position(order, SPI_tuptable->vals[0],
							SPI_tuptable->tupdesc, outside);
	SPI_finish();
	return found;
}

/* Adds a comparison with a position, and its values to the parameters. */
static int
put_limit(StringInfo sql, const char *before, const char *comparison,
		  List *order, char **position, Datum *values, Oid *types, int nargs)
{
	struct reading reading = {order, position, values + nargs};
	ListCell   *cell;

	appendStringInfoString(sql, before);
	put_row(sql, order, 0);
	appendStringInfo(sql, " OPERATOR(pg_catalog.%s) ", comparison);
	put_row(sql, order, nargs + 1);
	tally_pin_call(needs_of(order), read_values, &reading);
	foreach(cell, order)
		types[nargs++] = ((struct tally_backfill_column *) lfirst(cell))->type;
	return nargs;
}

static void
take_rows(void (*take) (Oid relation, ItemPointer tid, void *arg), void *arg)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;
	bool		isnull;
	uint64		i;

	for (i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		Oid			relation = DatumGetObjectId(SPI_getbinval(tuple, desc, 1,
															  &isnull));
		Datum		tid = SPI_getbinval(tuple, desc, 2, &isnull);

		CHECK_FOR_INTERRUPTS();
		take(relation, (ItemPointer) DatumGetPointer(tid), arg);
	}
}

uint64
tally_backfill_read(Relation rel, List *order, char **position, char **bound,
					int count,
					void (*take) (Oid relation, ItemPointer tid, void *arg),
					void *arg, char ***out_position)
{
	MemoryContext outside = CurrentMemoryContext;
	Datum	   *values;
	Oid		   *types;
	StringInfoData sql;
	uint64		found;
	int			nargs = 0;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	values = palloc_array(Datum, 2 * list_length(order));
	types = palloc_array(Oid, 2 * list_length(order));
	initStringInfo(&sql);
	put_select(&sql, rel, order);
	nargs = put_limit(&sql, " WHERE ", "<=", order, bound, values, types, 0);
	if (position != NULL)
		nargs = put_limit(&sql, " AND ", ">", order, position, values, types,
						  nargs);
	put_order(&sql, order, "");
	appendStringInfo(&sql, " LIMIT %d", count);
	run(rel, sql.data, nargs, types, values);
	found = SPI_processed;
	take_rows(take, arg);
	if (found > 0)
		*out_position = get_position(order, SPI_tuptable->vals[found - 1],
									 SPI_tuptable->tupdesc, outside);
	SPI_finish();
	return found;
}
