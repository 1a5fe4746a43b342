/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judging a chain that does not fit together.
 *
 * Its records are asked for in order (O7) and gone over place by place.  Of
 * several that claim one place, the one that the chain goes on from is the
 * true one, then the one that links back, then one that holds.  What makes a
 * record bad is blamed on one record, and its neighbours, which hold the hash
 * that it had or the one that it has now, are believed:
 *
 *	does not hold, links on either side	it was altered
 *	does not hold, does not link		a stray (places.c)
 *	holds, the next links to it, it does not link back
 *						the one before was rewritten
 *	holds, links nowhere			it was rewritten
 *	nothing at its place			a hole (places.c)
 *
 * Where nothing follows and the last record does not link to the one before
 * it, nothing tells which of the two was changed; the one before is named.
 */
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/links.h"
#include "pgclient/outside.h"
#include "pgclient/runs.h"

/* Records that claim one place; of more than that the rest is told at once. */
#define CLAIMANTS_MAX 16

/* Chains that are asked for by number; of more, all are. */
#define ASKED_MAX 1000

struct tally_pg_links {
	struct tally_pg_runs *runs;
	struct tally_pg_places *places;
};

/* The claimants of a place. */
struct group {
	int64_t seq; /* 0: none */
	int n;
	struct tally_pg_step steps[CLAIMANTS_MAX];
};

/* A walk over one chain. */
struct walk {
	struct tally_pg_verifier *v;
	struct tally_pg_chain *chain;
	int64_t seq;  /* of the head; 0: none */
	bool known;   /* hash is that of the head */
	bool accused; /* the head was named */
	struct tally_hash hash;
	struct tally_hash alt; /* its successor may hold this one as well */
	uint64_t tid;
	struct group *now;
	struct group *next;
};

/* ---- while records pass ----------------------------------------------- */

int
tally_pg_links_open(struct tally_pg_verifier *v, struct tally_error *error)
{
	v->links = calloc(1, sizeof(*v->links));
	if (v->links == NULL)
		return tally_pg_no_memory(error);
	v->links->runs = tally_pg_runs_new(v->pool.count);
	v->links->places = tally_pg_places_new();
	if (v->links->runs == NULL || v->links->places == NULL)
		return tally_pg_no_memory(error);
	return 0;
}

void
tally_pg_links_close(struct tally_pg_verifier *v)
{
	if (v->links == NULL)
		return;
	tally_pg_runs_free(v->links->runs);
	tally_pg_places_free(v->links->places);
	free(v->links);
	v->links = NULL;
}

static void
make_step(struct tally_hasher *hasher, const struct tally_pg_record *record,
    const struct tally_pg_chain *chain, struct tally_pg_step *step)
{
	step->tid = record->tid;
	step->seq = record->has_seq ? record->seq : 0;
	step->has_prev = record->has_prev;
	step->has_hash = record->has_hash;
	step->damage = record->damage;
	step->prev = record->prev;
	step->hash = record->hash;
	step->has_digest = record->has_digest;
	step->digest = record->digest;
	step->has_time = record->has_time;
	step->time_us = record->time_us;
	step->has_id = record->id != NULL;
	step->id_len = record->id_len;
	if (record->id != NULL)
		memcpy(step->id, record->id, record->id_len);
	step->has_computed = chain != NULL && record->has_prev &&
	    record->has_seq &&
	    tally_pg_record_hash(hasher, record, chain->escaped,
		chain->escaped_len, record->seq, &record->prev,
		&step->computed);
	step->holds = step->has_computed && step->has_hash &&
	    step->damage == NULL &&
	    tally_hash_equal(&step->computed, &step->hash);
}

