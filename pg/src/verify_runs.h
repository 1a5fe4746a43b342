/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: records of a chain that follow one another.
 *
 * Sessions write records into pages of their own, so they do not lie in the
 * order of their seq, but nearly.  Each record is put behind the run that
 * waits for it, or begins one.  At the end each chain should be one run, or
 * some that fit together; which chains are not has to be looked at closely.
 */
#ifndef TALLY_PG_VERIFY_RUNS_H
#define TALLY_PG_VERIFY_RUNS_H

#include "verify.h"

struct tally_runs;

extern struct tally_runs *tally_runs_new(void);

/* A record that holds. */
extern void tally_runs_add(struct tally_runs *runs, int64 chain_id, int64 seq,
						   const struct tally_hash *prev,
						   const struct tally_hash *hash);

/*
 * Joins them, in the order of chains: sets last_seq and last_hash of each
 * chain whose runs fit together, and suspect of those that do not; and frees
 * the runs.  begin is the seq that a chain begins with.
 */
extern void tally_runs_join(struct tally_verifier *v, struct tally_runs *runs,
							int64 begin);

#endif
