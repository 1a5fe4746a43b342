/* SPDX-License-Identifier: Apache-2.0 */
/* Heads that were kept elsewhere. */
#ifndef TALLY_PGCLIENT_OUTSIDE_H
#define TALLY_PGCLIENT_OUTSIDE_H

#include "pgclient/links.h"

/* The chains are known: puts each head beside its own. */
TALLY_MUST_CHECK int
tally_pg_outside_load(struct tally_pg_verifier *v, struct tally_error *error);

/* The record at this place of the chain, whatever it claims.  Any worker. */
void
tally_pg_outside_pass(struct tally_pg_verifier *v, struct tally_pg_chain *chain,
    int64_t seq, const struct tally_step *step);

/* All records have passed. */
TALLY_MUST_CHECK int
tally_pg_outside_judge(struct tally_pg_verifier *v, struct tally_error *error);

/* Does every chain that is judged have a head at its end, or behind it? */
bool
tally_pg_outside_covers_ends(struct tally_pg_verifier *v);

#endif
