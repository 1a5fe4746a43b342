/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Merkle tree of RFC 6962, section 2.1; checking as RFC 9162, sections
 * 2.1.3.2 and 2.1.4.2, spells it out.
 *
 * Terms.  n leaves are split at k, the largest power of two below n: the left
 * k leaves are a perfect subtree.  A perfect subtree of height h starts at a
 * multiple of 2^h leaves; its position is that multiple.
 *
 * 1. Every range that splitting arrives at starts at a multiple of a power of
 *    two that is not below its length.  So it consists of perfect subtrees
 *    whose heights are the one bits of its length, largest first.
 * 2. A proof is made from the root down and read from the leaf up: it is
 *    collected in splitting order and turned round at the end.
 * 3. Proving takes sizes up to 2^63: then no proof is longer than
 *    TALLY_PROOF_MAX.  Checking takes any index and size.
 */
#include <string.h>

#include "core/tree.h"

#define SIZE_MAX_PROVABLE ((uint64_t)1 << 63)

/* A proof on its way down. */
struct path {
	struct tally_hash hash[TALLY_PROOF_MAX];
	size_t len;
};

static unsigned
count_ones(uint64_t value)
{
	unsigned ones = 0;

	for (; value != 0; value &= value - 1)
		ones++;
	return ones;
}

/* The largest power of two below n, n > 1. */
static uint64_t
split_point(uint64_t n)
{
	uint64_t k = n - 1;
	unsigned shift;

	for (shift = 1; shift < 64; shift *= 2)
		k |= k >> shift;
	return k - (k >> 1);
}

void
tally_frontier_init(struct tally_frontier *frontier)
{
	memset(frontier, 0, sizeof(*frontier));
}

void
tally_frontier_append(struct tally_hasher *hasher,
    struct tally_frontier *frontier, const struct tally_hash *leaf)
{
	tally_frontier_append_subtree(hasher, frontier, 0, leaf);
}

void
tally_frontier_append_subtree(struct tally_hasher *hasher,
    struct tally_frontier *frontier, unsigned height,
    const struct tally_hash *root)
{
	unsigned top = count_ones(frontier->size);
	struct tally_hash hash = *root;
	uint64_t merging = frontier->size >> height;

	/* Two subtrees of one height are one of the next, like a carry. */
	for (; merging & 1; merging >>= 1)
		hash = tally_hash_node(hasher, &frontier->node[--top], &hash);
	frontier->node[top] = hash;
	frontier->size += (uint64_t)1 << height;
}

struct tally_hash
tally_frontier_root(struct tally_hasher *hasher,
    const struct tally_frontier *frontier)
{
	unsigned i = count_ones(frontier->size);
	struct tally_hash hash;

	if (i == 0)
		return tally_hash_bytes(hasher, "", 0);
	hash = frontier->node[--i];
	while (i > 0)
		hash = tally_hash_node(hasher, &frontier->node[--i], &hash);
	return hash;
}

/*
 * The root of the leaves [begin, end), a range as in invariant 1, not empty.
 * The smallest subtree is the rightmost; it is fetched first.
 */
static int
range_root(struct tally_hasher *hasher, const struct tally_tree_source *source,
    uint64_t begin, uint64_t end, struct tally_hash *out)
{
	uint64_t rest = end - begin;
	struct tally_hash hash, left;
	bool first = true;
	unsigned height;
	int r;

	for (height = 0; rest != 0; height++) {
		if (!(rest >> height & 1))
			continue;
		rest -= (uint64_t)1 << height;
		r = source->node(source->arg, height, (begin + rest) >> height,
		    &left);
		if (r != 0)
			return r;
		hash = first ? left : tally_hash_node(hasher, &left, &hash);
		first = false;
	}
	*out = hash;
	return 0;
}

int
tally_tree_root(struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t size,
    struct tally_hash *out)
{
	if (size == 0) {
		*out = tally_hash_bytes(hasher, "", 0);
		return 0;
	}
	return range_root(hasher, source, 0, size, out);
}

/* Adds the root of a range to a path. */
static int
path_push(struct path *path, struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t begin, uint64_t end)
{
	if (path->len == TALLY_PROOF_MAX)
		return TALLY_E_BUG;
	return range_root(hasher, source, begin, end, &path->hash[path->len++]);
}

/* Gives the path as a proof, leaf end first. */
static void
path_turn(const struct path *path, struct tally_hash *out, size_t *out_len)
{
	size_t i;

	for (i = 0; i < path->len; i++)
		out[i] = path->hash[path->len - 1 - i];
	*out_len = path->len;
}

int
tally_inclusion_prove(struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t index, uint64_t size,
    struct tally_hash out[TALLY_PROOF_MAX], size_t *out_len)
{
	struct path path = { .len = 0 };
	uint64_t begin = 0, end = size, middle;
	int r = 0;

