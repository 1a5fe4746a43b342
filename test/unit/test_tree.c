/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every tree of 0 to 130 leaves with every proof, against the recursive
 * definitions of RFC 6962, section 2.1; test/vectors/tree.json; the roots and
 * proofs of transparency-dev/tessera, testdata/log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/text.h"
#include "tree_reference.h"
#include "vectors.h"

/* ---- roots ------------------------------------------------------------ */

static void
test_tree__frontier_gives_every_root(void **state)
{
	struct tally_frontier frontier, copy;
	uint64_t n;

	(void)state;
	memset(&frontier, 0xa5, sizeof(frontier));
	tally_frontier_init(&frontier);
	for (n = 0; n <= LEAVES; n++) {
		assert_true(frontier.size == n);
		copy = frontier;
		assert_same(tally_frontier_root(&hasher, &copy), roots[n]);
		assert_memory_equal(&copy, &frontier, sizeof(copy));
		if (n < LEAVES)
			tally_frontier_append(&hasher, &frontier, &leaves[n]);
	}
}

/* From every size, with every subtree that may follow. */
static void
test_tree__frontier_takes_subtrees(void **state)
{
	struct tally_frontier frontier, longer;
	struct tally_hash subtree;
	uint64_t n, len;
	unsigned height;

	(void)state;
	tally_frontier_init(&frontier);
	for (n = 0; n <= TREES; n++) {
		for (height = 0; height < 8; height++) {
			len = (uint64_t)1 << height;
			if (n % len != 0 || n + len > LEAVES)
				break;
			longer = frontier;
			subtree = mth(leaves + n, len);
			tally_frontier_append_subtree(&hasher, &longer, height,
			    &subtree);
			assert_true(longer.size == n + len);
			assert_same(tally_frontier_root(&hasher, &longer),
			    roots[n + len]);
		}
		tally_frontier_append(&hasher, &frontier, &leaves[n]);
	}
}

static void
test_tree__source_gives_every_root(void **state)
{
	struct tally_hash root;
	uint64_t n;

	(void)state;
	for (n = 0; n <= LEAVES; n++) {
		assert_int_equal(tally_tree_root(&hasher, &source, n, &root),
		    0);
		assert_same(root, roots[n]);
	}
}

/* ---- every proof ------------------------------------------------------ */

static void
test_tree__every_inclusion_proof(void **state)
{
	struct proof proof, want;
	struct tally_hash root;
	uint64_t m, n;

	(void)state;
	for (n = 1; n <= TREES; n++) {
		for (m = 0; m < n; m++) {
			path(m, leaves, n, &want);
			assert_int_equal(tally_inclusion_prove(&hasher, &source,
					     m, n, proof.hash, &proof.len),
			    0);
			assert_same_proof(&proof, &want);
			assert_true(included(m, n, &proof));
			assert_int_equal(tally_inclusion_root(&hasher,
					     &leaves[m], m, n, proof.hash,
					     proof.len, &root),
			    0);
			assert_same(root, roots[n]);
		}
	}
}

static void
test_tree__every_consistency_proof(void **state)
{
	struct proof proof, want;
	uint64_t m, n;

	(void)state;
	for (n = 1; n <= TREES; n++) {
		for (m = 1; m <= n; m++) {
			subproof(m, leaves, n, true, &want);
			assert_int_equal(tally_consistency_prove(&hasher,
					     &source, m, n, proof.hash,
					     &proof.len),
			    0);
			assert_same_proof(&proof, &want);
			assert_true(consistent(m, n, &proof));
		}
	}
}

/* ---- vectors ---------------------------------------------------------- */

static void
read_proof(json_t *list, struct proof *out)
{
	json_t *hash;
	size_t i;

	out->len = 0;
	json_array_foreach(list, i, hash)
		push(out, vectors_hash(json_string_value(hash)));
}

