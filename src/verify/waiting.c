/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded tables of what waits; see judge.h. */
#include <string.h>

#include "log/sys.h"
#include "verify/judge.h"

void *
tally_table_room(struct tally_judge *judge, void *table, uint32_t len,
    size_t size)
{
	uint32_t capacity = len == 0 ? 4 : 2 * len;
	void *larger;

	if (len != 0 && (len < 4 || (len & (len - 1)) != 0))
		return table;
	larger = tally_sys_realloc(table, capacity * size);
	if (larger == NULL)
		judge->no_memory = true;
	return larger;
}

/* ---- troubles --------------------------------------------------------- */

struct tally_trouble *
tally_trouble_find(const struct tally_judge *judge, uint32_t chain)
{
	uint32_t trouble = judge->chains.items[chain].trouble;

	return trouble == 0 ? NULL : &judge->troubles[trouble - 1];
}

void
tally_barrier_set(struct tally_judge *judge, uint32_t chain)
{
	struct tally_trouble *trouble = tally_trouble_find(judge, chain);
	struct tally_chain *c = &judge->chains.items[chain];
	uint64_t watched;
	uint32_t i;

	c->barrier = 0;
	if (trouble != NULL &&
	    (trouble->has_next || trouble->has_alt || trouble->wild ||
		trouble->accused))
		return;
	if (trouble != NULL) {
		trouble->chain = TALLY_CHAIN_NONE;
		judge->troubles_used--;
		c->trouble = 0;
	}
	/* Its first record is looked at more closely, see outside.c. */
	c->barrier = chain == judge->log_chain && c->seq == 0
	    ? 1
	    : TALLY_BARRIER_NONE;
	for (i = 0; i < judge->earlies_len; i++) {
		if (judge->earlies[i].chain == chain &&
		    judge->earlies[i].seq < c->barrier)
			c->barrier = judge->earlies[i].seq;
	}
	if (c->watch != 0) {
		watched = judge->options->heads[c->watch - 1].seq;
		if (watched > c->seq && watched < c->barrier)
			c->barrier = watched;
	}
}

/* ---- records before their predecessors -------------------------------- */

void
tally_early_add(struct tally_judge *judge, const struct tally_step *step)
{
	struct tally_step oldest;
	void *larger;

	if (judge->earlies_len == TALLY_EARLIES_MAX) {
		oldest = judge->earlies[0];
		tally_early_drop(judge, &judge->earlies[0]);
		tally_tell_step(judge, TALLY_REORDERED, &oldest,
		    "it stands before the record that it follows");
	}
	larger = tally_table_room(judge, judge->earlies, judge->earlies_len,
	    sizeof(*judge->earlies));
	if (larger == NULL)
		return;
	judge->earlies = larger;
	judge->earlies[judge->earlies_len++] = *step;
	tally_barrier_set(judge, step->chain);
}

struct tally_step *
tally_early_find(struct tally_judge *judge, uint32_t chain, uint64_t seq)
{
	uint32_t i;

	for (i = 0; i < judge->earlies_len; i++) {
		if (judge->earlies[i].chain == chain &&
		    judge->earlies[i].seq == seq)
			return &judge->earlies[i];
	}
	return NULL;
}

void
tally_early_drop(struct tally_judge *judge, struct tally_step *early)
{
	uint32_t chain = early->chain;
	size_t behind = (size_t)(judge->earlies + --judge->earlies_len - early);

	memmove(early, early + 1, behind * sizeof(*early));
	tally_barrier_set(judge, chain);
}

/* ---- gaps and lost records -------------------------------------------- */

static void
lost_drop(struct tally_judge *judge, uint32_t at)
{
	struct tally_lost *lost = &judge->lost[at];

	memmove(lost, lost + 1, (--judge->lost_len - at) * sizeof(*lost));
}

void
tally_steps_lose(struct tally_judge *judge, const struct tally_lost *lost)
{
	void *larger;

	if (judge->lost_len == TALLY_LOST_MAX) {
		tally_lost_tell(judge, &judge->lost[0], TALLY_CHAIN_NONE,
		    judge->lost[0].has_seq ? judge->lost[0].seq : 0);
		lost_drop(judge, 0);
	}
	larger = tally_table_room(judge, judge->lost, judge->lost_len,
	    sizeof(*judge->lost));
	if (larger == NULL)
		return;
	judge->lost = larger;
	judge->lost[judge->lost_len++] = *lost;
}

static bool
may_be(const struct tally_lost *lost, const struct tally_gap *gap)
{
	return lost->where.index >= gap->low_index &&
	    lost->where.index < gap->where.index;
}

