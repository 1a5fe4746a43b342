/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of carrying that needs no lock: each record's header is made again
 * and hashed, its event held against its digest.  All memory of a call is one
 * block, as in prepare.c.
 */
#include <string.h>

#include "core/step.h"
#include "log/carry.h"
#include "log/fail.h"

#define OWN_CHAIN "tally:log"

/* What the event of a carried record of tally:log has around its parts. */
#define OWN_EXTRA (sizeof("{\"event\":,\"hash\":\"\",\"header\":}") + 64)

struct room {
	struct tally_log *log;
	struct tally_workspace *space;
	const struct tally_carried_names *names;
	struct tally_hash *own_hash;
	char *at;
};

bool
tally_carried_is_own(const char *chain, size_t len)
{
	return len == sizeof(OWN_CHAIN) - 1 &&
	    memcmp(chain, OWN_CHAIN, len) == 0;
}

static int
check_limits(const struct tally_record *records, size_t count, size_t *out_text,
    struct tally_error *error)
{
	size_t text = 0;

	if (count > TALLY_CALL_RECORDS_MAX)
		return tally_fail(error, TALLY_E_LIMIT,
		    "at most %d records are carried at once",
		    TALLY_CALL_RECORDS_MAX);
	for (size_t i = 0; i < count; i++) {
		size_t len = records[i].body == TALLY_BODY_EVENT
		    ? records[i].event_len
		    : 0;

		if (len > TALLY_CALL_BYTES_MAX - text)
			return tally_fail(error, TALLY_E_LIMIT,
			    "at most 64 MiB of events are carried at once");
		text += len;
	}
	*out_text = text;
	return TALLY_OK;
}

static int
fail_record(const struct tally_record *record, const char *why,
    struct tally_error *error)
{
	return tally_fail(error, TALLY_E_FORMAT,
	    "record %llu of chain \"%.*s\" %s", (unsigned long long)record->seq,
	    (int)record->chain_len, record->chain, why);
}

/* Is it compact JSON, as the log has it, and what was committed to? */
static int
check_event(struct room *room, const struct tally_record *record, char *scratch,
    struct tally_error *error)
{
	struct tally_hash digest;
	size_t len = 0;
	int result;

	if (record->event_len > room->log->identity.event_bytes)
		return tally_fail(error, TALLY_E_LIMIT,
		    "the event of record %llu of chain \"%.*s\" is %zu bytes"
		    " long, and this log takes %u",
		    (unsigned long long)record->seq, (int)record->chain_len,
		    record->chain, record->event_len,
		    (unsigned)room->log->identity.event_bytes);
	while ((result = tally_event_scan(record->event, record->event_len,
		    record->event_len, &room->space->room, scratch, &len,
		    error)) == TALLY_PARTIAL) {
		result = tally_workspace_widen(room->space, error);
		if (result != 0)
			return result;
	}
	if (result != 0)
		return result;
	if (len != record->event_len ||
	    memcmp(scratch, record->event, len) != 0)
		return fail_record(record, "has an event that is not compact",
		    error);
	digest = tally_hash_commitment(&room->space->hasher, record->salt,
	    record->event, record->event_len);
	return tally_hash_equal(&digest, &record->digest)
	    ? TALLY_OK
	    : fail_record(record, "has an event that its digest is not of",
		  error);
}

/* The header, as it was sealed; it hashes to what the record says. */
static int
make_header(struct room *room, const struct tally_record *record,
    struct tally_item *item, char header[TALLY_HEADER_MAX], size_t *out_len,
    struct tally_error *error)
{
	const struct tally_parts parts = {
		.has_digest = true,
		.has_time = true,
		.digest = record->digest,
		.time_us = record->time_us,
		.id = record->id,
		.id_len = record->id_len,
	};
	struct tally_hash hash;
	const char *what;

	if (record->seq == 0 || record->seq > TALLY_SEQ_MAX ||
	    tally_name_escape(record->chain, record->chain_len, TALLY_CHAIN_MAX,
		room->at, &item->chain_len, &what) != 0)
		return fail_record(record, "has a place that is none", error);
	item->chain = room->at;
	room->at += item->chain_len;
	if (record->id != NULL) {
		if (tally_name_escape(record->id, record->id_len, TALLY_ID_MAX,
			room->at, &item->id_len, &what) != 0)
			return fail_record(record, "has an id that is none",
			    error);
		item->id = room->at;
		room->at += item->id_len;
	}
	if (!tally_parts_encode(&parts, item->chain, item->chain_len,
		(int64_t)record->seq, &record->prev, header, out_len))
		return fail_record(record, "makes no header", error);
	hash = tally_hash_leaf(&room->space->hasher, header, *out_len);
	return tally_hash_equal(&hash, &record->hash)
	    ? TALLY_OK
	    : fail_record(record, "does not hash to its hash", error);
}

/* A record that keeps its place. */
static void
move_item(struct room *room, const struct tally_record *record,
    struct tally_item *item)
{
	item->is_moved = true;
	item->prev = record->prev;
	item->hash = record->hash;
	item->time_us = record->time_us;
	item->digest = record->digest;
	if (record->body != TALLY_BODY_EVENT) {
		item->source = room->names->source_text;
		item->source_len = room->names->source_text_len;
		return;
	}
	item->event = room->at;
	item->event_len = record->event_len;
	room->at += record->event_len;
	item->salted = record->salt != NULL;
	if (item->salted)
		memcpy(item->salt, record->salt, TALLY_SALT_SIZE);
}

