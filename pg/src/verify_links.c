/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judging a chain that does not fit together.
 *
 * Its records are sorted and gone over place by place.  Of several that claim
 * one place, the one that the chain goes on from is the true one, then the one
 * that links back, then one that holds.  What makes a record bad is blamed on
 * one record, and its neighbours, which hold the hash that it had or the one
 * that it has now, are believed:
 *
 *	does not hold, links on either side		it was altered
 *	does not hold, does not link			a stray (verify_places.c)
 *	holds, the next links to it, it does not link back
 *											the one before was rewritten
 *	holds, links nowhere					it was rewritten
 *	nothing at its place					a hole (verify_places.c)
 *
 * Where nothing follows and the last record does not link to the one before
 * it, nothing tells which of the two was changed; the one before is named.
 */
#include "postgres.h"

#include "verify_accused.h"
#include "verify_links.h"
#include "verify_outside.h"
#include "verify_runs.h"
#include "verify_sort.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* Records that claim one place; of more than that the rest is told at once. */
#define CLAIMANTS_MAX 16

struct tally_links
{
	struct tally_runs *runs;
	struct tally_places *places;
	struct tally_sorter *steps; /* of suspect chains */
	bool		has_suspects;
};

enum
{
	STEP_CHAIN,
	STEP_SEQ,
	STEP_TID,
	STEP_PREV,
	STEP_HASH,
	STEP_COMPUTED,
	STEP_DAMAGED,
	STEP_COLUMNS,
};

/* The claimants of a place. */
struct group
{
	int64		seq;			/* 0: none */
	int			n;
	struct tally_step steps[CLAIMANTS_MAX];
};

/* A walk over one chain. */
struct walk
{
	struct tally_verifier *v;
	struct tally_chain *chain;
	int64		seq;			/* of the head; 0: none */
	bool		known;			/* hash is that of the head */
	bool		accused;		/* the head was named */
	struct tally_hash hash;
	struct tally_hash alt;		/* its successor may hold this one as well */
	ItemPointerData tid;
};

/* ---- while records pass ----------------------------------------------- */

void
tally_links_open(struct tally_verifier *v)
{
	v->links = palloc0(sizeof(*v->links));
	v->links->runs = tally_runs_new();
	v->links->places = tally_places_new();
}

static void
make_step(const struct tally_sealed *record, const struct tally_chain *chain,
		  struct tally_step *step)
{
	memset(step, 0, sizeof(*step));
	step->tid = record->tid;
	step->seq = record->has_seq ? record->seq : 0;
	step->has_prev = record->has_prev;
	step->has_hash = record->has_hash;
	step->damaged = record->damage != NULL;
	step->prev = record->prev;
	step->hash = record->hash;
	if (chain == NULL || !record->has_prev || !record->has_seq)
		return;
	step->has_computed = tally_record_hash(record, chain, record->seq,
										   &record->prev, &step->computed);
	step->holds = step->has_computed && step->has_hash && !step->damaged &&
		tally_hash_equal(&step->computed, &step->hash);
}

void
tally_links_take(struct tally_verifier *v, const struct tally_sealed *record)
{
	struct tally_chain *chain;
	struct tally_step step;

	if (!record->has_chain)
	{
		make_step(record, NULL, &step);
		tally_places_add_stray(v, v->links->places, NULL, &step);
		return;
	}
	chain = tally_chains_get(v, record->chain_id);
	chain->records++;
	make_step(record, chain, &step);
	if (chain->watch != NULL)
		tally_outside_pass(chain, record->seq, &step);
	if (step.holds)
	{
		tally_runs_add(v->links->runs, record->chain_id, record->seq,
					   &record->prev, &record->hash);
		return;
	}
	chain->bad++;
	chain->suspect = true;
}

/* ---- one chain, place by place ---------------------------------------- */

static struct tally_subject
subject_of(const struct tally_chain *chain, int64 seq)
{
	struct tally_subject subject = {chain->name, seq};

	return subject;
}

static bool
links_back(const struct walk *walk, const struct tally_step *step)
{
	if (!step->has_prev || step->seq != walk->seq + 1)
		return false;
	if (step->seq == 1)
		return tally_hash_is_zero(&step->prev);
	return walk->known && (tally_hash_equal(&step->prev, &walk->hash) ||
						   tally_hash_equal(&step->prev, &walk->alt));
}

