/* SPDX-License-Identifier: Apache-2.0 */
/*
 * only_when: from a text to an expression, and its value for a row.
 *
 * What is kept is a text, sealed in the attach event, and it is parsed again
 * by every backend; so it has to mean the same ever after.  The canonical
 * form is what PostgreSQL prints of the parsed expression when only built-in
 * names are in sight and all settings are pinned: constants have types, names
 * of types their schema.  It is read under the same settings.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "attempt.h"
#include "columns.h"
#include "condition.h"
#include "condition_judge.h"
#include "pin.h"
#include "types.h"

struct tally_condition
{
	const struct tally_epoch *epoch;
	ExprState  *state;
	ExprContext *context;
	bool		holds;			/* for the row at hand */
};

/* What is parsed, and what comes of it. */
struct reading
{
	const struct tally_epoch *epoch;
	Relation	rel;
	const AttrNumber *numbers;	/* of the epoch's columns in rel */
	const char *text;
	Alias	   *names;			/* the epoch's; NULL: those of now */
	Node	   *expr;
	char	   *canonical;
};

/* ---- from a text to an expression ------------------------------------- */

/*
 * A place in the condition is no place in the statement that the client sent.
 */
static void
show_place(void *arg)
{
	const char *text = arg;
	int			place = geterrposition();

	if (place > 0)
	{
		errposition(0);
		internalerrposition(place);
		internalerrquery(text);
	}
	errcontext("only_when");
}

/* A list of columns is no expression, and transformExpr must not see it. */
static bool
is_star(Node *node)
{
	return IsA(node, ColumnRef) &&
		IsA(llast(((ColumnRef *) node)->fields), A_Star);
}

/* The one target of a SELECT that has nothing else, or NULL. */
static Node *
only_target(const SelectStmt *select)
{
	ResTarget  *target;

	if (list_length(select->targetList) != 1 ||
		select->distinctClause != NIL || select->fromClause != NIL ||
		select->whereClause != NULL || select->groupClause != NIL ||
		select->havingClause != NULL || select->windowClause != NIL ||
		select->sortClause != NIL || select->limitOffset != NULL ||
		select->limitCount != NULL || select->lockingClause != NIL)
		return NULL;
	target = linitial_node(ResTarget, select->targetList);
	if (target->name != NULL || is_star(target->val))
		return NULL;
	return target->val;
}

/* The one expression that text must be. */
static Node *
parse_one(const char *text)
{
	RawStmt    *raw;
	Node	   *expr;

	raw = linitial_node(RawStmt, raw_parser(text, RAW_PARSE_PLPGSQL_EXPR));
	expr = only_target(castNode(SelectStmt, raw->stmt));
	if (expr == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("only_when is not one expression"),
				 errdetail("It reads \"%s\".", text),
				 errhint("Write it as in the WHERE of a query.")));
	return expr;
}

static void
parse(struct reading *reading)
{
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item;
	Node	   *expr;

	pstate->p_sourcetext = reading->text;
	item = addRangeTableEntryForRelation(pstate, reading->rel,
										 AccessShareLock, reading->names,
										 false, true);
	addNSItemToQuery(pstate, item, true, true, true);
	expr = parse_one(reading->text);
	tally_condition_judge_raw(pstate, expr);
	expr = transformExpr(pstate, expr, EXPR_KIND_OTHER);
	expr = coerce_to_boolean(pstate, expr, "only_when");
	assign_expr_collations(pstate, expr);
	tally_condition_judge(pstate, expr, reading->rel, reading->numbers,
						  reading->epoch->ncolumns);
	free_parsestate(pstate);
	reading->expr = expr;
}

static void
parse_with_place(struct reading *reading)
{
	ErrorContextCallback place = {
		.previous = error_context_stack,
		.callback = show_place,
		.arg = unconstify(char *, reading->text),
	};

	error_context_stack = &place;
	parse(reading);
	error_context_stack = place.previous;
}

/*
 * The names of the epoch for the columns of rel, and none for the others: so
 * a column that was renamed is found under its old name, and another that
 * took the name is not.
 */