bool
tally_pg_step_hash(struct tally_pg_verifier *v,
    const struct tally_pg_step *step, const struct tally_pg_chain *chain,
    int64_t seq, const struct tally_hash *prev, struct tally_hash *out)
{
	struct tally_pg_record record = {
		.has_digest = step->has_digest,
		.digest = step->digest,
		.has_time = step->has_time,
		.time_us = step->time_us,
		.id = step->has_id ? step->id : NULL,
		.id_len = step->id_len,
	};

	return tally_pg_record_hash(&v->hasher, &record, chain->escaped,
	    chain->escaped_len, seq, prev, out);
}

void
tally_pg_links_take(struct tally_pg_verifier *v, struct tally_pg_worker *worker,
    const struct tally_pg_record *record, struct tally_pg_chain *chain)
{
	struct tally_pg_step step;

	make_step(&worker->hasher, record, chain, &step);
	if (chain == NULL) {
		(void)pthread_mutex_lock(&v->chains.lock);
		tally_pg_places_add_stray(v, v->links->places, NULL, &step);
		(void)pthread_mutex_unlock(&v->chains.lock);
		return;
	}
	atomic_fetch_add_explicit(&chain->records, 1, memory_order_relaxed);
	if (chain->watch != NULL)
		tally_pg_outside_pass(v, chain, record->seq, &step);
	if (step.holds) {
		tally_pg_runs_add(v->links->runs, worker->number, chain,
		    record->seq, &record->prev, &record->hash);
		return;
	}
	atomic_fetch_add_explicit(&chain->bad, 1, memory_order_relaxed);
	atomic_store(&chain->suspect, true);
}

/* ---- one chain, place by place ---------------------------------------- */

