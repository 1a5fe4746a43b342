/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/walk.h"

void
tally_walk_init(struct tally_walk *walk, struct tally_places *places,
    int64_t begin)
{
	memset(walk, 0, sizeof(*walk));
	walk->places = places;
	walk->judge = places->judge;
	walk->begin = begin;
}

static bool
links_back(const struct tally_walk *walk, const struct tally_step *step)
{
	if (!step->has_prev || step->seq != walk->seq + 1)
		return false;
	if (step->seq == 1)
		return tally_hash_is_zero(&step->prev);
	return walk->known &&
	    (tally_hash_equal(&step->prev, &walk->hash) ||
		tally_hash_equal(&step->prev, &walk->alt));
}

static bool
links_on(const struct tally_step *step, const struct tally_claimants *next)
{
	if (next->seq != step->seq + 1)
		return false;
	for (int i = 0; i < next->n; i++) {
		const struct tally_step *other = &next->steps[i];

		if (other->has_prev &&
		    ((step->has_hash &&
			 tally_hash_equal(&other->prev, &step->hash)) ||
			(step->has_computed &&
			    tally_hash_equal(&other->prev, &step->computed))))
			return true;
	}
	return false;
}

/*
 * A bad record whose header holds with the hash of the head: its prev alone
 * was changed.
 */
static bool
was_linked_back(const struct tally_walk *walk, const struct tally_step *step)
{
	struct tally_hash prev = { { 0 } };
	struct tally_hash hash;

	if (step->seq != walk->seq + 1 || (step->seq > 1 && !walk->known))
		return false;
	if (step->seq > 1)
		prev = walk->hash;
	return step->has_hash &&
	    tally_step_hash(step, walk->judge->hasher, walk->chain, step->seq,
		&prev, &hash) &&
	    tally_hash_equal(&hash, &step->hash);
}

/* The claimant that the place is given to, or -1. */
static int
choose(const struct tally_walk *walk, const struct tally_claimants *now,
    const struct tally_claimants *next)
{
	int best = -1;
	int best_score = -1;

	for (int i = 0; i < now->n; i++) {
		const struct tally_step *step = &now->steps[i];
		bool on = links_on(step, next);
		bool back = links_back(walk, step);
		int score = on * 4 + back * 2 + step->holds;

		if (!step->holds && !on && !back &&
		    !was_linked_back(walk, step))
			continue;
		if (score > best_score) {
			best = i;
			best_score = score;
		}
	}
	return best;
}

static void
tell_at(struct tally_walk *walk, enum tally_finding_kind kind,
    const struct tally_step *step, const char *detail)
{
	tally_judge_tell(walk->judge, kind, walk->chain, step->seq, "%s",
	    detail);
	walk->judge->accuse(walk->judge->arg, step->at, walk->chain, step->seq);
}

static void
blame_head(struct tally_walk *walk)
{
	if (walk->accused || !walk->known)
		return;
	tally_judge_tell(walk->judge, TALLY_LINK_ALTERED, walk->chain,
	    walk->seq, "its successor links to another record than this one");
	walk->judge->accuse(walk->judge->arg, walk->at, walk->chain, walk->seq);
}

static void
open_hole(struct tally_walk *walk, int64_t end, const struct tally_step *after)
{
	struct tally_hole hole = {
		.chain = walk->chain,
		.begin = walk->seq + 1,
		.end = end,
		.has_before = walk->known || walk->seq == 0,
		.before = walk->hash,
		.has_after = after->has_prev && after->holds,
		.after = after->prev,
	};

	tally_places_add_hole(walk->places, &hole);
}

/* A record that holds by itself, but does not link to the head before it. */
static bool
judge_break(struct tally_walk *walk, const struct tally_step *step,
    const struct tally_claimants *next)
{
	if (step->seq == 1) {
		tell_at(walk, TALLY_LINK_ALTERED, step,
		    "it is the first of its chain, but links to another");
		return true;
	}
	if (next->seq == step->seq + 1 && !links_on(step, next)) {
		tell_at(walk, TALLY_LINK_ALTERED, step,
		    "neither of its neighbours is linked to it: it was"
		    " rewritten");
		return true;
	}
	blame_head(walk);
	return false;
}

