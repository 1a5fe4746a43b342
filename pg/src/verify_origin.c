/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which place each epoch began, and whether that is here (R7).
 *
 * What tally:log says is sealed, what tally.origin says is not: where they
 * differ the log is right.  Before the first event of the log there is only
 * the table.
 */
#include "postgres.h"

#include "compat.h"
#include "origin_event.h"
#include "settings.h"
#include "store.h"
#include "verify_entries.h"
#include "verify_origin.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* An event "origin" of tally:log. */
struct said
{
	int64		seq;
	const struct tally_origin_event *event;
};

struct tally_origins
{
	List	   *said;			/* of struct said, in the log's order */
	List	   *rows;			/* of struct tally_origin, by number */
	bool		is_malformed;	/* some row is */
	struct tally_origin here;
};

static int
compare_rows(const ListCell *a, const ListCell *b)
{
	int64		x = ((const struct tally_origin *) lfirst(a))->number;
	int64		y = ((const struct tally_origin *) lfirst(b))->number;

	return x < y ? -1 : x > y;
}

static void
load_rows(struct tally_verifier *v)
{
	SysScanDesc scan = systable_beginscan(v->origin, InvalidOid, false,
										  v->snapshot, 0, NULL);
	struct tally_origin *row;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		row = palloc_object(struct tally_origin);
		if (tally_origin_read(tuple, RelationGetDescr(v->origin), row))
			v->origins->rows = lappend(v->origins->rows, row);
		else
			v->origins->is_malformed = true;
	}
	systable_endscan(scan);
	list_sort(v->origins->rows, compare_rows);
}

static void
load_events(struct tally_verifier *v)
{
	const struct tally_origin_event *event;
	struct said *said;
	int			i;

	for (i = 0; i < tally_entries_count(v); i++)
	{
		const struct tally_entry *entry = tally_entries_get(v, i);

		event = entry->event == NULL ? NULL :
			tally_origin_event_parse(entry->event);
		if (event == NULL)
			continue;
		said = palloc_object(struct said);
		said->seq = entry->seq;
		said->event = event;
		v->origins->said = lappend(v->origins->said, said);
	}
}

void
tally_origins_load(struct tally_verifier *v)
{
	MemoryContext saved = MemoryContextSwitchTo(v->context);

	v->origins = palloc0_object(struct tally_origins);
	tally_origin_here(RelationGetRelid(v->record), &v->origins->here);
	load_rows(v);
	load_events(v);
	MemoryContextSwitchTo(saved);
}

/* ---- asking ----------------------------------------------------------- */

/* Where was sealed what stands at this seq of tally:log?  NULL: not known. */
static const struct tally_origin *
find_origin(struct tally_verifier *v, int64 seq)
{
	const struct tally_origins *origins = v->origins;
	ListCell   *cell;

	foreach(cell, origins->said)
	{
		const struct said *said = lfirst(cell);

		if (said->seq > seq)
			return &said->event->from;
	}
	if (origins->said != NIL)
		return &((const struct said *) llast(origins->said))->event->to;
	return origins->rows == NIL ? NULL : llast(origins->rows);
}

bool
tally_origins_is_here(struct tally_verifier *v, int64 seq,
					  const struct tally_epoch *epoch)
{
	const struct tally_origin *origin = find_origin(v, seq);
	const struct tally_origin *here = &v->origins->here;

	/* The attach event itself names only these two. */
	if (epoch->cluster != here->cluster)
		return false;
	if (origin == NULL)
		return strcmp(epoch->database, here->name) == 0;
	return tally_origin_is_place(origin, here);
}

/* ---- telling ---------------------------------------------------------- */

static bool
is_same(const struct tally_origin *a, const struct tally_origin *b)
{
	return tally_origin_is_place(a, b) && a->timeline == b->timeline &&
		strcmp(a->name, b->name) == 0;
}

/* The n-th row, from 0, as the events say that it must be; NULL: unknown. */
static const struct tally_origin *
expected_row(const struct tally_origins *origins, int n)
{
	const struct said *said;

	if (origins->said == NIL)
		return NULL;
	said = list_nth(origins->said, n == 0 ? 0 : n - 1);
	return n == 0 ? &said->event->from : &said->event->to;
}

static void
judge_rows(struct tally_verifier *v)
{
	const struct tally_origins *origins = v->origins;
	int			count = list_length(origins->said) + 1;
	int			i;

	for (i = 0; i < list_length(origins->rows); i++)
	{
		const struct tally_origin *row = list_nth(origins->rows, i);
		const struct tally_origin *expected;

		if (row->number != i + 1 || i >= count)
		{
			tally_report_tell_general(v, TALLY_CONTENT_ALTERED,
									  "table \"tally.origin\" has a row %lld that nothing in tally:log says",
									  (long long) row->number);
			continue;
		}
		expected = expected_row(origins, i);
		if (expected != NULL && !is_same(row, expected))
			tally_report_tell_general(v, TALLY_CONTENT_ALTERED,
									  "row %lld of table \"tally.origin\" is not what tally:log says",
									  (long long) row->number);
	}
	if (origins->is_malformed)
		tally_report_tell_general(v, TALLY_DAMAGED,
								  "a row of table \"tally.origin\" is malformed");
	else if (list_length(origins->rows) < count)
		tally_report_tell_general(v, TALLY_MISSING,
								  "table \"tally.origin\" has %d rows, and should have %d",
								  list_length(origins->rows), count);
}

static void
judge_here(struct tally_verifier *v)
{
	const struct tally_origin *last = find_origin(v, PG_INT64_MAX);
	char	   *fault;

	if (last == NULL)
		return;
	fault = tally_origin_fault(last, &v->origins->here);
	if (fault == NULL)
		return;
	if (tally_mode == TALLY_MODE_REPLICA)
		tally_report_not_covered(v, "when rows were written that no record seals: the database has its records from another, since %s",
								 fault);
	else
		tally_report_tell_general(v, TALLY_NOT_JUDGED,
								  "the database is a copy, or was restored, and nobody has said so: %s",
								  fault);
}

static void
tell_moves(struct tally_verifier *v)
{
	ListCell   *cell;

	foreach(cell, v->origins->said)
	{
		const struct said *said = lfirst(cell);

		tally_report_not_covered(v,
								 "what database \"%s\" sealed and wrote after the state from which tally:log/%lld goes on in database \"%s\", and what was changed in between and changed back",
								 said->event->from.name, (long long) said->seq,
								 said->event->to.name);
	}
}

void
tally_origins_judge(struct tally_verifier *v, int64 records)
{
	if (records > 0 || v->origins->rows != NIL)
		judge_rows(v);
	judge_here(v);
	tell_moves(v);
}
