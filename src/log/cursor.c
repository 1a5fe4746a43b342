/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking and finding.
 *
 * A cursor stands at a place and reads lines from there.  One that walks a
 * chain jumps through the index: after MISSES lines of other chains it looks
 * the next seq up instead of reading on, so a dense chain is read in one
 * stream and a sparse one record by record.  What the index does not cover yet
 * is read line by line.
 */
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "log/fail.h"
#include "log/find.h"
#include "log/order.h"
#include "log/reader.h"

#define MISSES 32
/* A lag that is not worth an update of the index. */
#define LAG 2048

struct tally_cursor {
	struct tally_log *log;
	struct tally_range range;
	char chain[TALLY_CHAIN_TEXT_MAX]; /* escaped; len 0: all */
	size_t chain_len;
	uint64_t seq; /* the next one of the chain */

	struct tally_place horizon;
	struct tally_place at; /* of the next line */
	int fd;                /* of its segment, or -1 */
	struct tally_lines lines;
	unsigned missed;
	bool walks_on; /* the index has nothing (more) for us */

	struct tally_hasher hasher;
	struct tally_found found;
	char chain_plain[TALLY_CHAIN_MAX + 1];
	char id_plain[TALLY_ID_MAX + 1];
};

/* ---- opening ---------------------------------------------------------- */

static int
take_range(struct tally_cursor *cursor, const struct tally_range *range,
    struct tally_error *error)
{
	const char *what;
	int result;

	if (range == NULL)
		return TALLY_OK;
	cursor->range = *range;
	cursor->seq = range->from_seq == 0 ? 1 : range->from_seq;
	if (range->chain == NULL)
		return TALLY_OK;
	result = tally_name_escape(range->chain, range->chain_len,
	    TALLY_CHAIN_MAX, cursor->chain, &cursor->chain_len, &what);
	if (result != 0)
		return tally_fail(error, result, "the chain's name %s", what);
	cursor->missed = MISSES;
	return TALLY_OK;
}

int
tally_cursor_open(struct tally_log *log, const struct tally_range *range,
    struct tally_cursor **out_cursor, struct tally_error *error)
{
	struct tally_cursor *cursor = tally_sys_alloc(sizeof(*cursor));
	int result;

	if (cursor == NULL)
		return tally_fail_memory(error);
	cursor->log = log;
	cursor->fd = -1;
	result = tally_hasher_open(&cursor->hasher);
	if (result != 0)
		result = tally_fail_memory(error);
	if (result == 0)
		result = take_range(cursor, range, error);
	if (result == 0)
		result = tally_reader_horizon(log, &cursor->horizon, error);
	if (result != 0) {
		tally_cursor_close(cursor);
		return result;
	}
	*out_cursor = cursor;
	return TALLY_OK;
}

static void
cursor_leave(struct tally_cursor *cursor)
{
	tally_lines_wipe(&cursor->lines);
	tally_sys_close(cursor->fd);
	cursor->fd = -1;
}

void
tally_cursor_close(struct tally_cursor *cursor)
{
	if (cursor == NULL)
		return;
	cursor_leave(cursor);
	tally_found_wipe(&cursor->found);
	tally_hasher_close(&cursor->hasher);
	tally_sys_free(cursor);
}

/* ---- lines ------------------------------------------------------------ */

static void
cursor_seek(struct tally_cursor *cursor, const struct tally_place *place)
{
	cursor_leave(cursor);
	cursor->at = *place;
}

/* Opens the segment that we stand in, up to where it may be read. */
static int
cursor_enter(struct tally_cursor *cursor, struct tally_error *error)
{
	struct tally_sys_stat st;
	uint64_t end;
	int result;

	cursor->fd = tally_segment_open(cursor->log->log_dir,
	    cursor->at.segment, false, error);
	if (cursor->fd < 0)
		return cursor->fd;
	result = tally_sys_stat(cursor->fd, &st);
	if (result != 0)
		return tally_fail_os(error, result, "cannot read a segment");
	end = cursor->at.segment == cursor->horizon.segment
	    ? cursor->horizon.offset
	    : st.size;
	tally_lines_init(&cursor->lines, cursor->fd, cursor->at.offset, end,
	    TALLY_LINE_MAX(TALLY_EVENT_MAX));
	return TALLY_OK;
}

