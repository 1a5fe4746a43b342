/* SPDX-License-Identifier: Apache-2.0 */
/* The records of a chain that does not fit are asked for in order (O7). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/links.h"
#include "pgclient/outside.h"
#include "pgclient/runs.h"

/* Chains that are asked for by number; of more, all are. */
#define ASKED_MAX 1000

struct tally_pg_links {
	struct tally_pg_runs *runs;
	struct tally_judge judge;
	struct tally_places places;
};

/* ---- what the core needs of us ---------------------------------------- */

static void
judge_tell(void *arg, enum tally_finding_kind kind,
    const struct tally_seen *chain, int64_t seq, int64_t end,
    const char *format, va_list args) TALLY_PRINTF(6, 0);

static void
judge_tell(void *arg, enum tally_finding_kind kind,
    const struct tally_seen *chain, int64_t seq, int64_t end,
    const char *format, va_list args)
{
	struct tally_pg_subject subject = { .seq = seq };

	if (chain != NULL)
		subject.chain = chain->name;
	tally_pg_vtell(arg, kind, &subject, end, format, args);
}

static void
judge_accuse(void *arg, uint64_t at, struct tally_seen *chain, int64_t seq)
{
	struct tally_pg_verifier *v = arg;

	tally_pg_accused_add(&v->accused, at,
	    chain == NULL ? NULL : tally_pg_chain_of(chain), seq);
}

static void
judge_found(void *arg, struct tally_seen *seen, int64_t seq,
    const struct tally_step *step)
{
	struct tally_pg_chain *chain = tally_pg_chain_of(seen);

	if (chain->watch != NULL)
		tally_pg_outside_pass(arg, chain, seq, step);
}

static struct tally_seen *
judge_next(void *arg, size_t *position)
{
	struct tally_pg_verifier *v = arg;

	return *position < v->chains.count ? &v->chains.all[(*position)++]->seen
					   : NULL;
}

int
tally_pg_links_open(struct tally_pg_verifier *v, struct tally_error *error)
{
	v->links = calloc(1, sizeof(*v->links));
	if (v->links == NULL)
		return tally_pg_no_memory(error);
	v->links->runs = tally_pg_runs_new(v->pool.count);
	if (v->links->runs == NULL)
		return tally_pg_no_memory(error);
	v->links->judge = (struct tally_judge){
		.arg = v,
		.hasher = &v->hasher,
		.from = 1,
		.to = INT64_MAX,
		.tell = judge_tell,
		.accuse = judge_accuse,
		.found = judge_found,
		.next = judge_next,
	};
	tally_places_init(&v->links->places, &v->links->judge);
	return 0;
}

void
tally_pg_links_close(struct tally_pg_verifier *v)
{
	if (v->links == NULL)
		return;
	tally_pg_runs_free(v->links->runs);
	free(v->links);
	v->links = NULL;
}

/* ---- while records pass ----------------------------------------------- */

static void
make_step(struct tally_hasher *hasher, const struct tally_pg_record *record,
    const struct tally_pg_chain *chain, struct tally_step *step)
{
	step->at = record->tid;
	step->seq = record->has_seq ? record->seq : 0;
	step->has_prev = record->has_prev;
	step->has_hash = record->has_hash;
	step->damage = record->damage;
	step->prev = record->prev;
	step->hash = record->hash;
	step->parts = record->parts;
	tally_step_judge(step, hasher, chain == NULL ? NULL : &chain->seen);
}

void
tally_pg_links_take(struct tally_pg_verifier *v, struct tally_pg_worker *worker,
    const struct tally_pg_record *record, struct tally_pg_chain *chain)
{
	struct tally_step step;

	make_step(&worker->hasher, record, chain, &step);
	if (chain == NULL) {
		(void)pthread_mutex_lock(&v->chains.lock);
		tally_places_add_stray(&v->links->places, NULL, &step);
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

/* ---- all suspect chains ----------------------------------------------- */

static void
take_record(struct tally_pg_verifier *v, struct tally_walk *walk,
    const struct tally_pg_record *record, struct tally_pg_chain *chain)
{
	struct tally_step step;

	make_step(&v->hasher, record, chain, &step);
	if (chain->seen.name == NULL || step.seq == 0)
		tally_places_add_stray(&v->links->places, &chain->seen, &step);
	else
		tally_walk_take(walk, &chain->seen, &step);
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
			    (long long)v->chains.all[i]->seen.id);
			comma = ", ";
		}
		tally_pg_text_put(sql, ")");
	}
	tally_pg_text_put(sql,
	    " ORDER BY r.chain_id, r.seq, r.ctid)"
	    " TO STDOUT (FORMAT binary)");
}

static int
walk_records(struct tally_pg_verifier *v, struct tally_walk *walk,
    const char *sql, struct tally_error *error)
{
	struct tally_pg_conn *conn = &v->pool.first;
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
		chain = tally_pg_chains_get(v, record.chain_id);
		if (chain == NULL)
			return tally_pg_no_memory(error);
		if (atomic_load(&chain->suspect))
			take_record(v, walk, &record, chain);
	}
	if (result == TALLY_END)
		tally_walk_end(walk);
	return result == TALLY_END ? 0 : result;
}

/* Returns how many are suspect. */
static size_t
begin_suspects(struct tally_pg_verifier *v)
{
	size_t suspects = 0;

	for (size_t i = 0; i < v->chains.count; i++) {
		struct tally_pg_chain *chain = v->chains.all[i];

		chain->seen.records = (int64_t)atomic_load(&chain->records);
		if (!atomic_load(&chain->suspect))
			continue;
		suspects++;
		chain->seen.last_seq = 0;
		/* What was counted of the log was under another name. */
		if (chain != v->chains.log)
			tally_walk_judge_name(&v->links->judge, &chain->seen,
			    (int64_t)atomic_load(&chain->bad));
	}
	return suspects;
}

static int
judge_suspects(struct tally_pg_verifier *v, struct tally_error *error)
{
	size_t suspects = begin_suspects(v);
	struct tally_pg_text sql = { 0 };
	struct tally_walk *walk;
	int result = 0;

	if (suspects == 0)
		return 0;
	walk = malloc(sizeof(*walk));
	put_query(v, suspects, &sql);
	if (walk == NULL || sql.failed) {
		result = tally_pg_no_memory(error);
	} else {
		tally_walk_init(walk, &v->links->places, 1);
		result = walk_records(v, walk, sql.at, error);
	}
	tally_pg_text_wipe(&sql);
	free(walk);
	return result;
}

int
tally_pg_links_judge(struct tally_pg_verifier *v, struct tally_error *error)
{
	int result;

	tally_pg_runs_join(v->links->runs, &v->chains);
	result = judge_suspects(v, error);
	if (result != 0)
		return result;
	v->links->judge.only = v->chains.only == NULL ? NULL
						      : &v->chains.only->seen;
	tally_places_resolve(&v->links->places);
	/* Those of numbers without a row that turned out to be others'. */
	for (size_t i = 0; i < v->chains.count; i++)
		atomic_store(&v->chains.all[i]->records,
		    (uint64_t)v->chains.all[i]->seen.records);
	return 0;
}
