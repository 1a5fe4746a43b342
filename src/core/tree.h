/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Merkle tree of RFC 6962, section 2.1, over record hashes.
 *
 * A frontier is the roots of the perfect subtrees that a tree of size n
 * consists of, largest first: as many as n has one bits.  It is all that is
 * needed to append and to give the root, and it is a value.
 *
 * Proving needs hashes of the interior; where they come from is the caller's
 * affair (struct tally_tree_source).
 */
#ifndef TALLY_CORE_TREE_H
#define TALLY_CORE_TREE_H

#include "core/hash.h"

#define TALLY_PROOF_MAX 64 /* hashes in any proof */

struct tally_frontier {
	uint64_t size;
	struct tally_hash node[64]; /* [0, popcount(size)) */
};

/* The empty tree. */
void
tally_frontier_init(struct tally_frontier *frontier);

/* One leaf (a record hash) more. */
void
tally_frontier_append(struct tally_hasher *hasher,
    struct tally_frontier *frontier, const struct tally_hash *leaf);

/*
 * A perfect subtree of 2^height leaves more; the size must be a multiple of
 * 2^height.
 */
void
tally_frontier_append_subtree(struct tally_hasher *hasher,
    struct tally_frontier *frontier, unsigned height,
    const struct tally_hash *root);

/* The root; H() of nothing for the empty tree. */
struct tally_hash
tally_frontier_root(struct tally_hasher *hasher,
    const struct tally_frontier *frontier);

/*
 * Gives the root of the perfect subtree of 2^height leaves that starts at
 * leaf position * 2^height.  Returns 0 or an error that is passed up.
 */
typedef int
tally_tree_node_fn(void *arg, unsigned height, uint64_t position,
    struct tally_hash *out);

struct tally_tree_source {
	tally_tree_node_fn *node;
	void *arg;
};

/* The root of the first size leaves. */
TALLY_MUST_CHECK int
tally_tree_root(struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t size,
    struct tally_hash *out);

/*
 * Inclusion, RFC 6962 section 2.1.1: leaf index in the tree of size leaves,
 * index < size.  Sibling of the leaf first.
 */
TALLY_MUST_CHECK int
tally_inclusion_prove(struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t index, uint64_t size,
    struct tally_hash out[TALLY_PROOF_MAX], size_t *out_len);

/*
 * The root that the proof leads to.  Returns 0, or TALLY_E_FORMAT if index,
 * size and length do not fit together.
 */
TALLY_MUST_CHECK int
tally_inclusion_root(struct tally_hasher *hasher, const struct tally_hash *leaf,
    uint64_t index, uint64_t size, const struct tally_hash *proof,
    size_t proof_len, struct tally_hash *out);

/* Does the proof lead to this root? */
bool
tally_inclusion_check(struct tally_hasher *hasher,
    const struct tally_hash *leaf, uint64_t index, uint64_t size,
    const struct tally_hash *proof, size_t proof_len,
    const struct tally_hash *root);

/* Consistency, section 2.1.2: 0 < old_size <= size. */
TALLY_MUST_CHECK int
tally_consistency_prove(struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t old_size, uint64_t size,
    struct tally_hash out[TALLY_PROOF_MAX], size_t *out_len);

bool
tally_consistency_check(struct tally_hasher *hasher, uint64_t old_size,
    uint64_t size, const struct tally_hash *proof, size_t proof_len,
    const struct tally_hash *old_root, const struct tally_hash *root);

#endif
