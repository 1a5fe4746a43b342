/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reader sees (R4): the log up to a horizon, a place that is durable.
 *
 * A handle that may write takes the state that it has, and syncs for
 * everybody.  A read-only one maps the state without writing to it and syncs
 * for itself; where there is no live state it reads the log into one of its
 * own.
 */
#ifndef TALLY_LOG_READER_H
#define TALLY_LOG_READER_H

#include "log/handle.h"

/*
 * Takes the order lock with a state to look into: log->state.  Works for all
 * handles; end with tally_reader_end.
 */
TALLY_MUST_CHECK int
tally_reader_begin(struct tally_log *log, struct tally_error *error);

void
tally_reader_end(struct tally_log *log);

/*
 * Instead of tally_reader_end: releases the lock and makes what the state
 * showed durable; out_horizon is the tail that it had.
 */
TALLY_MUST_CHECK int
tally_reader_settle(struct tally_log *log, struct tally_place *out_horizon,
    struct tally_error *error);

/* The horizon now: everything that was published is made durable first. */
TALLY_MUST_CHECK int
tally_reader_horizon(struct tally_log *log, struct tally_place *out,
    struct tally_error *error);

/*
 * Read-only handles: is there a live state, and if so, what is its horizon?
 * Reads no line.
 */
TALLY_MUST_CHECK int
tally_reader_live(struct tally_log *log, bool *out_live,
    struct tally_place *out_horizon, struct tally_error *error);

#endif
