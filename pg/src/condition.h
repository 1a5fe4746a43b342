/* SPDX-License-Identifier: Apache-2.0 */
/*
 * only_when: a boolean expression over the one row, of built-in immutable
 * functions and operators only.  Nothing in it can run a user's code or read
 * another row, so it runs with no rights but the row's.
 */
#ifndef TALLY_PG_CONDITION_H
#define TALLY_PG_CONDITION_H

#include "postgres.h"

#include "epoch.h"

#include "executor/tuptable.h"
#include "utils/relcache.h"

struct tally_condition;

/*
 * Judges a user's text and gives its canonical form (as the catalog functions
 * would print it under pinned settings), palloc'd; rel is the epoch's relation
 * and epoch->columns is there, epoch->only_when is not looked at.
 *
 * ERROR with a message that says what is not allowed: a subquery, an
 * aggregate, a function that is not immutable or not built in, a system
 * column, a whole row, a column that is not in the event (whoever changed it
 * would change what is sealed, unseen), another type than boolean.
 */
extern char *tally_condition_check(const char *text, Relation rel,
								   const struct tally_epoch *epoch);

/*
 * Compiles the epoch's only_when for rows of rel (the epoch's relation or a
 * partition of it), in the current memory context; judges it again (an
 * adversary may have written it).  Names are those of the epoch: columns that
 * were renamed since are found, and no other column takes their place.
 */
extern struct tally_condition *tally_condition_new(const struct tally_epoch *,
												   Relation rel);

/*
 * The same, of a table that may have lost columns of the epoch; *out is NULL
 * if the condition is over one of these.
 */
extern void tally_condition_new_if(const struct tally_epoch *epoch,
								   Relation rel,
								   struct tally_condition **out);

/*
 * Do both pick the same rows, as far as one can see: the same text but for the
 * names of columns, which go by number?  NULL: every row.
 */
extern bool tally_condition_is_same(const struct tally_epoch *a,
									const struct tally_epoch *b);

/*
 * The epoch's only_when, over the same columns under the names that they have
 * now; in canonical form, palloc'd.
 */
extern char *tally_condition_rename(const struct tally_epoch *epoch,
									Relation rel);

/*
 * Is it true (not false, not null) of the row in slot?  ERROR if it cannot be
 * evaluated, as when it divides by zero.
 */
extern bool tally_condition_holds(struct tally_condition *condition,
								  TupleTableSlot *slot);

/*
 * Does it leave out the row, for certain?  Not if it cannot be evaluated: then
 * the row did not come in under this condition.
 */
extern bool tally_condition_leaves_out(struct tally_condition *condition,
									   TupleTableSlot *slot);

#endif
