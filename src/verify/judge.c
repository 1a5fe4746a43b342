/* SPDX-License-Identifier: Apache-2.0 */
/* The judge: what it holds, and what one record is to it. */
#include <stdio.h>
#include <string.h>

#include "core/kinds.h"
#include "log/sys.h"
#include "verify/ids.h"
#include "verify/judge.h"

/* Bytes of the name of a kind that is not known. */
#define KIND_SHOWN 40

static const char log_chain[] = TALLY_OWN_CHAIN;

static int
add_log_chain(struct tally_judge *judge)
{
	size_t len = sizeof(log_chain) - 1;
	int r;

	r = tally_chains_add(&judge->chains, log_chain, len,
	    tally_chains_key(judge->chains.seed, log_chain, len),
	    &judge->log_chain);
	if (r == 0)
		tally_barrier_set(judge, judge->log_chain);
	return r;
}

int
tally_judge_init(struct tally_judge *judge)
{
	uint32_t i;
	int r;

	r = tally_chains_init(&judge->chains, judge->plan->seed);
	if (r != 0)
		return r;
	judge->troubles = tally_sys_alloc(TALLY_TROUBLES_MAX *
	    sizeof(*judge->troubles));
	if (judge->troubles == NULL)
		return TALLY_E_MEMORY;
	for (i = 0; i < TALLY_TROUBLES_MAX; i++)
		judge->troubles[i].chain = TALLY_CHAIN_NONE;
	judge->repair_budget = TALLY_REPAIR_BUDGET;
	judge->visit_budget = TALLY_VISIT_BUDGET;
	tally_frontier_init(&judge->frontier);
	tally_source_open(&judge->source, judge->snapshot);
	r = add_log_chain(judge);
	if (r == 0)
		r = tally_orders_init(judge);
	return r != 0 ? r : tally_outside_init(judge);
}

void
tally_judge_wipe(struct tally_judge *judge)
{
	tally_source_close(&judge->source);
	tally_chains_wipe(&judge->chains);
	tally_sys_free(judge->troubles);
	tally_sys_free(judge->earlies);
	tally_sys_free(judge->gaps);
	tally_sys_free(judge->lost);
	tally_sys_free(judge->doubts);
	tally_orders_wipe(judge);
	tally_sealed_wipe(&judge->sealed);
	tally_served_wipe(&judge->served);
}

void
tally_judge_leaf(struct tally_judge *judge, const struct tally_hash *leaf)
{
	struct tally_hasher *hasher = &judge->scanner->hasher;

	tally_frontier_append(hasher, &judge->frontier, leaf);
	judge->size++;
	if (judge->options->has_root &&
	    judge->size == judge->options->root_size) {
		judge->root = tally_frontier_root(hasher, &judge->frontier);
		judge->root_seen = true;
	}
	tally_served_pass(judge);
}

void
tally_judge_enter(struct tally_judge *judge, uint32_t extent)
{
	const struct tally_extent *extents = judge->snapshot->extents;
	struct tally_bound bound;
	int64_t shift;

	for (; judge->extent <= extent; judge->extent++) {
		shift = (int64_t)(extents[judge->extent].first_index -
		    judge->size);
		if (shift == judge->shift)
			continue;
		bound.extent = judge->extent;
		bound.shift = shift - judge->shift;
		judge->shift = shift;
		if (judge->bounds_len < TALLY_BOUNDS_MAX)
			judge->bounds[judge->bounds_len++] = bound;
	}
}

/* An erased line, and one whose event was left in another store. */
static void
tell_body(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_step *step)
{
	if (line->body == TALLY_BODY_ELSEWHERE)
		tally_tell_step(judge, TALLY_NOT_JUDGED, step,
		    "its event is kept in another store");
	else
		judge->has_erased = true;
}

/* So much of it that no character is cut. */
static size_t
shown(const struct tally_span *kind)
{
	size_t len = kind->len;

	if (len <= KIND_SHOWN)
		return len;
	len = KIND_SHOWN;
	while (len > 0 && ((unsigned char)kind->at[len] & 0xc0) == 0x80)
		len--;
	return len;
}

/*
 * What recovery set aside, by the event that it left (doc/format.md, section
 * 8): no break, but records that were acknowledged can have stood there if the
 * storage had lost what it confirmed, and only an outside head knows.  And
 * what this version does not know at all.
 */
static void
tell_own(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_step *step)
{
	static const char torn[] = "{\"torn\":{\"bytes\":";
	struct tally_span kind;
	char detail[160];

	if (!tally_log_kind_is_known(line->event, line->event_len, step->seq,
		&kind)) {
		(void)snprintf(detail, sizeof(detail),
		    "its event is of the kind \"%.*s\", which is not known"
		    " here: it may change how the log is to be judged",
		    (int)shown(&kind), kind.at);
		tally_tell_step(judge, TALLY_NOT_JUDGED, step, detail);
	}
	if (line->event_len > sizeof(torn) - 1 &&
	    memcmp(line->event, torn, sizeof(torn) - 1) == 0)
		tally_tell_step(judge, TALLY_TORN_TAIL, step,
		    "a torn end was set aside here; its event says what, and"
		    " how much was durable");
}

int
tally_judge_record(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_where *where)
{
	const struct tally_header *header = &line->header;
	struct tally_step step = {
		.prev = header->prev,
		.hash = line->hash,
		.seq = header->seq,
		.where = *where,
	};
	uint64_t key = tally_chains_key(judge->chains.seed, header->chain,
	    header->chain_len);
	int r = 0;

	step.chain = tally_chains_find(&judge->chains, header->chain,
	    header->chain_len, key);
	if (step.chain == TALLY_CHAIN_NONE)
		r = tally_chains_add(&judge->chains, header->chain,
		    header->chain_len, key, &step.chain);
	if (r == 0 && judge->ids != NULL && header->id_len > 0)
		r = tally_ids_add(judge->ids,
		    tally_chunk_id_key(judge->plan->seed, header),
		    (uint64_t)where->extent << 40 | where->offset,
		    judge->error);
	if (r != 0)
		return r;
	judge->records++;
	if (line->body != TALLY_BODY_EVENT)
		tell_body(judge, line, &step);
	if (step.chain == judge->log_chain && header->seq == 1 &&
	    !judge->log_begun)
		tally_outside_first(judge, line, where);
	if (step.chain == judge->log_chain && line->body == TALLY_BODY_EVENT) {
		tell_own(judge, line, &step);
		r = tally_orders_take(judge, line, &step);
	}
	if (r == 0 && line->body == TALLY_BODY_EVENT && tally_heads_is(header))
		r = tally_sealed_take(judge, line, &step);
	tally_steps_take(judge, &step);
	return r;
}
