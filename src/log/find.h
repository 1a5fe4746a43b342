/* SPDX-License-Identifier: Apache-2.0 */
/* Finding one record: by id (before an append), by seq, by index. */
#ifndef TALLY_LOG_FIND_H
#define TALLY_LOG_FIND_H

#include "log/commit.h"

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
