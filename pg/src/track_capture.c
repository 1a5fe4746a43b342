/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture of statements: the triggers of a tracked table (P1).
 *
 * They are AFTER STATEMENT and read the transition tables, which hold what the
 * statement did to the rows, whatever BEFORE triggers made of it.  Those of an
 * update have the versions of a row at the same place.
 */
#include "postgres.h"

#include "condition.h"
#include "origin.h"
#include "render.h"
#include "settings.h"
#include "track.h"

#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

/* One side of the change: the versions of before, or those of after. */
struct side
{
	Tuplestorestate *rows;		/* NULL: there is no such side */
	int			pointer;
	TupleTableSlot *slot;
	bool		is_covered;		/* the row at hand, by only_when */
	struct tally_rendered text; /* of it */
};

static void
open_side(struct side *side, Tuplestorestate *rows, Relation rel)
{
	memset(side, 0, sizeof(*side));
	side->rows = rows;
	if (rows == NULL)
		return;
	/* A user's trigger may be in the middle of the same store. */
	side->pointer = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);
	tuplestore_select_read_pointer(rows, side->pointer);
	tuplestore_rescan(rows);
	side->slot = MakeSingleTupleTableSlot(RelationGetDescr(rel),
										  &TTSOpsMinimalTuple);
	tally_rendered_init(&side->text);
}

static void
close_side(struct side *side)
{
	if (side->rows == NULL)
		return;
	/* Pointer 0 is the one that is there without being asked for. */
	tuplestore_select_read_pointer(side->rows, 0);
	ExecDropSingleTupleTableSlot(side->slot);
}

/* The next row, rendered; false at the end. */
static bool
next_row(struct side *side, const struct tally_attachment *att)
{
	side->is_covered = false;
	if (side->rows == NULL)
		return false;
	tuplestore_select_read_pointer(side->rows, side->pointer);
	if (!tuplestore_gettupleslot(side->rows, true, false, side->slot))
		return false;
	side->is_covered = att->condition == NULL ||
		tally_condition_holds(att->condition, side->slot);
	if (side->is_covered)
		tally_render_row(att->renderer, side->slot, TALLY_OP_NONE,
						 &side->text);
	return true;
}

static bool
is_same(const StringInfoData *a, const StringInfoData *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* A side that is not covered is as if it were not there. */
static void
add_row(struct tally_statement *statement, const struct side *before,
		const struct side *after)
{
	bool		both = before->is_covered && after->is_covered;

	if (both && is_same(&before->text.chain, &after->text.chain))
	{
		if (!is_same(&before->text.event, &after->text.event))
			tally_statement_add(statement, &after->text.chain,
								&before->text.event, &after->text.event);
		return;
	}
	if (before->is_covered)
		tally_statement_add(statement, &before->text.chain,
							&before->text.event, NULL);
	if (after->is_covered)
		tally_statement_add(statement, &after->text.chain, NULL,
							&after->text.event);
}

static void
add_rows(struct tally_statement *statement,
		 const struct tally_attachment *att, TriggerData *data)
{
	struct side before;
	struct side after;
	bool		has_before;
	bool		has_after;

	open_side(&before, data->tg_oldtable, data->tg_relation);
	open_side(&after, data->tg_newtable, data->tg_relation);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		has_before = next_row(&before, att);
		has_after = next_row(&after, att);
		if (!has_before && !has_after)
			break;
		add_row(statement, &before, &after);
	}
	close_side(&before);
	close_side(&after);
}

/* What the statement does, or NULL if its trigger lacks a transition table. */
static const char *
operation(const TriggerData *data)
{
	bool		has_old = data->tg_oldtable != NULL;
	bool		has_new = data->tg_newtable != NULL;

	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		return has_new ? "insert" : NULL;
	if (TRIGGER_FIRED_BY_DELETE(data->tg_event))
		return has_old ? "delete" : NULL;
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		return has_old && has_new ? "update" : NULL;
	return "truncate";
}

static const struct tally_attachment *
require_tracked(Relation rel)
{
	const struct tally_attachment *att = tally_attachment_find(rel);
	const char *name = RelationGetRelationName(rel);
	char	   *schema;

	if (att != NULL && att->epoch->is_tracked)
		return att;
	schema = get_namespace_name(RelationGetNamespace(rel));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" has tally's trigger, but is not tracked",
					name),
			 errhint("Use SELECT tally.track('%s'), or drop the trigger.",
					 quote_qualified_identifier(schema, name))));
}

static const char *
check_call(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	const char *op = NULL;

	if (CALLED_AS_TRIGGER(fcinfo) && TRIGGER_FIRED_AFTER(data->tg_event) &&
		TRIGGER_FIRED_FOR_STATEMENT(data->tg_event))
		op = operation(data);
	if (op == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("tally.capture_statement() is a trigger of tally.track, and of nobody else")));
	return op;
}

PG_FUNCTION_INFO_V1(tally_sql_capture_statement);

/* AFTER INSERT, UPDATE, DELETE or TRUNCATE, for each statement. */
Datum
tally_sql_capture_statement(PG_FUNCTION_ARGS)
{
	const char *op = check_call(fcinfo);
	TriggerData *data = (TriggerData *) fcinfo->context;
	const struct tally_attachment *att;
	MemoryContext context;
	MemoryContext saved;
	struct tally_statement *statement;

	/* Its event arrives too. */
	if (tally_mode == TALLY_MODE_REPLICA && tally_origin_is_arrival())
		return PointerGetDatum(NULL);
	att = require_tracked(data->tg_relation);
	context = AllocSetContextCreate(CurrentMemoryContext, "tally statement",
									ALLOCSET_DEFAULT_SIZES);
	saved = MemoryContextSwitchTo(context);
	tally_statement_begin(att, op, &statement);
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		tally_statement_add_bare(statement, att->epoch->prefix);
	else
		add_rows(statement, att, data);
	tally_statement_end(statement);
	MemoryContextSwitchTo(saved);
	MemoryContextDelete(context);
	return PointerGetDatum(NULL);
}
