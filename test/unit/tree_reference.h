/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of RFC 6962, section 2.1, by its recursive definitions, over leaves
 * that the tests share.  Include behind cmocka.h.
 */
#ifndef TALLY_TEST_TREE_REFERENCE_H
#define TALLY_TEST_TREE_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/tree.h"

#define LEAVES 300
#define TREES 130

static struct tally_hasher hasher;
static struct tally_hash leaves[LEAVES];
static struct tally_hash roots[LEAVES + 1]; /* by the definition */

struct proof {
	struct tally_hash hash[TALLY_PROOF_MAX];
	size_t len;
};

/* ---- the definitions -------------------------------------------------- */

static inline uint64_t
split(uint64_t n)
{
	uint64_t k = 1;

	while (2 * k < n)
		k *= 2;
	return k;
}

static inline struct tally_hash
mth(const struct tally_hash *leaf, uint64_t n)
{
	struct tally_hash left, right;

	if (n == 0)
		return tally_hash_bytes(&hasher, "", 0);
	if (n == 1)
		return leaf[0];
	left = mth(leaf, split(n));
	right = mth(leaf + split(n), n - split(n));
	return tally_hash_node(&hasher, &left, &right);
}

static inline void
push(struct proof *proof, struct tally_hash hash)
{
	proof->hash[proof->len++] = hash;
}

static inline void
path(uint64_t m, const struct tally_hash *leaf, uint64_t n, struct proof *out)
{
	uint64_t k = split(n);

	if (n == 1) {
		out->len = 0;
	} else if (m < k) {
		path(m, leaf, k, out);
		push(out, mth(leaf + k, n - k));
	} else {
		path(m - k, leaf + k, n - k, out);
		push(out, mth(leaf, k));
	}
}

static inline void
subproof(uint64_t m, const struct tally_hash *leaf, uint64_t n, bool whole,
    struct proof *out)
{
	uint64_t k = split(n);

	if (m == n) {
		out->len = 0;
		if (!whole)
			push(out, mth(leaf, n));
	} else if (m <= k) {
		subproof(m, leaf, k, whole, out);
		push(out, mth(leaf + k, n - k));
	} else {
		subproof(m - k, leaf + k, n - k, false, out);
		push(out, mth(leaf, k));
	}
}

/* ---- sources ---------------------------------------------------------- */

static inline int
node_of_leaves(void *arg, unsigned height, uint64_t position,
    struct tally_hash *out)
{
	uint64_t len = (uint64_t)1 << height;

	(void)arg;
	assert_true((position + 1) * len <= LEAVES);
	*out = mth(leaves + position * len, len);
	return 0;
}

static const struct tally_tree_source source = { .node = node_of_leaves };

/* A tree of any size: all leaves are the same. */
static inline int
node_of_equals(void *arg, unsigned height, uint64_t position,
    struct tally_hash *out)
{
	struct tally_hash hash = leaves[0];

	(void)arg;
	assert_true(height == 0 || position <= UINT64_MAX >> height);
	for (; height > 0; height--)
		hash = tally_hash_node(&hasher, &hash, &hash);
	*out = hash;
	return 0;
}

static const struct tally_tree_source equals = { .node = node_of_equals };

/* Fails at the call that *arg counts down to. */
static inline int
node_that_fails(void *arg, unsigned height, uint64_t position,
    struct tally_hash *out)
{
	int *left = arg;

	if ((*left)-- == 0)
		return TALLY_E_IO;
	return node_of_leaves(NULL, height, position, out);
}

static inline int
open_all(void **state)
{
	char text[32];
	size_t i;
	int len;

	(void)state;
	if (tally_hasher_open(&hasher) != 0)
		return -1;
	for (i = 0; i < LEAVES; i++) {
		len = snprintf(text, sizeof(text), "leaf %zu", i);
		leaves[i] = tally_hash_leaf(&hasher, text, (size_t)len);
	}
	for (i = 0; i <= LEAVES; i++)
		roots[i] = mth(leaves, i);
	return 0;
}

static inline int
close_all(void **state)
{
	(void)state;
	tally_hasher_close(&hasher);
	return 0;
}

static inline void
assert_same(struct tally_hash a, struct tally_hash b)
{
	assert_memory_equal(a.b, b.b, sizeof(a.b));
}

static inline void
assert_same_proof(const struct proof *a, const struct proof *b)
{
	size_t i;

	assert_int_equal(a->len, b->len);
	for (i = 0; i < a->len; i++)
		assert_same(a->hash[i], b->hash[i]);
}

/* Leaf index in the tree of size leaves. */
static inline bool
included(uint64_t index, uint64_t size, const struct proof *proof)
{
	return tally_inclusion_check(&hasher, &leaves[index], index, size,
	    proof->hash, proof->len, &roots[size]);
}

static inline bool
consistent(uint64_t old_size, uint64_t size, const struct proof *proof)
{
	return tally_consistency_check(&hasher, old_size, size, proof->hash,
	    proof->len, &roots[old_size], &roots[size]);
}

#define TEST(name) cmocka_unit_test(test_tree__##name)

#endif
