/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A type's shape: what the text of its values depends on beside the values.
 *
 * A value of an enum is stored as a number, one of a composite as it was when
 * it was written; what is printed for them changes with ALTER TYPE.  A shape
 * is a set of facts, each a string:
 *
 *	"16412 happy"						a value of an enum, by its oid
 *	"public.pair(1 integer,2 text)"		a composite's attributes, by number
 *
 * of all enums and composites that the type leads to through domains, arrays,
 * ranges and composites.  Text that was printed is printed again as long as
 * all facts of then are among those of now.
 */
#ifndef TALLY_PG_SHAPE_H
#define TALLY_PG_SHAPE_H

#include "epoch.h"

#include "nodes/pg_list.h"

struct tally_shape
{
	List	   *facts;			/* of char *, in a fixed order */
	List	   *relations;		/* oids: composites, as pg_class has them */
	bool		has_enum;
	bool		hold;			/* enums stay as they are, until the end */
};

/* Adds what the type depends on to shape. */
extern void tally_shape_add(struct tally_shape *shape, Oid type);

/*
 * Why the text of the column's values is not what it was, palloc'd; NULL: it
 * is.  type: that it has now.
 */
extern char *tally_shape_fault(const struct tally_epoch *epoch,
							   const struct tally_column *was, Oid type);

/*
 * A fact in the words of another place: that of now (with as many facts as was)
 * which stands where was has the same fact; by its label, or else its oid.
 * Palloc'd; NULL if was has none.
 */
extern char *tally_shape_translate(const char *fact,
								   const struct tally_column *was,
								   const struct tally_column *now,
								   bool by_label);

extern bool tally_shape_is_same(const struct tally_column *a,
								const struct tally_column *b);

/*
 * Has no fact of the one become another in the other?  One may have more:
 * values that were added to an enum, which change no text of before.
 */
extern bool tally_shape_is_compatible(const struct tally_column *a,
									  const struct tally_column *b);

#endif
