/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree over the heads of all chains, and the record in "tally:heads" that
 * holds its root (doc/format.md, section 8).
 *
 * 1. A chain's leaf has its place by the chain's first record, for ever; the
 *    chain "tally:heads" has none.
 * 2. The tree is as of a size of the log that is durable, so that no recovery
 *    takes from under it what it holds.
 * 3. A leaf that changes costs the nodes above it.  What changed is hashed
 *    without the order lock, but for the last few.
 */
#ifndef TALLY_LOG_HEADTREE_H
#define TALLY_LOG_HEADTREE_H

#include "core/tree.h"
#include "log/handle.h"

#define TALLY_HEADS_CHAIN "tally:heads"
#define TALLY_HEADTREE_LEVELS 33

/* Zero is the empty tree, as of size 0. */
struct tally_headtree {
	struct tally_hash *level[TALLY_HEADTREE_LEVELS];
	uint64_t chains, capacity;
	uint64_t size; /* of the log, as of which it is */
};

void
tally_headtree_wipe(struct tally_headtree *tree);

/*
 * Leaf data of section 8; chain is escaped.  No NUL; returns the length.
 */
#define TALLY_HEAD_LEAF_MAX 768
size_t
tally_head_leaf(const char *chain, size_t chain_len,
    const struct tally_hash *hash, uint64_t seq, char out[TALLY_HEAD_LEAF_MAX]);

/*
 * Brings the tree up to the log and seals a heads record over it, unless the
 * last record is one.  The log is durable up to *out_size, the heads record
 * its last, when it returns.  No lock may be held.
 */
TALLY_MUST_CHECK int
tally_headtree_seal(struct tally_log *log, struct tally_headtree *tree,
    uint64_t *out_size, bool *out_sealed, struct tally_error *error);

/* For core/tree.h: the tree as it is. */
struct tally_tree_source
tally_headtree_source(struct tally_headtree *tree);

#endif
