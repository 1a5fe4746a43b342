/* SPDX-License-Identifier: Apache-2.0 */
/* The forks of a graph: what grew from each branch, and when it was over. */
#ifndef TALLY_FOREIGN_FORKS_H
#define TALLY_FOREIGN_FORKS_H

#include <tally/diagnose.h>

#include "foreign/graph.h"
#include "sort/sort.h"

/* A fork, and what only we need of it. */
struct tally_forked {
	struct tally_fork fork; /* chain: NULL */
	uint32_t chain;
	uint64_t second_index; /* of its second branch */
};

/*
 * Puts every fork (a struct tally_forked) into sort, by the index of its
 * parent; those without one first.  graph is finished.  0, TALLY_E_MEMORY, or
 * what the sort says.
 */
TALLY_MUST_CHECK int
tally_forks_find(const struct tally_graph *graph, struct tally_sort *sort,
    struct tally_error *error);

#endif
