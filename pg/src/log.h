/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of tally:log, as this transaction sees them.
 */
#ifndef TALLY_PG_LOG_H
#define TALLY_PG_LOG_H

#include "postgres.h"

/* Returns false to end the walk.  The text is gone after it. */
typedef bool (*tally_log_fn) (int64 event_id, const char *event, void *arg);

/*
 * Calls fn for each event that is sealed in tally:log, in order, and then for
 * those of this transaction that will be; until it returns false.
 */
extern void tally_log_walk(tally_log_fn fn, void *arg);

#endif
