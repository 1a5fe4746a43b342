/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads that were kept elsewhere: the only thing that shows that a chain was
 * cut, or written anew with all its hashes.
 */
#ifndef TALLY_PG_VERIFY_OUTSIDE_H
#define TALLY_PG_VERIFY_OUTSIDE_H

#include "verify.h"
#include "verify_chains.h"
#include "verify_links.h"

/*
 * Reads heads as  SELECT json_agg(h) FROM tally.heads h  prints them; ERROR if
 * that is not what they are.  The chains are loaded.
 */
extern void tally_outside_load(struct tally_verifier *v, const char *heads);

/* A record passes that belongs to this place of a chain with a watch. */
extern void tally_outside_pass(struct tally_chain *chain, int64 seq,
							   const struct tally_step *step);

/* The links were judged. */
extern void tally_outside_judge(struct tally_verifier *v);

/* How many heads; how many chains have none. */
extern int	tally_outside_count(struct tally_verifier *v);
extern int64 tally_outside_unwatched(struct tally_verifier *v);

#endif
