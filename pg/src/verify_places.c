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
#include "postgres.h"

#include "verify_accused.h"
#include "verify_links.h"
#include "verify_outside.h"

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* Behind these limits a hole is a missing record, a stray an inserted one. */
#define HOLES_MAX 4096
#define STRAYS_MAX 4096

/* Headers that may be tried for the first places of chains. */
#define TRIES_MAX 100000

/* Holes that may be looked at in all; behind it, the same. */
#define VISITS_MAX INT64CONST(300000000)

struct stray
{
	struct tally_step step;
	struct tally_chain *claimed;	/* or NULL */
	struct tally_chain *chain;	/* where it belongs, or NULL */
	int64		seq;
};

struct tally_places
{
	int			nholes;
	int			nstrays;
	int			tries;
	int64		visits;
	HTAB	   *ends;			/* chains by the hash of their last record */
	struct tally_hole holes[HOLES_MAX];
	struct stray strays[STRAYS_MAX];
};

struct end
{
	struct tally_hash hash;		/* the key */
	struct tally_chain *chain;
};

struct tally_places *
tally_places_new(void)
{
	struct tally_places *places = palloc(sizeof(*places));

	places->nholes = places->nstrays = places->tries = 0;
	places->visits = 0;
	places->ends = NULL;
	return places;
}

/* ---- findings --------------------------------------------------------- */

static bool
get_damage(struct tally_verifier *v, const struct tally_sealed *record,
		   void *arg)
{
	*(const char **) arg = record->damage;
	return false;
}

void
tally_places_tell_bad(struct tally_verifier *v,
					  const struct tally_subject *subject,
					  const struct tally_step *step)
{
	const char *damage = NULL;

	if (step->damaged)
		(void) tally_record_fetch(v, &step->tid,
								  get_damage, &damage);
	if (damage != NULL)
		tally_report_tell(v, TALLY_DAMAGED, subject, "%s", damage);
	else
		tally_report_tell(v, TALLY_LINK_ALTERED, subject,
						  "its header does not hash to its hash");
}

static void
tell_hole(struct tally_verifier *v, const struct tally_hole *hole)
{
	struct tally_subject subject = {hole->chain->name, hole->begin};

	if (hole->end - hole->begin == 1)
		tally_report_tell(v, TALLY_MISSING, &subject,
						  "the record is not there");
	else
		tally_report_tell(v, TALLY_MISSING, &subject,
						  "records %lld to %lld are not there",
						  (long long) hole->begin, (long long) hole->end - 1);
}

/* It belongs nowhere. */
static void
tell_lost(struct tally_verifier *v, struct stray *stray)
{
	struct tally_subject subject = {0};

	/* Chains that tally.chain does not know are told as a whole. */
	if (stray->claimed != NULL && stray->claimed->name == NULL)
		return;
	tally_accused_add(v, &stray->step.tid, NULL, 0);
	subject.seq = stray->step.seq;
	if (stray->claimed != NULL)
		subject.chain = stray->claimed->name;
	if (stray->step.damaged)
		tally_places_tell_bad(v, &subject, &stray->step);
	else
		tally_report_tell(v, TALLY_INSERTED, &subject,
						  "its header does not hash to its hash, and it links to no record of its chain");
}

/* Does another stray belong where this one stands? */
static bool
was_swapped(const struct tally_places *places, const struct stray *stray)
{
	int			i;

	for (i = 0; i < places->nstrays; i++)
	{
		const struct stray *other = &places->strays[i];

		if (other != stray && other->chain != NULL &&
			other->chain == stray->claimed && other->seq == stray->step.seq)
			return true;
	}
	return false;
}

/* It belongs to a place, but it is not as it was. */
static void
tell_placed(struct tally_verifier *v, const struct tally_places *places,
			struct stray *stray)
{
	struct tally_subject subject = {stray->chain->name, stray->seq};

	tally_accused_add(v, &stray->step.tid, stray->chain, stray->seq);
	if (stray->claimed != NULL && stray->claimed->name == NULL)
		stray->claimed->records--;
	if (stray->step.damaged)
		tally_places_tell_bad(v, &subject, &stray->step);
	else if (was_swapped(places, stray))
		tally_report_tell(v, TALLY_REORDERED, &subject,
						  "it stands as record %lld of chain \"%s\"",
						  (long long) stray->step.seq, stray->claimed->name);
	else if (stray->claimed != stray->chain && stray->claimed->name == NULL)
		tally_report_tell(v, TALLY_LINK_ALTERED, &subject,
						  "its chain_id was changed to %lld, which is no chain",
						  (long long) stray->claimed->id);
	else if (stray->claimed != stray->chain)
		tally_report_tell(v, TALLY_LINK_ALTERED, &subject,
						  "its chain_id was changed to that of chain \"%s\"",
						  stray->claimed->name);
	else if (stray->step.seq != stray->seq)
		tally_report_tell(v, TALLY_LINK_ALTERED, &subject,
						  "its seq was changed to %lld",
						  (long long) stray->step.seq);
	else
		tally_places_tell_bad(v, &subject, &stray->step);
}

