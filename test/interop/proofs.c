/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every proof of every tree of 1 to SIZE leaves, for other people's verifiers:
 * proofs SIZE prints lines of words,
 *
 *     inclusion   <size> <index> <root> <leaf's data> <hash> ...
 *     consistency <size> <old size> <root> <old root> <hash> ...
 *
 * in hexadecimal where they are bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/text.h"
#include "core/tree.h"

#define LEAVES_MAX 1024

static struct tally_hasher hasher;
static struct tally_hash leaf[LEAVES_MAX];

static int
node(void *arg, unsigned height, uint64_t position, struct tally_hash *out)
{
	struct tally_frontier frontier;

	(void)arg;
	tally_frontier_init(&frontier);
	for (uint64_t i = position << height; i < (position + 1) << height; i++)
		tally_frontier_append(&hasher, &frontier, &leaf[i]);
	*out = tally_frontier_root(&hasher, &frontier);
	return 0;
}

static void
print_hash(const struct tally_hash *hash)
{
	char text[TALLY_HASH_TEXT_SIZE];

	tally_hash_format(hash, text);
	printf(" %s", text);
}

static void
print_proof(const struct tally_hash *proof, size_t len)
{
	for (size_t i = 0; i < len; i++)
		print_hash(&proof[i]);
	printf("\n");
}

static void
print_tree(uint64_t size)
{
	const struct tally_tree_source source = { node, NULL };
	struct tally_hash proof[TALLY_PROOF_MAX], root, old;
	size_t len;

	if (tally_tree_root(&hasher, &source, size, &root) != 0)
		abort();
	for (uint64_t i = 0; i < size; i++) {
		if (tally_inclusion_prove(&hasher, &source, i, size, proof,
			&len) != 0)
			abort();
		printf("inclusion %" PRIu64 " %" PRIu64, size, i);
		print_hash(&root);
		printf(" %04" PRIx64, i);
		print_proof(proof, len);
	}
	for (uint64_t n = 1; n <= size; n++) {
		if (tally_tree_root(&hasher, &source, n, &old) != 0 ||
		    tally_consistency_prove(&hasher, &source, n, size, proof,
			&len) != 0)
			abort();
		printf("consistency %" PRIu64 " %" PRIu64, size, n);
		print_hash(&root);
		print_hash(&old);
		print_proof(proof, len);
	}
}

int
main(int argc, char **argv)
{
	int size = argc == 2 ? atoi(argv[1]) : 0;

	if (size < 1 || size > LEAVES_MAX || tally_hasher_open(&hasher) != 0)
		return 2;
	for (int i = 0; i < size; i++) {
		const uint8_t data[2] = { (uint8_t)(i >> 8), (uint8_t)i };

		leaf[i] = tally_hash_leaf(&hasher, data, sizeof(data));
	}
	for (int n = 1; n <= size; n++)
		print_tree((uint64_t)n);
	tally_hasher_close(&hasher);
	return 0;
}