static bool
links_on(const struct tally_step *step, const struct group *next)
{
	int			i;

	if (next->seq != step->seq + 1)
		return false;
	for (i = 0; i < next->n; i++)
	{
		if (!next->steps[i].has_prev)
			continue;
		if ((step->has_hash &&
			 tally_hash_equal(&next->steps[i].prev, &step->hash)) ||
			(step->has_computed &&
			 tally_hash_equal(&next->steps[i].prev, &step->computed)))
			return true;
	}
	return false;
}

/*
 * A bad record whose header holds with the hash of the head: its prev alone
 * was changed.
 */
struct repair
{
	const struct walk *walk;
	int64		seq;
	struct tally_hash prev;
	bool		holds;
};

static bool
try_prev(struct tally_verifier *v, const struct tally_sealed *record, void *arg)
{
	struct repair *repair = arg;
	struct tally_hash hash;

	repair->holds = record->has_hash &&
		tally_record_hash(record, repair->walk->chain, repair->seq,
						  &repair->prev, &hash) &&
		tally_hash_equal(&hash, &record->hash);
	return false;
}

static bool
was_linked_back(const struct walk *walk, struct tally_step *step)
{
	struct repair repair = {walk, step->seq};

	if (step->seq != walk->seq + 1 || (step->seq > 1 && !walk->known))
		return false;
	if (step->seq > 1)
		repair.prev = walk->hash;
	(void) tally_record_fetch(walk->v, &step->tid, try_prev, &repair);
	return repair.holds;
}

/* The claimant that the place is given to, or -1. */
static int
choose(const struct walk *walk, struct group *now, const struct group *next)
{
	int			best = -1;
	int			best_score = -1;
	int			i;

	for (i = 0; i < now->n; i++)
	{
		struct tally_step *step = &now->steps[i];
		bool		on = links_on(step, next);
		bool		back = links_back(walk, step);
		int			score = on * 4 + back * 2 + step->holds;

		if (!step->holds && !on && !back && !was_linked_back(walk, step))
			continue;
		if (score > best_score)
		{
			best = i;
			best_score = score;
		}
	}
	return best;
}

static void
tell_at(struct walk *walk, enum tally_finding_kind kind,
		const struct tally_step *step, const char *detail)
{
	struct tally_subject subject = subject_of(walk->chain, step->seq);

	tally_report_tell(walk->v, kind, &subject, "%s", detail);
	tally_accused_add(walk->v, &step->tid,
					  walk->chain, step->seq);
}

static void
blame_head(struct walk *walk)
{
	struct tally_subject subject = subject_of(walk->chain, walk->seq);

	if (walk->accused || !walk->known)
		return;
	tally_report_tell(walk->v, TALLY_LINK_ALTERED, &subject,
					  "its successor links to another record than this one");
	tally_accused_add(walk->v, &walk->tid, walk->chain, walk->seq);
}

static void
open_hole(struct walk *walk, int64 end, const struct tally_step *after)
{
	struct tally_hole hole = {walk->chain, walk->seq + 1, end};

	hole.has_before = walk->known || walk->seq == 0;
	hole.before = walk->hash;
	hole.has_after = after != NULL && after->has_prev && after->holds;
	if (hole.has_after)
		hole.after = after->prev;
	tally_places_add_hole(walk->v, walk->v->links->places, &hole);
}

/* A record that holds by itself, but does not link to the head before it. */
static bool
judge_break(struct walk *walk, const struct tally_step *step,
			const struct group *next)
{
	if (step->seq == 1)
	{
		tell_at(walk, TALLY_LINK_ALTERED, step,
				"it is the first of its chain, but links to another");
		return true;
	}
	if (next->seq == step->seq + 1 && !links_on(step, next))
	{
		tell_at(walk, TALLY_LINK_ALTERED, step,
				"neither of its neighbours is linked to it: it was rewritten");
		return true;
	}
	blame_head(walk);
	return false;
}

/* The place is the record's: the chain goes on from it. */
static void
accept(struct walk *walk, const struct tally_step *step,
	   const struct group *next)
{
	bool		back = links_back(walk, step);
	bool		accused = false;

	if (step->seq > walk->seq + 1)
		open_hole(walk, step->seq, step);
	if (!step->holds)
	{
		struct tally_subject subject = subject_of(walk->chain, step->seq);

		tally_places_tell_bad(walk->v, &subject, step);
		tally_accused_add(walk->v, &step->tid,
						  walk->chain, step->seq);
		accused = true;
	}
	else if (!back && step->seq == walk->seq + 1 &&
			 (walk->known || step->seq == 1))
		accused = judge_break(walk, step, next);
	walk->seq = step->seq;
	walk->known = step->has_hash;
	walk->hash = step->hash;
	walk->alt = step->has_computed ? step->computed : step->hash;
	walk->tid = step->tid;
	walk->accused = accused;
}

