/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links of the chains: each record against its neighbours, and what does
 * not fit, named (core/walk.h, core/places.h).
 */
#ifndef TALLY_PGCLIENT_LINKS_H
#define TALLY_PGCLIENT_LINKS_H

#include "core/walk.h"
#include "pgclient/record.h"
#include "pgclient/verifier.h"

TALLY_MUST_CHECK int
tally_pg_links_open(struct tally_pg_verifier *v, struct tally_error *error);
void
tally_pg_links_close(struct tally_pg_verifier *v);

/* Every record passes here once; chain is its own, or NULL.  Any worker. */
void
tally_pg_links_take(struct tally_pg_verifier *v, struct tally_pg_worker *worker,
    const struct tally_pg_record *record, struct tally_pg_chain *chain);

/* All records have passed: judges, and tells. */
TALLY_MUST_CHECK int
tally_pg_links_judge(struct tally_pg_verifier *v, struct tally_error *error);

#endif
