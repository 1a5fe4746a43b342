/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs that must not hold, impossible positions, the largest trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tree_reference.h"

/* Another leaf, index or root, and any other list of hashes. */
static void
test_tree__no_other_inclusion_holds(void **state)
{
	struct proof proof, other;
	struct tally_hash leaf, root;
	uint64_t m, n, i;

	(void)state;
	for (n = 1; n <= 40; n++) {
		for (m = 0; m < n; m++) {
			path(m, leaves, n, &proof);
			for (i = 0; i <= n + 2; i++)
				assert_int_equal(tally_inclusion_check(&hasher,
						     &leaves[m], i, n,
						     proof.hash, proof.len,
						     &roots[n]),
				    i == m);
			for (i = 0; i < 256; i++) {
				leaf = leaves[m];
				leaf.b[i / 8] ^= (uint8_t)(1 << i % 8);
				assert_false(tally_inclusion_check(&hasher,
				    &leaf, m, n, proof.hash, proof.len,
				    &roots[n]));
				root = roots[n];
				root.b[i / 8] ^= (uint8_t)(1 << i % 8);
				assert_false(tally_inclusion_check(&hasher,
				    &leaves[m], m, n, proof.hash, proof.len,
				    &root));
			}
			for (i = 0; i < proof.len; i++) {
				other = proof;
				other.hash[i].b[i % 32] ^= 0x10;
				assert_false(included(m, n, &other));
				other = proof;
				other.len = i;
				assert_false(included(m, n, &other));
				other = proof;
				other.hash[i] = other.hash[other.len - 1];
				other.hash[other.len - 1] = proof.hash[i];
				if (i != proof.len - 1)
					assert_false(included(m, n, &other));
			}
			other = proof;
			push(&other, roots[n]);
			assert_false(included(m, n, &other));
			other.len = TALLY_PROOF_MAX;
			memset(other.hash, 0, sizeof(other.hash));
			assert_false(included(m, n, &other));
		}
	}
}

static void
test_tree__no_other_consistency_holds(void **state)
{
	struct proof proof, other;
	struct tally_hash root;
	uint64_t m, n, i;

	(void)state;
	for (n = 1; n <= 40; n++) {
		for (m = 1; m <= n; m++) {
			subproof(m, leaves, n, true, &proof);
			for (i = 0; i <= n + 2; i++) {
				if (i == m)
					continue;
				assert_false(consistent(i, n, &proof));
				assert_false(tally_consistency_check(&hasher, i,
				    n, proof.hash, proof.len, &roots[m],
				    &roots[n]));
			}
			for (i = 0; i < 256; i++) {
				root = roots[m];
				root.b[i / 8] ^= (uint8_t)(1 << i % 8);
				assert_false(tally_consistency_check(&hasher, m,
				    n, proof.hash, proof.len, &root,
				    &roots[n]));
				root = roots[n];
				root.b[i / 8] ^= (uint8_t)(1 << i % 8);
				assert_false(tally_consistency_check(&hasher, m,
				    n, proof.hash, proof.len, &roots[m],
				    &root));
			}
			for (i = 0; i < proof.len; i++) {
				other = proof;
				other.hash[i].b[i % 32] ^= 0x10;
				assert_false(consistent(m, n, &other));
				other = proof;
				other.len = i;
				assert_false(consistent(m, n, &other));
			}
			other = proof;
			push(&other, roots[n]);
			assert_false(consistent(m, n, &other));
		}
	}
}

/* A tree of the same size with another past is not consistent. */
static void
test_tree__rewritten_past_shows(void **state)
{
	struct tally_hash kept, root;
	struct proof proof;
	uint64_t m, n, at;

	(void)state;
	for (n = 1; n <= 33; n++) {
		for (at = 0; at < n; at++) {
			kept = leaves[at];
			leaves[at].b[0] ^= 1;
			root = mth(leaves, n);
			for (m = at + 1; m <= n; m++) {
				subproof(m, leaves, n, true, &proof);
				assert_false(tally_consistency_check(&hasher, m,
				    n, proof.hash, proof.len, &roots[m],
				    &root));
			}
			leaves[at] = kept;
		}
	}
}

