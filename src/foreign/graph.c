/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "foreign/graph.h"
#include "log/sys.h"

/* Room for one more; doubles. */
static int
reserve(void **array, size_t len, size_t *capacity, size_t size)
{
	size_t wanted = *capacity == 0 ? 256 : 2 * *capacity;
	void *grown;

	if (len < *capacity)
		return 0;
	grown = tally_sys_realloc(*array, wanted * size);
	if (grown == NULL)
		return TALLY_E_MEMORY;
	*array = grown;
	*capacity = wanted;
	return 0;
}

static int
grow_chains(struct tally_graph *graph, uint32_t chain)
{
	size_t len = graph->chains_len, i;
	struct tally_graph_chain *chains;

	while (len <= chain)
		len = len == 0 ? 64 : 2 * len;
	chains = tally_sys_realloc(graph->chains, len * sizeof(*chains));
	if (chains == NULL)
		return TALLY_E_MEMORY;
	for (i = graph->chains_len; i < len; i++) {
		memset(&chains[i], 0, sizeof(chains[i]));
		chains[i].run = TALLY_NO_RUN;
	}
	graph->chains = chains;
	graph->chains_len = len;
	return 0;
}

static int
begin_run(struct tally_graph *graph, struct tally_graph_chain *chain,
    const struct tally_graph_record *record)
{
	void *runs = graph->runs;
	struct tally_run *run;
	int r;

	chain->run = TALLY_NO_RUN;
	if (graph->len == TALLY_RUNS_MAX) {
		graph->cut = true;
		return 0;
	}
	r = reserve(&runs, graph->len, &graph->capacity, sizeof(*run));
	if (r != 0)
		return r;
	graph->runs = runs;
	run = &graph->runs[graph->len];
	memset(run, 0, sizeof(*run));
	run->first_index = record->place->index;
	run->first_seq = record->place->seq;
	run->first_us = record->time_us;
	run->first_bad = record->bad;
	run->chain = record->place->chain;
	run->parent_index = UINT64_MAX;
	run->parent_run = TALLY_NO_RUN;
	run->edge = (uint8_t)record->edge;
	chain->run = (uint32_t)graph->len++;
	return 0;
}

static int
end_streak(struct tally_graph *graph, struct tally_graph_chain *chain)
{
	void *streaks = graph->streaks;
	int r;

	chain->in_streak = false;
	if (graph->streaks_len == TALLY_STREAKS_MAX)
		return 0;
	r = reserve(&streaks, graph->streaks_len, &graph->streaks_capacity,
	    sizeof(chain->streak));
	if (r != 0)
		return r;
	graph->streaks = streaks;
	graph->streaks[graph->streaks_len++] = chain->streak;
	return 0;
}

static int
add_to_streak(struct tally_graph *graph, struct tally_graph_chain *chain,
    const struct tally_graph_record *record)
{
	struct tally_streak *streak = &chain->streak;

	if (!record->bad)
		return chain->in_streak ? end_streak(graph, chain) : 0;
	if (!chain->in_streak) {
		chain->in_streak = true;
		streak->chain = record->place->chain;
		streak->first_seq = record->place->seq;
		streak->count = 0;
	}
	streak->last_seq = record->place->seq;
	streak->count++;
	return 0;
}

static void
count_traits(struct tally_graph *graph, const struct tally_graph_record *record)
{
	uint64_t *count = record->bad ? graph->trait_bad : graph->trait_good;
	int i;

	graph->bad += record->bad;
	for (i = 0; i < TALLY_TRAITS; i++)
		count[i] += record->traits >> i & 1;
}

int
tally_graph_add(struct tally_graph *graph,
    const struct tally_graph_record *record)
{
	const struct tally_place *place = record->place;
	struct tally_graph_chain *chain;
	struct tally_run *run;
	int r = 0;

	if (place->chain >= graph->chains_len)
		r = grow_chains(graph, place->chain);
	if (r != 0)
		return r;
	chain = &graph->chains[place->chain];
	if (record->edge != TALLY_EDGE_NEXT)
		r = begin_run(graph, chain, record);
	if (r == 0)
		r = add_to_streak(graph, chain, record);
	count_traits(graph, record);
	if (r != 0 || chain->run == TALLY_NO_RUN)
		return r;
	run = &graph->runs[chain->run];
	run->count++;
	run->last_index = place->index;
	run->last_seq = place->seq;
	run->last_us = record->time_us;
	if (!record->holds)
		run->last_bad = place->seq;
	return 0;
}

