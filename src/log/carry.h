/* SPDX-License-Identifier: Apache-2.0 */
/* Carried records, on their way into the log (tally/carry.h). */
#ifndef TALLY_LOG_CARRY_H
#define TALLY_LOG_CARRY_H

#include <tally/carry.h>

#include "log/commit.h"

/* What all records of one source have in common. */
struct tally_carried_names {
	char source[TALLY_SOURCE_TEXT_SIZE]; /* plain */
	size_t source_len;
	char source_text[TALLY_CHAIN_TEXT_MAX]; /* escaped */
	size_t source_text_len;
	char own[TALLY_CHAIN_MAX + 1]; /* plain name of its tally:log here */
	size_t own_len;
};

/* Is it the source's own chain? */
bool
tally_carried_is_own(const char *chain, size_t len);

/*
 * Checks that the records hold, and makes a call of them; frees with
 * tally_call_wipe in any case.  *own_hash is the hash of the last record of
 * the source's tally:log that the log has, and becomes that of the last of
 * these: they are to be linked.
 */
TALLY_MUST_CHECK int
tally_carried_prepare(struct tally_log *log,
    const struct tally_carried_names *names, const struct tally_record *records,
    size_t count, struct tally_hash *own_hash, struct tally_call *call,
    struct tally_error *error);

#endif
