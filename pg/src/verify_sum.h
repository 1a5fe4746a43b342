/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sum of a set: equal sums mean, but for a chance of 2^-64, equal sets
 * (with repetitions), in whatever order their elements were added.
 *
 * Each element goes through SipHash-2-4 under a key that is drawn for this
 * verification, after everything that is summed was written; so nobody can
 * have chosen elements that make up for each other.
 */
#ifndef TALLY_PG_VERIFY_SUM_H
#define TALLY_PG_VERIFY_SUM_H

#include "postgres.h"

struct tally_sum
{
	uint64		total;
	int64		count;
};

extern uint64 tally_sum_hash(const uint64 key[2], const void *bytes, Size len);

static inline void
tally_sum_add(struct tally_sum *sum, uint64 hash)
{
	sum->total += hash;
	sum->count++;
}

static inline bool
tally_sum_equal(const struct tally_sum *a, const struct tally_sum *b)
{
	return a->total == b->total && a->count == b->count;
}

#endif
