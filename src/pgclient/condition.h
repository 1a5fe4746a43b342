/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an epoch's only_when may be asked of the server (O2). */
#ifndef TALLY_PGCLIENT_CONDITION_H
#define TALLY_PGCLIENT_CONDITION_H

#include "pgclient/verifier.h"

/* *out_why is NULL if it may, else why not (static storage). */
TALLY_MUST_CHECK int
tally_pg_condition_judge(struct tally_pg_verifier *v, const char *condition,
    const char **out_why, struct tally_error *error);

#endif