static int
damaged(struct tally_cursor *cursor, struct tally_error *error)
{
	char name[TALLY_SEGMENT_NAME_SIZE];

	tally_segment_name(cursor->at.segment, name);
	if (error != NULL)
		error->offset = cursor->at.offset;
	return tally_fail(error, TALLY_E_DAMAGED,
	    "\"log/%s\" is damaged at byte %llu, record %llu; \"tally"
	    " verify\" says more",
	    name, (unsigned long long)cursor->at.offset,
	    (unsigned long long)cursor->at.size);
}

/* The next line below the horizon; TALLY_END there. */
static int
cursor_line(struct tally_cursor *cursor, const char **out_text, size_t *out_len,
    struct tally_error *error)
{
	int result;

	for (;;) {
		if (cursor->at.size >= cursor->horizon.size)
			return TALLY_END;
		if (cursor->fd < 0) {
			result = cursor_enter(cursor, error);
			if (result != 0)
				return result;
		}
		result = tally_lines_next(&cursor->lines, out_text, out_len,
		    error);
		if (result == TALLY_PARTIAL)
			return damaged(cursor, error);
		if (result != TALLY_END)
			return result;
		if (cursor->at.segment == cursor->at.size ||
		    cursor->at.segment == cursor->horizon.segment)
			return damaged(cursor, error);
		cursor_leave(cursor);
		cursor->at.segment = cursor->at.size;
		cursor->at.offset = 0;
	}
}

/* Takes the line apart into found, and steps behind it. */
static int
cursor_take(struct tally_cursor *cursor, const char *text, size_t len,
    struct tally_error *error)
{
	struct tally_found *found = &cursor->found;

	if (tally_line_decode(text, len, &found->line) != 0)
		return damaged(cursor, error);
	found->index = cursor->at.size;
	found->at = cursor->at;
	cursor->at.size++;
	cursor->at.offset += len;
	return TALLY_OK;
}

/* ---- records ---------------------------------------------------------- */

/* The record in found, for the caller; text is its line. */
static int
give(struct tally_cursor *cursor, const char *text, size_t len,
    struct tally_record *out, struct tally_error *error)
{
	const struct tally_line *line = &cursor->found.line;
	const struct tally_header *header = &line->header;

	memset(out, 0, sizeof(*out));
	if (tally_name_unescape(header->chain, header->chain_len,
		TALLY_CHAIN_MAX, cursor->chain_plain, &out->chain_len) != 0)
		return damaged(cursor, error);
	out->chain = cursor->chain_plain;
	if (header->id_len != 0) {
		if (tally_name_unescape(header->id, header->id_len,
			TALLY_ID_MAX, cursor->id_plain, &out->id_len) != 0)
			return damaged(cursor, error);
		out->id = cursor->id_plain;
	}
	out->index = cursor->found.index;
	out->seq = header->seq;
	out->time_us = header->time_us;
	out->digest = header->digest;
	out->prev = header->prev;
	out->hash = line->hash;
	out->body = line->body;
	if (line->body == TALLY_BODY_EVENT) {
		out->event = line->event;
		out->event_len = line->event_len;
	}
	out->salt = line->has_salt ? line->salt : NULL;
	out->order_seq = line->order_seq;
	out->line = text;
	out->line_len = len;
	return TALLY_OK;
}

/* As above for a line that was only taken apart. */
static int
check_and_give(struct tally_cursor *cursor, const char *text, size_t len,
    struct tally_record *out, struct tally_error *error)
{
	if (!tally_line_holds(&cursor->hasher, &cursor->found.line)) {
		cursor->at = cursor->found.at;
		return damaged(cursor, error);
	}
	return give(cursor, text, len, out, error);
}

