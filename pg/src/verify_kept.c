/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that are kept, against the records that name them.
 *
 * Both sides are sorted by the event's number; of an event only its place is
 * sorted, its text is fetched when its turn comes.
 *
 * A record whose event does not hold may name the wrong one: event_id is not
 * hashed.  Its own is then among those that no record names, so the two are
 * brought together and told once.
 */
#include "postgres.h"

#include "hasher.h"
#include "store.h"
#include "verify_accused.h"
#include "verify_chains.h"
#include "verify_deletion.h"
#include "verify_events.h"
#include "verify_kept.h"
#include "verify_links.h"
#include "verify_match.h"
#include "verify_parts.h"
#include "verify_sort.h"
#include "verify_sources.h"
#include "verify_tracked.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Of more than these, events without a record are told at once. */
#define STRAYS_MAX 1024

/* And records without an event, likewise. */
#define UNPROVEN_MAX 1024

/* Events that may be read to be tried with a record's salt. */
#define TRIES_MAX 100000

/* An event that holds for no record that names it. */
struct stray
{
	int64		id;
	ItemPointerData tid;
	bool		is_named;		/* by a record, for which it does not hold */
	bool		is_claimed;
	struct tally_hash digest;	/* without a salt */
};

struct unproven
{
	ItemPointerData tid;		/* of the record */
	bool		is_there;		/* the event that it names */
};

struct tally_kept
{
	struct tally_sorter *sorter;
	int			tries;
	int			nstrays;
	struct stray strays[STRAYS_MAX];
	int			nunproven;
	struct unproven unproven[UNPROVEN_MAX];
};

enum
{
	KEPT_EVENT,
	KEPT_SIDE,
	KEPT_TID,
	KEPT_COLUMNS,
};

enum
{
	SIDE_EVENT,
	SIDE_RECORD,
};

/* The event at hand, of which there should be one row. */
struct group
{
	int64		id;
	ItemPointerData tid;
	char	   *text;			/* NULL: it is not there */
	bool		has_record;
	bool		holds;			/* for a record */
};

void
tally_kept_open(struct tally_verifier *v)
{
	static const Oid types[KEPT_COLUMNS] = {INT8OID, INT4OID, TIDOID};

	v->kept = palloc(sizeof(*v->kept));
	v->kept->nstrays = v->kept->nunproven = v->kept->tries = 0;
	v->kept->sorter = tally_sorter_new(KEPT_COLUMNS, types, 3, 4);
}

static void
put(struct tally_verifier *v, int64 id, int side, const ItemPointerData * tid)
{
	ItemPointerData copy = *tid;
	bool		nulls[KEPT_COLUMNS] = {false};
	Datum		values[KEPT_COLUMNS];

	values[KEPT_EVENT] = Int64GetDatum(id);
	values[KEPT_SIDE] = Int32GetDatum(side);
	values[KEPT_TID] = PointerGetDatum(&copy);
	tally_sorter_put(v->kept->sorter, values, nulls);
}

void
tally_kept_take(struct tally_verifier *v, const struct tally_sealed *record)
{
	put(v, record->event_id, SIDE_RECORD, &record->tid);
}

static void
put_events(struct tally_verifier *v)
{
	TupleTableSlot *slot = table_slot_create(v->event, NULL);
	TableScanDesc scan = table_beginscan(v->event, v->snapshot, 0, NULL);
	bool		isnull;
	int64		id;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		id = DatumGetInt64(slot_getattr(slot, TALLY_EVENT_ID, &isnull));
		put(v, isnull ? 0 : id, SIDE_EVENT, &slot->tts_tid);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/* ---- a record and its event ------------------------------------------- */

static bool
holds(const struct tally_sealed *record, const char *event)
{
	struct tally_hash digest;

	if (event == NULL || !record->has_digest)
		return false;
	digest = tally_hash_commitment(tally_hasher_get(), record->salt, event,
								   strlen(event));
	return tally_hash_equal(&digest, &record->digest);
}

static struct tally_subject
subject_of(struct tally_verifier *v, const struct tally_sealed *record)
{
	struct tally_subject subject = {0};
	const struct tally_use *use = tally_sources_find(v, record->epoch);

	if (record->has_chain)
		subject.chain = tally_chains_get(v, record->chain_id)->seen.name;
	subject.seq = record->seq;
	if (use != NULL && use->epoch != NULL)
		subject.source = use->epoch->label;
	if (record->key != NULL)
		subject.key = pnstrdup(record->key, record->key_len);
	return subject;
}

/* The last epoch under whose label the event deletes a row. */
static struct tally_use *
find_deletion_use(struct tally_verifier *v, const char *event, StringInfo key)
{
	struct tally_use *found = NULL;
	ListCell   *cell;
	ListCell   *inner;

	foreach(cell, tally_sources_all(v))
	{
		foreach(inner, ((struct tally_source *) lfirst(cell))->uses)
		{
			struct tally_use *use = lfirst(inner);

			if (tally_deletion_key(event, use->epoch, key))
				found = use;
		}
	}
	return found;
}

/*
 * The event of a deletion says which row it deletes; if the record says
 * another, it is the record that was changed.
 */
static void
pass_deletion(struct tally_verifier *v, const struct tally_sealed *sealed,
			  struct tally_match_record *record, const char *event, bool tell)
{
	struct tally_subject subject = subject_of(v, sealed);
	StringInfoData key;

	initStringInfo(&key);
	if (record->use == NULL || record->use->epoch == NULL ||
		!tally_deletion_key(event, record->use->epoch, &key))
	{
		struct tally_use *named = record->use;

		record->use = find_deletion_use(v, event, &key);
		/* With nothing to compare, it is one of an unknown epoch's records. */
		if (record->use == NULL)
			return;
		if (named != NULL && named->epoch == NULL)
			named->records--;
		if (tell)
			tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
							  "its event deletes a row of another table than it names");
	}
	else if (tell && (sealed->key == NULL ||
					  sealed->key_len != (Size) key.len ||
					  memcmp(sealed->key, key.data, key.len) != 0))
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "its event deletes the row with key \"%s\"",
						  key.data);
	record->key = key.data;
	record->key_len = key.len;
	record->is_deletion = true;
	tally_match_put_record(v, record);
}

