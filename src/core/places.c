/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/places.h"

/* Headers that may be tried for the first places of chains. */
#define TRIES_MAX 100000

/* Holes and chains that may be looked at in all; behind it, the same. */
#define VISITS_MAX UINT64_C(300000000)

void
tally_places_init(struct tally_places *places, const struct tally_judge *judge)
{
	/* Entries are written before they are read. */
	places->judge = judge;
	places->nholes = places->nstrays = places->tries = 0;
	places->visits = 0;
}

/* ---- findings --------------------------------------------------------- */

void
tally_judge_tell(const struct tally_judge *judge, enum tally_finding_kind kind,
    const struct tally_seen *chain, int64_t seq, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	judge->tell(judge->arg, kind, chain, seq, seq == 0 ? 0 : seq + 1,
	    format, args);
	va_end(args);
}

static void TALLY_PRINTF(3, 4) tell_range(const struct tally_judge *judge,
    const struct tally_hole *hole, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	judge->tell(judge->arg, TALLY_MISSING, hole->chain, hole->begin,
	    hole->end, format, args);
	va_end(args);
}

void
tally_places_tell_bad(const struct tally_judge *judge,
    const struct tally_seen *chain, int64_t seq, const struct tally_step *step)
{
	if (step->damage != NULL)
		tally_judge_tell(judge, TALLY_DAMAGED, chain, seq, "%s",
		    step->damage);
	else
		tally_judge_tell(judge, TALLY_LINK_ALTERED, chain, seq,
		    "its header does not hash to its hash");
}

static void
tell_hole(const struct tally_judge *judge, const struct tally_hole *hole)
{
	if (hole->end - hole->begin == 1)
		tell_range(judge, hole, "the record is not there");
	else
		tell_range(judge, hole, "records %lld to %lld are not there",
		    (long long)hole->begin, (long long)hole->end - 1);
}

/* It belongs nowhere. */
static void
tell_lost(const struct tally_judge *judge, const struct tally_stray *stray)
{
	const struct tally_step *step = &stray->step;

	/* Chains that have no row are told as a whole. */
	if (stray->claimed != NULL && stray->claimed->name == NULL)
		return;
	judge->accuse(judge->arg, step->at, NULL, 0);
	if (step->damage != NULL)
		tally_places_tell_bad(judge, stray->claimed, step->seq, step);
	else
		tally_judge_tell(judge, TALLY_INSERTED, stray->claimed,
		    step->seq,
		    "its header does not hash to its hash, and it links to no"
		    " record of its chain");
}

/* Does another stray belong where this one stands? */
static bool
was_swapped(const struct tally_places *places, const struct tally_stray *stray)
{
	for (int i = 0; i < places->nstrays; i++) {
		const struct tally_stray *other = &places->strays[i];

		if (other != stray && other->chain != NULL &&
		    other->chain == stray->claimed &&
		    other->seq == stray->step.seq)
			return true;
	}
	return false;
}

/* It belongs to a place, but it is not as it was. */
static void
tell_placed(const struct tally_places *places, const struct tally_stray *stray)
{
	const struct tally_judge *judge = places->judge;
	const struct tally_step *step = &stray->step;
	struct tally_seen *claimed = stray->claimed;
	struct tally_seen *chain = stray->chain;

	judge->accuse(judge->arg, step->at, chain, stray->seq);
	if (claimed != NULL && claimed->name == NULL)
		claimed->records--;
	if (step->damage != NULL || claimed == NULL)
		tally_places_tell_bad(judge, chain, stray->seq, step);
	else if (was_swapped(places, stray))
		tally_judge_tell(judge, TALLY_REORDERED, chain, stray->seq,
		    "it stands as record %lld of chain \"%s\"",
		    (long long)step->seq, claimed->name);
	else if (claimed != chain && claimed->name == NULL)
		tally_judge_tell(judge, TALLY_LINK_ALTERED, chain, stray->seq,
		    "its chain_id was changed to %lld, which is no chain",
		    (long long)claimed->id);
	else if (claimed != chain)
		tally_judge_tell(judge, TALLY_LINK_ALTERED, chain, stray->seq,
		    "its chain_id was changed to that of chain \"%s\"",
		    claimed->name);
	else if (step->seq != stray->seq)
		tally_judge_tell(judge, TALLY_LINK_ALTERED, chain, stray->seq,
		    "its seq was changed to %lld", (long long)step->seq);
	else
		tally_places_tell_bad(judge, chain, stray->seq, step);
}

