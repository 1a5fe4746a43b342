/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which expressions may stand in only_when.
 *
 * Whoever could have their own code run here would do so with the rights of
 * everybody who writes a row, and whoever could change what a condition
 * means would change what is sealed.  So
 *
 * 1. kinds of expressions are listed, and all others are refused;
 * 2. functions are built in and immutable, also those behind operators and
 *    casts.  (The built-in ones in SQL that are immutable are stored parsed:
 *    no search_path gives them another meaning);
 * 3. operators and collations are built in: others of the same name could take
 *    their place;
 * 4. types are those that can be sealed.  What compares rows, arrays, ranges
 *    and enums looks for the functions of what is in them, and finds built-in
 *    ones only.  Nor are values made of types that call something then, such
 *    as an array of a domain;
 * 5. columns are those of the event.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"

/* PostgreSQL 15 declares walkers without their arguments. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include "nodes/nodeFuncs.h"
#pragma GCC diagnostic pop

#include "compat.h"
#include "condition_judge.h"
#include "types.h"

struct judge
{
	ParseState *pstate;			/* for the place of an error */
	Relation	rel;
	const AttrNumber *numbers;
	int			count;
	Node	   *node;			/* being judged */
};

pg_noreturn static void refuse(struct judge *judge, Node *node,
							   const char *what);

static void
refuse(struct judge *judge, Node *node, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("only_when cannot use %s", what),
			 errdetail("It is a condition over the columns of the event, made of built-in immutable functions and operators."),
			 parser_errposition(judge->pstate, exprLocation(node))));
}

/* What a kind of expression is called that cannot be used, or NULL. */
static const char *
refused_kind(Node *node)
{
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
		case T_FuncExpr:
		case T_NamedArgExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_BoolExpr:
		case T_SubscriptingRef:
		case T_FieldSelect:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_CollateExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_ArrayExpr:
		case T_RowExpr:
		case T_RowCompareExpr:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_List:
			return NULL;
		case T_Aggref:
		case T_GroupingFunc:
			return "an aggregate";
		case T_WindowFunc:
			return "a window function";
		case T_CoerceToDomain:
			return "a cast to a domain, which may call any function";
		case T_SQLValueFunction:
			return "the time, user or schema of the session";
		case T_XmlExpr:
			return "an XML expression";
		default:
			return "an expression of this kind";
	}
}

static void
judge_column(struct judge *judge, Var *var)
{
	Form_pg_attribute column;
	int			i;

	if (var->varattno == InvalidAttrNumber)
		refuse(judge, (Node *) var, "the whole row");
	if (var->varattno < 0)
		refuse(judge, (Node *) var, "a system column");
	for (i = 0; i < judge->count; i++)
	{
		if (judge->numbers[i] == var->varattno)
			return;
	}
	column = TupleDescAttr(RelationGetDescr(judge->rel), var->varattno - 1);
	refuse(judge, (Node *) var,
		   psprintf("column \"%s\", which is not in the event",
					NameStr(column->attname)));
}

/* check_functions_in_node calls this for each function behind a node. */
static bool
judge_function(Oid function, void *arg)
{
	struct judge *judge = arg;
	const char *why;

	if (function >= FirstNormalObjectId)
		why = "not built in";
	else if (func_volatile(function) != PROVOLATILE_IMMUTABLE)
		why = "not immutable";
	else
		return false;
	refuse(judge, judge->node,
		   psprintf("function %s, which is %s", format_procedure(function),
					why));
}

static void
judge_operator(struct judge *judge, Oid operator)
{
	if (operator >= FirstNormalObjectId)
		refuse(judge, judge->node,
			   psprintf("operator %s, which is not built in",
						format_operator(operator)));
}

static void
judge_set(struct judge *judge, bool is_set)
{
	if (is_set)
		refuse(judge, judge->node, "a function that returns a set");
}

/* What the parts of an expression name, besides functions. */
static void
judge_parts(struct judge *judge, Node *node)
{
	ListCell   *cell;

	switch (nodeTag(node))
	{
		case T_Var:
			judge_column(judge, (Var *) node);
			break;
		case T_FuncExpr:
			judge_set(judge, ((FuncExpr *) node)->funcretset);
			break;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			judge_operator(judge, ((OpExpr *) node)->opno);
			judge_set(judge, ((OpExpr *) node)->opretset);
			break;
		case T_ScalarArrayOpExpr:
			judge_operator(judge, ((ScalarArrayOpExpr *) node)->opno);
			break;
		case T_RowCompareExpr:
			foreach(cell, ((RowCompareExpr *) node)->opnos)
				judge_operator(judge, lfirst_oid(cell));
			break;
		case T_CollateExpr:
			if (((CollateExpr *) node)->collOid >= FirstNormalObjectId)
				refuse(judge, node, "a collation that is not built in");
			break;
		default:
			break;
	}
}

static void
judge_type(struct judge *judge, Node *node)
{
	Oid			type;
	int			needs;
	char	   *why;

	/* Only parts of expressions, without a type. */
	if (IsA(node, List) || IsA(node, CaseWhen))
		return;
	/* A cast to a domain is a kind of expression; its value is harmless. */
	type = getBaseType(exprType(node));
	if (!tally_type_is_stable(type, &needs, &why))
		refuse(judge, node, psprintf("type \"%s\"", format_type_be(type)));
	if ((needs & TALLY_MAY_CALL) != 0)
		refuse(judge, node,
			   psprintf("type \"%s\", whose values may call any function",
						format_type_be(type)));
}

static bool
walk(Node *node, void *arg)
{
	struct judge *judge = arg;
	const char *kind;

	if (node == NULL)
		return false;
	kind = refused_kind(node);
	if (kind != NULL)
		refuse(judge, node, kind);
	judge->node = node;
	judge_parts(judge, node);
	(void) check_functions_in_node(node, judge_function, judge);
	judge_type(judge, node);
	return expression_tree_walker(node, walk, judge);
}

void
tally_condition_judge(ParseState *pstate, Node *expr, Relation rel,
					  const AttrNumber *numbers, int count)
{
	struct judge judge = {
		.pstate = pstate,
		.rel = rel,
		.numbers = numbers,
		.count = count,
	};

	(void) walk(expr, &judge);
}

static bool
walk_raw(Node *node, void *arg)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
		refuse(arg, node, "a subquery");
	return raw_expression_tree_walker(node, walk_raw, arg);
}

void
tally_condition_judge_raw(ParseState *pstate, Node *raw)
{
	struct judge judge = {.pstate = pstate};

	(void) walk_raw(raw, &judge);
}
