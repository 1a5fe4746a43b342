/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that are kept, against the records that name them.  The server joins
 * the two; whether they hold is seen here.
 */
#ifndef TALLY_PGCLIENT_KEPT_H
#define TALLY_PGCLIENT_KEPT_H

#include "pgclient/sources.h"

/* Judges them; those that are of rows go on to be matched. */
TALLY_MUST_CHECK int
tally_pg_kept_judge(struct tally_pg_verifier *v, struct tally_error *error);

#endif
