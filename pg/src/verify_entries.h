/* SPDX-License-Identifier: Apache-2.0 */
/* The records of tally:log, and their events. */
#ifndef TALLY_PG_VERIFY_ENTRIES_H
#define TALLY_PG_VERIFY_ENTRIES_H

#include "verify.h"
#include "verify_record.h"

struct tally_entry
{
	ItemPointerData tid;		/* of the record */
	int64		seq;
	int64		event_id;
	struct tally_hash digest;
	const char *event;			/* that holds; NULL: none found */
};

extern void tally_entries_open(struct tally_verifier *v);

/* Every record of tally:log passes here once. */
extern void tally_entries_take(struct tally_verifier *v,
							   const struct tally_sealed *record);

/* All have passed, and the links were judged: which are there, in order? */
extern void tally_entries_order(struct tally_verifier *v);

/* Reads the events that they name; false if some do not hold. */
extern bool tally_entries_read(struct tally_verifier *v);

/* Is this event that of a record whose own does not hold? */
extern void tally_entries_offer(struct tally_verifier *v, int64 event_id);

extern int	tally_entries_count(struct tally_verifier *v);
extern const struct tally_entry *tally_entries_get(struct tally_verifier *v,
												   int number);

#endif