static bool
is_of_chain(const struct tally_cursor *cursor)
{
	const struct tally_header *header = &cursor->found.line.header;

	return header->chain_len == cursor->chain_len &&
	    memcmp(header->chain, cursor->chain, cursor->chain_len) == 0;
}

/* ---- jumping ---------------------------------------------------------- */

/* The index, brought up to date if it lags and we may; end it when this
 * returned 0. */
static int
index_begin(struct tally_cursor *cursor, struct tally_error *error)
{
	struct tally_log *log = cursor->log;
	int result = tally_index_begin(log, error);

	if (result != 0 || log->read_only ||
	    log->index.covered.size + LAG >= cursor->horizon.size)
		return result;
	tally_index_end(log);
	/* Best effort: what is not covered is read. */
	(void)!tally_index_catch_up(log, &cursor->horizon, true, NULL);
	return tally_index_begin(log, error);
}

/* To the next record of the chain, or to where the index ends. */
static int
jump(struct tally_cursor *cursor, struct tally_error *error)
{
	struct tally_log *log = cursor->log;
	struct tally_place covered;
	int result = index_begin(cursor, error);

	if (result != 0)
		return result;
	covered = log->index.covered;
	result = tally_find_seq(log, &cursor->hasher, cursor->chain,
	    cursor->chain_len, cursor->seq, &cursor->found, error);
	tally_index_end(log);
	if (result == TALLY_E_IO)
		tally_index_discard(log);
	if (result == 0) {
		cursor_seek(cursor, &cursor->found.at);
		cursor->missed = 0;
		return TALLY_OK;
	}
	cursor->walks_on = true;
	if (result == TALLY_END && covered.size > cursor->at.size)
		cursor_seek(cursor, &covered);
	return result == TALLY_END || result == TALLY_E_IO ? TALLY_OK : result;
}

/* The next line that the range wants. */
static int
step(struct tally_cursor *cursor, struct tally_record *out,
    struct tally_error *error)
{
	const char *text;
	size_t len;
	int result;

	for (;;) {
		if (cursor->chain_len != 0 && !cursor->walks_on &&
		    cursor->missed >= MISSES) {
			result = jump(cursor, error);
			if (result != 0)
				return result;
		}
		result = cursor_line(cursor, &text, &len, error);
		if (result == 0)
			result = cursor_take(cursor, text, len, error);
		if (result != 0)
			return result;
		if (cursor->chain_len == 0)
			break;
		if (is_of_chain(cursor) &&
		    cursor->found.line.header.seq >= cursor->seq) {
			cursor->seq = cursor->found.line.header.seq + 1;
			cursor->missed = 0;
			break;
		}
		cursor->missed++;
	}
	return check_and_give(cursor, text, len, out, error);
}

/* A walk over all chains begins where it was told to. */
static int
begin_at_index(struct tally_cursor *cursor, uint64_t index,
    struct tally_error *error)
{
	struct tally_place covered;
	const char *text;
	size_t len;
	int result;

	if (cursor->at.size >= index)
		return TALLY_OK;
	result = index_begin(cursor, error);
	if (result != 0)
		return result;
	covered = cursor->log->index.covered;
	result = tally_find_index(cursor->log, &cursor->hasher, index,
	    &cursor->found, error);
	tally_index_end(cursor->log);
	if (result < 0)
		return result;
	if (result == 0)
		cursor_seek(cursor, &cursor->found.at);
	else if (covered.size > cursor->at.size && covered.size <= index)
		cursor_seek(cursor, &covered);
	while (cursor->at.size < index) {
		result = cursor_line(cursor, &text, &len, error);
		if (result == 0)
			result = cursor_take(cursor, text, len, error);
		if (result != 0)
			return result;
	}
	return TALLY_OK;
}

/* Is the cursor behind the end of its range? */
static bool
is_done(const struct tally_cursor *cursor)
{
	const struct tally_range *range = &cursor->range;

	if (range->to_index != 0 && cursor->at.size >= range->to_index)
		return true;
	return cursor->chain_len != 0 && range->to_seq != 0 &&
	    cursor->seq > range->to_seq;
}

