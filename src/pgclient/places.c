/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strays and holes.
 *
 * A record whose chain or seq was changed is bad where it stands, and missed
 * where it belongs; that is one finding, not two.  Where it belongs say its
 * links, which whoever changed its number left as they were:
 *
 * 1. Its prev is the hash of the record before a hole, or its hash is what
 *    the record behind one links to.
 * 2. Its prev is the hash of the last record of a chain: it was the next one.
 * 3. It is the first of a chain that has no record: its header holds there.
 * 4. The place that it claims is a hole: it is the one, changed in more than
 *    one way.
 *
 * One that found its place may be what another links to; so they are gone
 * over until nothing fits any more.
 */
#include <stdlib.h>
#include <string.h>

#include "pgclient/links.h"
#include "pgclient/outside.h"

/* Behind these limits a hole is a missing record, a stray an inserted one. */
#define HOLES_MAX 4096
#define STRAYS_MAX 4096

/* Headers that may be tried for the first places of chains. */
#define TRIES_MAX 100000

/* Holes and chains that may be looked at in all; behind it, the same. */
#define VISITS_MAX UINT64_C(300000000)

struct stray {
	struct tally_pg_step step;
	struct tally_pg_chain *claimed; /* or NULL */
	struct tally_pg_chain *chain;   /* where it belongs, or NULL */
	int64_t seq;
};

struct tally_pg_places {
	int nholes;
	int nstrays;
	int tries;
	uint64_t visits;
	struct tally_pg_hole holes[HOLES_MAX];
	struct stray strays[STRAYS_MAX];
};

struct tally_pg_places *
tally_pg_places_new(void)
{
	/* What is not touched costs nothing. */
	return calloc(1, sizeof(struct tally_pg_places));
}

void
tally_pg_places_free(struct tally_pg_places *places)
{
	free(places);
}

/* ---- findings --------------------------------------------------------- */

void
tally_pg_places_tell_bad(struct tally_pg_verifier *v,
    const struct tally_pg_subject *subject, const struct tally_pg_step *step)
{
	if (step->damage != NULL)
		tally_pg_tell(v, TALLY_DAMAGED, subject, "%s", step->damage);
	else
		tally_pg_tell(v, TALLY_LINK_ALTERED, subject,
		    "its header does not hash to its hash");
}

static void
tell_hole(struct tally_pg_verifier *v, const struct tally_pg_hole *hole)
{
	struct tally_pg_subject subject = { .chain = hole->chain->name,
		.seq = hole->begin };

	if (hole->end - hole->begin == 1)
		tally_pg_tell(v, TALLY_MISSING, &subject,
		    "the record is not there");
	else
		tally_pg_tell_range(v, TALLY_MISSING, &subject, hole->end,
		    "records %lld to %lld are not there",
		    (long long)hole->begin, (long long)hole->end - 1);
}

/* It belongs nowhere. */
static void
tell_lost(struct tally_pg_verifier *v, const struct stray *stray)
{
	struct tally_pg_subject subject = { .seq = stray->step.seq };

	/* Chains that tally.chain does not know are told as a whole. */
	if (stray->claimed != NULL && stray->claimed->name == NULL)
		return;
	tally_pg_accused_add(&v->accused, stray->step.tid, NULL, 0);
	if (stray->claimed != NULL)
		subject.chain = stray->claimed->name;
	if (stray->step.damage != NULL)
		tally_pg_places_tell_bad(v, &subject, &stray->step);
	else
		tally_pg_tell(v, TALLY_INSERTED, &subject,
		    "its header does not hash to its hash, and it links to no"
		    " record of its chain");
}

/* Does another stray belong where this one stands? */
static bool
was_swapped(const struct tally_pg_places *places, const struct stray *stray)
{
	for (int i = 0; i < places->nstrays; i++) {
		const struct stray *other = &places->strays[i];

		if (other != stray && other->chain != NULL &&
		    other->chain == stray->claimed &&
		    other->seq == stray->step.seq)
			return true;
	}
	return false;
}

