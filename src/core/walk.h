/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going over a chain that does not fit together, place by place.
 *
 * Of several records that claim one place, the one that the chain goes on from
 * is the true one, then the one that links back, then one that holds.  What
 * makes a record bad is blamed on one record, and its neighbours, which hold
 * the hash that it had or the one that it has now, are believed:
 *
 *	does not hold, links on either side	it was altered
 *	does not hold, does not link		a stray (places.h)
 *	holds, the next links to it, it does not link back
 *						the one before was rewritten
 *	holds, links nowhere			it was rewritten
 *	nothing at its place			a hole (places.h)
 *
 * Where nothing follows and the last record does not link to the one before
 * it, nothing tells which of the two was changed; the one before is named.
 */
#ifndef TALLY_CORE_WALK_H
#define TALLY_CORE_WALK_H

#include "core/places.h"

/* Records that claim one place; of more than that the rest is told at once. */
#define TALLY_CLAIMANTS_MAX 16

/* The claimants of a place. */
struct tally_claimants {
	int64_t seq; /* 0: none */
	int n;
	struct tally_step steps[TALLY_CLAIMANTS_MAX];
};

/* Some kilobytes; not to be copied. */
struct tally_walk {
	struct tally_places *places;
	const struct tally_judge *judge;
	int64_t begin; /* the seq that chains begin with */
	struct tally_seen *chain;
	int64_t seq;  /* of the head; 0: none */
	bool known;   /* hash is that of the head */
	bool accused; /* the head was named */
	struct tally_hash hash;
	struct tally_hash alt; /* its successor may hold this one as well */
	uint64_t at;
	struct tally_claimants groups[2];
	int now; /* which of them is judged next */
};

/* begin: the first seq that is given of each chain. */
void
tally_walk_init(struct tally_walk *walk, struct tally_places *places,
    int64_t begin);

/*
 * The next record, in the order of chains and seqs; its seq is not 0.  Sets
 * last_seq and last_hash of each chain when it was gone over.
 */
void
tally_walk_take(struct tally_walk *walk, struct tally_seen *chain,
    struct tally_step *step);

/* No more come. */
void
tally_walk_end(struct tally_walk *walk);

/*
 * A chain of so many records, of which so many do not hold, is about to be
 * gone over.  If none holds, what they have in common is the chain's name:
 * that is told, and what is left is whether their hashes link.
 */
void
tally_walk_judge_name(const struct tally_judge *judge, struct tally_seen *chain,
    int64_t bad);

#endif