	if (index >= size || size > SIZE_MAX_PROVABLE)
		return TALLY_E_USAGE;
	while (end - begin > 1 && r == 0) {
		middle = begin + split_point(end - begin);
		if (index < middle) {
			r = path_push(&path, hasher, source, middle, end);
			end = middle;
		} else {
			r = path_push(&path, hasher, source, begin, middle);
			begin = middle;
		}
	}
	if (r == 0)
		path_turn(&path, out, out_len);
	return r;
}

int
tally_inclusion_root(struct tally_hasher *hasher, const struct tally_hash *leaf,
    uint64_t index, uint64_t size, const struct tally_hash *proof,
    size_t proof_len, struct tally_hash *out)
{
	struct tally_hash hash = *leaf;
	uint64_t node = index, last;
	size_t i;

	if (index >= size)
		return TALLY_E_FORMAT;
	/* node and last are positions on one level, rising with the proof. */
	last = size - 1;
	for (i = 0; i < proof_len; i++) {
		if (last == 0)
			return TALLY_E_FORMAT;
		/* The rightmost node of a level may have no sibling there. */
		while (node == last && !(node & 1)) {
			node >>= 1;
			last >>= 1;
		}
		if (node & 1)
			hash = tally_hash_node(hasher, &proof[i], &hash);
		else
			hash = tally_hash_node(hasher, &hash, &proof[i]);
		node >>= 1;
		last >>= 1;
	}
	if (last != 0)
		return TALLY_E_FORMAT;
	*out = hash;
	return 0;
}

bool
tally_inclusion_check(struct tally_hasher *hasher,
    const struct tally_hash *leaf, uint64_t index, uint64_t size,
    const struct tally_hash *proof, size_t proof_len,
    const struct tally_hash *root)
{
	struct tally_hash hash;

	return tally_inclusion_root(hasher, leaf, index, size, proof, proof_len,
		   &hash) == 0 &&
	    !tally_hasher_failed(hasher) && tally_hash_equal(&hash, root);
}

int
tally_consistency_prove(struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t old_size, uint64_t size,
    struct tally_hash out[TALLY_PROOF_MAX], size_t *out_len)
{
	struct path path = { .len = 0 };
	uint64_t begin = 0, end = size, middle;
	int r = 0;

	if (old_size == 0 || old_size > size || size > SIZE_MAX_PROVABLE)
		return TALLY_E_USAGE;
	while (end != old_size && r == 0) {
		middle = begin + split_point(end - begin);
		if (old_size <= middle) {
			r = path_push(&path, hasher, source, middle, end);
			end = middle;
		} else {
			r = path_push(&path, hasher, source, begin, middle);
			begin = middle;
		}
	}
	/* From 0 on it would be the old root itself, which the reader has. */
	if (r == 0 && begin != 0)
		r = path_push(&path, hasher, source, begin, end);
	if (r == 0)
		path_turn(&path, out, out_len);
	return r;
}

/*
 * Climbs from the last node of the old tree, computing both roots on the way:
 * what lies left of it is in both trees, what lies right only in the new one.
 */
static bool
consistency_climb(struct tally_hasher *hasher, uint64_t node, uint64_t last,
    const struct tally_hash *seed, const struct tally_hash *proof,
    size_t proof_len, struct tally_hash *out_old, struct tally_hash *out_new)
{
	struct tally_hash old_hash = *seed, new_hash = *seed;
	size_t i;

	for (i = 0; i < proof_len; i++) {
		if (last == 0)
			return false;
		while (node == last && !(node & 1)) {
			node >>= 1;
			last >>= 1;
		}
		if (node & 1) {
			old_hash = tally_hash_node(hasher, &proof[i],
			    &old_hash);
			new_hash = tally_hash_node(hasher, &proof[i],
			    &new_hash);
		} else {
			new_hash = tally_hash_node(hasher, &new_hash,
			    &proof[i]);
		}
		node >>= 1;
		last >>= 1;
	}
	*out_old = old_hash;
	*out_new = new_hash;
	return last == 0;
}

bool
tally_consistency_check(struct tally_hasher *hasher, uint64_t old_size,
    uint64_t size, const struct tally_hash *proof, size_t proof_len,
    const struct tally_hash *old_root, const struct tally_hash *root)
{
	struct tally_hash old_hash, new_hash, seed;
	uint64_t node, last;

	if (old_size == 0 || old_size > size)
		return false;
	if (old_size == size)
		return proof_len == 0 && tally_hash_equal(old_root, root);
	node = old_size - 1;
	last = size - 1;
	for (; node & 1; node >>= 1)
		last >>= 1;
	/* A perfect old tree is the seed itself; else the proof begins so. */
	seed = *old_root;
	if (node != 0) {
		if (proof_len == 0)
			return false;
		seed = *proof++;
		proof_len--;
	}
	return consistency_climb(hasher, node, last, &seed, proof, proof_len,
		   &old_hash, &new_hash) &&
	    !tally_hasher_failed(hasher) &&
	    tally_hash_equal(&old_hash, old_root) &&
	    tally_hash_equal(&new_hash, root);
}
