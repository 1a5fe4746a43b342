/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "foreign/near.h"

#define FAR_MAX 64

static bool
is_centre(const struct tally_neighbourhood *near,
    const struct tally_found *found)
{
	if (found->place.chain == UINT32_MAX)
		return false;
	return near->has_at ? found->place.index == near->at
			    : tally_finding_is_break(found->kind);
}

static bool
is_near(const struct tally_neighbourhood *near, uint32_t chain, uint64_t seq)
{
	uint64_t centre = near->centre.seq;

	return chain == near->centre.chain && seq + near->around >= centre &&
	    seq <= centre + near->around;
}

void
tally_near_take(struct tally_neighbourhood *near,
    const struct tally_found *found)
{
	struct tally_near_found kept = { found->place.chain, found->place.seq,
		found->kind };

	if (!near->found && is_centre(near, found)) {
		near->found = true;
		near->centre = found->place;
	}
	if (near->found && !is_near(near, kept.chain, kept.seq))
		return;
	if (near->len == TALLY_NEAR_MAX) {
		if (near->found)
			return;
		/* Half of them are forgotten at once. */
		near->len = TALLY_NEAR_MAX / 2;
		memmove(near->findings, near->findings + near->len,
		    near->len * sizeof(near->findings[0]));
	}
	near->findings[near->len++] = kept;
}

static int
by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Predecessors that stand before all that is shown. */
static size_t
find_far(const struct tally_graph *graph, uint32_t chain, uint64_t low,
    uint64_t high, uint64_t far[FAR_MAX])
{
	size_t i, len = 0, kept = 0;

	for (i = 0; i < graph->len && len < FAR_MAX; i++) {
		const struct tally_run *run = &graph->runs[i];

		if (run->chain == chain && run->first_seq >= low &&
		    run->first_seq <= high && run->parent_seq != 0 &&
		    run->parent_seq < low)
			far[len++] = run->parent_seq;
	}
	qsort(far, len, sizeof(far[0]), by_number);
	for (i = 0; i < len; i++) {
		if (i == 0 || far[i] != far[kept - 1])
			far[kept++] = far[i];
	}
	return kept;
}

static void
mark(const struct tally_neighbourhood *near, struct tally_near *record)
{
	size_t i;

	for (i = 0; i < near->len; i++) {
		if (near->findings[i].chain == near->centre.chain &&
		    near->findings[i].seq == record->seq) {
			record->is_found = true;
			record->kind = near->findings[i].kind;
			return;
		}
	}
}

void
tally_near_tell(const struct tally_neighbourhood *near,
    const struct tally_graph *graph, const char *chain,
    void (*tell)(void *arg, const char *chain, const struct tally_near *record),
    void *arg)
{
	uint64_t centre = near->centre.seq, far[FAR_MAX];
	uint64_t low = centre > near->around ? centre - near->around : 1;
	uint64_t high = centre + near->around, seq;
	size_t i, far_len;

	if (!near->found)
		return;
	far_len = find_far(graph, near->centre.chain, low, high, far);
	for (i = 0; i < far_len; i++) {
		struct tally_near record = { .seq = far[i], .is_far = true };

		mark(near, &record);
		tell(arg, chain, &record);
	}
	for (i = 0; i < graph->len; i++) {
		const struct tally_run *run = &graph->runs[i];

		if (run->chain != near->centre.chain || run->last_seq < low ||
		    run->first_seq > high)
			continue;
		for (seq = run->first_seq > low ? run->first_seq : low;
		     seq <= run->last_seq && seq <= high; seq++) {
			struct tally_near record = { .seq = seq };

			record.parent_seq = seq == run->first_seq
			    ? run->parent_seq
			    : seq - 1;
			record.has_parent = record.parent_seq != 0;
			record.is_start = seq == run->first_seq &&
			    run->edge == TALLY_EDGE_START;
			mark(near, &record);
			tell(arg, chain, &record);
		}
	}
}
