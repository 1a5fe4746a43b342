/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eras: under which rows that were there before the attach were sealed
 * (tally.backfill).
 *
 * An era is a use like an epoch, but of the attachment that was in force when
 * it began, its base: records are judged as that one's, by another event.
 */
#ifndef TALLY_PGCLIENT_BACKFILL_H
#define TALLY_PGCLIENT_BACKFILL_H

#include "pgclient/entries.h"
#include "pgclient/sources.h"

/*
 * 0: it is the event of an era, which was taken, or told to be none;
 * TALLY_END: it is of another kind; else memory is short.
 */
TALLY_MUST_CHECK int
tally_pg_backfill_replay(struct tally_pg_verifier *v,
    const struct tally_pg_entry *entry);

/* All events were taken, and sources made of them. */
void
tally_pg_backfill_finish(struct tally_pg_verifier *v);

/* The sum of what the source's eras sealed. */
struct tally_sum
tally_pg_backfill_sum(const struct tally_pg_source *source);

#endif
