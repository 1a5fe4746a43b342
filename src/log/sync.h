/* SPDX-License-Identifier: Apache-2.0 */
/* One sync of the log, and what its failure means (R5). */
#ifndef TALLY_LOG_SYNC_H
#define TALLY_LOG_SYNC_H

#include "log/handle.h"

/* Raises the watermark to the durable place.  No lock may be held. */
TALLY_MUST_CHECK int
tally_sync_mark(struct tally_log *log, struct tally_error *error);

/*
 * Sync lock held, and order too or nobody else there: syncs the segment and
 * raises the durable place to place, then the watermark.  A failure poisons.
 */
TALLY_MUST_CHECK int
tally_sync_now(struct tally_log *log, struct tally_state *state,
    struct tally_open_segment *segment, const struct tally_place *place,
    bool with_mark, struct tally_error *error);

#endif
