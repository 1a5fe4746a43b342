/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which expressions may stand in only_when.
 */
#ifndef TALLY_PG_CONDITION_JUDGE_H
#define TALLY_PG_CONDITION_JUDGE_H

#include "postgres.h"

#include "parser/parse_node.h"
#include "utils/relcache.h"

/*
 * ERROR if there is a subquery in what the grammar gives: to be called before
 * it is transformed, which would look its tables up.
 */
extern void tally_condition_judge_raw(ParseState *pstate, Node *raw);

/*
 * ERROR, with the place in the text, unless the transformed expression is made
 * of what can stand there only.  Columns may be those among the count numbers.
 */
extern void tally_condition_judge(ParseState *pstate, Node *expr, Relation rel,
								  const AttrNumber *numbers, int count);

#endif
