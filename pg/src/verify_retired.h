/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retired partitions: records whose rows may be gone; and which records those
 * are, when a partition is retired.
 */
#ifndef TALLY_PG_VERIFY_RETIRED_H
#define TALLY_PG_VERIFY_RETIRED_H

#include "retire_event.h"
#include "verify.h"
#include "verify_entries.h"

#include "nodes/pg_list.h"

struct tally_match_record;
struct tally_chain;
struct tally_retiring_record;

/* ---- verifying ----------------------------------------------------- */

/* An event of tally:log; false if it is not of this kind. */
extern bool tally_retired_replay(struct tally_verifier *v,
								 const struct tally_entry *entry);

/* Is it sealed that the row of this record goes? */
extern bool tally_retired_has(struct tally_verifier *v,
							  const struct tally_chain *chain, int64 seq);

/* ---- retiring ------------------------------------------------------ */

/* A verification that looks for the records of a partition's rows. */
struct tally_retiring
{
	Oid			root;			/* the attached table */
	List	   *members;		/* the partition, and its partitions */
	char	   *label;			/* of the root */
	int64	   *rows;			/* that each member has */
	int64		nrecords;
	int64		capacity;
	struct tally_retiring_record *records;
};

/*
 * verify.c: fills in the rest, palloc'd in the current memory context.
 * function: that SQL called.
 */
extern void tally_verify_retiring(struct tally_retiring *retiring,
								  Oid function);

/* root and members are set. */
extern void tally_retiring_begin(struct tally_retiring *retiring);

/* While verifying: a row is there; a record is proven by one. */
extern void tally_retiring_take_row(struct tally_verifier *v, Oid relation);
extern void tally_retiring_take_record(struct tally_verifier *v,
									   const struct tally_match_record *record,
									   Oid relation);

/* The records of a member, put together, palloc'd; returns how many ranges. */
extern int	tally_retiring_ranges(struct tally_retiring *retiring,
								  Oid member,
								  struct tally_retired_range **out);

#endif