static char *
put(char *p, const char *text, size_t len)
{
	memcpy(p, text, len);
	return p + len;
}

/* A record of the source's tally:log: an event of its chain here. */
static int
wrap_item(struct room *room, const struct tally_record *record,
    const char *header, size_t header_len, struct tally_item *item,
    struct tally_error *error)
{
	char hex[TALLY_HASH_TEXT_SIZE];
	const char *what;
	char *p;

	if (!tally_hash_equal(&record->prev, room->own_hash))
		return tally_fail(error, TALLY_E_CONFLICT,
		    "record %llu of the source's tally:log does not link to"
		    " the one that was carried before it",
		    (unsigned long long)record->seq);
	item->id_len = 0;
	if (tally_name_escape(room->names->own, room->names->own_len,
		TALLY_CHAIN_MAX, room->at, &item->chain_len, &what) != 0)
		return fail_record(record, "has a source that is none", error);
	item->chain = room->at;
	room->at += item->chain_len;
	item->event = p = room->at;
	*p++ = '{';
	if (record->body == TALLY_BODY_EVENT) {
		p = put(p, "\"event\":", 8);
		/* Behind it there is room for what was scanned. */
		memmove(p, record->event, record->event_len);
		p += record->event_len;
		*p++ = ',';
	}
	tally_hash_format(&record->hash, hex);
	p = put(p, "\"hash\":\"", 8);
	p = put(p, hex, TALLY_HASH_TEXT_SIZE - 1);
	p = put(p, "\",\"header\":", 11);
	p = put(p, header, header_len);
	*p++ = '}';
	item->event_len = (size_t)(p - item->event);
	room->at = p;
	if (item->event_len > room->log->identity.event_bytes)
		return tally_fail(error, TALLY_E_LIMIT,
		    "record %llu of the source's tally:log is longer than this"
		    " log's limit of events, %u",
		    (unsigned long long)record->seq,
		    (unsigned)room->log->identity.event_bytes);
	item->digest = tally_hash_commitment(&room->space->hasher, NULL,
	    item->event, item->event_len);
	*room->own_hash = record->hash;
	return TALLY_OK;
}

static int
prepare_item(struct room *room, const struct tally_record *record,
    struct tally_item *item, struct tally_error *error)
{
	bool is_own = tally_carried_is_own(record->chain, record->chain_len);
	char header[TALLY_HEADER_MAX];
	size_t header_len = 0;
	char *scratch;
	int result = make_header(room, record, item, header, &header_len,
	    error);

	if (result != 0)
		return result;
	if (!is_own && record->chain_len >= 6 &&
	    memcmp(record->chain, "tally:", 6) == 0)
		return fail_record(record, "is of a chain that no source has",
		    error);
	/* Where the event is about to stand, or behind. */
	scratch = room->at + (is_own ? TALLY_CHAIN_TEXT_MAX + 16 : 0);
	if (record->body == TALLY_BODY_EVENT)
		result = check_event(room, record, scratch, error);
	if (result != 0)
		return result;
	item->carried_seq = record->seq;
	if (is_own)
		return wrap_item(room, record, header, header_len, item, error);
	if (record->body == TALLY_BODY_EVENT)
		memcpy(room->at, record->event, record->event_len);
	move_item(room, record, item);
	return TALLY_OK;
}

static void
count_item(struct tally_call *call, const struct tally_item *item)
{
	call->bytes += tally_item_bytes(item);
	if (item == call->items || item->chain_len != item[-1].chain_len ||
	    memcmp(item->chain, item[-1].chain, item->chain_len) != 0) {
		call->chains++;
		call->names += item->chain_len;
	}
	call->ids += item->id_len != 0;
}

int
tally_carried_prepare(struct tally_log *log,
    const struct tally_carried_names *names, const struct tally_record *records,
    size_t count, struct tally_hash *own_hash, struct tally_call *call,
    struct tally_error *error)
{
	size_t items = count * sizeof(struct tally_item);
	struct room room = { .log = log, .names = names, .own_hash = own_hash };
	size_t text = 0;
	int result;

	memset(call, 0, sizeof(*call));
	result = check_limits(records, count, &text, error);
	if (result != 0)
		return result;
	text += count *
	    (2 * TALLY_CHAIN_TEXT_MAX + TALLY_ID_TEXT_MAX + OWN_EXTRA +
		TALLY_HEADER_MAX);
	call->items = tally_sys_alloc(items + text);
	if (call->items == NULL)
		return tally_fail_memory(error);
	call->count = count;
	call->carried = true;
	room.at = (char *)call->items + items;
	result = tally_workspace_take(log, &room.space, error);
	if (result != 0)
		return result;
	for (size_t i = 0; i < count && result == 0; i++) {
		result = prepare_item(&room, &records[i], &call->items[i],
		    error);
		if (result != 0 && error != NULL)
			error->item = i;
		if (result == 0)
			count_item(call, &call->items[i]);
	}
	if (result == 0 && tally_hasher_failed(&room.space->hasher))
		result = tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	tally_workspace_give(log, room.space);
	return result;
}
