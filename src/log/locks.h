/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two locks that processes share (R1).  Outermost first: order, sync;
 * whoever holds sync never waits for order.
 */
#ifndef TALLY_LOG_LOCKS_H
#define TALLY_LOG_LOCKS_H

#include "log/handle.h"

/* The order lock alone; tally_order_begin also makes the log sound. */
TALLY_MUST_CHECK int
tally_order_lock(struct tally_log *log, struct tally_error *error);

void
tally_order_unlock(struct tally_log *log);

/* The sync lock; not while another lock but order is held. */
TALLY_MUST_CHECK int
tally_sync_lock(struct tally_log *log, struct tally_error *error);

/* The same if nobody has it. */
bool
tally_sync_trylock(struct tally_log *log);

void
tally_sync_unlock(struct tally_log *log);

#endif
