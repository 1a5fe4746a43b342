/* SPDX-License-Identifier: Apache-2.0 */
/* The order lock, and the state of the log under it (R1, R2, R3). */
#ifndef TALLY_LOG_ORDER_H
#define TALLY_LOG_ORDER_H

#include "log/handle.h"

/*
 * Takes the order lock and makes the log sound: afterwards log->state is the
 * shared state, log->segment the current segment, and the tail its end.
 * On an error the lock is not held.  Not for read-only handles.
 */
TALLY_MUST_CHECK int
tally_order_begin(struct tally_log *log, struct tally_error *error);

/*
 * Drops the state, and the heads that it would be rebuilt from, since what they
 * say is not what the records say: whoever needs it next rebuilds it from the
 * first record.  No lock is needed, as for whoever deletes run/.
 */
void
tally_order_distrust(struct tally_log *log);

/*
 * Order lock held: TALLY_END if a state that was found is older than the log
 * (R2), for it ends in a segment that is not the last.
 */
TALLY_MUST_CHECK int
tally_order_check_age(struct tally_log *log, const struct tally_state *state,
    struct tally_error *error);

void
tally_order_end(struct tally_log *log);

/*
 * Order lock held: a new segment, if what comes does not fit (R7).
 * Returns 0; TALLY_PARTIAL if the log had to be recovered first, so that what
 * was reserved before is gone; an error.
 */
TALLY_MUST_CHECK int
tally_order_roll(struct tally_log *log, uint64_t bytes,
    struct tally_error *error);

#endif
