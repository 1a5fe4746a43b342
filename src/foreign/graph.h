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
#define TALLY_RUNS_MAX ((size_t)4 << 20) /* some 100 bytes each */
#define TALLY_NO_RUN UINT32_MAX

enum tally_edge {
	TALLY_EDGE_NEXT,  /* of the record before it in its chain */
	TALLY_EDGE_START, /* it has no predecessor */
	TALLY_EDGE_LOOSE, /* of another record, or of none that is there */
};

struct tally_run {
	struct tally_place first;
	uint64_t last_index, last_seq;
	int64_t first_us, last_us;
	uint64_t count;
	uint64_t last_bad; /* seq of the last record that does not hold, or 0 */
	uint64_t parent;   /* index of the predecessor; UINT64_MAX: none */
	uint32_t parent_run;
	bool parent_holds;
	uint8_t edge;
	/* With all that grew from it, once that is summed up: */
	uint64_t tree_count;
	uint64_t tree_last; /* index */
	int64_t tree_last_us;
	bool tree_holds;
};

struct tally_graph {
	struct tally_run *runs; /* by index of their first record */
	size_t len, capacity;
	bool cut;          /* there were more than TALLY_RUNS_MAX */
	uint32_t *current; /* of each chain */
	size_t current_capacity;
};

/* One more record.  0 or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_graph_add(struct tally_graph *graph, const struct tally_place *place,
    enum tally_edge edge, bool holds, int64_t time_us);

/* Where a loose link leads, as tally_link_fn has it. */
int
tally_graph_settle(void *arg, const struct tally_item *loose,
    const struct tally_item *parent);

void
tally_graph_wipe(struct tally_graph *graph);

#endif
