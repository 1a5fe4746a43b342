/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test/vectors/merkle-proofs.json, the proofs of transparency-dev/merkle,
 * testdata: most of them must not hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/text.h"
#include "core/tree.h"
#include "vectors.h"

static struct tally_hasher hasher;
static json_t *merkle;

static int
open_all(void **state)
{
	(void)state;
	merkle = vectors_own_as("merkle-proofs.json", JSON_DECODE_INT_AS_REAL);
	return tally_hasher_open(&hasher);
}

static int
close_all(void **state)
{
	(void)state;
	tally_hasher_close(&hasher);
	json_decref(merkle);
	return 0;
}

/* Some are no hashes at all, which the type rules out: they are filled up. */
static struct tally_hash
read_hash(const char *text, int fill)
{
	struct tally_hash hash;
	size_t len;

	memset(&hash, fill, sizeof(hash));
	if (text != NULL)
		assert_int_equal(tally_base64_parse(text, strlen(text), hash.b,
				     sizeof(hash.b), &len),
		    0);
	return hash;
}

/* Read as reals, because 2^64 - 1 is among them. */
static uint64_t
read_number(json_t *object, const char *name)
{
	double value = json_number_value(json_object_get(object, name));

	return value >= 18446744073709551615.0 ? UINT64_MAX : (uint64_t)value;
}

static size_t
read_proof(json_t *object, struct tally_hash out[TALLY_PROOF_MAX])
{
	json_t *list = json_object_get(object, "proof"), *hash;
	size_t i;

	json_array_foreach(list, i, hash) {
		assert_true(i < TALLY_PROOF_MAX);
		out[i] = read_hash(json_string_value(hash), 0);
	}
	return json_array_size(list);
}

static void
assert_verdict(json_t *item, bool holds)
{
	if (holds == json_is_true(json_object_get(item, "wantErr")))
		fail_msg("%s: %s", vectors_text(item, "name"),
		    vectors_text(item, "desc"));
}

static void
test_merkle__inclusion(void **state)
{
	struct tally_hash proof[TALLY_PROOF_MAX], leaf, root;
	json_t *item;
	size_t i, len;

	(void)state;
	json_array_foreach(json_object_get(merkle, "inclusion"), i, item) {
		leaf = read_hash(vectors_text(item, "leafHash"), 1);
		root = read_hash(vectors_text(item, "root"), 0);
		len = read_proof(item, proof);
		assert_verdict(item,
		    tally_inclusion_check(&hasher, &leaf,
			read_number(item, "leafIdx"),
			read_number(item, "treeSize"), proof, len, &root));
	}
	assert_true(i >= 90);
}

static void
test_merkle__consistency(void **state)
{
	struct tally_hash proof[TALLY_PROOF_MAX], old_root, root;
	json_t *item;
	size_t i, len;

	(void)state;
	json_array_foreach(json_object_get(merkle, "consistency"), i, item) {
		old_root = read_hash(vectors_text(item, "root1"), 0);
		root = read_hash(vectors_text(item, "root2"), 0);
		len = read_proof(item, proof);
		assert_verdict(item,
		    tally_consistency_check(&hasher, read_number(item, "size1"),
			read_number(item, "size2"), proof, len, &old_root,
			&root));
	}
	assert_true(i >= 90);
}

#define TEST(name) cmocka_unit_test(test_merkle__##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(inclusion),
		TEST(consistency),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
