/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sum of a set: equal sums mean, but for a chance of 2^-64, equal sets
 * (with repetitions), in whatever order their elements were added.
 *
 * Each element goes through SipHash-2-4 under a key that is drawn for this
 * verification, after everything that is summed was written; so nobody can
 * have chosen elements that make up for each other.
 */
#ifndef TALLY_PGCLIENT_SUM_H
#define TALLY_PGCLIENT_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tally_pg_sum {
	uint64_t total;
	uint64_t count;
};

uint64_t
tally_pg_sum_hash(const uint64_t key[2], const void *bytes, size_t len);

static inline void
tally_pg_sum_add(struct tally_pg_sum *sum, uint64_t hash)
{
	sum->total += hash;
	sum->count++;
}

static inline void
tally_pg_sum_join(struct tally_pg_sum *sum, const struct tally_pg_sum *other)
{
	sum->total += other->total;
	sum->count += other->count;
}

static inline bool
tally_pg_sum_equal(const struct tally_pg_sum *a, const struct tally_pg_sum *b)
{
	return a->total == b->total && a->count == b->count;
}

#endif