/* A claimant that did not get the place; with none, step is NULL. */
static void
dismiss(struct walk *walk, const struct tally_step *claimant,
		const struct tally_step *step)
{
	if (step != NULL && claimant->has_hash && step->has_hash &&
		claimant->holds && tally_hash_equal(&claimant->hash, &step->hash))
		tell_at(walk, TALLY_DUPLICATE, claimant,
				"the same record stands there twice");
	else if (claimant->holds && step != NULL && claimant->has_prev &&
			 step->has_prev &&
			 tally_hash_equal(&claimant->prev, &step->prev))
		tell_at(walk, TALLY_FORKED, claimant,
				"another record follows the same one");
	else if (claimant->holds)
		tell_at(walk, TALLY_INSERTED, claimant,
				"it links to no record of its chain");
	else
		tally_places_add_stray(walk->v, walk->v->links->places, walk->chain,
							   claimant);
}

static void
judge_group(struct walk *walk, struct group *now, const struct group *next)
{
	int			chosen = choose(walk, now, next);
	const struct tally_step *step = chosen < 0 ? NULL : &now->steps[chosen];
	int			i;

	for (i = 0; i < now->n; i++)
	{
		if (i != chosen)
			dismiss(walk, &now->steps[i], step);
	}
	if (step != NULL)
		accept(walk, step, next);
}

static void
begin_chain(struct walk *walk, struct tally_chain *chain, int64 begin)
{
	struct tally_verifier *v = walk->v;

	memset(walk, 0, sizeof(*walk));
	walk->v = v;
	walk->chain = chain;
	/* Records before the first that was asked for are not looked at. */
	walk->seq = begin - 1;
}

static void
end_chain(struct walk *walk)
{
	walk->chain->last_seq = walk->seq;
	walk->chain->last_hash = walk->hash;
}

/* ---- all suspect chains ----------------------------------------------- */

/*
 * All records of a chain fail, and their hashes link to one another: what
 * they have in common is the chain's name.
 */
static void
judge_name(struct tally_verifier *v, struct tally_chain *chain)
{
	struct tally_subject subject = subject_of(chain, 0);

	if (chain->name != NULL && chain->escaped == NULL)
	{
		/* That no chain can have this name was told. */
		chain->renamed = true;
		return;
	}
	if (chain->name == NULL || chain->records < 2 ||
		chain->bad < chain->records)
		return;
	chain->renamed = true;
	tally_report_tell(v, TALLY_LINK_ALTERED, &subject,
					  "none of its %lld records holds under this name: the name was changed, or all of them",
					  (long long) chain->records);
}

static bool
put_step(struct tally_verifier *v, const struct tally_sealed *record,
		 void *arg)
{
	struct tally_chain *chain;
	struct tally_step step;
	struct tally_short_bytes room[3];
	Datum		values[STEP_COLUMNS];
	bool		nulls[STEP_COLUMNS] = {false};

	if (!record->has_chain)
		return true;
	chain = tally_chains_get(v, record->chain_id);
	if (!chain->suspect || !tally_scope_is_near(&v->scope, record))
		return true;
	make_step(record, chain, &step);
	if (chain->name == NULL || step.seq == 0)
	{
		tally_places_add_stray(v, v->links->places, chain, &step);
		return true;
	}
	values[STEP_CHAIN] = Int64GetDatum(record->chain_id);
	values[STEP_SEQ] = Int64GetDatum(step.seq);
	values[STEP_TID] = PointerGetDatum(&step.tid);
	values[STEP_PREV] = tally_sorter_bytes(&room[0], step.prev.b,
										   TALLY_HASH_SIZE);
	values[STEP_HASH] = tally_sorter_bytes(&room[1], step.hash.b,
										   TALLY_HASH_SIZE);
	values[STEP_COMPUTED] = tally_sorter_bytes(&room[2], step.computed.b,
											   TALLY_HASH_SIZE);
	values[STEP_DAMAGED] = BoolGetDatum(step.damaged);
	nulls[STEP_PREV] = !step.has_prev;
	nulls[STEP_HASH] = !step.has_hash;
	nulls[STEP_COMPUTED] = !step.has_computed;
	tally_sorter_put(v->links->steps, values, nulls);
	return true;
}

static void
get_hash(const Datum *values, const bool *nulls, int column, bool *out_has,
		 struct tally_hash *out)
{
	*out_has = !nulls[column];
	if (*out_has)
		*out = tally_sorter_hash(values[column]);
}