/* All records of chains that are in no row of tally.chain. */
static void
tell_unknown(struct tally_verifier *v)
{
	struct tally_subject nothing = {0};
	struct tally_chain *chain;
	int			position = 0;

	while ((chain = tally_chains_next(v, &position)) != NULL)
	{
		if (chain->name == NULL && chain->records > 0)
			tally_report_tell(v, TALLY_DAMAGED, &nothing,
							  "%lld records have chain_id %lld, which is in no row of tally.chain",
							  (long long) chain->records,
							  (long long) chain->id);
	}
}

/* Chains that have a row, but no record: both are made in one transaction. */
static void
tell_empty(struct tally_verifier *v)
{
	struct tally_chain *only = tally_chains_only(v);
	struct tally_chain *chain;
	struct tally_subject subject = {0};
	int			position = 0;

	while ((chain = tally_chains_next(v, &position)) != NULL)
	{
		if (chain->name == NULL || chain->records > 0 ||
			chain->last_seq > 0 || (only != NULL && chain != only) ||
			v->scope.from > 1)
			continue;
		subject.chain = chain->name;
		tally_report_tell(v, TALLY_MISSING, &subject,
						  "none of its records is there");
	}
}

/* ---- collecting ------------------------------------------------------- */

void
tally_places_add_hole(struct tally_verifier *v, struct tally_places *places,
					  const struct tally_hole *hole)
{
	struct tally_hole clipped = *hole;

	if (hole->begin < v->scope.from)
	{
		clipped.begin = v->scope.from;
		clipped.has_before = false;
	}
	if (hole->end - 1 > v->scope.to)
	{
		clipped.end = v->scope.to + 1;
		clipped.has_after = false;
	}
	if (clipped.begin >= clipped.end)
		return;
	if (places->nholes < HOLES_MAX)
		places->holes[places->nholes++] = clipped;
	else
		tell_hole(v, &clipped);
}

void
tally_places_add_stray(struct tally_verifier *v, struct tally_places *places,
					   struct tally_chain *chain,
					   const struct tally_step *step)
{
	struct stray stray = {*step, chain};

	if (places->nstrays < STRAYS_MAX)
		places->strays[places->nstrays++] = stray;
	else
		tell_lost(v, &stray);
}

/* ---- finding places --------------------------------------------------- */

static void
place(struct stray *stray, struct tally_chain *chain, int64 seq)
{
	stray->chain = chain;
	stray->seq = seq;
	if (chain->watch != NULL)
		tally_outside_pass(chain, seq, &stray->step);
}

/* Takes seq out of the hole; what is left of it on either side goes on. */
static void
fill_hole(struct tally_verifier *v, struct tally_places *places, int number,
		  const struct stray *stray)
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
		tally_places_add_hole(v, places, &rest);
}

/* The prev of the first record of a chain says nothing: all have the same. */
static bool
fits_hole(const struct stray *stray, const struct tally_hole *hole,
		  int64 *out_seq)
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
try_holes(struct tally_verifier *v, struct tally_places *places,
		  struct stray *stray)
{
	int64		seq;
	int			i;

	if (places->visits > VISITS_MAX)
		return false;
	places->visits += places->nholes;
	for (i = 0; i < places->nholes; i++)
	{
		if (!fits_hole(stray, &places->holes[i], &seq))
			continue;
		place(stray, places->holes[i].chain, seq);
		fill_hole(v, places, i, stray);
		return true;
	}
	return false;
}

static void
add_end(struct tally_places *places, struct tally_chain *chain)
{
	struct end *end;

	end = hash_search(places->ends, &chain->last_hash, HASH_ENTER, NULL);
	end->chain = chain;
}

