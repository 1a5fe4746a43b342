/* SPDX-License-Identifier: Apache-2.0 */
/* One line of a segment, where somebody says that it stands. */
#ifndef TALLY_LOG_FOUND_H
#define TALLY_LOG_FOUND_H

#include "core/record.h"
#include "log/handle.h"

/* A line read from a segment, taken apart; wipe it. */
struct tally_found {
	char *text;
	size_t len, capacity;
	struct tally_line line;
	uint64_t index;
	struct tally_place at; /* size: its index */
};

void
tally_found_wipe(struct tally_found *found);

/* Reads the line at an offset of a segment; TALLY_END if it is none. */
TALLY_MUST_CHECK int
tally_found_peek(struct tally_log *log, const struct tally_place *at,
    struct tally_found *out, struct tally_error *error);

/*
 * Reads the line at an offset of a segment and holds it against its hashes.
 * TALLY_END if there is no whole record.
 */
TALLY_MUST_CHECK int
tally_found_read(struct tally_log *log, struct tally_hasher *hasher,
    const struct tally_place *at, struct tally_found *out,
    struct tally_error *error);

#endif
