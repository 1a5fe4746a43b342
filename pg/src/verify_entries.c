/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of tally:log, and their events.
 *
 * An event counts if it hashes to the digest of a record.  The record names
 * it (event_id), but that is not hashed: if the event that it names does not
 * hold, others can be offered.  So whoever breaks that link breaks one record,
 * and not everything that was sealed under its epoch.
 */
#include "postgres.h"

#include "hasher.h"
#include "verify_accused.h"
#include "verify_chains.h"
#include "verify_events.h"
#include "verify_entries.h"

#include "miscadmin.h"
#include "utils/memutils.h"

struct tally_entries
{
	int			count;
	int			capacity;
	struct tally_entry *entries;
};

void
tally_entries_open(struct tally_verifier *v)
{
	v->entries = palloc(sizeof(*v->entries));
	v->entries->count = 0;
	v->entries->capacity = 64;
	v->entries->entries = palloc(64 * sizeof(*v->entries->entries));
}

void
tally_entries_take(struct tally_verifier *v, const struct tally_sealed *record)
{
	struct tally_entries *log = v->entries;
	struct tally_entry *entry;

	if (log->count == log->capacity)
	{
		log->capacity *= 2;
		log->entries = repalloc_huge(log->entries,
									 log->capacity * sizeof(*entry));
	}
	entry = &log->entries[log->count++];
	memset(entry, 0, sizeof(*entry));
	entry->tid = record->tid;
	entry->seq = record->seq;
	entry->event_id = record->event_id;
	entry->digest = record->digest;
}

/* ---- which records ---------------------------------------------------- */

/* A record that was named: perhaps it belongs here, and stands elsewhere. */
static bool
take_stray(struct tally_verifier *v, const struct tally_sealed *record,
		   void *arg)
{
	struct tally_chain *log = tally_chains_log(v);
	struct tally_chain *chain;
	int64		seq;

	if ((!record->has_chain || record->chain_id != log->seen.id) &&
		tally_accused_place(v, &record->tid, &chain, &seq) && chain == log)
		tally_entries_take(v, record);
	return true;
}

static int
compare_entries(const void *a, const void *b)
{
	int64		x = ((const struct tally_entry *) a)->seq;
	int64		y = ((const struct tally_entry *) b)->seq;

	return x < y ? -1 : x > y;
}

/* Where the links say that each record belongs, not where it stands. */
void
tally_entries_order(struct tally_verifier *v)
{
	struct tally_chain *log = tally_chains_log(v);
	struct tally_chain *chain;
	int64		seq;
	int			i;

	if (log == NULL)
		return;
	tally_accused_walk(v, take_stray, NULL);
	for (i = 0; i < v->entries->count; i++)
	{
		struct tally_entry *entry = &v->entries->entries[i];

		if (tally_accused_place(v, &entry->tid, &chain, &seq) && chain == log)
			entry->seq = seq;
	}
	qsort(v->entries->entries, v->entries->count, sizeof(struct tally_entry),
		  compare_entries);
}

/* ---- which events ----------------------------------------------------- */

/* Does the header hold if its digest is that of the event? */
struct repair
{
	struct tally_chain *log;
	int64		seq;
	struct tally_hash digest;
	bool		holds;
};

static bool
try_digest(struct tally_verifier *v, const struct tally_sealed *record,
		   void *arg)
{
	struct repair *repair = arg;
	struct tally_sealed repaired = *record;
	struct tally_hash hash;

	repaired.has_digest = true;
	repaired.digest = repair->digest;
	repair->holds = record->has_prev && record->has_hash &&
		tally_record_hash(&repaired, repair->log, repair->seq, &record->prev,
						  &hash) &&
		tally_hash_equal(&hash, &record->hash);
	return false;
}

/*
 * Is the event what the record sealed?  One of which only the digest was
 * changed, which was told, still shows it by its hash.
 */
static bool
holds(struct tally_verifier *v, const struct tally_entry *entry,
	  const char *event)
{
	struct repair repair = {tally_chains_log(v), entry->seq};

	if (event == NULL)
		return false;
	repair.digest = tally_hash_commitment(tally_hasher_get(), NULL, event,
										  strlen(event));
	if (tally_hash_equal(&repair.digest, &entry->digest))
		return true;
	if (tally_accused_is(v, &entry->tid))
		(void) tally_record_fetch(v, &entry->tid, try_digest, &repair);
	return repair.holds;
}

bool
tally_entries_read(struct tally_verifier *v)
{
	bool		all = true;
	int			i;

	for (i = 0; i < v->entries->count; i++)
	{
		struct tally_entry *entry = &v->entries->entries[i];
		char	   *event = tally_events_read(v, entry->event_id);

		CHECK_FOR_INTERRUPTS();
		if (holds(v, entry, event))
			entry->event = event;
		else
			all = false;
	}
	return all;
}

void
tally_entries_offer(struct tally_verifier *v, int64 event_id)
{
	const char *event = NULL;
	int			i;

	for (i = 0; i < v->entries->count; i++)
	{
		if (v->entries->entries[i].event != NULL &&
			v->entries->entries[i].event_id == event_id)
			return;
	}
	for (i = 0; i < v->entries->count; i++)
	{
		struct tally_entry *entry = &v->entries->entries[i];

		if (entry->event != NULL)
			continue;
		if (event == NULL)
			event = tally_events_read(v, event_id);
		if (!holds(v, entry, event))
			continue;
		entry->event_id = event_id;
		entry->event = event;
		return;
	}
}

/* ---- asking ----------------------------------------------------------- */

int
tally_entries_count(struct tally_verifier *v)
{
	return v->entries->count;
}

const struct tally_entry *
tally_entries_get(struct tally_verifier *v, int number)
{
	return &v->entries->entries[number];
}