static void
find_ends(struct tally_verifier *v, struct tally_places *places)
{
	HASHCTL		ctl = {0};
	struct tally_chain *chain;
	int			position = 0;

	ctl.keysize = sizeof(struct tally_hash);
	ctl.entrysize = sizeof(struct end);
	ctl.hcxt = v->context;
	places->ends = hash_create("tally ends of chains", 256, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	while ((chain = tally_chains_next(v, &position)) != NULL)
	{
		if (chain->last_seq > 0)
			add_end(places, chain);
	}
}

static bool
try_ends(struct tally_places *places, struct stray *stray)
{
	struct end *end;

	if (!stray->step.has_prev || tally_hash_is_zero(&stray->step.prev))
		return false;
	end = hash_search(places->ends, &stray->step.prev, HASH_FIND, NULL);
	if (end == NULL)
		return false;
	place(stray, end->chain, end->chain->last_seq + 1);
	end->chain->last_seq++;
	if (stray->step.has_hash)
	{
		end->chain->last_hash = stray->step.hash;
		add_end(places, end->chain);
	}
	return true;
}

struct attempt
{
	struct tally_chain *chain;
	bool		holds;
};

static bool
try_first(struct tally_verifier *v, const struct tally_sealed *record,
		  void *arg)
{
	struct attempt *attempt = arg;
	struct tally_hash none = {0};
	struct tally_hash hash;

	attempt->holds = record->has_hash &&
		tally_record_hash(record, attempt->chain, 1, &none, &hash) &&
		tally_hash_equal(&hash, &record->hash);
	return false;
}

/* A place of its own, as the first of a chain or of a hole that begins one. */
static bool
try_empty(struct tally_verifier *v, struct tally_places *places,
		  struct stray *stray)
{
	struct attempt attempt = {0};
	struct tally_chain *chain;
	int			position = 0;
	int			i;

	if (!stray->step.has_prev || !tally_hash_is_zero(&stray->step.prev))
		return false;
	while ((chain = tally_chains_next(v, &position)) != NULL &&
		   places->tries < TRIES_MAX)
	{
		for (i = 0; i < places->nholes; i++)
		{
			if (places->holes[i].chain == chain && places->holes[i].begin == 1)
				break;
		}
		if (chain->name == NULL ||
			(chain->last_seq > 0 && i == places->nholes))
			continue;
		places->tries++;
		attempt.chain = chain;
		(void) tally_record_fetch(v, &stray->step.tid, try_first, &attempt);
		if (!attempt.holds)
			continue;
		place(stray, chain, 1);
		if (i < places->nholes)
			fill_hole(v, places, i, stray);
		else
		{
			chain->last_seq = 1;
			chain->last_hash = stray->step.hash;
			add_end(places, chain);
		}
		return true;
	}
	return false;
}

/* The place that it claims is empty. */
static bool
try_claim(struct tally_verifier *v, struct tally_places *places,
		  struct stray *stray)
{
	int			i;

	for (i = 0; i < places->nholes; i++)
	{
		const struct tally_hole *hole = &places->holes[i];

		if (hole->chain != stray->claimed || stray->step.seq < hole->begin ||
			stray->step.seq >= hole->end)
			continue;
		place(stray, stray->claimed, stray->step.seq);
		fill_hole(v, places, i, stray);
		return true;
	}
	return false;
}

static bool
try_links(struct tally_verifier *v, struct tally_places *places,
		  struct stray *stray)
{
	return try_holes(v, places, stray) || try_ends(places, stray) ||
		try_empty(v, places, stray);
}

/* Once over all strays; true if one found its place. */
static bool
try_all(struct tally_verifier *v, struct tally_places *places,
		bool (*attempt) (struct tally_verifier *, struct tally_places *,
						 struct stray *))
{
	bool		found = false;
	int			i;

	for (i = 0; i < places->nstrays; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (places->strays[i].chain == NULL &&
			attempt(v, places, &places->strays[i]))
			found = true;
	}
	return found;
}

static void
tell_all(struct tally_verifier *v, struct tally_places *places)
{
	int			i;

	for (i = 0; i < places->nstrays; i++)
	{
		if (places->strays[i].chain != NULL)
			tell_placed(v, places, &places->strays[i]);
		else
			tell_lost(v, &places->strays[i]);
	}
	for (i = 0; i < places->nholes; i++)
		tell_hole(v, &places->holes[i]);
}

void
tally_places_resolve(struct tally_verifier *v, struct tally_places *places)
{
	if (places->nstrays > 0)
	{
		find_ends(v, places);
		do
		{
			while (try_all(v, places, try_links))
				;
		} while (try_all(v, places, try_claim));
	}
	tell_all(v, places);
	tell_unknown(v);
	tell_empty(v);
	pfree(places);
}