/* It belongs to a place, but it is not as it was. */
static void
tell_placed(struct tally_pg_verifier *v, const struct tally_pg_places *places,
    const struct stray *stray)
{
	struct tally_pg_subject subject = { .chain = stray->chain->name,
		.seq = stray->seq };
	struct tally_pg_chain *claimed = stray->claimed;

	tally_pg_accused_add(&v->accused, stray->step.tid, stray->chain,
	    stray->seq);
	if (claimed != NULL && claimed->name == NULL)
		atomic_fetch_sub(&claimed->records, 1);
	if (stray->step.damage != NULL)
		tally_pg_places_tell_bad(v, &subject, &stray->step);
	else if (was_swapped(places, stray))
		tally_pg_tell(v, TALLY_REORDERED, &subject,
		    "it stands as record %lld of chain \"%s\"",
		    (long long)stray->step.seq, claimed->name);
	else if (claimed != stray->chain && claimed->name == NULL)
		tally_pg_tell(v, TALLY_LINK_ALTERED, &subject,
		    "its chain_id was changed to %lld, which is no chain",
		    (long long)claimed->id);
	else if (claimed != stray->chain)
		tally_pg_tell(v, TALLY_LINK_ALTERED, &subject,
		    "its chain_id was changed to that of chain \"%s\"",
		    claimed->name);
	else if (stray->step.seq != stray->seq)
		tally_pg_tell(v, TALLY_LINK_ALTERED, &subject,
		    "its seq was changed to %lld", (long long)stray->step.seq);
	else
		tally_pg_places_tell_bad(v, &subject, &stray->step);
}

/* Chains without a row, and rows without records: made at a time. */
static void
tell_chains(struct tally_pg_verifier *v)
{
	struct tally_pg_subject nothing = { 0 };

	for (size_t i = 0; i < v->chains.count; i++) {
		struct tally_pg_chain *chain = v->chains.all[i];
		struct tally_pg_subject subject = { .chain = chain->name };
		long long records = (long long)atomic_load(&chain->records);

		if (chain->name == NULL && records > 0)
			tally_pg_tell(v, TALLY_DAMAGED, &nothing,
			    "%lld records have chain_id %lld, which is in no"
			    " row of tally.chain",
			    records, (long long)chain->id);
		if (chain->name != NULL && records == 0 &&
		    chain->last_seq == 0 &&
		    (v->chains.only == NULL || chain == v->chains.only))
			tally_pg_tell(v, TALLY_MISSING, &subject,
			    "none of its records is there");
	}
}

/* ---- collecting ------------------------------------------------------- */

void
tally_pg_places_add_hole(struct tally_pg_verifier *v,
    struct tally_pg_places *places, const struct tally_pg_hole *hole)
{
	if (places->nholes < HOLES_MAX)
		places->holes[places->nholes++] = *hole;
	else
		tell_hole(v, hole);
}

void
tally_pg_places_add_stray(struct tally_pg_verifier *v,
    struct tally_pg_places *places, struct tally_pg_chain *chain,
    const struct tally_pg_step *step)
{
	struct stray stray = { *step, chain, NULL, 0 };

	if (places->nstrays < STRAYS_MAX)
		places->strays[places->nstrays++] = stray;
	else
		tell_lost(v, &stray);
}

/* ---- finding places --------------------------------------------------- */

static void
place(struct tally_pg_verifier *v, struct stray *stray,
    struct tally_pg_chain *chain, int64_t seq)
{
	stray->chain = chain;
	stray->seq = seq;
	if (chain->watch != NULL)
		tally_pg_outside_pass(v, chain, seq, &stray->step);
}

/* Takes seq out of the hole; what is left of it on either side goes on. */
static void
fill_hole(struct tally_pg_verifier *v, struct tally_pg_places *places,
    int number, const struct stray *stray)
{
	struct tally_pg_hole *hole = &places->holes[number];
	struct tally_pg_hole rest = *hole;

	rest.begin = stray->seq + 1;
	rest.has_before = stray->step.has_hash;
	rest.before = stray->step.hash;
	hole->end = stray->seq;
	hole->has_after = stray->step.has_prev;
	hole->after = stray->step.prev;
	if (hole->begin >= hole->end)
		*hole = places->holes[--places->nholes];
	if (rest.begin < rest.end)
		tally_pg_places_add_hole(v, places, &rest);
}