/* The place is the record's: the chain goes on from it. */
static void
accept_step(struct tally_walk *walk, const struct tally_step *step,
    const struct tally_claimants *next)
{
	bool back = links_back(walk, step);
	bool accused = false;

	if (step->seq > walk->seq + 1)
		open_hole(walk, step->seq, step);
	if (!step->holds) {
		tally_places_tell_bad(walk->judge, walk->chain, step->seq,
		    step);
		walk->judge->accuse(walk->judge->arg, step->at, walk->chain,
		    step->seq);
		accused = true;
	} else if (!back && step->seq == walk->seq + 1 &&
	    (walk->known || step->seq == 1)) {
		accused = judge_break(walk, step, next);
	}
	walk->seq = step->seq;
	walk->known = step->has_hash;
	walk->hash = step->hash;
	walk->alt = step->has_computed ? step->computed : step->hash;
	walk->at = step->at;
	walk->accused = accused;
}

/* A claimant that did not get the place; with none, step is NULL. */
static void
dismiss(struct tally_walk *walk, const struct tally_step *claimant,
    const struct tally_step *step)
{
	if (step != NULL && claimant->has_hash && step->has_hash &&
	    claimant->holds && tally_hash_equal(&claimant->hash, &step->hash))
		tell_at(walk, TALLY_DUPLICATE, claimant,
		    "the same record stands there twice");
	else if (claimant->holds && step != NULL && claimant->has_prev &&
	    step->has_prev && tally_hash_equal(&claimant->prev, &step->prev))
		tell_at(walk, TALLY_FORKED, claimant,
		    "another record follows the same one");
	else if (claimant->holds)
		tell_at(walk, TALLY_INSERTED, claimant,
		    "it links to no record of its chain");
	else
		tally_places_add_stray(walk->places, walk->chain, claimant);
}

static void
judge_group(struct tally_walk *walk, const struct tally_claimants *now,
    const struct tally_claimants *next)
{
	int chosen = choose(walk, now, next);
	const struct tally_step *step = chosen < 0 ? NULL : &now->steps[chosen];

	for (int i = 0; i < now->n; i++) {
		if (i != chosen)
			dismiss(walk, &now->steps[i], step);
	}
	if (step != NULL)
		accept_step(walk, step, next);
}

/* A place is judged when the next one is known, so two are in hand. */
static void
advance(struct tally_walk *walk)
{
	struct tally_claimants *now = &walk->groups[walk->now];
	const struct tally_claimants *next = &walk->groups[1 - walk->now];

	if (now->n > 0)
		judge_group(walk, now, next);
	now->n = 0;
	now->seq = 0;
	walk->now = 1 - walk->now;
}

static void
change_chain(struct tally_walk *walk, struct tally_seen *chain)
{
	if (walk->chain != NULL) {
		/* Both that are in hand; behind the last one is nothing. */
		advance(walk);
		advance(walk);
		walk->chain->last_seq = walk->seq;
		walk->chain->last_hash = walk->hash;
	}
	walk->chain = chain;
	/* Records before the first that was asked for are not looked at. */
	walk->seq = walk->begin - 1;
	walk->known = walk->accused = false;
	memset(&walk->hash, 0, sizeof(walk->hash));
	memset(&walk->alt, 0, sizeof(walk->alt));
	walk->at = 0;
}

void
tally_walk_take(struct tally_walk *walk, struct tally_seen *chain,
    struct tally_step *step)
{
	struct tally_claimants *group;

	/* The name was told; what is left is whether hashes link. */
	if (chain->renamed && step->damage == NULL && step->has_hash) {
		step->computed = step->hash;
		step->has_computed = step->holds = true;
	}
	if (walk->chain != chain)
		change_chain(walk, chain);
	if (walk->groups[1 - walk->now].seq != step->seq)
		advance(walk);
	group = &walk->groups[1 - walk->now];
	group->seq = step->seq;
	if (group->n < TALLY_CLAIMANTS_MAX)
		group->steps[group->n++] = *step;
	else
		tell_at(walk, TALLY_INSERTED, step,
		    "many records claim this place");
}

void
tally_walk_end(struct tally_walk *walk)
{
	change_chain(walk, NULL);
}

void
tally_walk_judge_name(const struct tally_judge *judge, struct tally_seen *chain,
    int64_t bad)
{
	if (chain->name != NULL && chain->escaped == NULL) {
		/* That no chain can have this name was told. */
		chain->renamed = true;
		return;
	}
	if (chain->name == NULL || chain->records < 2 || bad < chain->records)
		return;
	chain->renamed = true;
	tally_judge_tell(judge, TALLY_LINK_ALTERED, chain, 0,
	    "none of its %lld records holds under this name: the name was"
	    " changed, or all of them",
	    (long long)chain->records);
}
