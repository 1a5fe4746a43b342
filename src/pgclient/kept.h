/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that are kept, against the records that name them.  The server joins
 * the two; whether they hold is seen here.
 */
#ifndef TALLY_PGCLIENT_KEPT_H
#define TALLY_PGCLIENT_KEPT_H

#include "pgclient/sources.h"

/*
 * Judges them; those that are of rows go on to be matched.  Events that no
 * record names are remembered, for a record that lost its own.
 */
TALLY_MUST_CHECK int
tally_pg_kept_judge(struct tally_pg_verifier *v, struct tally_error *error);

/* Are there such events? */
bool
tally_pg_kept_has_strays(const struct tally_pg_verifier *v);

/*
 * A record that names no event: is one of those its own?  Then it is told,
 * and goes on to be matched.  Any worker.
 */
TALLY_MUST_CHECK int
tally_pg_kept_claim(struct tally_pg_verifier *v,
    const struct tally_pg_record *record, bool *out_claimed,
    struct tally_error *error);

/* Tells of the events that nobody claimed. */
void
tally_pg_kept_finish(struct tally_pg_verifier *v);

void
tally_pg_kept_close(struct tally_pg_verifier *v);

#endif