/* ---- hostile numbers -------------------------------------------------- */

static void
test_tree__refuses_impossible_positions(void **state)
{
	static const uint64_t ends[] = { 0, 1, 2, 3, 1ULL << 32,
		(1ULL << 63) - 1, 1ULL << 63, (1ULL << 63) + 1, UINT64_MAX - 1,
		UINT64_MAX };
	const size_t count = sizeof(ends) / sizeof(ends[0]);
	struct tally_hash root;
	struct proof proof = { .len = 0 };
	size_t i, k, len;

	(void)state;
	memset(proof.hash, 0x5a, sizeof(proof.hash));
	for (i = 0; i < count; i++) {
		for (k = 0; k < count; k++) {
			for (len = 0; len <= TALLY_PROOF_MAX; len++) {
				/* Any answer but a true one; it must end. */
				assert_false(tally_inclusion_check(&hasher,
				    &leaves[0], ends[i], ends[k], proof.hash,
				    len, &roots[5]));
				if (ends[i] != ends[k] || len != 0)
					assert_false(
					    tally_consistency_check(&hasher,
						ends[i], ends[k], proof.hash,
						len, &roots[5], &roots[5]));
			}
			if (ends[i] >= ends[k])
				assert_int_equal(tally_inclusion_root(&hasher,
						     &leaves[0], ends[i],
						     ends[k], proof.hash, 0,
						     &root),
				    TALLY_E_FORMAT);
		}
	}
	assert_false(tally_consistency_check(&hasher, 0, 0, NULL, 0, &roots[0],
	    &roots[0]));
	assert_false(tally_consistency_check(&hasher, 0, 5, NULL, 0, &roots[0],
	    &roots[5]));
	assert_false(tally_consistency_check(&hasher, 5, 5, NULL, 0, &roots[4],
	    &roots[5]));
	assert_true(tally_consistency_check(&hasher, 5, 5, NULL, 0, &roots[5],
	    &roots[5]));
}

static void
test_tree__does_not_prove_the_impossible(void **state)
{
	struct proof proof = { .len = 4711 };

	(void)state;
	assert_int_equal(tally_inclusion_prove(&hasher, &equals, 0, 0,
			     proof.hash, &proof.len),
	    TALLY_E_USAGE);
	assert_int_equal(tally_inclusion_prove(&hasher, &equals, 5, 5,
			     proof.hash, &proof.len),
	    TALLY_E_USAGE);
	assert_int_equal(tally_inclusion_prove(&hasher, &equals, UINT64_MAX,
			     UINT64_MAX, proof.hash, &proof.len),
	    TALLY_E_USAGE);
	assert_int_equal(tally_inclusion_prove(&hasher, &equals, 0,
			     (1ULL << 63) + 1, proof.hash, &proof.len),
	    TALLY_E_USAGE);
	assert_int_equal(tally_consistency_prove(&hasher, &equals, 0, 5,
			     proof.hash, &proof.len),
	    TALLY_E_USAGE);
	assert_int_equal(tally_consistency_prove(&hasher, &equals, 6, 5,
			     proof.hash, &proof.len),
	    TALLY_E_USAGE);
	assert_int_equal(tally_consistency_prove(&hasher, &equals, 1,
			     UINT64_MAX, proof.hash, &proof.len),
	    TALLY_E_USAGE);
	assert_int_equal(proof.len, 4711);
}