/* The prev of the first record of a chain says nothing: all have the same. */
static bool
fits_hole(const struct stray *stray, const struct tally_pg_hole *hole,
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
try_holes(struct tally_pg_verifier *v, struct tally_pg_places *places,
    struct stray *stray)
{
	int64_t seq;

	places->visits += (uint64_t)places->nholes;
	for (int i = 0; i < places->nholes; i++) {
		if (!fits_hole(stray, &places->holes[i], &seq))
			continue;
		place(v, stray, places->holes[i].chain, seq);
		fill_hole(v, places, i, stray);
		return true;
	}
	return false;
}

static bool
try_ends(struct tally_pg_verifier *v, struct tally_pg_places *places,
    struct stray *stray)
{
	if (!stray->step.has_prev || tally_hash_is_zero(&stray->step.prev))
		return false;
	places->visits += v->chains.count;
	for (size_t i = 0; i < v->chains.count; i++) {
		struct tally_pg_chain *chain = v->chains.all[i];

		if (chain->last_seq == 0 ||
		    !tally_hash_equal(&chain->last_hash, &stray->step.prev))
			continue;
		place(v, stray, chain, ++chain->last_seq);
		if (stray->step.has_hash)
			chain->last_hash = stray->step.hash;
		return true;
	}
	return false;
}

/* The hole that begins the chain; -1: there is none. */
static int
first_hole(const struct tally_pg_places *places,
    const struct tally_pg_chain *chain)
{
	for (int i = 0; i < places->nholes; i++) {
		if (places->holes[i].chain == chain &&
		    places->holes[i].begin == 1)
			return i;
	}
	return -1;
}

/* A place of its own, as the first of a chain or of a hole that begins one. */
static bool
try_empty(struct tally_pg_verifier *v, struct tally_pg_places *places,
    struct stray *stray)
{
	const struct tally_hash none = { { 0 } };
	struct tally_hash hash;

	if (!stray->step.has_prev || !stray->step.has_hash ||
	    !tally_hash_is_zero(&stray->step.prev))
		return false;
	for (size_t i = 0; i < v->chains.count; i++) {
		struct tally_pg_chain *chain = v->chains.all[i];
		int hole = first_hole(places, chain);

		if (chain->name == NULL || (chain->last_seq > 0 && hole < 0))
			continue;
		if (places->tries++ >= TRIES_MAX)
			return false;
		if (!tally_pg_step_hash(v, &stray->step, chain, 1, &none,
			&hash) ||
		    !tally_hash_equal(&hash, &stray->step.hash))
			continue;
		place(v, stray, chain, 1);
		if (hole >= 0) {
			fill_hole(v, places, hole, stray);
		} else {
			chain->last_seq = 1;
			chain->last_hash = stray->step.hash;
		}
		return true;
	}
	return false;
}

static bool
try_links(struct tally_pg_verifier *v, struct tally_pg_places *places,
    struct stray *stray)
{
	return places->visits <= VISITS_MAX &&
	    (try_holes(v, places, stray) || try_ends(v, places, stray) ||
		try_empty(v, places, stray));
}

/* The place that it claims is empty. */
static bool
try_claim(struct tally_pg_verifier *v, struct tally_pg_places *places,
    struct stray *stray)
{
	for (int i = 0; i < places->nholes; i++) {
		const struct tally_pg_hole *hole = &places->holes[i];

		if (hole->chain != stray->claimed ||
		    stray->step.seq < hole->begin ||
		    stray->step.seq >= hole->end)
			continue;
		place(v, stray, stray->claimed, stray->step.seq);
		fill_hole(v, places, i, stray);
		return true;
	}
	return false;
}

/* Once over all strays; true if one found its place. */
static bool
try_all(struct tally_pg_verifier *v, struct tally_pg_places *places,
    bool (*attempt)(struct tally_pg_verifier *, struct tally_pg_places *,
	struct stray *))
{
	bool found = false;

	for (int i = 0; i < places->nstrays; i++) {
		if (places->strays[i].chain == NULL &&
		    attempt(v, places, &places->strays[i]))
			found = true;
	}
	return found;
}

void
tally_pg_places_resolve(struct tally_pg_verifier *v,
    struct tally_pg_places *places)
{
	if (places->nstrays > 0) {
		do {
			while (try_all(v, places, try_links))
				;
		} while (try_all(v, places, try_claim));
	}
	for (int i = 0; i < places->nstrays; i++) {
		if (places->strays[i].chain != NULL)
			tell_placed(v, places, &places->strays[i]);
		else
			tell_lost(v, &places->strays[i]);
	}
	for (int i = 0; i < places->nholes; i++)
		tell_hole(v, &places->holes[i]);
	tell_chains(v);
}
