/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that were rewritten: rows whose age nobody knows any more. */
#ifndef TALLY_PG_VERIFY_REWRITTEN_H
#define TALLY_PG_VERIFY_REWRITTEN_H

#include "verify_entries.h"
#include "verify_sources.h"

/* An event of tally:log; false if it is not of this kind. */
extern bool tally_rewritten_replay(struct tally_verifier *v,
								   const struct tally_entry *entry);

/*
 * Has the row version its xmin from a rewriting that was sealed in the time of
 * the epoch?
 */
extern bool tally_rewritten_is(struct tally_verifier *v, Oid relation,
							   const struct tally_use *use, HeapTuple tuple);

/*
 * Such a row that no record seals; true if it is to be told by itself, since
 * each had to have one.
 */
extern bool tally_rewritten_take(struct tally_verifier *v, Oid relation);

/* All were taken: told once for each table. */
extern void tally_rewritten_tell(struct tally_verifier *v);

#endif