/* Sizes around every power of two up to 2^63. */
static void
test_tree__proves_in_the_largest_trees(void **state)
{
	static const uint64_t top = 1ULL << 63;
	struct tally_hash root, old_root;
	struct proof proof;
	uint64_t n, m;
	unsigned bit;
	int i, k;

	(void)state;
	for (bit = 2; bit <= 63; bit++) {
		for (i = -1; i <= 1; i++) {
			n = (1ULL << bit) + (uint64_t)i;
			if (n > top)
				continue;
			assert_int_equal(tally_tree_root(&hasher, &equals, n,
					     &root),
			    0);
			for (k = 0; k < 4; k++) {
				m = k == 0   ? 0
				    : k == 1 ? n - 1
				    : k == 2 ? n / 2
					     : n / 3 * 2;
				assert_int_equal(tally_inclusion_prove(&hasher,
						     &equals, m, n, proof.hash,
						     &proof.len),
				    0);
				assert_true(proof.len <= 63);
				assert_true(tally_inclusion_check(&hasher,
				    &leaves[0], m, n, proof.hash, proof.len,
				    &root));
				assert_int_equal(tally_tree_root(&hasher,
						     &equals, m + 1, &old_root),
				    0);
				assert_int_equal(
				    tally_consistency_prove(&hasher, &equals,
					m + 1, n, proof.hash, &proof.len),
				    0);
				assert_true(proof.len <= TALLY_PROOF_MAX);
				assert_true(tally_consistency_check(&hasher,
				    m + 1, n, proof.hash, proof.len, &old_root,
				    &root));
			}
		}
	}
}

/* The frontier at sizes that no test reaches one by one. */
static void
test_tree__frontier_of_the_largest_trees(void **state)
{
	struct tally_frontier frontier;
	struct tally_hash subtree, root;
	uint64_t size = 0;
	int height;

	(void)state;
	tally_frontier_init(&frontier);
	for (height = 62; height >= 0; height--) {
		node_of_equals(NULL, (unsigned)height, 0, &subtree);
		tally_frontier_append_subtree(&hasher, &frontier,
		    (unsigned)height, &subtree);
		size += 1ULL << height;
		assert_true(frontier.size == size);
		assert_int_equal(tally_tree_root(&hasher, &equals, size, &root),
		    0);
		assert_same(tally_frontier_root(&hasher, &frontier), root);
	}
	/* One more is 2^63, and all 63 subtrees become one. */
	tally_frontier_append(&hasher, &frontier, &leaves[0]);
	node_of_equals(NULL, 63, 0, &root);
	assert_true(frontier.size == 1ULL << 63);
	assert_same(tally_frontier_root(&hasher, &frontier), root);
	assert_same(frontier.node[0], root);
}

/* Whichever fetch fails, its error comes out and no output is written. */
static void
test_tree__passes_up_what_its_source_says(void **state)
{
	struct tally_hash root, zero = { { 0 } };
	struct tally_tree_source failing = { .node = node_that_fails };
	struct proof proof;
	int at, left, done = 0;

	(void)state;
	failing.arg = &left;
	for (at = 0; done < 3; at++) {
		done = 0;
		root = zero;
		proof.len = 4711;
		left = at;
		if (tally_tree_root(&hasher, &failing, 77, &root) == 0)
			done++;
		else
			assert_same(root, zero);
		left = at;
		if (tally_inclusion_prove(&hasher, &failing, 13, 77, proof.hash,
			&proof.len) == 0)
			done++;
		else
			assert_int_equal(proof.len, 4711);
		proof.len = 4711;
		left = at;
		if (tally_consistency_prove(&hasher, &failing, 13, 77,
			proof.hash, &proof.len) == 0)
			done++;
		else
			assert_int_equal(proof.len, 4711);
		left = 0;
		assert_int_equal(tally_tree_root(&hasher, &failing, 77, &root),
		    TALLY_E_IO);
	}
	assert_true(at > 5);
}

static void
test_tree__failed_hasher_proves_nothing(void **state)
{
	struct tally_hash zero = { { 0 } };
	struct tally_hasher failed;
	struct proof proof;

	(void)state;
	path(2, leaves, 5, &proof);
	assert_int_equal(tally_hasher_open(&failed), 0);
	failed.failed = true;
	assert_false(tally_inclusion_check(&failed, &leaves[2], 2, 5,
	    proof.hash, proof.len, &zero));
	assert_false(tally_consistency_check(&failed, 3, 5, proof.hash,
	    proof.len, &zero, &zero));
	tally_hasher_close(&failed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_other_inclusion_holds),
		TEST(no_other_consistency_holds),
		TEST(rewritten_past_shows),
		TEST(refuses_impossible_positions),
		TEST(does_not_prove_the_impossible),
		TEST(proves_in_the_largest_trees),
		TEST(frontier_of_the_largest_trees),
		TEST(passes_up_what_its_source_says),
		TEST(failed_hasher_proves_nothing),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
