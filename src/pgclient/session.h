/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of each call: sessions, locks, the snapshot (O1). */
#ifndef TALLY_PGCLIENT_SESSION_H
#define TALLY_PGCLIENT_SESSION_H

#include "pgclient/record.h"
#include "pgclient/verifier.h"

/*
 * Connects, locks the attached tables, takes the snapshot, and connects so
 * many workers.  v is zeroed but for options; close it in any case.
 */
TALLY_MUST_CHECK int
tally_pg_session_open(struct tally_pg_verifier *v, const char *conninfo,
    unsigned jobs, struct tally_error *error);
void
tally_pg_session_close(struct tally_pg_verifier *v);

/* Seconds since it was opened. */
double
tally_pg_session_seconds(const struct tally_pg_verifier *v);

/* A record passes; any worker. */
typedef int (*tally_pg_record_fn)(struct tally_pg_verifier *v,
    struct tally_pg_worker *worker, const struct tally_pg_record *record,
    struct tally_error *error);

/* Calls fn for all records that filter ("r.seq = 1", or NULL) lets pass. */
TALLY_MUST_CHECK int
tally_pg_records_walk(struct tally_pg_verifier *v, const char *filter,
    tally_pg_record_fn fn, struct tally_error *error);

#endif
