/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chains: what tally.chain says, and what was seen of each.
 */
#ifndef TALLY_PG_VERIFY_CHAINS_H
#define TALLY_PG_VERIFY_CHAINS_H

#include "verify.h"

#include "core/step.h"

struct tally_watch;

struct tally_chain
{
	struct tally_seen seen;		/* must stand first */
	int64		bad;			/* records whose header does not hold */
	bool		suspect;		/* to be judged record by record */
	struct tally_watch *watch;	/* outside heads, or NULL */
};

/* Reads tally.chain, and tells what is wrong in it. */
extern void tally_chains_load(struct tally_verifier *v);

/* The chain of this number, made if it is not known. */
extern struct tally_chain *tally_chains_get(struct tally_verifier *v, int64 id);

/* NULL if there is none. */
extern struct tally_chain *tally_chains_find(struct tally_verifier *v,
											 const char *name);

/* The log's own chain, or NULL. */
extern struct tally_chain *tally_chains_log(struct tally_verifier *v);

/* The only chain to be judged, or NULL: all. */
extern struct tally_chain *tally_chains_only(struct tally_verifier *v);

/* All of them, one after the other; *position is 0 at first.  NULL: no more. */
extern struct tally_chain *tally_chains_next(struct tally_verifier *v,
											 int *position);

/* How many have records. */
extern int64 tally_chains_count(struct tally_verifier *v);

#endif