static Alias *
names_of_epoch(const struct reading *reading)
{
	TupleDesc	columns = RelationGetDescr(reading->rel);
	List	   *names = NIL;
	const char *name;
	int			number,
				i;

	for (number = 1; number <= columns->natts; number++)
	{
		if (TupleDescAttr(columns, number - 1)->attisdropped)
			continue;
		name = "";
		for (i = 0; i < reading->epoch->ncolumns; i++)
		{
			if (reading->numbers[i] == number)
				name = reading->epoch->columns[i].name;
		}
		names = lappend(names, makeString(pstrdup(name)));
	}
	return makeAlias(RelationGetRelationName(reading->rel), names);
}

static void
init_reading(struct reading *reading, const struct tally_epoch *epoch,
			 Relation rel, const char *text)
{
	char	   *why;

	memset(reading, 0, sizeof(*reading));
	reading->epoch = epoch;
	reading->rel = rel;
	reading->text = text;

	reading->numbers = tally_columns_find(epoch, rel, &why);
	if (reading->numbers == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s", why),
				 errhint(TALLY_COLUMNS_HINT)));
}

/* ---- the canonical form ----------------------------------------------- */

static char *
print(const struct reading *reading)
{
	List	   *context;

	context = deparse_context_for(RelationGetRelationName(reading->rel),
								  RelationGetRelid(reading->rel));
	return deparse_expression(reading->expr, context, false, false);
}

/*
 * Prints, reads what was printed and prints that, until nothing changes.  At
 * most one round does: the parser flattens what the user has nested.
 */
static void
canonicalize(void *arg)
{
	struct reading *reading = arg;
	int			rounds;

	for (rounds = 0; rounds < 3; rounds++)
	{
		reading->canonical = print(reading);
		if (strcmp(reading->canonical, reading->text) == 0)
			return;
		reading->text = reading->canonical;
		parse_with_place(reading);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("only_when has no form that lasts"),
			 errdetail("It reads \"%s\".", reading->text),
			 errhint("Write it in another way.")));
}

/* ---- the value for a row ---------------------------------------------- */

static struct tally_condition *
compile(const struct tally_epoch *epoch, Node *expr)
{
	struct tally_condition *condition = palloc0(sizeof(*condition));

	condition->epoch = epoch;
	condition->state = ExecInitExpr(expression_planner((Expr *) expr), NULL);
	condition->context = CreateStandaloneExprContext();
	return condition;
}

static void
show_condition(void *arg)
{
	const struct tally_condition *condition = arg;

	errcontext("only_when of table \"%s\": %s", condition->epoch->table,
			   condition->epoch->only_when);
}

static void
evaluate(void *arg)
{
	struct tally_condition *condition = arg;
	Datum		value;
	bool		is_null;

	value = ExecEvalExprSwitchContext(condition->state, condition->context,
									  &is_null);
	condition->holds = !is_null && DatumGetBool(value);
}

static void
evaluate_pinned(void *arg)
{
	struct tally_condition *condition = arg;
	ErrorContextCallback place = {
		.previous = error_context_stack,
		.callback = show_condition,
		.arg = condition,
	};

	error_context_stack = &place;
	/* Some immutable functions read settings: the output of numbers does. */
	tally_pin_call(TALLY_NEEDS_SETTINGS, evaluate, condition);
	error_context_stack = place.previous;
}

bool
tally_condition_holds(struct tally_condition *condition, TupleTableSlot *slot)
{
	ResetExprContext(condition->context);
	condition->context->ecxt_scantuple = slot;
	evaluate_pinned(condition);
	return condition->holds;
}

bool
tally_condition_leaves_out(struct tally_condition *condition,
						   TupleTableSlot *slot)
{
	ResetExprContext(condition->context);
	condition->context->ecxt_scantuple = slot;
	return tally_attempt(evaluate_pinned, condition) && !condition->holds;
}

