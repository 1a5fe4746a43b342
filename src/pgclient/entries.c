/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/entries.h"
#include "pgclient/sources.h"

/* An event that was read, for whichever record it holds. */
struct event {
	int64_t id;
	const char *text;
	size_t len;
	struct tally_hash digest; /* without a salt */
	bool is_taken;
};

struct events {
	struct event *all;
	size_t count;
	size_t capacity;
};

int
tally_pg_entries_open(struct tally_pg_verifier *v, struct tally_error *error)
{
	v->entries = calloc(1, sizeof(*v->entries));
	return v->entries == NULL ? tally_pg_no_memory(error) : 0;
}

void
tally_pg_entries_forget(struct tally_pg_verifier *v)
{
	for (size_t i = 0; i < v->entries->count; i++)
		free(v->entries->all[i].record);
	v->entries->count = 0;
}

void
tally_pg_entries_close(struct tally_pg_verifier *v)
{
	if (v->entries == NULL)
		return;
	tally_pg_entries_forget(v);
	free(v->entries->all);
	free(v->entries);
	v->entries = NULL;
}

static bool
widen(struct tally_pg_entries *entries)
{
	size_t capacity = entries->capacity > 0 ? entries->capacity * 2 : 64;
	struct tally_pg_entry *all;

	if (entries->count < entries->capacity)
		return true;
	all = realloc(entries->all, capacity * sizeof(*all));
	if (all == NULL)
		return false;
	entries->all = all;
	entries->capacity = capacity;
	return true;
}

int
tally_pg_entries_take(struct tally_pg_verifier *v,
    const struct tally_pg_record *record, struct tally_error *error)
{
	struct tally_pg_entry entry = {
		.record = tally_pg_record_dup(record),
		.seq = record->seq,
		.event_id = record->event_id,
	};
	bool taken = false;

	(void)pthread_mutex_lock(&v->lock);
	if (entry.record != NULL && widen(v->entries)) {
		v->entries->all[v->entries->count++] = entry;
		taken = true;
	}
	(void)pthread_mutex_unlock(&v->lock);
	if (taken)
		return 0;
	free(entry.record);
	return tally_pg_no_memory(error);
}

static int
compare(const void *a, const void *b)
{
	int64_t x = ((const struct tally_pg_entry *)a)->seq;
	int64_t y = ((const struct tally_pg_entry *)b)->seq;

	return x < y ? -1 : x > y;
}

/* Where the links say that each record belongs, not where it stands. */
void
tally_pg_entries_order(struct tally_pg_verifier *v)
{
	const struct tally_pg_accusation *named;

	for (size_t i = 0; i < v->entries->count; i++) {
		named = tally_pg_accused_find(&v->accused,
		    v->entries->all[i].record->tid);
		if (named != NULL && named->chain == v->chains.log)
			v->entries->all[i].seq = named->seq;
	}
	if (v->entries->count > 0)
		qsort(v->entries->all, v->entries->count,
		    sizeof(*v->entries->all), compare);
}

/* ---- events ----------------------------------------------------------- */

static int
add_event(struct tally_pg_verifier *v, struct events *events,
    const struct tally_pg_field *fields)
{
	struct event *event;
	size_t capacity = events->capacity > 0 ? events->capacity * 2 : 64;

	if (fields[0].at == NULL || fields[0].len != 8 || fields[1].at == NULL)
		return 0;
	if (events->count == events->capacity) {
		event = realloc(events->all, capacity * sizeof(*event));
		if (event == NULL)
			return TALLY_E_MEMORY;
		events->all = event;
		events->capacity = capacity;
	}
	event = &events->all[events->count];
	memset(event, 0, sizeof(*event));
	for (size_t i = 0; i < 8; i++)
		event->id = (int64_t)((uint64_t)event->id << 8 |
		    (uint8_t)fields[0].at[i]);
	event->len = fields[1].len;
	event->text = tally_pg_arena_copy(&v->arena, fields[1].at,
	    fields[1].len);
	if (event->text == NULL)
		return TALLY_E_MEMORY;
	event->digest = tally_hash_commitment(&v->hasher, NULL, event->text,
	    event->len);
	events->count++;
	return 0;
}

static int
read_events(struct tally_pg_verifier *v, const char *sql, struct events *events,
    struct tally_error *error)
{
	struct tally_pg_conn *conn = &v->pool.first;
	struct tally_pg_field fields[2];
	bool first = true;
	char *row;
	size_t len;
	int result = tally_pg_conn_copy(conn, sql, error);