static bool
links_back(const struct walk *walk, const struct tally_pg_step *step)
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
links_on(const struct tally_pg_step *step, const struct group *next)
{
	if (next->seq != step->seq + 1)
		return false;
	for (int i = 0; i < next->n; i++) {
		const struct tally_pg_step *other = &next->steps[i];

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
was_linked_back(const struct walk *walk, const struct tally_pg_step *step)
{
	struct tally_hash prev = { { 0 } };
	struct tally_hash hash;

	if (step->seq != walk->seq + 1 || (step->seq > 1 && !walk->known))
		return false;
	if (step->seq > 1)
		prev = walk->hash;
	return step->has_hash &&
	    tally_pg_step_hash(walk->v, step, walk->chain, step->seq, &prev,
		&hash) &&
	    tally_hash_equal(&hash, &step->hash);
}

/* The claimant that the place is given to, or -1. */
static int
choose(const struct walk *walk, const struct group *now,
    const struct group *next)
{
	int best = -1;
	int best_score = -1;

	for (int i = 0; i < now->n; i++) {
		const struct tally_pg_step *step = &now->steps[i];
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
tell_at(struct walk *walk, enum tally_finding_kind kind,
    const struct tally_pg_step *step, const char *detail)
{
	struct tally_pg_subject subject = { .chain = walk->chain->name,
		.seq = step->seq };

	tally_pg_tell(walk->v, kind, &subject, "%s", detail);
	tally_pg_accused_add(&walk->v->accused, step->tid, walk->chain,
	    step->seq);
}

static void
blame_head(struct walk *walk)
{
	struct tally_pg_subject subject = { .chain = walk->chain->name,
		.seq = walk->seq };

	if (walk->accused || !walk->known)
		return;
	tally_pg_tell(walk->v, TALLY_LINK_ALTERED, &subject,
	    "its successor links to another record than this one");
	tally_pg_accused_add(&walk->v->accused, walk->tid, walk->chain,
	    walk->seq);
}

static void
open_hole(struct walk *walk, int64_t end, const struct tally_pg_step *after)
{
	struct tally_pg_hole hole = {
		.chain = walk->chain,
		.begin = walk->seq + 1,
		.end = end,
		.has_before = walk->known || walk->seq == 0,
		.before = walk->hash,
		.has_after = after->has_prev && after->holds,
		.after = after->prev,
	};

	tally_pg_places_add_hole(walk->v, walk->v->links->places, &hole);
}

/* A record that holds by itself, but does not link to the head before it. */
static bool
judge_break(struct walk *walk, const struct tally_pg_step *step,
    const struct group *next)
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
accept_step(struct walk *walk, const struct tally_pg_step *step,
    const struct group *next)
{
	bool back = links_back(walk, step);
	bool accused = false;

	if (step->seq > walk->seq + 1)
		open_hole(walk, step->seq, step);
	if (!step->holds) {
		struct tally_pg_subject subject = { .chain = walk->chain->name,
			.seq = step->seq };

		tally_pg_places_tell_bad(walk->v, &subject, step);
		tally_pg_accused_add(&walk->v->accused, step->tid, walk->chain,
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
	walk->tid = step->tid;
	walk->accused = accused;
}

/* A claimant that did not get the place; with none, step is NULL. */
static void
dismiss(struct walk *walk, const struct tally_pg_step *claimant,
    const struct tally_pg_step *step)
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
		tally_pg_places_add_stray(walk->v, walk->v->links->places,
		    walk->chain, claimant);
}

static void
judge_group(struct walk *walk, struct group *now, const struct group *next)
{
	int chosen = choose(walk, now, next);
	const struct tally_pg_step *step = chosen < 0 ? NULL
						      : &now->steps[chosen];

	for (int i = 0; i < now->n; i++) {
		if (i != chosen)
			dismiss(walk, &now->steps[i], step);
	}
	if (step != NULL)
		accept_step(walk, step, next);
}

/* ---- all suspect chains ----------------------------------------------- */

/*
 * All records of a chain fail, and their hashes link to one another: what
 * they have in common is the chain's name.
 */
static void
judge_name(struct tally_pg_verifier *v, struct tally_pg_chain *chain)
{
	struct tally_pg_subject subject = { .chain = chain->name };
	uint64_t records = atomic_load(&chain->records);

	if (chain->name != NULL && chain->escaped == NULL) {
		/* That no chain can have this name was told. */
		chain->renamed = true;
		return;
	}
	if (chain->name == NULL || records < 2 || chain == v->chains.log ||
	    atomic_load(&chain->bad) < records)
		return;
	chain->renamed = true;
	tally_pg_tell(v, TALLY_LINK_ALTERED, &subject,
	    "none of its %llu records holds under this name: the name was"
	    " changed, or all of them",
	    (unsigned long long)records);
}

/* A place is judged when the next one is known, so two are in hand. */
static void
advance(struct walk *walk)
{
	struct group *swap = walk->now;

	if (walk->now->n > 0)
		judge_group(walk, walk->now, walk->next);
	walk->now = walk->next;
	walk->next = swap;
	walk->next->n = 0;
	walk->next->seq = 0;
}

static void
change_chain(struct walk *walk, struct tally_pg_chain *chain)
{
	if (walk->chain != NULL) {
		/* Both that are in hand; behind the last one is nothing. */
		advance(walk);
		advance(walk);
		walk->chain->last_seq = walk->seq;
		walk->chain->last_hash = walk->hash;
	}
	walk->chain = chain;
	walk->seq = 0;
	walk->known = walk->accused = false;
	memset(&walk->hash, 0, sizeof(walk->hash));
	memset(&walk->alt, 0, sizeof(walk->alt));
	walk->tid = 0;
}

static void
take_step(struct walk *walk, struct tally_pg_chain *chain,
    struct tally_pg_step *step)
{
	/* The name was told; what is left is whether hashes link. */
	if (chain->renamed && step->damage == NULL && step->has_hash) {
		step->computed = step->hash;
		step->has_computed = step->holds = true;
	}
	if (walk->chain != chain)
		change_chain(walk, chain);
	if (walk->next->seq != step->seq)
		advance(walk);
	walk->next->seq = step->seq;
	if (walk->next->n < CLAIMANTS_MAX)
		walk->next->steps[walk->next->n++] = *step;
	else
		tell_at(walk, TALLY_INSERTED, step,
		    "many records claim this place");
}

static void
take_record(struct walk *walk, const struct tally_pg_record *record,
    struct tally_pg_chain *chain)
{
	struct tally_pg_step step;

	make_step(&walk->v->hasher, record, chain, &step);
	if (chain->name == NULL || step.seq == 0)
		tally_pg_places_add_stray(walk->v, walk->v->links->places,
		    chain, &step);
	else
		take_step(walk, chain, &step);
}

/* The numbers of suspect chains, if they are not too many to be listed. */
static void
put_query(struct tally_pg_verifier *v, size_t suspects,
    struct tally_pg_text *sql)
{
	const char *comma = "";

	tally_pg_text_put(sql,
	    "COPY (SELECT " TALLY_PG_RECORD_COLUMNS
	    " FROM ONLY tally.record AS r");
	if (suspects <= ASKED_MAX) {
		tally_pg_text_put(sql, " WHERE r.chain_id IN (");
		for (size_t i = 0; i < v->chains.count; i++) {
			if (!atomic_load(&v->chains.all[i]->suspect))
				continue;
			tally_pg_text_format(sql, "%s%lld", comma,
			    (long long)v->chains.all[i]->id);
			comma = ", ";
		}
		tally_pg_text_put(sql, ")");
	}
	tally_pg_text_put(sql,
	    " ORDER BY r.chain_id, r.seq, r.ctid)"
	    " TO STDOUT (FORMAT binary)");
}

static int
walk_records(struct walk *walk, const char *sql, struct tally_error *error)
{
	struct tally_pg_conn *conn = &walk->v->pool.first;
	struct tally_pg_field fields[TALLY_PG_RECORD_COUNT];
	struct tally_pg_record record;
	struct tally_pg_chain *chain;
	bool first = true;
	char *row;
	size_t len;
	int result = tally_pg_conn_copy(conn, sql, error);

	while (result == 0) {
		result = tally_pg_conn_next(conn, &row, &len, error);
		if (result != 0 ||
		    tally_pg_fields_decode(row, len, &first, fields,
			TALLY_PG_RECORD_COUNT) != 0)
			continue;
		tally_pg_record_decode(fields, &record);
		if (!record.has_chain)
			continue;
		chain = tally_pg_chains_get(walk->v, record.chain_id);
		if (chain == NULL)
			return tally_pg_no_memory(error);
		if (atomic_load(&chain->suspect))
			take_record(walk, &record, chain);
	}
	if (result == TALLY_END)
		change_chain(walk, NULL);
	return result == TALLY_END ? 0 : result;
}

static int
judge_suspects(struct tally_pg_verifier *v, struct tally_error *error)
{
	struct walk walk = { .v = v };
	struct tally_pg_text sql = { 0 };
	size_t suspects = 0;
	int result = 0;

	for (size_t i = 0; i < v->chains.count; i++) {
		struct tally_pg_chain *chain = v->chains.all[i];

		if (!atomic_load(&chain->suspect))
			continue;
		suspects++;
		chain->last_seq = 0;
		judge_name(v, chain);
	}
	if (suspects == 0)
		return 0;
	walk.now = calloc(1, sizeof(*walk.now));
	walk.next = calloc(1, sizeof(*walk.next));
	put_query(v, suspects, &sql);
	if (walk.now == NULL || walk.next == NULL || sql.failed)
		result = tally_pg_no_memory(error);
	else
		result = walk_records(&walk, sql.at, error);
	tally_pg_text_wipe(&sql);
	free(walk.now);
	free(walk.next);
	return result;
}

int
tally_pg_links_judge(struct tally_pg_verifier *v, struct tally_error *error)
{
	int result;

	tally_pg_runs_join(v->links->runs, &v->chains);
	result = judge_suspects(v, error);
	if (result == 0)
		tally_pg_places_resolve(v, v->links->places);
	return result;
}