/* Chains without a row, and rows without records: made at a time. */
static void
tell_chains(const struct tally_judge *judge)
{
	struct tally_seen *chain;
	size_t position = 0;

	while ((chain = judge->next(judge->arg, &position)) != NULL) {
		if (chain->name == NULL && chain->records > 0)
			tally_judge_tell(judge, TALLY_DAMAGED, NULL, 0,
			    "%lld records have chain_id %lld, which is in no"
			    " row of tally.chain",
			    (long long)chain->records, (long long)chain->id);
		if (chain->name != NULL && chain->records == 0 &&
		    chain->last_seq == 0 && judge->from == 1 &&
		    (judge->only == NULL || chain == judge->only))
			tally_judge_tell(judge, TALLY_MISSING, chain, 0,
			    "none of its records is there");
	}
}

/* ---- collecting ------------------------------------------------------- */

void
tally_places_add_hole(struct tally_places *places,
    const struct tally_hole *hole)
{
	const struct tally_judge *judge = places->judge;
	struct tally_hole clipped = *hole;

	if (hole->begin < judge->from) {
		clipped.begin = judge->from;
		clipped.has_before = false;
	}
	if (hole->end - 1 > judge->to) {
		clipped.end = judge->to + 1;
		clipped.has_after = false;
	}
	if (clipped.begin >= clipped.end)
		return;
	if (places->nholes < TALLY_HOLES_MAX)
		places->holes[places->nholes++] = clipped;
	else
		tell_hole(judge, &clipped);
}

void
tally_places_add_stray(struct tally_places *places, struct tally_seen *chain,
    const struct tally_step *step)
{
	struct tally_stray stray = { .step = *step, .claimed = chain };

	if (places->nstrays < TALLY_STRAYS_MAX)
		places->strays[places->nstrays++] = stray;
	else
		tell_lost(places->judge, &stray);
}

/* ---- finding places --------------------------------------------------- */

static void
place(const struct tally_places *places, struct tally_stray *stray,
    struct tally_seen *chain, int64_t seq)
{
	stray->chain = chain;
	stray->seq = seq;
	places->judge->found(places->judge->arg, chain, seq, &stray->step);
}

/* Takes seq out of the hole; what is left of it on either side goes on. */
static void
fill_hole(struct tally_places *places, int number,
    const struct tally_stray *stray)
{
	struct tally_hole *hole = &places->holes[number];
	struct tally_hole rest = *hole;

	rest.begin = stray->seq + 1;
	rest.has_before = stray->step.has_hash;
	rest.before = stray->step.hash;
	hole->end = stray->seq;
	hole->has_after = stray->step.has_prev;
	hole->after = stray->step.prev;
	if (hole->begin >= hole->end)
		*hole = places->holes[--places->nholes];
	if (rest.begin < rest.end)
		tally_places_add_hole(places, &rest);
}

/* The prev of the first record of a chain says nothing: all have the same. */
static bool
fits_hole(const struct tally_stray *stray, const struct tally_hole *hole,
    int64_t *out_seq)
{
	*out_seq = hole->end - 1;
	if (hole->has_after && stray->step.has_hash &&
	    tally_hash_equal(&hole->after, &stray->step.hash))
		return true;
	*out_seq = hole->begin;
	return hole->begin > 1 && hole->has_before && stray->step.has_prev &&
	    tally_hash_equal(&hole->before, &stray->step.prev);
}

static bool
try_holes(struct tally_places *places, struct tally_stray *stray)
{
	int64_t seq;

	places->visits += (uint64_t)places->nholes;
	for (int i = 0; i < places->nholes; i++) {
		if (!fits_hole(stray, &places->holes[i], &seq))
			continue;
		place(places, stray, places->holes[i].chain, seq);
		fill_hole(places, i, stray);
		return true;
	}
	return false;
}

