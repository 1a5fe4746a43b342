/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "pgclient/outside.h"

struct tally_pg_watch {
	const struct tally_outside_head *head;
	char name[TALLY_CHAIN_MAX + 1];
	struct tally_pg_chain *chain; /* NULL: there is no such chain */
	bool is_seen;
	bool is_equal;
	struct tally_pg_watch *next; /* of the same chain */
};

struct tally_pg_outside {
	size_t count;
	struct tally_pg_watch watches[];
};

int
tally_pg_outside_load(struct tally_pg_verifier *v, struct tally_error *error)
{
	const struct tally_verify_options *options = v->options;
	struct tally_pg_watch *watch;

	v->outside = tally_pg_arena_get(&v->arena,
	    sizeof(*v->outside) + options->heads_len * sizeof(*watch));
	if (v->outside == NULL)
		return tally_pg_no_memory(error);
	v->outside->count = options->heads_len;
	for (size_t i = 0; i < options->heads_len; i++) {
		const struct tally_outside_head *head = &options->heads[i];
		size_t len = head->chain_len;

		watch = &v->outside->watches[i];
		watch->head = head;
		if (len > TALLY_CHAIN_MAX)
			len = TALLY_CHAIN_MAX;
		memcpy(watch->name, head->chain, len);
		watch->chain = tally_pg_chains_find(v, watch->name, len);
		if (watch->chain == NULL)
			continue;
		watch->next = watch->chain->watch;
		watch->chain->watch = watch;
	}
	return 0;
}

void
tally_pg_outside_pass(struct tally_pg_verifier *v, struct tally_pg_chain *chain,
    int64_t seq, const struct tally_step *step)
{
	struct tally_pg_watch *watch;

	(void)pthread_mutex_lock(&v->lock);
	for (watch = chain->watch; watch != NULL; watch = watch->next) {
		if (watch->head->seq != (uint64_t)seq)
			continue;
		watch->is_seen = true;
		if ((step->has_hash &&
			tally_hash_equal(&step->hash, &watch->head->hash)) ||
		    (step->has_computed &&
			tally_hash_equal(&step->computed, &watch->head->hash)))
			watch->is_equal = true;
	}
	(void)pthread_mutex_unlock(&v->lock);
}

/* What the database has there; false: nothing, or no hash. */
static int
get_hash(struct tally_pg_verifier *v, const struct tally_pg_chain *chain,
    uint64_t seq, bool *out_has, struct tally_hash *out,
    struct tally_error *error)
{
	static const char sql[] =
	    "SELECT pg_catalog.encode(r.hash, 'hex') FROM ONLY tally.record"
	    " AS r WHERE r.chain_id = $1::pg_catalog.int8"
	    " AND r.seq = $2::pg_catalog.int8 LIMIT 1";
	char id[24], number[24];
	const char *params[] = { id, number };
	PGresult *row;
	int result;

	snprintf(id, sizeof(id), "%lld", (long long)chain->seen.id);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)seq);
	result = tally_pg_conn_query(&v->pool.first, sql, 2, params, &row,
	    error);
	if (result != 0)
		return result;
	*out_has = PQntuples(row) == 1 && !PQgetisnull(row, 0, 0) &&
	    tally_hash_parse(PQgetvalue(row, 0, 0),
		(size_t)PQgetlength(row, 0, 0), out) == 0;
	PQclear(row);
	return 0;
}

/*
 * The first record that differs from the copy, between one that is the same
 * (0: none) and the head, which is not.  Since each links to the one before,
 * all behind the first differ.
 */
static int
find_divergence(struct tally_pg_verifier *v, const struct tally_pg_watch *watch,
    uint64_t *out_seq, struct tally_error *error)
{
	const struct tally_verify_options *options = v->options;
	uint64_t same = 0;
	uint64_t other = watch->head->seq;
	int result = tally_pg_conn_run(&v->pool.first,
	    "SET enable_indexscan = on", error);

	while (result == 0 && other - same > 1) {
		uint64_t middle = same + (other - same) / 2;
		struct tally_hash ours, theirs;
		bool has = false;

		result = get_hash(v, watch->chain, middle, &has, &ours, error);
		if (result == 0)
			result = options->copy(options->copy_arg, watch->name,
			    watch->head->chain_len, middle, &theirs, error);
		if (result != 0)
			break;
		if (has && tally_hash_equal(&ours, &theirs))
			same = middle;
		else
			other = middle;
	}
	if (result == 0)
		result = tally_pg_conn_run(&v->pool.first,
		    "SET enable_indexscan = off", error);
	*out_seq = other;
	return result;
}

