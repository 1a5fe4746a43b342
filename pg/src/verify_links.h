/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links of the chains: each record against its neighbours, and what does
 * not fit, named.
 *
 * Terms.  A place is a chain and a seq.  A record claims a place; it holds if
 * its header, as of that place, hashes to its hash.  A stray is a record that
 * does not hold and does not fit where it stands; a hole is a place that no
 * record fills.
 */
#ifndef TALLY_PG_VERIFY_LINKS_H
#define TALLY_PG_VERIFY_LINKS_H

#include "verify.h"
#include "verify_chains.h"
#include "verify_record.h"

#include "core/hash.h"

/* A record as its chain sees it. */
struct tally_step
{
	ItemPointerData tid;
	int64		seq;
	bool		has_prev;
	bool		has_hash;
	bool		has_computed;
	bool		damaged;
	bool		holds;
	struct tally_hash prev;
	struct tally_hash hash;		/* as stored */
	struct tally_hash computed; /* of the header that it has */
};

/* Seqs [begin, end) of a chain. */
struct tally_hole
{
	struct tally_chain *chain;
	int64		begin;
	int64		end;
	bool		has_before;
	bool		has_after;
	struct tally_hash before;	/* hash of the record before it */
	struct tally_hash after;	/* what the record behind it links to */
};

extern void tally_links_open(struct tally_verifier *v);

/* Every record passes here once. */
extern void tally_links_take(struct tally_verifier *v,
							 const struct tally_sealed *record);

/* All records have passed: judges, and tells. */
extern void tally_links_judge(struct tally_verifier *v);

/* ---- for verify_links.c and verify_places.c ---- */

struct tally_places;

extern struct tally_places *tally_places_new(void);
extern void tally_places_add_hole(struct tally_verifier *v,
								  struct tally_places *places,
								  const struct tally_hole *hole);

/* chain: that it claims; NULL: none.  seq 0: none. */
extern void tally_places_add_stray(struct tally_verifier *v,
								   struct tally_places *places,
								   struct tally_chain *chain,
								   const struct tally_step *step);

/* Finds for each stray the hole that it is missed in; tells what is left. */
extern void tally_places_resolve(struct tally_verifier *v,
								 struct tally_places *places);

/* The record is there, but bad: one finding. */
extern void tally_places_tell_bad(struct tally_verifier *v,
								  const struct tally_subject *subject,
								  const struct tally_step *step);

#endif