static bool
try_ends(struct tally_places *places, struct tally_stray *stray)
{
	const struct tally_judge *judge = places->judge;
	struct tally_seen *chain;
	size_t position = 0;

	if (!stray->step.has_prev || tally_hash_is_zero(&stray->step.prev))
		return false;
	while ((chain = judge->next(judge->arg, &position)) != NULL) {
		places->visits++;
		if (chain->last_seq == 0 ||
		    !tally_hash_equal(&chain->last_hash, &stray->step.prev))
			continue;
		place(places, stray, chain, ++chain->last_seq);
		if (stray->step.has_hash)
			chain->last_hash = stray->step.hash;
		return true;
	}
	return false;
}

/* The hole that begins the chain; -1: there is none. */
static int
first_hole(const struct tally_places *places, const struct tally_seen *chain)
{
	for (int i = 0; i < places->nholes; i++) {
		if (places->holes[i].chain == chain &&
		    places->holes[i].begin == 1)
			return i;
	}
	return -1;
}

/* Is it the first of this chain, which lacks one? */
static bool
fits_first(const struct tally_places *places, const struct tally_stray *stray,
    const struct tally_seen *chain)
{
	const struct tally_hash none = { { 0 } };
	struct tally_hash hash;

	return tally_step_hash(&stray->step, places->judge->hasher, chain, 1,
		   &none, &hash) &&
	    tally_hash_equal(&hash, &stray->step.hash);
}

/* A place of its own, as the first of a chain or of a hole that begins one. */
static bool
try_empty(struct tally_places *places, struct tally_stray *stray)
{
	const struct tally_judge *judge = places->judge;
	struct tally_seen *chain;
	size_t position = 0;

	if (!stray->step.has_prev || !stray->step.has_hash ||
	    !tally_hash_is_zero(&stray->step.prev))
		return false;
	while ((chain = judge->next(judge->arg, &position)) != NULL) {
		int hole = first_hole(places, chain);

		if (chain->name == NULL || (chain->last_seq > 0 && hole < 0))
			continue;
		if (places->tries++ >= TRIES_MAX)
			return false;
		if (!fits_first(places, stray, chain))
			continue;
		place(places, stray, chain, 1);
		if (hole >= 0) {
			fill_hole(places, hole, stray);
		} else {
			chain->last_seq = 1;
			chain->last_hash = stray->step.hash;
		}
		return true;
	}
	return false;
}

static bool
try_links(struct tally_places *places, struct tally_stray *stray)
{
	return places->visits <= VISITS_MAX &&
	    (try_holes(places, stray) || try_ends(places, stray) ||
		try_empty(places, stray));
}

/* The place that it claims is empty. */
static bool
try_claim(struct tally_places *places, struct tally_stray *stray)
{
	for (int i = 0; i < places->nholes; i++) {
		const struct tally_hole *hole = &places->holes[i];

		if (hole->chain != stray->claimed ||
		    stray->step.seq < hole->begin ||
		    stray->step.seq >= hole->end)
			continue;
		place(places, stray, stray->claimed, stray->step.seq);
		fill_hole(places, i, stray);
		return true;
	}
	return false;
}

/* Once over all strays; true if one found its place. */
static bool
try_all(struct tally_places *places,
    bool (*attempt)(struct tally_places *, struct tally_stray *))
{
	const struct tally_judge *judge = places->judge;
	bool found = false;

	for (int i = 0; i < places->nstrays; i++) {
		if (judge->pause != NULL)
			judge->pause(judge->arg);
		if (places->strays[i].chain == NULL &&
		    attempt(places, &places->strays[i]))
			found = true;
	}
	return found;
}

void
tally_places_resolve(struct tally_places *places)
{
	if (places->nstrays > 0) {
		do {
			while (try_all(places, try_links))
				;
		} while (try_all(places, try_claim));
	}
	for (int i = 0; i < places->nstrays; i++) {
		if (places->strays[i].chain != NULL)
			tell_placed(places, &places->strays[i]);
		else
			tell_lost(places->judge, &places->strays[i]);
	}
	for (int i = 0; i < places->nholes; i++)
		tell_hole(places->judge, &places->holes[i]);
	tell_chains(places->judge);
}
