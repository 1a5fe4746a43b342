/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was captured of a row, in the order in which it happened.
 *
 * The row trigger runs when the command is done with all its rows, and so do a
 * user's triggers, in between.  One command inserts the rows A and B.  The
 * trigger is called for A; then a user's, for A, which updates B with a
 * command of its own, at whose end the trigger is called for that update; and
 * only then for the insertion of B.  Sealed in this order, the last record of B
 * would be of a version that is gone, and an honest row be found altered.
 *
 * So each entry knows the command that it is of, and from which command on
 * others of the same key come after it: for a row's version, the one that made
 * an end of it; for a deletion, any later one.  The order of commands alone
 * would not do: what a BEFORE trigger does for a row comes before it, although
 * by a later command.
 */
#include "postgres.h"

#include "pending.h"

#include "miscadmin.h"
#include "utils/memutils.h"

/* Look for interrupts this often. */
#define INTERRUPT_EVERY 256

/* Of one row? */
static int
compare_rows(const struct tally_pending *a, const struct tally_pending *b)
{
	if (a->chain != b->chain)
		return a->chain < b->chain ? -1 : 1;
	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	if (a->key_len != b->key_len)
		return a->key_len < b->key_len ? -1 : 1;
	return memcmp(tally_pending_key(a), tally_pending_key(b), a->key_len);
}

/* Positions, by row and then as they are. */
static int
compare_positions(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;
	int			order = compare_rows(tally_pending_get(x),
									 tally_pending_get(y));

	if (order != 0)
		return order;
	return x < y ? -1 : 1;
}

/* Puts entry among those that are in order already. */
static void
place(struct tally_pending *ordered, uint64 count,
	  const struct tally_pending *entry)
{
	uint64		at = 0;

	while (at < count && ordered[at].made_by < entry->before)
		at++;
	memmove(&ordered[at + 1], &ordered[at],
			(count - at) * sizeof(struct tally_pending));
	ordered[at] = *entry;
}

/* All that was captured of one row; ordered has room for it. */
static void
order_row(const uint64 *positions, uint64 count,
		  struct tally_pending *ordered)
{
	uint64		i;

	for (i = 0; i < count; i++)
	{
		if (i % INTERRUPT_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		place(ordered, i, tally_pending_get(positions[i]));
	}
	for (i = 0; i < count; i++)
		*tally_pending_get(positions[i]) = ordered[i];
}

/* The positions of all entries that are of rows; palloc'd. */
static uint64 *
list_rows(uint64 *out_count)
{
	uint64		total = tally_pending_count();
	uint64	   *positions;
	uint64		count = 0;
	uint64		i;

	positions = MemoryContextAllocHuge(CurrentMemoryContext,
									   total * sizeof(*positions));
	for (i = 0; i < total; i++)
	{
		if (tally_pending_get(i)->has_key)
			positions[count++] = i;
	}
	*out_count = count;
	return positions;
}

void
tally_pending_put_in_order(void)
{
	struct tally_pending *ordered;
	uint64	   *positions;
	uint64		count;
	uint64		from;
	uint64		to;

	if (!tally_pending_is_disordered())
		return;
	positions = list_rows(&count);
	ordered = MemoryContextAllocHuge(CurrentMemoryContext,
									 count * sizeof(*ordered));
	qsort(positions, count, sizeof(*positions), compare_positions);
	for (from = 0; from < count; from = to)
	{
		const struct tally_pending *first = tally_pending_get(positions[from]);

		for (to = from + 1; to < count; to++)
		{
			if (compare_rows(first, tally_pending_get(positions[to])) != 0)
				break;
		}
		if (to - from > 1)
			order_row(&positions[from], to - from, ordered);
	}
	pfree(ordered);
	pfree(positions);
}
