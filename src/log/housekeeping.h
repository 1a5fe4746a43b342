/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What whoever appends does for the log once the callers have their answers:
 * the index is brought up to date, the heads are saved.
 */
#ifndef TALLY_LOG_HOUSEKEEPING_H
#define TALLY_LOG_HOUSEKEEPING_H

#include "log/handle.h"

/* What is due. */
struct tally_housekeeping {
	bool heads, index;
};

/* Order lock held. */
struct tally_housekeeping
tally_housekeeping_due(const struct tally_state *state);

/*
 * Does it, as well as it can: nothing depends on it but time.  buffered: what
 * was appended may not be durable yet.  No lock may be held.
 */
void
tally_housekeeping_do(struct tally_log *log,
    const struct tally_housekeeping *due, bool buffered);

#endif
