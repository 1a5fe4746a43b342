/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every tree of up to 300 leaves, every inclusion and every consistency proof
 * in it; of many of them every bit turned.  The roots are those of the
 * definition; test_tree.c compares the proofs themselves with theirs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tree_reference.h"

#define HEIGHTS 9

/* Roots of perfect subtrees, made once. */
static struct tally_hash nodes[HEIGHTS][LEAVES];

static int
open_nodes(void **state)
{
	size_t height, i;

	if (open_all(state) != 0)
		return -1;
	memcpy(nodes[0], leaves, sizeof(leaves));
	for (height = 1; height < HEIGHTS; height++) {
		for (i = 0; i < (size_t)LEAVES >> height; i++)
			nodes[height][i] = tally_hash_node(&hasher,
			    &nodes[height - 1][2 * i],
			    &nodes[height - 1][2 * i + 1]);
	}
	return 0;
}

static int
made_node(void *arg, unsigned height, uint64_t position, struct tally_hash *out)
{
	(void)arg;
	assert_true(height < HEIGHTS && position < (uint64_t)LEAVES >> height);
	*out = nodes[height][position];
	return 0;
}

static const struct tally_tree_source made = { .node = made_node };

/* No bit of a proof may be another. */
static void
turn_every_bit(bool is_inclusion, uint64_t m, uint64_t n, struct proof *proof)
{
	size_t i;

	for (i = 0; i < proof->len * 256; i++) {
		uint8_t *byte = &proof->hash[i / 256].b[i / 8 % 32];

		*byte ^= (uint8_t)(1 << i % 8);
		if (is_inclusion ? included(m, n, proof)
				 : consistent(m, n, proof))
			fail_msg("%u of %u, bit %zu", (unsigned)m, (unsigned)n,
			    i);
		*byte ^= (uint8_t)(1 << i % 8);
	}
}

static bool
is_picked(uint64_t m, uint64_t n)
{
	return n <= 20 || n % 64 <= 1 || m * 7 % 150 == n % 150;
}

static void
test_tree__every_inclusion_up_to_300(void **state)
{
	struct proof proof;
	uint64_t m, n, turned = 0;

	(void)state;
	for (n = 1; n <= LEAVES; n++) {
		for (m = 0; m < n; m++) {
			assert_int_equal(tally_inclusion_prove(&hasher, &made,
					     m, n, proof.hash, &proof.len),
			    0);
			assert_true(included(m, n, &proof));
			if (m % 8 != 0 || !is_picked(m, n))
				continue;
			turn_every_bit(true, m, n, &proof);
			turned++;
		}
	}
	assert_true(turned > 150);
}

static void
test_tree__every_consistency_up_to_300(void **state)
{
	struct proof proof;
	uint64_t m, n, turned = 0;

	(void)state;
	for (n = 1; n <= LEAVES; n++) {
		for (m = 1; m <= n; m++) {
			assert_int_equal(tally_consistency_prove(&hasher, &made,
					     m, n, proof.hash, &proof.len),
			    0);
			assert_true(consistent(m, n, &proof));
			if (m % 8 != 1 || !is_picked(m, n))
				continue;
			turn_every_bit(false, m, n, &proof);
			turned++;
		}
	}
	assert_true(turned > 150);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_inclusion_up_to_300),
		TEST(every_consistency_up_to_300),
	};

	return cmocka_run_group_tests(tests, open_nodes, close_all);
}
