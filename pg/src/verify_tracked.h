/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracked tables: their epochs, and the records of their statements.
 */
#ifndef TALLY_PG_VERIFY_TRACKED_H
#define TALLY_PG_VERIFY_TRACKED_H

#include "verify_entries.h"
#include "verify_record.h"

/*
 * An event of tally:log; false if it neither begins nor ends an epoch of a
 * tracked table.
 */
extern bool tally_tracked_replay(struct tally_verifier *v,
								 const struct tally_entry *entry);

/*
 * A record whose event holds; NULL: it was told that none does.  False if it
 * names no epoch of a tracked table.
 */
extern bool tally_tracked_judge_record(struct tally_verifier *v,
									   const struct tally_sealed *record,
									   const char *event);

/* The tables and their configuration. */
extern void tally_tracked_judge(struct tally_verifier *v);

#endif
