/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which database is this, and may it go on with these chains?  The terms and
 * the rules R1 to R8 are in doc/design/restore.md.
 */
#ifndef TALLY_PG_ORIGIN_H
#define TALLY_PG_ORIGIN_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "access/xlogdefs.h"
#include "utils/snapshot.h"

/* Where records are sealed: a row of tally.origin, or where we are. */
struct tally_origin
{
	int64		number;			/* from 1; 0: it is no row */
	uint64		cluster;		/* system identifier */
	Oid			database;
	char	   *name;			/* of the database, for people */
	Oid			record;			/* tally.record */
	TimeLineID	timeline;
};

/* From _PG_init, once. */
extern void tally_origin_init(void);

/* Where this backend is, with tally.record's oid.  In recovery too. */
extern void tally_origin_here(Oid record, struct tally_origin *out);

/* The last row of tally.origin under snapshot; false if there is none. */
extern bool tally_origin_last(Snapshot snapshot, struct tally_origin *out);

/* A row as it is stored; false if it is malformed. */
extern bool tally_origin_read(HeapTuple tuple, TupleDesc desc,
							  struct tally_origin *out);

/* Are both in the same place?  Timelines are not compared. */
extern bool tally_origin_is_place(const struct tally_origin *a,
								  const struct tally_origin *b);

/*
 * Why here does not go on where last was, as a sentence without a full stop;
 * NULL if it does.
 */
extern char *tally_origin_fault(const struct tally_origin *last,
								const struct tally_origin *here);

/*
 * Before anything is captured: ERROR if this is a copy, or if tally.mode is
 * replica (R1, R3).
 */
extern void tally_origin_require(void);

/* At PRE_COMMIT, before a chain is locked: writes the first origin (R2). */
extern void tally_origin_settle(void);

/* Writes the next row of tally.origin, in this transaction. */
extern void tally_origin_add(const struct tally_origin *origin);

/* Was nothing sealed in this place yet, nor in this transaction (R8)? */
extern bool tally_origin_is_foreign(void);

/* Are these changes that arrive by logical replication? */
extern bool tally_origin_is_arrival(void);

#endif