static int
tell_other(struct tally_pg_verifier *v, const struct tally_pg_watch *watch,
    struct tally_error *error)
{
	struct tally_pg_subject subject = {
		.chain = watch->name,
		.seq = (int64_t)watch->head->seq,
	};
	uint64_t seq;
	int result;

	if (v->options->copy == NULL) {
		tally_pg_tell(v, TALLY_ROLLED_BACK, &subject,
		    "the head that was given for this record has another"
		    " hash");
		return 0;
	}
	result = find_divergence(v, watch, &seq, error);
	if (result != 0)
		return result;
	subject.seq = (int64_t)seq;
	tally_pg_tell_range(v, TALLY_ROLLED_BACK, &subject,
	    (int64_t)watch->head->seq + 1,
	    "from here to record %llu the copy has other records",
	    (unsigned long long)watch->head->seq);
	return 0;
}

/* A chain that is shorter than its copy may be another one, too. */
static int
judge_rest(struct tally_pg_verifier *v, const struct tally_pg_watch *watch,
    struct tally_error *error)
{
	const struct tally_verify_options *options = v->options;
	struct tally_outside_head last = *watch->head;
	struct tally_pg_watch shorter = *watch;
	int result;

	if (options->copy == NULL)
		return 0;
	last.seq = (uint64_t)watch->chain->seen.last_seq;
	shorter.head = &last;
	result = options->copy(options->copy_arg, watch->name, last.chain_len,
	    last.seq, &last.hash, error);
	if (result != 0)
		return result;
	return tally_hash_equal(&last.hash, &watch->chain->seen.last_hash)
	    ? 0
	    : tell_other(v, &shorter, error);
}

static int
judge(struct tally_pg_verifier *v, const struct tally_pg_watch *watch,
    struct tally_error *error)
{
	struct tally_pg_subject subject = {
		.chain = watch->name,
		.seq = (int64_t)watch->head->seq,
	};
	long long seq = (long long)watch->head->seq;

	if (v->chains.only != NULL && watch->chain != v->chains.only)
		return 0;
	if (watch->chain == NULL) {
		tally_pg_tell(v, TALLY_MISSING, &subject,
		    "the chain is not there, and a head of its record %lld"
		    " was given",
		    seq);
	} else if (watch->is_seen && !watch->is_equal) {
		return tell_other(v, watch, error);
	} else if (!watch->is_seen && watch->chain->seen.last_seq > 0 &&
	    subject.seq > watch->chain->seen.last_seq) {
		subject.seq = watch->chain->seen.last_seq + 1;
		tally_pg_tell_range(v, TALLY_TRUNCATED, &subject, seq + 1,
		    "the chain ends before this record, and a head of its"
		    " record %lld was given",
		    seq);
		return judge_rest(v, watch, error);
	}
	return 0;
}

int
tally_pg_outside_judge(struct tally_pg_verifier *v, struct tally_error *error)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < v->outside->count; i++)
		result = judge(v, &v->outside->watches[i], error);
	return result;
}

bool
tally_pg_outside_covers_ends(struct tally_pg_verifier *v)
{
	for (size_t i = 0; i < v->chains.count; i++) {
		const struct tally_pg_chain *chain = v->chains.all[i];
		const struct tally_pg_watch *watch;

		if (atomic_load(&chain->records) == 0 ||
		    (v->chains.only != NULL && chain != v->chains.only))
			continue;
		for (watch = chain->watch; watch != NULL; watch = watch->next) {
			if (watch->head->seq >= (uint64_t)chain->seen.last_seq)
				break;
		}
		if (watch == NULL)
			return false;
	}
	return v->outside->count > 0;
}
