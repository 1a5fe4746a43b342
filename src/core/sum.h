/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sum of a set: equal sums mean, but for a chance of 2^-64, equal sets
 * (with repetitions), in whatever order their elements were added.
 *
 * Each element goes through SipHash (sip.h) under a key that is drawn for one
 * verification, after everything that is summed was written; so nobody can
 * have chosen elements that make up for each other.
 */
#ifndef TALLY_CORE_SUM_H
#define TALLY_CORE_SUM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sip.h"

struct tally_sum {
	uint64_t total;
	uint64_t count;
};

static inline void
tally_sum_add(struct tally_sum *sum, uint64_t hash)
{
	sum->total += hash;
	sum->count++;
}

static inline void
tally_sum_join(struct tally_sum *sum, const struct tally_sum *other)
{
	sum->total += other->total;
	sum->count += other->count;
}

static inline bool
tally_sum_equal(const struct tally_sum *a, const struct tally_sum *b)
{
	return a->total == b->total && a->count == b->count;
}

#endif
