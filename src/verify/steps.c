/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One chain, record by record.
 *
 *	                    follows the head
 *	          +----------------------------------+
 *	          v                                  |
 *	      [in order] --does not follow--> [next waits]
 *	          ^                                  |
 *	          +---- the record after tells ------+
 *
 * A record that does not follow its head may be out of place itself, or the
 * head may have been altered, or what lies between may be missing.  Which of
 * them it is depends on the chain's next record r:
 *
 *	r follows next    next is in place: its predecessors are missing, or
 *	                  the head, which next does not vouch for, was altered
 *	r follows head    next is out of place: it stands too early, or, if it
 *	                  claims the very seq of r, it was inserted
 *	r has next's seq + 1 and another prev
 *	                  next was altered
 *
 * A record that stands too early is told as reordered when its turn comes,
 * or as inserted when it does not link then.
 */
#include <string.h>

#include "verify/judge.h"

static bool
links(const struct tally_judge *judge, uint32_t chain,
    const struct tally_hash *prev)
{
	const struct tally_trouble *trouble = tally_trouble_find(judge, chain);

	if (tally_hash_equal(&judge->chains.items[chain].hash, prev))
		return true;
	return trouble != NULL &&
	    (trouble->wild ||
		(trouble->has_alt && tally_hash_equal(&trouble->alt, prev)));
}

static bool
follows(const struct tally_judge *judge, const struct tally_step *step)
{
	return step->seq == judge->chains.items[step->chain].seq + 1 &&
	    links(judge, step->chain, &step->prev);
}

static void
set_head(struct tally_judge *judge, const struct tally_step *step)
{
	struct tally_chain *c = &judge->chains.items[step->chain];
	struct tally_trouble *trouble;

	if (c->seq == 0)
		c->first_index = step->where.index;
	if (step->chain == judge->log_chain && step->seq == 1) {
		judge->log_begun = true;
		judge->log_where = step->where;
	}
	c->seq = step->seq;
	c->hash = step->hash;
	c->where = step->where;
	tally_sealed_touch(judge, step->chain);
	if (c->watch != 0)
		tally_outside_pass(judge, step);
	trouble = tally_trouble_find(judge, step->chain);
	if (step->has_alt || step->wild || step->accused)
		trouble = tally_trouble_make(judge, step->chain);
	if (trouble != NULL) {
		trouble->has_alt = step->has_alt;
		trouble->wild = step->wild;
		trouble->accused = step->accused;
		trouble->alt = step->alt;
	}
	if (trouble != NULL || c->barrier <= step->seq)
		tally_barrier_set(judge, step->chain);
}

/* What lies between the head and a later record of its chain. */
static void
open_gap(struct tally_judge *judge, const struct tally_step *step,
    bool has_after)
{
	const struct tally_trouble *trouble = tally_trouble_find(judge,
	    step->chain);
	const struct tally_chain *c = &judge->chains.items[step->chain];
	struct tally_gap gap = {
		.chain = step->chain,
		.has_before = trouble == NULL ||
		    (!trouble->has_alt && !trouble->wild),
		.has_after = has_after,
		.begin = c->seq + 1,
		.end = step->seq,
		.before = c->hash,
		.after = step->prev,
		.low_index = c->seq == 0 ? 0 : c->where.index + 1,
		.extent = c->where.extent,
		.where = step->where,
	};

	tally_gap_open(judge, &gap);
}

/* Next is in place; the chain goes on from it. */
static void
accept_next(struct tally_judge *judge, uint32_t chain, bool blame_head)
{
	struct tally_trouble *trouble = tally_trouble_find(judge, chain);
	const struct tally_chain *c = &judge->chains.items[chain];
	struct tally_step next = trouble->next;

	trouble->has_next = false;
	if (next.seq > c->seq + 1)
		open_gap(judge, &next, true);
	else if (c->seq == 0 && blame_head)
		tally_tell_step(judge, TALLY_LINK_ALTERED, &next,
		    "it is the first of its chain, but links to another");
	else if (blame_head && !trouble->accused)
		tally_tell_chain(judge, TALLY_LINK_ALTERED, chain, c->seq,
		    &c->where,
		    "its successor links to another record than this one");
	set_head(judge, &next);
}

/* Next is not in place. */
static void
dismiss_next(struct tally_judge *judge, uint32_t chain)
{
	struct tally_trouble *trouble = tally_trouble_find(judge, chain);
	struct tally_step next = trouble->next;

	trouble->has_next = false;
	if (next.seq > judge->chains.items[chain].seq + 1)
		tally_early_add(judge, &next);
	else
		tally_tell_step(judge, TALLY_INSERTED, &next,
		    "it links to no record of its chain");
	tally_barrier_set(judge, chain);
}

static void
wait_next(struct tally_judge *judge, const struct tally_step *step)
{
	struct tally_trouble *trouble = tally_trouble_make(judge, step->chain);

	trouble->has_next = true;
	trouble->next = *step;
	tally_barrier_set(judge, step->chain);
}

