/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "foreign/graph.h"
#include "log/sys.h"

static int
grow_runs(struct tally_graph *graph)
{
	size_t capacity = graph->capacity == 0 ? 1024 : 2 * graph->capacity;
	void *runs = tally_sys_realloc(graph->runs,
	    capacity * sizeof(*graph->runs));

	if (runs == NULL)
		return TALLY_E_MEMORY;
	graph->runs = runs;
	graph->capacity = capacity;
	return 0;
}

static int
grow_current(struct tally_graph *graph, uint32_t chain)
{
	size_t capacity = graph->current_capacity, i;
	uint32_t *current;

	while (capacity <= chain)
		capacity = capacity == 0 ? 64 : 2 * capacity;
	current = tally_sys_realloc(graph->current,
	    capacity * sizeof(*current));
	if (current == NULL)
		return TALLY_E_MEMORY;
	for (i = graph->current_capacity; i < capacity; i++)
		current[i] = TALLY_NO_RUN;
	graph->current = current;
	graph->current_capacity = capacity;
	return 0;
}

static int
begin_run(struct tally_graph *graph, const struct tally_place *place,
    enum tally_edge edge, int64_t time_us)
{
	struct tally_run *run;

	if (graph->len == TALLY_RUNS_MAX) {
		graph->cut = true;
		graph->current[place->chain] = TALLY_NO_RUN;
		return 0;
	}
	if (graph->len == graph->capacity && grow_runs(graph) != 0)
		return TALLY_E_MEMORY;
	run = &graph->runs[graph->len];
	memset(run, 0, sizeof(*run));
	run->first = *place;
	run->first_us = time_us;
	run->parent = UINT64_MAX;
	run->parent_run = TALLY_NO_RUN;
	run->edge = (uint8_t)edge;
	graph->current[place->chain] = (uint32_t)graph->len++;
	return 0;
}

int
tally_graph_add(struct tally_graph *graph, const struct tally_place *place,
    enum tally_edge edge, bool holds, int64_t time_us)
{
	struct tally_run *run;

	if (place->chain >= graph->current_capacity &&
	    grow_current(graph, place->chain) != 0)
		return TALLY_E_MEMORY;
	if (edge != TALLY_EDGE_NEXT &&
	    begin_run(graph, place, edge, time_us) != 0)
		return TALLY_E_MEMORY;
	if (graph->current[place->chain] == TALLY_NO_RUN)
		return 0;
	run = &graph->runs[graph->current[place->chain]];
	run->count++;
	run->last_index = place->index;
	run->last_seq = place->seq;
	run->last_us = time_us;
	if (!holds)
		run->last_bad = place->seq;
	return 0;
}

int
tally_graph_settle(void *arg, const struct tally_item *loose,
    const struct tally_item *parent)
{
	struct tally_graph *graph = arg;
	size_t low = 0, high = graph->len;

	if (parent == NULL || parent->place.chain != loose->place.chain)
		return 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (graph->runs[middle].first.index < loose->place.index)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < graph->len &&
	    graph->runs[low].first.index == loose->place.index) {
		graph->runs[low].parent = parent->place.index;
		graph->runs[low].parent_holds = parent->holds != 0;
	}
	return 0;
}

void
tally_graph_wipe(struct tally_graph *graph)
{
	tally_sys_free(graph->runs);
	tally_sys_free(graph->current);
	memset(graph, 0, sizeof(*graph));
}