/* The seq of the gap that a lost record surely is, or 0. */
static uint64_t
is_surely(const struct tally_lost *lost, const struct tally_gap *gap)
{
	if (lost->has_hash && gap->has_after &&
	    tally_hash_equal(&lost->hash, &gap->after))
		return gap->end - 1;
	if (lost->chain == gap->chain && lost->has_seq &&
	    lost->seq >= gap->begin && lost->seq < gap->end)
		return lost->seq;
	return 0;
}

/*
 * Lost records that the new gap, the last of the table, wants: first those
 * that say so; then, if there are enough of them between the two records
 * around the gap, the others in their order.
 */
static void
find_lost(struct tally_judge *judge)
{
	struct tally_gap *gap = &judge->gaps[judge->gaps_len - 1];
	uint32_t i, fitting = 0, gaps = judge->gaps_len;
	uint64_t seq;

	for (i = 0; i < judge->lost_len && judge->gaps_len == gaps;) {
		seq = may_be(&judge->lost[i], gap)
		    ? is_surely(&judge->lost[i], gap)
		    : 0;
		if (seq == 0) {
			fitting += may_be(&judge->lost[i], gap);
			i++;
			continue;
		}
		tally_lost_tell(judge, &judge->lost[i], gap->chain, seq);
		lost_drop(judge, i);
		tally_gap_split(judge, gap, seq, NULL, NULL);
	}
	if (judge->gaps_len != gaps || fitting < gap->end - gap->begin)
		return;
	for (i = 0; i < judge->lost_len && judge->gaps_len == gaps;) {
		if (!may_be(&judge->lost[i], gap)) {
			i++;
			continue;
		}
		seq = gap->begin;
		tally_lost_tell(judge, &judge->lost[i], gap->chain, seq);
		lost_drop(judge, i);
		tally_gap_split(judge, gap, seq, NULL, NULL);
	}
}

static void
gap_drop(struct tally_judge *judge, struct tally_gap *gap)
{
	size_t behind = (size_t)(judge->gaps + --judge->gaps_len - gap);

	memmove(gap, gap + 1, behind * sizeof(*gap));
}

static void
gap_push(struct tally_judge *judge, const struct tally_gap *gap)
{
	void *larger;

	if (judge->gaps_len == TALLY_GAPS_MAX) {
		tally_gap_tell(judge, &judge->gaps[0]);
		gap_drop(judge, &judge->gaps[0]);
	}
	larger = tally_table_room(judge, judge->gaps, judge->gaps_len,
	    sizeof(*judge->gaps));
	if (larger == NULL)
		return;
	judge->gaps = larger;
	judge->gaps[judge->gaps_len++] = *gap;
}

void
tally_gap_open(struct tally_judge *judge, const struct tally_gap *gap)
{
	gap_push(judge, gap);
	if (judge->lost_len > 0 && !judge->no_memory)
		find_lost(judge);
}

struct tally_gap *
tally_gap_find(struct tally_judge *judge, uint32_t chain, uint64_t seq)
{
	uint32_t i;

	for (i = 0; i < judge->gaps_len; i++) {
		if (judge->gaps[i].chain == chain &&
		    seq >= judge->gaps[i].begin && seq < judge->gaps[i].end)
			return &judge->gaps[i];
	}
	return NULL;
}

void
tally_gap_split(struct tally_judge *judge, struct tally_gap *gap, uint64_t seq,
    const struct tally_hash *hash, const struct tally_hash *prev)
{
	struct tally_gap upper = *gap;

	upper.begin = seq + 1;
	upper.has_before = hash != NULL;
	if (hash != NULL)
		upper.before = *hash;
	gap->end = seq;
	gap->has_after = prev != NULL;
	if (prev != NULL)
		gap->after = *prev;
	if (gap->begin == gap->end) {
		*gap = upper;
		if (upper.begin == upper.end)
			gap_drop(judge, gap);
	} else if (upper.begin < upper.end) {
		gap_push(judge, &upper);
	}
}

/* ---- records that were there already ---------------------------------- */

void
tally_doubt_add(struct tally_judge *judge, const struct tally_step *step)
{
	struct tally_doubt *doubt;
	void *larger;

	if (judge->doubts_len == TALLY_DOUBTS_MAX) {
		tally_tell_step(judge, TALLY_INSERTED, step,
		    "its seq was there before; too many such records to look "
		    "up whether it is a copy");
		return;
	}
	larger = tally_table_room(judge, judge->doubts, judge->doubts_len,
	    sizeof(*judge->doubts));
	if (larger == NULL)
		return;
	judge->doubts = larger;
	doubt = &judge->doubts[judge->doubts_len++];
	memset(doubt, 0, sizeof(*doubt));
	doubt->step = *step;
	doubt->has_prev = true;
}
