/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epochs of other places, told in the numbers and oids of here (R6, R7).
 *
 * In one place a column is its number, and a value of an enum its oid, whatever
 * they are called: ALTER TABLE and ALTER TYPE rename them.  From one place to
 * the next they are known by their names at the moment of the move: what the
 * last epoch of the one and the first of the other call the same is the same.
 * So an epoch is translated by the nearest later one that has the column: by
 * number and oid if that is of the same place, else by name; and that one has
 * been translated before.
 *
 * The story of a renamed value.  A database is restored; then 'open' and 'shut'
 * of an enum change their names.  By its names alone every row of before looks
 * as if it had been changed; by its oids of here it is known that it cannot be
 * told any more.
 */
#include "postgres.h"

#include "compat.h"
#include "shape.h"
#include "verify_moves.h"

#include "miscadmin.h"

/* An epoch, as it was sealed and as it is told here. */
struct told
{
	struct tally_epoch *epoch;	/* told */
	const struct tally_column *was; /* sealed, as many */
	bool		is_told;		/* wholly */
};

/* The column of later that is the same, by its position; -1: none. */
static int
find_column(const struct told *later, const struct tally_column *column,
			bool is_same_place)
{
	int			i;

	for (i = 0; i < later->epoch->ncolumns; i++)
	{
		if (is_same_place ? later->was[i].number == column->number :
			strcmp(later->was[i].name, column->name) == 0)
			return i;
	}
	return -1;
}

static bool
tell_shapes(struct tally_column *column, const struct tally_column *was,
			const struct tally_column *now, bool is_same_place)
{
	char	  **shapes = palloc_array(char *, column->nshapes);
	int			i;

	for (i = 0; i < column->nshapes; i++)
	{
		shapes[i] = tally_shape_translate(column->shapes[i], was, now,
										  !is_same_place);
		if (shapes[i] == NULL)
			return false;
	}
	column->shapes = shapes;
	return true;
}

/* By the nearest of the later ones that has it. */
static bool
tell_column(struct tally_column *column, const struct told *epochs, int count,
			const struct tally_epoch *epoch)
{
	int			i;

	for (i = 0; i < count; i++)
	{
		bool		is_same_place = tally_epoch_is_same_table(epochs[i].epoch,
															  epoch);
		int			position;

		if (!epochs[i].is_told)
			continue;
		position = find_column(&epochs[i], column, is_same_place);
		if (position < 0)
			continue;
		if (!tell_shapes(column, &epochs[i].was[position],
						 &epochs[i].epoch->columns[position], is_same_place))
			return false;
		column->number = epochs[i].epoch->columns[position].number;
		return true;
	}
	return false;
}

/* later: those behind it, the nearest first. */
static void
tell(struct told *told, const struct told *later, int count)
{
	struct tally_epoch *epoch = told->epoch;
	struct tally_column *columns;
	int			i;

	columns = palloc_array(struct tally_column, epoch->ncolumns);
	memcpy(columns, epoch->columns, epoch->ncolumns * sizeof(*columns));
	for (i = 0; i < epoch->ncolumns; i++)
	{
		if (!tell_column(&columns[i], later, count, epoch))
			return;
	}
	epoch->columns = columns;
	told->is_told = true;
}

void
tally_moves_translate(List *uses)
{
	int			count = list_length(uses);
	struct told *all = palloc0_array(struct told, count);
	int			i;

	for (i = count - 1; i >= 0; i--)
	{
		struct tally_use *use = list_nth(uses, i);

		CHECK_FOR_INTERRUPTS();
		all[i].epoch = use->epoch;
		all[i].was = use->epoch->columns;
		all[i].is_told = !use->epoch->is_elsewhere;
		if (!all[i].is_told)
			tell(&all[i], &all[i + 1], count - i - 1);
		use->is_told = all[i].is_told;
	}
}