static void
get_step(const Datum *values, const bool *nulls, bool renamed,
		 struct tally_step *step)
{
	memset(step, 0, sizeof(*step));
	step->seq = DatumGetInt64(values[STEP_SEQ]);
	step->tid = *(ItemPointer) DatumGetPointer(values[STEP_TID]);
	step->damaged = DatumGetBool(values[STEP_DAMAGED]);
	get_hash(values, nulls, STEP_PREV, &step->has_prev, &step->prev);
	get_hash(values, nulls, STEP_HASH, &step->has_hash, &step->hash);
	get_hash(values, nulls, STEP_COMPUTED, &step->has_computed,
			 &step->computed);
	/* The name was told; what is left is whether hashes link. */
	if (renamed && !step->damaged && step->has_hash)
	{
		step->computed = step->hash;
		step->has_computed = true;
	}
	step->holds = step->has_computed && step->has_hash && !step->damaged &&
		tally_hash_equal(&step->computed, &step->hash);
}

static void
add_claimant(struct walk *walk, struct group *group,
			 const struct tally_step *step)
{
	if (group->n < CLAIMANTS_MAX)
		group->steps[group->n++] = *step;
	else
		tell_at(walk, TALLY_INSERTED, step,
				"many records claim this place");
}

/*
 * Goes over the sorted records.  A place is judged when the next one is
 * known, so two are in hand; of the next chain's first, none.
 */
static void
walk_steps(struct tally_verifier *v)
{
	struct group *now = palloc0(sizeof(*now));
	struct group *next = palloc0(sizeof(*next));
	struct group *swap;
	struct walk walk = {v};
	struct tally_chain *chain;
	struct tally_step step;
	Datum	   *values;
	bool	   *nulls;

	while (tally_sorter_next(v->links->steps, &values, &nulls))
	{
		CHECK_FOR_INTERRUPTS();
		chain = tally_chains_get(v, DatumGetInt64(values[STEP_CHAIN]));
		get_step(values, nulls, chain->renamed, &step);
		if (walk.chain != chain || step.seq != next->seq)
		{
			if (now->n > 0)
				judge_group(&walk, now, next);
			swap = now;
			now = next;
			next = swap;
			next->n = 0;
			next->seq = 0;
		}
		if (walk.chain != chain)
		{
			if (now->n > 0)
				judge_group(&walk, now, next);
			now->n = 0;
			if (walk.chain != NULL)
				end_chain(&walk);
			begin_chain(&walk, chain, Max(v->scope.from - 1, 1));
		}
		next->seq = step.seq;
		add_claimant(&walk, next, &step);
	}
	if (now->n > 0)
		judge_group(&walk, now, next);
	now->n = 0;
	now->seq = 0;
	if (next->n > 0)
		judge_group(&walk, next, now);
	if (walk.chain != NULL)
		end_chain(&walk);
}

static void
judge_suspects(struct tally_verifier *v)
{
	static const Oid types[STEP_COLUMNS] = {
		INT8OID, INT8OID, TIDOID, BYTEAOID, BYTEAOID, BYTEAOID, BOOLOID,
	};
	struct tally_chain *chain;
	int			position = 0;

	while ((chain = tally_chains_next(v, &position)) != NULL)
	{
		if (!chain->suspect)
			continue;
		v->links->has_suspects = true;
		chain->last_seq = 0;
		judge_name(v, chain);
	}
	if (!v->links->has_suspects)
		return;
	v->links->steps = tally_sorter_new(STEP_COLUMNS, types, 3, 2);
	tally_record_walk(v, 0, put_step, NULL);
	tally_sorter_sort(v->links->steps);
	walk_steps(v);
	tally_sorter_free(v->links->steps);
}

/* The end that was asked for must be there. */
static void
judge_end(struct tally_verifier *v)
{
	struct tally_chain *only = tally_chains_only(v);
	struct tally_hole hole = {only};

	if (only == NULL || only->name == NULL || v->scope.to == PG_INT64_MAX ||
		only->last_seq >= v->scope.to)
		return;
	hole.begin = Max(only->last_seq + 1, v->scope.from);
	hole.end = v->scope.to + 1;
	tally_places_add_hole(v, v->links->places, &hole);
}

void
tally_links_judge(struct tally_verifier *v)
{
	tally_runs_join(v, v->links->runs, Max(v->scope.from - 1, 1));
	judge_suspects(v);
	judge_end(v);
	tally_places_resolve(v, v->links->places);
}
