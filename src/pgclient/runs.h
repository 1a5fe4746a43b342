/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: records of a chain that follow one another.
 *
 * Sessions write records into pages of their own, so they do not lie in the
 * order of their seq, but nearly.  Each worker puts a record behind the run
 * that waits for it, or begins one.  At the end each chain should be one run,
 * or some that fit together; which chains are not has to be looked at closely.
 *
 * Open runs stand in a table of fixed size for each worker, closed ones in one
 * list for all.  Should that grow too long, all chains are looked at closely.
 */
#ifndef TALLY_PGCLIENT_RUNS_H
#define TALLY_PGCLIENT_RUNS_H

#include "pgclient/chains.h"

struct tally_pg_runs;

/* For so many workers.  NULL: no memory. */
struct tally_pg_runs *
tally_pg_runs_new(unsigned workers);
void
tally_pg_runs_free(struct tally_pg_runs *runs);

/* A record that holds; worker is who met it. */
void
tally_pg_runs_add(struct tally_pg_runs *runs, unsigned worker,
    struct tally_pg_chain *chain, int64_t seq, const struct tally_hash *prev,
    const struct tally_hash *hash);

/*
 * Joins them: sets last_seq and last_hash of each chain whose runs fit
 * together, and suspect of those that do not.
 */
void
tally_pg_runs_join(struct tally_pg_runs *runs, struct tally_pg_chains *chains);

#endif