/* A record whose seq the chain has passed. */
static void
take_late(struct tally_judge *judge, const struct tally_step *step)
{
	struct tally_gap *gap = tally_gap_find(judge, step->chain, step->seq);

	if (gap == NULL) {
		tally_doubt_add(judge, step);
		return;
	}
	if ((step->seq == gap->begin && gap->has_before &&
		!tally_hash_equal(&gap->before, &step->prev)) ||
	    (step->seq == gap->end - 1 && gap->has_after &&
		!tally_hash_equal(&gap->after, &step->hash))) {
		tally_tell_step(judge, TALLY_INSERTED, step,
		    "it claims the place of a missing record, but does not "
		    "link there");
		return;
	}
	tally_tell_step(judge, TALLY_REORDERED, step,
	    "it stands behind records that follow it");
	tally_gap_split(judge, gap, step->seq, &step->hash, &step->prev);
	if (judge->chains.items[step->chain].watch != 0)
		tally_outside_pass(judge, step);
}

/*
 * The head has a rival that was put aside as standing there twice: if step
 * links to the rival, the head is the one that was put in.
 */
static bool
change_branch(struct tally_judge *judge, const struct tally_step *step)
{
	const struct tally_chain *c = &judge->chains.items[step->chain];
	struct tally_step rival;
	struct tally_doubt *doubt;
	uint32_t i;

	for (i = 0; i < judge->doubts_len; i++) {
		doubt = &judge->doubts[i];
		if (doubt->step.chain != step->chain ||
		    doubt->step.seq != c->seq ||
		    !tally_hash_equal(&doubt->step.hash, &step->prev))
			continue;
		rival = doubt->step;
		doubt->step.hash = c->hash;
		doubt->step.where = c->where;
		doubt->has_prev = false;
		set_head(judge, &rival);
		set_head(judge, step);
		return true;
	}
	return false;
}

static void
take_plain(struct tally_judge *judge, const struct tally_step *step)
{
	const struct tally_chain *c = &judge->chains.items[step->chain];

	if (follows(judge, step))
		set_head(judge, step);
	else if (step->seq <= c->seq)
		take_late(judge, step);
	else if (step->seq != c->seq + 1 || judge->doubts_len == 0 ||
	    !change_branch(judge, step))
		wait_next(judge, step);
}

/*
 * Step follows the head while next waits two seqs on, and the record that
 * stood before next comes right behind it: then step changed places with
 * that one, around next, and it is not next that was moved.
 */
static bool
is_around(struct tally_judge *judge, const struct tally_step *step,
    const struct tally_step *next)
{
	return next->seq == step->seq + 1 &&
	    tally_hash_equal(&next->prev, &step->hash) &&
	    tally_early_find(judge, step->chain, next->seq + 1) != NULL;
}

static void
take_beside_next(struct tally_judge *judge, const struct tally_step *step)
{
	const struct tally_trouble *trouble = tally_trouble_find(judge,
	    step->chain);
	const struct tally_step next = trouble->next;
	uint32_t chain = step->chain;

	if (step->seq == next.seq + 1 &&
	    tally_hash_equal(&next.hash, &step->prev)) {
		accept_next(judge, chain, true);
		take_plain(judge, step);
	} else if (follows(judge, step)) {
		if (is_around(judge, step, &next)) {
			accept_next(judge, chain, true);
			take_late(judge, step);
			return;
		}
		dismiss_next(judge, chain);
		set_head(judge, step);
	} else if (step->seq <= judge->chains.items[chain].seq) {
		take_late(judge, step);
	} else if (step->seq == next.seq + 1) {
		accept_next(judge, chain, false);
		tally_tell_step(judge, TALLY_LINK_ALTERED, &next,
		    "its successor links to another record than this one");
		set_head(judge, step);
	} else if (step->seq == next.seq) {
		accept_next(judge, chain, true);
		take_late(judge, step);
	} else if (step->seq < next.seq) {
		dismiss_next(judge, chain);
		wait_next(judge, step);
	} else {
		accept_next(judge, chain, true);
		wait_next(judge, step);
	}
}

/* Records that stood too early, and whose turn is now; step comes next. */
static void
take_earlies(struct tally_judge *judge, uint32_t chain,
    const struct tally_step *step)
{
	struct tally_step *found, early;
	bool is_rival;

	for (;;) {
		found = tally_early_find(judge, chain,
		    judge->chains.items[chain].seq + 1);
		if (found == NULL)
			return;
		early = *found;
		tally_early_drop(judge, found);
		if (!links(judge, chain, &early.prev)) {
			tally_tell_step(judge, TALLY_INSERTED, &early,
			    "it links to no record of its chain");
			continue;
		}
		is_rival = step != NULL && step->seq == early.seq &&
		    follows(judge, step);
		if (is_rival && tally_hash_equal(&step->hash, &early.hash)) {
			tally_tell_step(judge, TALLY_DUPLICATE, &early,
			    "the same record stands there twice");
			return;
		}
		if (is_rival) {
			tally_tell_step(judge, TALLY_FORKED, &early,
			    "another record follows the same one");
			return;
		}
		tally_tell_step(judge, TALLY_REORDERED, &early,
		    "it stands before the record that it follows");
		set_head(judge, &early);
	}
}

