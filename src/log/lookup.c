/* SPDX-License-Identifier: Apache-2.0 */
/* Finding one record with a cursor. */
#include <string.h>

#include "core/text.h"
#include "log/cursor.h"
#include "log/fail.h"
#include "log/find.h"
#include "log/reader.h"

struct find {
	const struct tally_find *want;
	char chain[TALLY_CHAIN_TEXT_MAX], id[TALLY_ID_TEXT_MAX];
	size_t chain_len, id_len;
};

static int
find_take(const struct tally_find *want, struct find *out,
    struct tally_error *error)
{
	const char *what;
	int result;

	memset(out, 0, sizeof(*out));
	out->want = want;
	if (want->by == TALLY_KEY_INDEX)
		return TALLY_OK;
	result = tally_name_escape(want->chain, want->chain_len,
	    TALLY_CHAIN_MAX, out->chain, &out->chain_len, &what);
	if (result != 0)
		return tally_fail(error, result, "the chain's name %s", what);
	if (want->by == TALLY_KEY_SEQ)
		return TALLY_OK;
	result = tally_name_escape(want->id, want->id_len, TALLY_ID_MAX,
	    out->id, &out->id_len, &what);
	if (result != 0)
		return tally_fail(error, result, "the id %s", what);
	return TALLY_OK;
}

static bool
find_matches(const struct find *find, const struct tally_found *found)
{
	const struct tally_header *header = &found->line.header;

	if (find->want->by == TALLY_KEY_INDEX)
		return found->index == find->want->index;
	if (header->chain_len != find->chain_len ||
	    memcmp(header->chain, find->chain, find->chain_len) != 0)
		return false;
	if (find->want->by == TALLY_KEY_SEQ)
		return header->seq == find->want->seq;
	return header->id_len == find->id_len &&
	    memcmp(header->id, find->id, find->id_len) == 0;
}

/* Through the index, then through what it does not cover. */
static int
find_indexed(struct tally_cursor *cursor, const struct find *find,
    struct tally_error *error)
{
	struct tally_log *log = cursor->log;

	switch (find->want->by) {
	case TALLY_KEY_INDEX:
		return tally_find_index(log, &cursor->hasher, find->want->index,
		    &cursor->found, error);
	case TALLY_KEY_SEQ:
		return tally_find_seq(log, &cursor->hasher, find->chain,
		    find->chain_len, find->want->seq, &cursor->found, error);
	default:
		return tally_find_id(log, &cursor->hasher, find->chain,
		    find->chain_len, find->id, find->id_len, &cursor->found,
		    error);
	}
}

static int
find_scanned(struct tally_cursor *cursor, const struct find *find,
    struct tally_record *out, struct tally_error *error)
{
	const char *text;
	size_t len;
	int result;

	do {
		result = tally_cursor_read(cursor, &text, &len, error);
		if (result != 0)
			return result;
	} while (!find_matches(find, &cursor->found));
	return tally_cursor_check_and_give(cursor, text, len, out, error);
}

/*
 * In the index, which may lead to a line that is none: because it is wrong, or
 * because a recovery is just writing the line anew (R5).  So it is asked
 * again after the order lock was had once, and then no more: TALLY_E_IO, or
 * TALLY_E_DAMAGED if it is the line that is wrong.
 */
static int
find_twice(struct tally_cursor *cursor, const struct find *find,
    struct tally_place *out_covered, struct tally_error *error)
{
	struct tally_log *log = cursor->log;
	int result;

	for (int tries = 0;; tries++) {
		result = tally_reader_horizon(log, &cursor->horizon, error);
		if (result == 0)
			result = tally_cursor_index_begin(cursor, error);
		if (result != 0)
			return result;
		*out_covered = log->index.covered;
		result = find_indexed(cursor, find, error);
		tally_index_end(log);
		if (result == TALLY_END && find->want->by == TALLY_KEY_INDEX &&
		    find->want->index < out_covered->size)
			result = TALLY_E_IO;
		if ((result != TALLY_E_IO && result != TALLY_E_DAMAGED) ||
		    tries > 0)
			return result;
	}
}

int
tally_cursor_find(struct tally_cursor *cursor, const struct tally_find *want,
    struct tally_record *out, struct tally_error *error)
{
	struct tally_place covered = { 0 }, behind;
	struct find find;
	int result;

	result = find_take(want, &find, error);
	if (result == 0)
		result = find_twice(cursor, &find, &covered, error);
	if (result == 0) {
		behind = cursor->found.at;
		behind.size++;
		behind.offset += cursor->found.len;
		tally_cursor_seek(cursor, &behind);
		return tally_cursor_give(cursor, cursor->found.text,
		    cursor->found.len, out, error);
	}
	/* An index that is wrong goes, and everything is read. */
	if (result == TALLY_E_IO) {
		tally_index_discard(cursor->log);
		memset(&covered, 0, sizeof(covered));
		result = TALLY_END;
	}
	if (result != TALLY_END)
		return result;
	tally_cursor_seek(cursor, &covered);
	return find_scanned(cursor, &find, out, error);
}
