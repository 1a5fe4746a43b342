/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bench_scale asks of one log.  Record number i (0-based) of a fill goes
 * to chain i modulo the number of chains, so it has seq i / chains + 1 there
 * and index i + 1 in the log, whose first record is its own; its id can be
 * made again from i.
 */
#ifndef TALLY_BENCH_SCALE_H
#define TALLY_BENCH_SCALE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench.h"

struct scale_log {
	const char *path;
	uint64_t records; /* that the fill made */
	unsigned chains;
	bool ids;
	double seconds; /* of each append measurement */
};

enum scale_figure {
	SCALE_OPEN_MS,
	SCALE_HEAD_US,
	SCALE_SEQ_US,
	SCALE_INDEX_US,
	SCALE_ID_US,
	SCALE_FIRST_PROOF_US,
	SCALE_PROOF_US,
	SCALE_READ_RSS_MIB,
	SCALE_READ_ANON_MIB,
	SCALE_APPEND_1,
	SCALE_APPEND_64,
	SCALE_APPEND_BATCH,
	SCALE_RSS_MIB,
	SCALE_ANON_MIB,
	SCALE_CLOSE_MS,
	SCALE_FIGURES,
};

/* Fills a new log, buffered, in batches; sets the rate with the final sync. */
int
scale_fill(const struct scale_log *log, double *out_rate);

/* Opens the log as a new process would, and measures. */
int
scale_probe(const struct scale_log *log, double out[SCALE_FIGURES]);

/* Is it intact, and of at least so many records? */
int
scale_check(const struct scale_log *log);

#endif
