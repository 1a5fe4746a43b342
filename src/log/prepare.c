/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of an append that needs no lock: names escaped, events scanned and
 * compacted, salts drawn, commitments made.  All memory of a call is one
 * block: the items, then the texts they point to.
 */
#include <string.h>

#include "log/commit.h"
#include "log/fail.h"

struct arena {
	char *at;
};

static int
check_limits(const struct tally_append *requests, size_t count,
    size_t *out_text, struct tally_error *error)
{
	size_t text = 0;

	if (count > TALLY_CALL_RECORDS_MAX)
		return tally_fail(error, TALLY_E_LIMIT,
		    "an append takes at most %d records at once",
		    TALLY_CALL_RECORDS_MAX);
	for (size_t i = 0; i < count; i++) {
		if (requests[i].event_len > TALLY_CALL_BYTES_MAX - text)
			return tally_fail(error, TALLY_E_LIMIT,
			    "an append takes at most 64 MiB of events at"
			    " once");
		text += requests[i].event_len;
	}
	*out_text = text;
	return TALLY_OK;
}

static int
prepare_name(const char *kind, const char *name, size_t len, size_t max,
    struct arena *arena, const char **out_text, size_t *out_len,
    struct tally_error *error)
{
	const char *what;
	int result;

	result = tally_name_escape(name, len, max, arena->at, out_len, &what);
	if (result != 0)
		return tally_fail(error, result, "the %s %s", kind, what);
	*out_text = arena->at;
	arena->at += *out_len;
	return TALLY_OK;
}

static int
prepare_event(struct tally_log *log, struct tally_workspace *space,
    const struct tally_append *request, struct arena *arena,
    struct tally_item *item, struct tally_error *error)
{
	size_t limit = log->identity.event_bytes;
	int result;

	/* Compact text is never longer than what it came from. */
	if (request->event_len < limit)
		limit = request->event_len;
	while ((result = tally_event_scan(request->event, request->event_len,
		    limit, &space->room, arena->at, &item->event_len, error)) ==
	    TALLY_PARTIAL) {
		result = tally_workspace_widen(space, error);
		if (result != 0)
			return result;
	}
	item->event = arena->at;
	arena->at += item->event_len;
	return result;
}

static int
prepare_item(struct tally_log *log, struct tally_workspace *space,
    const struct tally_append *request, bool own, struct arena *arena,
    struct tally_item *item, struct tally_error *error)
{
	int result;

	result = prepare_name("chain's name", request->chain,
	    request->chain_len, TALLY_CHAIN_MAX, arena, &item->chain,
	    &item->chain_len, error);
	if (result == 0 && !own && request->chain_len >= 6 &&
	    memcmp(request->chain, "tally:", 6) == 0)
		result = tally_fail(error, TALLY_E_USAGE,
		    "chains that begin with \"tally:\" are the log's own");
	if (result == 0 && request->id != NULL)
		result = prepare_name("id", request->id, request->id_len,
		    TALLY_ID_MAX, arena, &item->id, &item->id_len, error);
	if (result == 0)
		result = prepare_event(log, space, request, arena, item, error);
	if (result == 0 && request->salted) {
		item->salted = true;
		result = tally_sys_random(item->salt, sizeof(item->salt));
		if (result != 0)
			result = tally_fail_os(error, result,
			    "cannot get random bytes");
	}
	if (result != 0)
		return result;
	item->digest = tally_hash_commitment(&space->hasher,
	    item->salted ? item->salt : NULL, item->event, item->event_len);
	return TALLY_OK;
}

static int
prepare_items(struct tally_log *log, const struct tally_append *requests,
    struct arena *arena, struct tally_call *call, struct tally_error *error)
{
	struct tally_workspace *space;
	int result;

	result = tally_workspace_take(log, &space, error);
	if (result != 0)
		return result;
	for (size_t i = 0; i < call->count && result == 0; i++) {
		struct tally_item *item = &call->items[i];

		result = prepare_item(log, space, &requests[i], call->own,
		    arena, item, error);
		if (result != 0 && error != NULL)
			error->item = i;
		call->bytes += tally_item_bytes(item);
		if (i == 0 || item->chain_len != item[-1].chain_len ||
		    memcmp(item->chain, item[-1].chain, item->chain_len) != 0) {
			call->chains++;
			call->names += item->chain_len;
		}
		call->ids += item->id_len != 0;
	}
	if (result == 0 && tally_hasher_failed(&space->hasher))
		result = tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	tally_workspace_give(log, space);
	return result;
}

int
tally_call_prepare(struct tally_log *log, const struct tally_append *requests,
    size_t count, bool own, struct tally_call *call, struct tally_error *error)
{
	size_t text = 0, items = count * sizeof(struct tally_item);
	struct arena arena;
	int result;

	memset(call, 0, sizeof(*call));
	call->own = own;
	result = check_limits(requests, count, &text, error);
	if (result != 0)
		return result;
	text += count * (TALLY_CHAIN_TEXT_MAX + TALLY_ID_TEXT_MAX);
	call->items = tally_sys_alloc(items + text);
	if (call->items == NULL)
		return tally_fail_memory(error);
	call->count = count;
	arena.at = (char *)call->items + items;
	return prepare_items(log, requests, &arena, call, error);
}

void
tally_call_wipe(struct tally_call *call)
{
	tally_sys_free(call->items);
	call->items = NULL;
}
