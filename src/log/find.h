/* SPDX-License-Identifier: Apache-2.0 */
/* Finding one record: by id (before an append), by seq, by index. */
#ifndef TALLY_LOG_FIND_H
#define TALLY_LOG_FIND_H

#include "log/commit.h"
#include "log/found.h"

/*
 * The record of an index below the index's covered place; of (chain, seq);
 * of (chain, id), names escaped.  Index mutex held, after a refresh.
 * TALLY_END if the index has none.
 */
TALLY_MUST_CHECK int
tally_find_index(struct tally_log *log, struct tally_hasher *hasher,
    uint64_t index, struct tally_found *out, struct tally_error *error);

TALLY_MUST_CHECK int
tally_find_seq(struct tally_log *log, struct tally_hasher *hasher,
    const char *chain, size_t chain_len, uint64_t seq, struct tally_found *out,
    struct tally_error *error);

TALLY_MUST_CHECK int
tally_find_id(struct tally_log *log, struct tally_hasher *hasher,
    const char *chain, size_t chain_len, const char *id, size_t id_len,
    struct tally_found *out, struct tally_error *error);

/*
 * Before a call with ids joins a group: brings the index to where the recent
 * ids begin (R8), and looks every id up in its runs.  No lock may be held.
 */
TALLY_MUST_CHECK int
tally_find_prepare(struct tally_log *log, struct tally_call *call,
    struct tally_error *error);

/*
 * Order lock held: does the log have the item's id in its chain?
 * TALLY_END if not; 0 if with the same event (then the receipt is filled);
 * TALLY_PARTIAL if with another; an error.
 */
TALLY_MUST_CHECK int
tally_find_repeat(struct tally_log *log, struct tally_item *item,
    struct tally_error *error);

#endif