/* Its event holds, or (event NULL) it was told that none does. */
static void
pass_on(struct tally_verifier *v, const struct tally_sealed *sealed,
		const char *event, bool tell)
{
	struct tally_match_record record;

	tally_match_prepare(v, sealed, &record);
	record.is_kept = event != NULL;
	if (event == NULL)
		record.is_accused = true;
	if (tally_tracked_judge_record(v, sealed, event))
		return;
	/* No record of a row: there is nothing to be matched. */
	if (sealed->epoch == 0 && sealed->key == NULL)
		return;
	if (event != NULL && tally_deletion_is(event) && record.chain != NULL)
	{
		tell = tell && !record.is_accused;
		record.is_accused = false;
		pass_deletion(v, sealed, &record, event, tell);
	}
	else if (sealed->key == NULL && record.use->epoch == NULL &&
			 record.use->is_named)
		tally_pairs_add_record(v, &record, TALLY_NOT_JUDGED, NULL);
	else if (sealed->key == NULL)
		tally_pairs_add_record(v, &record, TALLY_CONTENT_ALTERED,
							   "it names the attach event of a row, but no key");
	else if (sealed->epoch == 0)
		tally_pairs_add_record(v, &record, TALLY_CONTENT_ALTERED,
							   "it has a key, but names no attach event");
	else if (record.use->epoch == NULL || record.chain == NULL)
		tally_pairs_add_record(v, &record, TALLY_NOT_JUDGED, NULL);
	else
	{
		if (event != NULL)
			tally_parts_take(&record, event);
		tally_match_put_record(v, &record);
	}
}

static void
tell_unproven(struct tally_verifier *v, const struct tally_sealed *record,
			  bool is_there)
{
	struct tally_subject subject = subject_of(v, record);

	if (!tally_accused_is(v, &record->tid))
	{
		if (is_there)
			tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
							  "event %lld, which it names, does not hash to its digest",
							  (long long) record->event_id);
		else
			tally_report_tell(v, TALLY_MISSING, &subject,
							  "event %lld, which it names, is not there",
							  (long long) record->event_id);
	}
	pass_on(v, record, NULL, false);
}

/* ---- strays ----------------------------------------------------------- */

static void
tell_stray(struct tally_verifier *v, int64 id)
{
	tally_report_tell_general(v, TALLY_INSERTED,
							  "event %lld in tally.event is named by no record",
							  (long long) id);
}

static void
add_stray(struct tally_verifier *v, const struct group *group)
{
	struct tally_kept *kept = v->kept;
	struct stray *stray;

	if (v->scope.chain != NULL && !group->has_record)
		return;
	if (kept->nstrays == STRAYS_MAX)
	{
		if (!group->has_record)
			tell_stray(v, group->id);
		return;
	}
	stray = &kept->strays[kept->nstrays++];
	stray->id = group->id;
	stray->tid = group->tid;
	stray->is_named = group->has_record;
	stray->is_claimed = false;
	stray->digest = tally_hash_commitment(tally_hasher_get(), NULL,
										  group->text, strlen(group->text));
}

/* The text of the stray that holds for the record, or NULL. */
static char *
find_stray(struct tally_verifier *v, const struct tally_sealed *record,
		   struct stray **out)
{
	int			i;

