/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fork graph, compressed: a run is records of one chain that follow each
 * other directly.  Whatever does not follow directly begins a run, so there
 * are as many as there are starts and loose links, and not one for each
 * record.
 */
#ifndef TALLY_FOREIGN_GRAPH_H
#define TALLY_FOREIGN_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "foreign/links.h"

#define TALLY_NO_TIME INT64_MIN
#define TALLY_RUNS_MAX ((size_t)4 << 20)
#define TALLY_STREAKS_MAX ((size_t)1 << 20)
#define TALLY_NO_RUN UINT32_MAX

enum tally_edge {
	TALLY_EDGE_NEXT,  /* of the record before it in its chain */
	TALLY_EDGE_START, /* it has no predecessor */
	TALLY_EDGE_LOOSE, /* of another record, or of none that is there */
};

/* All that grew from a place of the graph. */
struct tally_growth {
	uint64_t count;
	uint64_t last_index, last_seq;
	int64_t last_us;
	bool holds;
};

struct tally_run {
	uint64_t first_index, first_seq;
	uint64_t last_index, last_seq;
	int64_t first_us, last_us;
	uint64_t count;
	uint64_t last_bad;     /* seq of the last record that does not hold */
	uint64_t parent_index; /* UINT64_MAX: none */
	uint64_t parent_seq;
	uint32_t chain;
	uint32_t parent_run;
	uint8_t edge;
	bool parent_holds;
	bool first_bad; /* its first record holds by nothing at all */
};

/* Records of one chain, one behind the other, that all do not hold. */
struct tally_streak {
	uint32_t chain;
	uint64_t first_seq, last_seq;
	uint64_t count;
};

/* What is special about a record: bits. */
enum {
	TALLY_TRAIT_REAL = 1,    /* a number with a point or an exponent */
	TALLY_TRAIT_WIDE = 2,    /* text beyond ASCII */
	TALLY_TRAIT_ESCAPED = 4, /* text with escapes */
	TALLY_TRAITS = 3,
};

/* Of each chain, while it is read. */
struct tally_graph_chain {
	uint32_t run;
	bool in_streak;
	struct tally_streak streak;
};

struct tally_graph {
	struct tally_run *runs; /* by index of their first record */
	size_t len, capacity;
	bool cut; /* there were more than TALLY_RUNS_MAX */
	struct tally_graph_chain *chains;
	size_t chains_len;
	struct tally_streak *streaks; /* sorted at the end */
	size_t streaks_len, streaks_capacity;
	uint64_t bad;                      /* records that do not hold */
	uint64_t trait_bad[TALLY_TRAITS];  /* of these, that have the trait */
	uint64_t trait_good[TALLY_TRAITS]; /* of the others */
};

/* One record more, as it was read. */
struct tally_graph_record {
	const struct tally_place *place;
	enum tally_edge edge;
	bool holds; /* by an era that is in force */
	bool bad;   /* by nothing at all */
	int64_t time_us;
	unsigned traits;
};

/* 0 or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_graph_add(struct tally_graph *graph,
    const struct tally_graph_record *record);

/* Where a loose link leads, as tally_link_fn has it. */
int
tally_graph_settle(void *arg, const struct tally_item *loose,
    const struct tally_item *parent);

/* All were added and settled: sorts, and joins the runs.  0 or
 * TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_graph_finish(struct tally_graph *graph);

/* The run that begins with this record, or NULL. */
const struct tally_run *
tally_graph_run(const struct tally_graph *graph, uint64_t index);

/* The streak that holds this record, or NULL. */
const struct tally_streak *
tally_graph_streak(const struct tally_graph *graph, uint32_t chain,
    uint64_t seq);

void
tally_graph_wipe(struct tally_graph *graph);

#endif
