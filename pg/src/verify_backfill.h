/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eras: under which rows that were there before the attach were sealed
 * (tally.backfill).
 *
 * An era is a use like an epoch, but of the attachment that was in force when
 * it began, its base: records are judged as that one's, by another event.
 */
#ifndef TALLY_PG_VERIFY_BACKFILL_H
#define TALLY_PG_VERIFY_BACKFILL_H

#include "verify_entries.h"
#include "verify_sources.h"

/* Is it the event of an era?  Then takes it, or tells why it is none. */
extern bool tally_backfill_replay(struct tally_verifier *v,
								  const struct tally_entry *entry);

/* All events were taken, and sources made of them. */
extern void tally_backfill_finish(struct tally_verifier *v);

/* The sum of what the source's eras sealed. */
extern struct tally_sum tally_backfill_sum(const struct tally_source *source);

/* What eras do not show. */
extern void tally_backfill_tell_uncovered(struct tally_verifier *v,
										  const struct tally_source *source);

#endif
