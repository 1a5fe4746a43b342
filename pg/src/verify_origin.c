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
#include "verify_chains.h"
#include "verify_entries.h"
#include "verify_origin.h"
#include "verify_record.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/xlog.h"
#include "access/tableam.h"
#include "commands/dbcommands.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/fmgroids.h"
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

/* ---- heads ------------------------------------------------------------ */

/* A head that an event names, and what its record turned out to be. */
struct named
{
	const struct tally_origin_head *head;
	struct tally_chain *chain;
	bool		is_there;
	bool		is_equal;
};

static bool
take_named(struct tally_verifier *v, const struct tally_sealed *record,
		   void *arg)
{
	struct named *named = arg;
	struct tally_hash computed;

	named->is_there = true;
	named->is_equal = (record->has_hash &&
					   tally_hash_equal(&record->hash, &named->head->hash)) ||
		(record->has_prev &&
		 tally_record_hash(record, named->chain, record->seq, &record->prev,
						   &computed) &&
		 tally_hash_equal(&computed, &named->head->hash));
	return false;
}

/* By the index, which is held against the records by itself. */
static void
find_named(struct tally_verifier *v, IndexScanDesc scan, TupleTableSlot *slot,
		   struct named *named)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(named->chain->seen.id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum((int64) named->head->seq));
	index_rescan(scan, keys, 2, NULL, 0);
	/* The slot's place: that of the index is the first of a HOT chain. */
	if (index_getnext_slot(scan, ForwardScanDirection, slot))
		(void) tally_record_fetch(v, &slot->tts_tid, take_named, named);
}

static void
judge_named(struct tally_verifier *v, const struct said *said,
			const struct named *named)
{
	struct tally_subject subject = {named->head->chain, named->head->seq};
	int64		last = named->chain == NULL ? 0 : named->chain->seen.last_seq;

	if (named->chain == NULL)
		tally_report_tell(v, TALLY_MISSING, &subject,
						  "the chain is not there, and tally:log/%lld names its record %lld",
						  (long long) said->seq,
						  (long long) named->head->seq);
	else if (named->is_there && !named->is_equal)
		tally_report_tell(v, TALLY_ROLLED_BACK, &subject,
						  "tally:log/%lld names another hash for this record",
						  (long long) said->seq);
	else if (!named->is_there && last > 0 && named->head->seq > last &&
			 v->scope.to == PG_INT64_MAX)
	{
		subject.seq = last + 1;
		tally_report_tell(v, TALLY_TRUNCATED, &subject,
						  "the chain ends before this record, and tally:log/%lld names its record %lld",
						  (long long) said->seq,
						  (long long) named->head->seq);
	}
}

static bool
is_in_scope(struct tally_verifier *v, const struct named *named)
{
	struct tally_chain *only = tally_chains_only(v);

	if (v->scope.chain == NULL)
		return true;
	return only != NULL && named->chain == only &&
		named->head->seq >= v->scope.from && named->head->seq <= v->scope.to;
}

/*
 * What was sealed before a move is in the event of the move by its hashes: who
 * writes a chain anew has to write tally:log anew as well.
 */
static void
judge_heads(struct tally_verifier *v, const struct said *said)
{
	TupleTableSlot *slot;
	Relation	index;
	IndexScanDesc scan;
	int64		i;

	if (said->event->heads == NULL || !OidIsValid(v->record_seq))
		return;
	index = index_open(v->record_seq, AccessShareLock);
	slot = table_slot_create(v->record, NULL);
	scan = index_beginscan(v->record, index, v->snapshot, NULL, 2, 0);
	for (i = 0; i < said->event->nchains; i++)
	{
		struct named named = {&said->event->heads[i]};

		CHECK_FOR_INTERRUPTS();
		named.chain = tally_chains_find(v, named.head->chain);
		if (!is_in_scope(v, &named))
			continue;
		if (named.chain != NULL)
			find_named(v, scan, slot, &named);
		judge_named(v, said, &named);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
}

/* ---- all of it -------------------------------------------------------- */

static void
tell_moves(struct tally_verifier *v)
{
	ListCell   *cell;

	foreach(cell, v->origins->said)
	{
		const struct said *said = lfirst(cell);

		judge_heads(v, said);
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
