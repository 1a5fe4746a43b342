/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latencies on a logarithmic scale.  Values below 2^BENCH_HIST_BITS have a
 * bucket each; above, every doubling has 2^BENCH_HIST_BITS of them.
 */
#include "bench.h"

#include <time.h>

#define LINEAR (1u << BENCH_HIST_BITS)

uint64_t
bench_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static unsigned
bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < LINEAR)
		return (unsigned)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - BENCH_HIST_BITS;
	return (shift << BENCH_HIST_BITS) + (unsigned)(value >> shift);
}

/* The middle of a bucket. */
static uint64_t
value_of(unsigned bucket)
{
	uint64_t base;
	unsigned shift;

	if (bucket < 2 * LINEAR)
		return bucket;
	shift = (bucket >> BENCH_HIST_BITS) - 1;
	base = bucket - ((uint64_t)shift << BENCH_HIST_BITS);
	return (base << shift) + ((uint64_t)1 << shift) / 2;
}

void
bench_hist_add(struct bench_hist *hist, uint64_t value_ns)
{
	hist->bucket[bucket_of(value_ns)]++;
	hist->count++;
	if (value_ns > hist->max_ns)
		hist->max_ns = value_ns;
}

void
bench_hist_merge(struct bench_hist *into, const struct bench_hist *from)
{
	for (unsigned i = 0; i < BENCH_HIST_SIZE; i++)
		into->bucket[i] += from->bucket[i];
	into->count += from->count;
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
}

uint64_t
bench_hist_percentile(const struct bench_hist *hist, double part)
{
	uint64_t rank = (uint64_t)(part * (double)hist->count);
	uint64_t seen = 0;
	uint64_t value;

	for (unsigned i = 0; i < BENCH_HIST_SIZE; i++) {
		seen += hist->bucket[i];
		if (seen > rank) {
			value = value_of(i);
			return value < hist->max_ns ? value : hist->max_ns;
		}
	}
	return hist->max_ns;
}