	while (result == 0) {
		result = tally_pg_conn_next(conn, &row, &len, error);
		if (result == 0 &&
		    tally_pg_fields_decode(row, len, &first, fields, 2) == 0 &&
		    add_event(v, events, fields) != 0)
			return tally_pg_no_memory(error);
	}
	return result == TALLY_END ? 0 : result;
}

static void
put_query(const struct tally_pg_verifier *v, const int64_t *ids, size_t count,
    struct tally_pg_text *sql)
{
	tally_pg_text_format(sql,
	    "COPY (SELECT e.id, e.event FROM ONLY tally.event AS e"
	    " WHERE pg_catalog.octet_length(e.event) <= %u AND e.id IN (0",
	    (unsigned)TALLY_EVENT_MAX);
	for (size_t i = 0; i < v->entries->count; i++)
		tally_pg_text_format(sql, ", %" PRId64,
		    v->entries->all[i].event_id);
	for (size_t i = 0; i < count; i++)
		tally_pg_text_format(sql, ", %" PRId64, ids[i]);
	tally_pg_text_put(sql, ")) TO STDOUT (FORMAT binary)");
}

/*
 * Is the event what the record sealed?  One of which only the digest was
 * changed, which was told, still shows it by its hash.
 */
static bool
holds(struct tally_pg_verifier *v, const struct tally_pg_entry *entry,
    const struct event *event)
{
	struct tally_pg_record repaired = *entry->record;
	const struct tally_pg_chain *log = v->chains.log;
	struct tally_hash hash;

	if (entry->record->parts.has_digest && entry->record->salt == NULL &&
	    tally_hash_equal(&event->digest, &entry->record->parts.digest))
		return true;
	if (tally_pg_accused_find(&v->accused, entry->record->tid) == NULL ||
	    !repaired.has_prev || !repaired.has_hash)
		return false;
	repaired.parts.has_digest = true;
	repaired.parts.digest = event->digest;
	return tally_parts_hash(&v->hasher, &repaired.parts, log->seen.escaped,
		   log->seen.escaped_len, entry->seq, &repaired.prev, &hash) &&
	    tally_hash_equal(&hash, &repaired.hash);
}

static int
compare_events(const void *a, const void *b)
{
	int64_t x = ((const struct event *)a)->id;
	int64_t y = ((const struct event *)b)->id;

	return x < y ? -1 : x > y;
}

/* The first event of the number, or where it would stand. */
static size_t
find_event(const struct events *events, int64_t id)
{
	size_t low = 0;
	size_t high = events->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (events->all[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool
give(struct tally_pg_verifier *v, struct tally_pg_entry *entry,
    struct event *event)
{
	if (event->is_taken || !holds(v, entry, event))
		return false;
	event->is_taken = true;
	entry->event_id = event->id;
	entry->event = event->text;
	entry->event_len = event->len;
	return true;
}

/* First those that are named; then, for what is left, any other. */
static void
distribute(struct tally_pg_verifier *v, struct events *events)
{
	for (size_t i = 0; i < v->entries->count; i++) {
		struct tally_pg_entry *entry = &v->entries->all[i];
		size_t at = find_event(events, entry->event_id);

		for (; at < events->count &&
		     events->all[at].id == entry->event_id;
		     at++)
			if (give(v, entry, &events->all[at]))
				break;
	}
	for (size_t i = 0; i < v->entries->count; i++) {
		struct tally_pg_entry *entry = &v->entries->all[i];

		for (size_t at = 0; entry->event == NULL && at < events->count;
		     at++)
			(void)give(v, entry, &events->all[at]);
	}
}

int
tally_pg_entries_read(struct tally_pg_verifier *v, const int64_t *ids,
    size_t count, struct tally_error *error)
{
	struct tally_pg_text sql = { 0 };
	struct events events = { 0 };
	int result;

	if (v->entries->count == 0)
		return 0;
	put_query(v, ids, count, &sql);
	result = sql.failed ? tally_pg_no_memory(error)
			    : read_events(v, sql.at, &events, error);
	tally_pg_text_wipe(&sql);
	if (result == 0 && events.count > 0) {
		qsort(events.all, events.count, sizeof(*events.all),
		    compare_events);
		distribute(v, &events);
	}
	free(events.all);
	return result;
}