	for (i = 0; i < v->kept->nstrays; i++)
	{
		struct stray *stray = &v->kept->strays[i];
		char	   *text;

		if (stray->is_claimed ||
			(record->salt == NULL &&
			 !tally_hash_equal(&stray->digest, &record->digest)))
			continue;
		if (record->salt != NULL && v->kept->tries++ >= TRIES_MAX)
			return NULL;
		text = tally_events_fetch(v, &stray->tid);

		if (holds(record, text))
		{
			*out = stray;
			return text;
		}
	}
	return NULL;
}

bool
tally_kept_has_strays(struct tally_verifier *v)
{
	return v->kept->nstrays > 0;
}

bool
tally_kept_claim(struct tally_verifier *v, const struct tally_sealed *record)
{
	struct stray *stray;
	struct tally_subject subject;
	char	   *text;

	if (v->kept->nstrays == 0)
		return false;
	text = find_stray(v, record, &stray);

	if (text == NULL)
		return false;
	stray->is_claimed = true;
	subject = subject_of(v, record);
	if (stray->id == record->event_id)
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "tally.event has two events with its number, %lld",
						  (long long) stray->id);
	else
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject,
						  "its event is %lld, which it does not name",
						  (long long) stray->id);
	pass_on(v, record, text, false);
	return true;
}

void
tally_kept_finish(struct tally_verifier *v)
{
	int			i;

	for (i = 0; i < v->kept->nstrays; i++)
	{
		if (!v->kept->strays[i].is_claimed && !v->kept->strays[i].is_named)
			tell_stray(v, v->kept->strays[i].id);
	}
}

/* ---- all -------------------------------------------------------------- */

static bool
judge_record(struct tally_verifier *v, const struct tally_sealed *record,
			 void *arg)
{
	struct group *group = arg;
	struct tally_kept *kept = v->kept;

	group->has_record = true;
	if (holds(record, group->text))
	{
		group->holds = true;
		pass_on(v, record, group->text, true);
	}
	else if (kept->nunproven < UNPROVEN_MAX)
	{
		kept->unproven[kept->nunproven].tid = record->tid;
		kept->unproven[kept->nunproven++].is_there = group->text !=NULL;
	}
	else
		tell_unproven(v, record, group->text !=NULL);
	return true;
}

static void
end_group(struct tally_verifier *v, struct group *group)
{
	if (group->text !=NULL && !group->holds)
		add_stray(v, group);
}

/* The row of an event; there should be one of a number. */
static void
begin_group(struct tally_verifier *v, struct group *group, int64 id,
			const ItemPointerData * tid)
{
	end_group(v, group);
	MemoryContextReset(v->scratch);
	memset(group, 0, sizeof(*group));
	group->id = id;
	if (tid == NULL)
		return;
	group->tid = *tid;
	group->text = tally_events_fetch(v, tid);
	/* A null is no event, and holds for nothing. */
	if (group->text == NULL)
		group->text = pstrdup("");
}

static void
judge_groups(struct tally_verifier *v)
{
	struct group group = {0};
	Datum	   *values;
	bool	   *nulls;

	while (tally_sorter_next(v->kept->sorter, &values, &nulls))
	{
		int64		id = DatumGetInt64(values[KEPT_EVENT]);
		ItemPointer tid = (ItemPointer) DatumGetPointer(values[KEPT_TID]);

		CHECK_FOR_INTERRUPTS();
		if (DatumGetInt32(values[KEPT_SIDE]) == SIDE_EVENT)
		{
			begin_group(v, &group, id, tid);
			continue;
		}
		if (group.id != id)
			begin_group(v, &group, id, NULL);
		(void) tally_record_fetch(v, tid, judge_record, &group);
	}
	end_group(v, &group);
}

static bool
judge_again(struct tally_verifier *v, const struct tally_sealed *record,
			void *arg)
{
	if (!tally_kept_claim(v, record))
		tell_unproven(v, record, *(bool *) arg);
	return true;
}

void
tally_kept_judge(struct tally_verifier *v)
{
	MemoryContext saved;
	int			i;

	/* With a scope, only events that its records name matter. */
	put_events(v);
	tally_sorter_sort(v->kept->sorter);
	saved = MemoryContextSwitchTo(v->scratch);
	judge_groups(v);
	MemoryContextSwitchTo(saved);
	tally_sorter_free(v->kept->sorter);
	v->kept->sorter = NULL;
	for (i = 0; i < v->kept->nunproven; i++)
		(void) tally_record_fetch(v, &v->kept->unproven[i].tid, judge_again,
								  &v->kept->unproven[i].is_there);
	tally_hasher_check();
}