char *
tally_condition_check(const char *text, Relation rel,
					  const struct tally_epoch *epoch)
{
	struct reading reading;

	init_reading(&reading, epoch, rel, text);
	parse_with_place(&reading);
	tally_pin_call_parser(canonicalize, &reading);
	/* What fails there, such as 1/0, should fail now. */
	(void) compile(epoch, reading.expr);
	return reading.canonical;
}

static void
parse_pinned(void *arg)
{
	parse_with_place(arg);
}

struct tally_condition *
tally_condition_new(const struct tally_epoch *epoch, Relation rel)
{
	struct reading reading;

	init_reading(&reading, epoch, rel, epoch->only_when);
	reading.names = names_of_epoch(&reading);
	tally_pin_call_parser(parse_pinned, &reading);
	return compile(epoch, reading.expr);
}

char *
tally_condition_rename(const struct tally_epoch *epoch, Relation rel)
{
	struct reading reading;

	init_reading(&reading, epoch, rel, epoch->only_when);
	reading.names = names_of_epoch(&reading);
	tally_pin_call_parser(parse_pinned, &reading);
	reading.names = NULL;
	tally_pin_call_parser(canonicalize, &reading);
	return reading.canonical;
}

/* ---- over what is left of a table ------------------------------------- */

/* The epoch with those of its columns that are as they were. */
static struct tally_epoch *
reduce(const struct tally_epoch *epoch, Relation rel)
{
	struct tally_epoch *left = palloc(sizeof(*left));
	struct tally_epoch one = *epoch;
	char	   *why;
	int			i;

	*left = *epoch;
	left->columns = palloc(epoch->ncolumns * sizeof(*left->columns));
	left->ncolumns = 0;
	one.ncolumns = 1;
	for (i = 0; i < epoch->ncolumns; i++)
	{
		one.columns = &epoch->columns[i];
		if (tally_columns_find(&one, rel, &why) != NULL)
			left->columns[left->ncolumns++] = epoch->columns[i];
	}
	return left;
}

/* Is there something in it that is no column of the epoch? */
static bool
has_other(Node *node, void *arg)
{
	const struct tally_epoch *epoch = arg;
	const char *name;
	int			i;

	if (node == NULL)
		return false;
	if (!IsA(node, ColumnRef))
		return raw_expression_tree_walker(node, has_other, arg);
	if (!IsA(llast(((ColumnRef *) node)->fields), String))
		return true;
	name = strVal(llast(((ColumnRef *) node)->fields));
	for (i = 0; i < epoch->ncolumns; i++)
	{
		if (strcmp(epoch->columns[i].name, name) == 0)
			return false;
	}
	return true;
}

void
tally_condition_new_if(const struct tally_epoch *epoch, Relation rel,
					   struct tally_condition **out)
{
	struct tally_epoch *left = reduce(epoch, rel);

	*out = NULL;
	if (!has_other(parse_one(epoch->only_when), left))
		*out = tally_condition_new(left, rel);
}

/* Columns by number instead of name, in place. */
static bool
number_columns(Node *node, void *arg)
{
	const struct tally_epoch *epoch = arg;
	ColumnRef  *column = (ColumnRef *) node;
	int			i;

	if (node == NULL)
		return false;
	if (!IsA(node, ColumnRef))
		return raw_expression_tree_walker(node, number_columns, arg);
	for (i = 0; i < epoch->ncolumns; i++)
	{
		if (IsA(llast(column->fields), String) &&
			strcmp(epoch->columns[i].name, strVal(llast(column->fields))) == 0)
		{
			column->fields =
				list_make1(makeString(psprintf("%d",
											   epoch->columns[i].number)));
			return false;
		}
	}
	return false;
}

bool
tally_condition_is_same(const struct tally_epoch *a,
						const struct tally_epoch *b)
{
	Node	   *trees[2];

	if (a->only_when == NULL || b->only_when == NULL)
		return a->only_when == b->only_when;
	trees[0] = parse_one(a->only_when);
	trees[1] = parse_one(b->only_when);
	(void) number_columns(trees[0], unconstify(struct tally_epoch *, a));
	(void) number_columns(trees[1], unconstify(struct tally_epoch *, b));
	return equal(trees[0], trees[1]);
}