int
tally_cursor_next(struct tally_cursor *cursor, struct tally_record *out,
    struct tally_error *error)
{
	struct tally_place horizon;
	int result;

	if (atomic_load(&cursor->log->forked))
		return tally_order_refuse_forked(error);
	if (is_done(cursor))
		return TALLY_END;
	result = begin_at_index(cursor, cursor->range.from_index, error);
	if (result == 0)
		result = step(cursor, out, error);
	if (result != TALLY_END)
		return result;
	result = tally_reader_horizon(cursor->log, &horizon, error);
	if (result != 0)
		return result;
	if (horizon.size <= cursor->horizon.size)
		return TALLY_END;
	cursor->horizon = horizon;
	cursor_leave(cursor);
	return tally_cursor_next(cursor, out, error);
}

/* Sleeps until a sync tells that there is more, or the time is over. */
static void
follow(struct tally_state *state, _Atomic uint32_t *word, uint32_t seen,
    int64_t limit_us)
{
	bool shared = state != NULL && word == &state->shared->growth;

	if (shared)
		atomic_fetch_add(&state->shared->followers, 1);
	tally_sys_wait(word, seen, limit_us, shared);
	if (shared)
		atomic_fetch_sub(&state->shared->followers, 1);
}

int
tally_cursor_wait(struct tally_cursor *cursor, int timeout_ms,
    struct tally_error *error)
{
	int64_t began = tally_sys_monotonic_us();
	_Atomic uint32_t nobody = 0;

	for (;;) {
		struct tally_state *state = tally_view_state(cursor->log);
		_Atomic uint32_t *word = state == NULL || !state->writable
		    ? &nobody
		    : &state->shared->growth;
		uint32_t seen = atomic_load(word);
		struct tally_place horizon;
		int64_t left = 100000;
		int result = tally_reader_horizon(cursor->log, &horizon, error);

		if (timeout_ms >= 0)
			left = (int64_t)timeout_ms * 1000 -
			    (tally_sys_monotonic_us() - began);
		if (result == 0 && horizon.size <= cursor->horizon.size &&
		    left > 0)
			follow(state, word, seen,
			    left < 100000 ? left : 100000);
		tally_state_unref(state);
		if (result != 0 || horizon.size > cursor->horizon.size)
			return result;
		if (left <= 0)
			return TALLY_END;
	}
}

/* ---- finding ---------------------------------------------------------- */

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
		result = cursor_line(cursor, &text, &len, error);
		if (result == 0)
			result = cursor_take(cursor, text, len, error);
		if (result != 0)
			return result;
	} while (!find_matches(find, &cursor->found));
	return check_and_give(cursor, text, len, out, error);
}

int
tally_cursor_find(struct tally_cursor *cursor, const struct tally_find *want,
    struct tally_record *out, struct tally_error *error)
{
	struct tally_log *log = cursor->log;
	struct tally_place covered, behind;
	struct find find;
	int result;

	result = find_take(want, &find, error);
	if (result == 0)
		result = tally_reader_horizon(log, &cursor->horizon, error);
	if (result == 0)
		result = index_begin(cursor, error);
	if (result != 0)
		return result;
	covered = log->index.covered;
	result = find_indexed(cursor, &find, error);
	tally_index_end(log);
	if (result == TALLY_E_IO)
		tally_index_discard(log);
	if (result == 0) {
		behind = cursor->found.at;
		behind.size++;
		behind.offset += cursor->found.len;
		cursor_seek(cursor, &behind);
		return give(cursor, cursor->found.text, cursor->found.len, out,
		    error);
	}
	if (result != TALLY_END)
		return result;
	/* An index that should have it and has not is wrong: read it all. */
	if (want->by == TALLY_KEY_INDEX && want->index < covered.size)
		memset(&covered, 0, sizeof(covered));
	cursor_seek(cursor, &covered);
	return find_scanned(cursor, &find, out, error);
}