/* The number of the run that begins with this record. */
static size_t
find_run(const struct tally_graph *graph, uint64_t index)
{
	size_t low = 0, high = graph->len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (graph->runs[middle].first_index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < graph->len && graph->runs[low].first_index == index
	    ? low
	    : SIZE_MAX;
}

const struct tally_run *
tally_graph_run(const struct tally_graph *graph, uint64_t index)
{
	size_t at = find_run(graph, index);

	return at == SIZE_MAX ? NULL : &graph->runs[at];
}

int
tally_graph_settle(void *arg, const struct tally_item *loose,
    const struct tally_item *parent)
{
	struct tally_graph *graph = arg;
	size_t at = find_run(graph, loose->place.index);

	/* What comes before its parent, or from elsewhere, is no branch. */
	if (at == SIZE_MAX || parent == NULL ||
	    parent->place.chain != loose->place.chain ||
	    parent->place.index > loose->place.index)
		return 0;
	graph->runs[at].parent_index = parent->place.index;
	graph->runs[at].parent_seq = parent->place.seq;
	graph->runs[at].parent_holds = parent->holds != 0;
	return 0;
}

/* In which run of its chain is the parent? */
static uint32_t
find_parent_run(const struct tally_graph *graph, const uint32_t *list,
    uint32_t len, uint64_t index)
{
	uint32_t low = 0, high = len;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (graph->runs[list[middle]].first_index <= index)
			low = middle + 1;
		else
			high = middle;
	}
	/* Where the graph was cut, the run may not be there. */
	return low == 0 || graph->runs[list[low - 1]].last_index < index
	    ? TALLY_NO_RUN
	    : list[low - 1];
}

/* The runs by chain, in their order: a counting sort. */
static uint32_t *
runs_by_chain(const struct tally_graph *graph, uint32_t *begins)
{
	uint32_t *list = tally_sys_alloc((graph->len + 1) * sizeof(*list));
	size_t i;

	if (list == NULL)
		return NULL;
	for (i = 0; i < graph->len; i++)
		begins[graph->runs[i].chain + 1]++;
	for (i = 0; i < graph->chains_len; i++)
		begins[i + 1] += begins[i];
	/* Each begin moves to its end, and is moved back. */
	for (i = 0; i < graph->len; i++)
		list[begins[graph->runs[i].chain]++] = (uint32_t)i;
	for (i = graph->chains_len; i > 0; i--)
		begins[i] = begins[i - 1];
	begins[0] = 0;
	return list;
}

static int
compare_streaks(const void *a, const void *b)
{
	const struct tally_streak *x = a, *y = b;

	if (x->chain != y->chain)
		return x->chain < y->chain ? -1 : 1;
	return x->first_seq < y->first_seq ? -1 : x->first_seq > y->first_seq;
}

static int
finish_streaks(struct tally_graph *graph)
{
	size_t i;
	int r = 0;

	for (i = 0; i < graph->chains_len && r == 0; i++) {
		if (graph->chains[i].in_streak)
			r = end_streak(graph, &graph->chains[i]);
	}
	if (graph->streaks_len > 0)
		qsort(graph->streaks, graph->streaks_len,
		    sizeof(*graph->streaks), compare_streaks);
	return r;
}

int
tally_graph_finish(struct tally_graph *graph)
{
	uint32_t *begins = tally_sys_alloc((graph->chains_len + 2) *
	    sizeof(*begins));
	uint32_t *list = begins != NULL ? runs_by_chain(graph, begins) : NULL;
	int r = list != NULL ? finish_streaks(graph) : TALLY_E_MEMORY;
	size_t i;

	for (i = 0; i < graph->len && r == 0; i++) {
		struct tally_run *run = &graph->runs[i];

		if (run->parent_index != UINT64_MAX)
			run->parent_run = find_parent_run(graph,
			    list + begins[run->chain],
			    begins[run->chain + 1] - begins[run->chain],
			    run->parent_index);
	}
	tally_sys_free(list);
	tally_sys_free(begins);
	return r;
}

const struct tally_streak *
tally_graph_streak(const struct tally_graph *graph, uint32_t chain,
    uint64_t seq)
{
	size_t low = 0, high = graph->streaks_len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct tally_streak *streak = &graph->streaks[middle];

		if (streak->chain < chain ||
		    (streak->chain == chain && streak->last_seq < seq))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == graph->streaks_len || graph->streaks[low].chain != chain ||
	    graph->streaks[low].first_seq > seq)
		return NULL;
	return &graph->streaks[low];
}

void
tally_graph_wipe(struct tally_graph *graph)
{
	tally_sys_free(graph->runs);
	tally_sys_free(graph->chains);
	tally_sys_free(graph->streaks);
	memset(graph, 0, sizeof(*graph));
}
