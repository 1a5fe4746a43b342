/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs of any numbers and hashes: checking ends, and nothing holds for a
 * root that nobody knows the leaves of.  Input: index and size (8 bytes each,
 * little endian), then hashes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/tree.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t
number(const uint8_t *bytes)
{
	uint64_t value = 0;
	int i;

	for (i = 7; i >= 0; i--)
		value = value << 8 | bytes[i];
	return value;
}

/* All leaves are the same, so that trees of any size cost little. */
static int
node(void *arg, unsigned height, uint64_t position, struct tally_hash *out)
{
	struct tally_hash hash = { { 0 } };

	(void)position;
	for (; height > 0; height--)
		hash = tally_hash_node(arg, &hash, &hash);
	*out = hash;
	return 0;
}

/* What is proved for these numbers holds. */
static void
prove(struct tally_hasher *hasher, uint64_t index, uint64_t size)
{
	struct tally_tree_source source = { node, hasher };
	struct tally_hash proof[TALLY_PROOF_MAX], leaf = { { 0 } };
	struct tally_hash root, old_root;
	size_t len;

	if (tally_inclusion_prove(hasher, &source, index, size, proof, &len) !=
	    0)
		return;
	if (tally_tree_root(hasher, &source, size, &root) != 0 ||
	    !tally_inclusion_check(hasher, &leaf, index, size, proof, len,
		&root))
		abort();
	if (tally_consistency_prove(hasher, &source, index + 1, size, proof,
		&len) != 0 ||
	    tally_tree_root(hasher, &source, index + 1, &old_root) != 0 ||
	    !tally_consistency_check(hasher, index + 1, size, proof, len,
		&old_root, &root))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tally_hasher hasher;
	struct tally_hash hashes[80], known;
	uint64_t index, tree_size;
	size_t len;

	if (hasher.ctx == NULL && tally_hasher_open(&hasher) != 0)
		abort();
	if (size < 16)
		return 0;
	index = number(data);
	tree_size = number(data + 8);
	len = (size - 16) / TALLY_HASH_SIZE;
	if (len > 80)
		len = 80;
	memset(hashes, 0, sizeof(hashes));
	memcpy(hashes, data + 16, len * TALLY_HASH_SIZE);
	memset(&known, 0x5a, sizeof(known));
	/* A root that no hash gives: only a leaf can be it. */
	if (tally_inclusion_check(&hasher, &hashes[0], index, tree_size, hashes,
		len, &known) &&
	    !(tree_size == 1 && tally_hash_equal(&hashes[0], &known)))
		abort();
	if (tally_consistency_check(&hasher, index, tree_size, hashes, len,
		&hashes[0], &known) &&
	    !(index == tree_size && tally_hash_equal(&hashes[0], &known)))
		abort();
	prove(&hasher, index, tree_size);
	return 0;
}
