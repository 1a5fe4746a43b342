/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking.
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
#include "log/cursor.h"
#include "log/fail.h"
#include "log/find.h"
#include "log/order.h"
#include "log/reader.h"

#define MISSES 32
/* A lag that is not worth an update of the index. */
#define LAG 2048

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
	cursor->may_jump = range->from_index == 0;
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

void
tally_cursor_seek(struct tally_cursor *cursor, const struct tally_place *place)
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
	/* The next call reads the same again, not what is behind it. */
	cursor_leave(cursor);
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

/* The same line taken apart into found; and steps behind it. */
static int
cursor_take(struct tally_cursor *cursor, const char **out_text, size_t *out_len,
    struct tally_error *error)
{
	struct tally_found *found = &cursor->found;
	int result = cursor_line(cursor, out_text, out_len, error);

	if (result != 0)
		return result;
	if (tally_line_decode(*out_text, *out_len, &found->line) != 0)
		return damaged(cursor, error);
	found->index = cursor->at.size;
	found->at = cursor->at;
	cursor->at.size++;
	cursor->at.offset += *out_len;
	return TALLY_OK;
}

/*
 * Readers take no lock, and a recovery cuts what is above the watermark and
 * writes it again (R5): what looks damaged may be half of that.  It is read
 * once more under the order lock, when there is no recovery.
 */
int
tally_cursor_read(struct tally_cursor *cursor, const char **out_text,
    size_t *out_len, struct tally_error *error)
{
	struct tally_place at = cursor->at;
	int result = cursor_take(cursor, out_text, out_len, error);

	if (result != TALLY_E_DAMAGED)
		return result;
	result = tally_reader_begin(cursor->log, error);
	if (result != 0)
		return result;
	tally_cursor_seek(cursor, &at);
	result = cursor_take(cursor, out_text, out_len, error);
	tally_reader_end(cursor->log);
	return result;
}

/* ---- records ---------------------------------------------------------- */

int
tally_cursor_give(struct tally_cursor *cursor, const char *text, size_t len,
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

int
tally_cursor_check_and_give(struct tally_cursor *cursor, const char *text,
    size_t len, struct tally_record *out, struct tally_error *error)
{
	if (!tally_line_holds(&cursor->hasher, &cursor->found.line)) {
		cursor->at = cursor->found.at;
		return damaged(cursor, error);
	}
	return tally_cursor_give(cursor, text, len, out, error);
}

static bool
is_of_chain(const struct tally_cursor *cursor)
{
	const struct tally_header *header = &cursor->found.line.header;

	return header->chain_len == cursor->chain_len &&
	    memcmp(header->chain, cursor->chain, cursor->chain_len) == 0;
}

/* ---- jumping ---------------------------------------------------------- */

int
tally_cursor_index_begin(struct tally_cursor *cursor, struct tally_error *error)
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
	int result = tally_cursor_index_begin(cursor, error);

	if (result != 0)
		return result;
	covered = log->index.covered;
	result = tally_find_seq(log, &cursor->hasher, cursor->chain,
	    cursor->chain_len, cursor->seq, &cursor->found, error);
	tally_index_end(log);
	if (result == TALLY_E_IO)
		tally_index_discard(log);
	if (result == 0) {
		tally_cursor_seek(cursor, &cursor->found.at);
		cursor->missed = 0;
		return TALLY_OK;
	}
	cursor->walks_on = true;
	if (result == TALLY_END && covered.size > cursor->at.size)
		tally_cursor_seek(cursor, &covered);
	/* What is damaged is told where it is read, if it still is then. */
	return result == TALLY_E_IO || result == TALLY_E_DAMAGED ||
		result == TALLY_END
	    ? TALLY_OK
	    : result;
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

/* Is what was read last for the caller? */
static bool
is_wanted(struct tally_cursor *cursor)
{
	uint64_t seq = cursor->found.line.header.seq;

	if (cursor->chain_len == 0)
		return true;
	cursor->missed++;
	if (!is_of_chain(cursor))
		return false;
	cursor->may_jump = true;
	if (seq < cursor->seq)
		return false;
	cursor->seq = seq + 1;
	cursor->missed = 0;
	return true;
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
		if (cursor->chain_len != 0 && cursor->may_jump &&
		    !cursor->walks_on && cursor->missed >= MISSES) {
			result = jump(cursor, error);
			if (result != 0)
				return result;
		}
		if (is_done(cursor))
			return TALLY_END;
		result = tally_cursor_read(cursor, &text, &len, error);
		if (result != 0)
			return result;
		if (is_wanted(cursor))
			break;
	}
	return tally_cursor_check_and_give(cursor, text, len, out, error);
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
	result = tally_cursor_index_begin(cursor, error);
	if (result != 0)
		return result;
	covered = cursor->log->index.covered;
	result = tally_find_index(cursor->log, &cursor->hasher, index,
	    &cursor->found, error);
	tally_index_end(cursor->log);
	/* An index that is wrong goes, and everything is read. */
	if (result == TALLY_E_IO) {
		tally_index_discard(cursor->log);
		memset(&covered, 0, sizeof(covered));
		result = TALLY_END;
	}
	if (result < 0)
		return result;
	if (result == 0)
		tally_cursor_seek(cursor, &cursor->found.at);
	else if (covered.size > cursor->at.size && covered.size <= index)
		tally_cursor_seek(cursor, &covered);
	while (cursor->at.size < index) {
		result = tally_cursor_read(cursor, &text, &len, error);
		if (result != 0)
			return result;
	}
	return TALLY_OK;
}

int
tally_cursor_next(struct tally_cursor *cursor, struct tally_record *out,
    struct tally_error *error)
{
	struct tally_place horizon;
	int result;

	if (atomic_load(&cursor->log->forked))
		return tally_handle_refuse_forked(error);
	for (;;) {
		if (is_done(cursor))
			return TALLY_END;
		result = begin_at_index(cursor, cursor->range.from_index,
		    error);
		if (result == 0)
			result = step(cursor, out, error);
		if (result != TALLY_END || is_done(cursor))
			return result;
		result = tally_reader_horizon(cursor->log, &horizon, error);
		if (result != 0)
			return result;
		if (horizon.size <= cursor->horizon.size)
			return TALLY_END;
		cursor->horizon = horizon;
		cursor_leave(cursor);
	}
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