static uint64_t
number(json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

static void
test_tree__own_vectors(void **state)
{
	json_t *file = vectors_own("tree.json"), *item;
	struct proof proof, want;
	uint64_t m, n;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(file, "leaves"), i, item)
		assert_same(leaves[i], vectors_hash(json_string_value(item)));
	json_array_foreach(json_object_get(file, "roots"), i, item)
		assert_same(roots[i], vectors_hash(json_string_value(item)));
	assert_int_equal(i, TREES + 1);
	assert_same(roots[256], vectors_hash(vectors_text(file, "root_256")));
	assert_same(roots[300], vectors_hash(vectors_text(file, "root_300")));
	json_array_foreach(json_object_get(file, "inclusion"), i, item) {
		m = number(item, "index");
		n = number(item, "size");
		read_proof(json_object_get(item, "proof"), &want);
		assert_true(included(m, n, &want));
		assert_int_equal(tally_inclusion_prove(&hasher, &source, m, n,
				     proof.hash, &proof.len),
		    0);
		assert_same_proof(&proof, &want);
	}
	assert_true(i > 60);
	json_array_foreach(json_object_get(file, "consistency"), i, item) {
		m = number(item, "old");
		n = number(item, "size");
		read_proof(json_object_get(item, "proof"), &want);
		assert_true(consistent(m, n, &want));
		assert_int_equal(tally_consistency_prove(&hasher, &source, m, n,
				     proof.hash, &proof.len),
		    0);
		assert_same_proof(&proof, &want);
	}
	assert_true(i > 60);
	json_decref(file);
}

static struct tally_hash
base64_hash(const char *text)
{
	struct tally_hash hash;
	size_t len;

	assert_int_equal(tally_base64_parse(text, strlen(text), hash.b,
			     sizeof(hash.b), &len),
	    0);
	assert_int_equal(len, sizeof(hash.b));
	return hash;
}

/*
 * Roots: transparency-dev/tessera, testdata/log, checkpoint.{0,1,2,3,7,8,15}.
 * The proofs were computed independently of this project over that log.
 */
static void
test_tree__published_vectors(void **state)
{
	static const char *const words[] = { "one", "two", "three", "four",
		"five", "six", "seven", "eit", "nain", "ten", "ileven", "twelf",
		"threeten", "fourten", "fivten" };
	static const char *const known[16] = {
		[0] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		[1] = "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=",
		[2] = "T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4=",
		[3] = "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=",
		[7] = "IrSXADBqJ7EQoUODSDKROySgNveeL6CFhik2w/+fS7U=",
		[8] = "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY=",
		[15] = "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=",
	};
	static const char *const inclusion_5[] = {
		"zMKa4OAqd7D0V4wawXST15z0JiEEkprIBPkfxOesWvA=",
		"nk9gCR+floFqznAPtqjjcnnV64dge2jQB95D5t164Hg=",
		"zY1lN35vrXYAPixXSd59LsU29xUJtuW4o2dNNg5Y2Co=",
		"5jLpqTgjsBDSEX6SgZiRnbTMdTuRd8bQ5tSsAOxe0Ks=",
	};
	static const char *const consistency_3[] = {
		"Zx8UbF5HHooag6PCFM5LqQe486WIjRTMjNPOdbsS75Q=",
		"9xWrP6pdBx5uKsS7mU1b9zWUPcw3mdoNCF55gM+5M2o=",
		"T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4=",
		"g0ZoeYWtIV8Q8i+4CmgqPnBvH2il107lyCgTQsyB7H4=",
		"5jLpqTgjsBDSEX6SgZiRnbTMdTuRd8bQ5tSsAOxe0Ks=",
	};
	struct tally_frontier frontier;
	struct tally_hash leaf[15], root;
	struct proof proof = { .len = 0 };
	size_t i;

	(void)state;
	tally_frontier_init(&frontier);
	for (i = 0; i <= 15; i++) {
		if (known[i] != NULL) {
			root = tally_frontier_root(&hasher, &frontier);
			assert_same(root, base64_hash(known[i]));
		}
		if (i == 15)
			break;
		leaf[i] = tally_hash_leaf(&hasher, words[i], strlen(words[i]));
		tally_frontier_append(&hasher, &frontier, &leaf[i]);
	}
	for (i = 0; i < 4; i++)
		push(&proof, base64_hash(inclusion_5[i]));
	assert_true(tally_inclusion_check(&hasher, &leaf[5], 5, 15, proof.hash,
	    proof.len, &root));
	proof.len = 0;
	for (i = 0; i < 5; i++)
		push(&proof, base64_hash(consistency_3[i]));
	leaf[0] = base64_hash(known[3]);
	assert_true(tally_consistency_check(&hasher, 3, 15, proof.hash,
	    proof.len, &leaf[0], &root));
	leaf[0] = base64_hash(known[8]);
	assert_true(tally_consistency_check(&hasher, 8, 15, &proof.hash[4], 1,
	    &leaf[0], &root));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frontier_gives_every_root),
		TEST(frontier_takes_subtrees),
		TEST(source_gives_every_root),
		TEST(every_inclusion_proof),
		TEST(every_consistency_proof),
		TEST(own_vectors),
		TEST(published_vectors),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
