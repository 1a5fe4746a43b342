/* SPDX-License-Identifier: Apache-2.0 */
/* What walking (cursor.c) and finding (lookup.c) share. */
#ifndef TALLY_LOG_CURSOR_H
#define TALLY_LOG_CURSOR_H

#include "log/found.h"
#include "log/handle.h"

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
	bool may_jump; /* where seq is lies behind from_index */

	struct tally_hasher hasher;
	struct tally_found found;
	char chain_plain[TALLY_CHAIN_MAX + 1];
	char id_plain[TALLY_ID_MAX + 1];
};

void
tally_cursor_seek(struct tally_cursor *cursor, const struct tally_place *place);

/*
 * The next line below the horizon, taken apart into found; the cursor stands
 * behind it.  TALLY_END there, TALLY_E_DAMAGED at what is no line.
 */
TALLY_MUST_CHECK int
tally_cursor_read(struct tally_cursor *cursor, const char **out_text,
    size_t *out_len, struct tally_error *error);

/* The record in found, for the caller; text is its line. */
TALLY_MUST_CHECK int
tally_cursor_give(struct tally_cursor *cursor, const char *text, size_t len,
    struct tally_record *out, struct tally_error *error);

/* As above for a line that was only taken apart, not hashed. */
TALLY_MUST_CHECK int
tally_cursor_check_and_give(struct tally_cursor *cursor, const char *text,
    size_t len, struct tally_record *out, struct tally_error *error);

/*
 * The index, refreshed and, if it lags, brought up to date.  When this
 * returns 0, tally_index_end ends its use.
 */
TALLY_MUST_CHECK int
tally_cursor_index_begin(struct tally_cursor *cursor,
    struct tally_error *error);

#endif