void
tally_steps_take(struct tally_judge *judge, const struct tally_step *step)
{
	const struct tally_trouble *trouble;

	if (judge->earlies_len > 0)
		take_earlies(judge, step->chain, step);
	trouble = tally_trouble_find(judge, step->chain);
	if (trouble != NULL && trouble->has_next)
		take_beside_next(judge, step);
	else
		take_plain(judge, step);
}

void
tally_steps_force(struct tally_judge *judge, const struct tally_step *step)
{
	struct tally_trouble *trouble = tally_trouble_find(judge, step->chain);
	const struct tally_chain *c = &judge->chains.items[step->chain];
	struct tally_gap *gap;

	if (trouble != NULL && trouble->has_next) {
		if (step->seq == c->seq + 1)
			dismiss_next(judge, step->chain);
		else
			accept_next(judge, step->chain, true);
	}
	if (step->seq <= c->seq) {
		gap = tally_gap_find(judge, step->chain, step->seq);
		if (gap != NULL)
			tally_gap_split(judge, gap, step->seq, NULL, NULL);
		return;
	}
	if (step->seq > c->seq + 1)
		open_gap(judge, step, false);
	set_head(judge, step);
}

void
tally_trouble_settle(struct tally_judge *judge, uint32_t chain)
{
	struct tally_trouble *trouble;

	for (;;) {
		take_earlies(judge, chain, NULL);
		trouble = tally_trouble_find(judge, chain);
		if (trouble == NULL || !trouble->has_next)
			break;
		accept_next(judge, chain, true);
	}
	trouble = tally_trouble_find(judge, chain);
	if (trouble != NULL) {
		trouble->has_alt = false;
		trouble->wild = false;
		trouble->accused = false;
		tally_barrier_set(judge, chain);
	}
}

static struct tally_trouble *
trouble_free(struct tally_judge *judge)
{
	struct tally_trouble *trouble;
	uint32_t i;

	if (judge->troubles_used == TALLY_TROUBLES_MAX)
		tally_trouble_settle(judge,
		    judge->troubles[judge->troubles_next].chain);
	for (i = 0;; i++) {
		trouble = &judge->troubles[judge->troubles_next];
		judge->troubles_next = (judge->troubles_next + 1) %
		    TALLY_TROUBLES_MAX;
		if (trouble->chain == TALLY_CHAIN_NONE)
			return trouble;
	}
}

struct tally_trouble *
tally_trouble_make(struct tally_judge *judge, uint32_t chain)
{
	struct tally_trouble *trouble = tally_trouble_find(judge, chain);

	if (trouble != NULL)
		return trouble;
	trouble = trouble_free(judge);
	memset(trouble, 0, sizeof(*trouble));
	trouble->chain = chain;
	judge->troubles_used++;
	judge->chains.items[chain].trouble = (uint32_t)(trouble -
						 judge->troubles) +
	    1;
	judge->chains.items[chain].barrier = 0;
	return trouble;
}

static void
finish_lost(struct tally_judge *judge, const struct tally_lost *lost)
{
	struct tally_chain *c = &judge->chains.items[judge->log_chain];

	/* Nothing came that could be the log's first record instead. */
	if (lost->where.index == 0 && c->seq == 0 && !judge->log_begun) {
		judge->log_begun = true;
		judge->log_where = lost->where;
		tally_lost_tell(judge, lost, judge->log_chain, 1);
		return;
	}
	tally_lost_tell(judge, lost, TALLY_CHAIN_NONE,
	    lost->has_seq ? lost->seq : 0);
}

void
tally_steps_finish(struct tally_judge *judge)
{
	struct tally_step early;
	uint32_t i;

	for (i = 0; i < TALLY_TROUBLES_MAX; i++) {
		if (judge->troubles[i].chain != TALLY_CHAIN_NONE)
			tally_trouble_settle(judge, judge->troubles[i].chain);
	}
	while (judge->earlies_len > 0) {
		early = judge->earlies[0];
		take_earlies(judge, early.chain, NULL);
		if (tally_early_find(judge, early.chain, early.seq) == NULL)
			continue;
		tally_early_drop(judge,
		    tally_early_find(judge, early.chain, early.seq));
		tally_tell_step(judge, TALLY_INSERTED, &early,
		    "it links to no record of its chain");
	}
	for (i = 0; i < judge->gaps_len; i++)
		tally_gap_tell(judge, &judge->gaps[i]);
	judge->gaps_len = 0;
	for (i = 0; i < judge->lost_len; i++)
		finish_lost(judge, &judge->lost[i]);
	judge->lost_len = 0;
}
