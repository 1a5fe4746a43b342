/* SPDX-License-Identifier: Apache-2.0 */
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

static void
judge(struct tally_pg_verifier *v, const struct tally_pg_watch *watch)
{
	struct tally_pg_subject subject = {
		.chain = watch->name,
		.seq = (int64_t)watch->head->seq,
	};
	long long seq = (long long)watch->head->seq;

	if (v->chains.only != NULL && watch->chain != v->chains.only)
		return;
	if (watch->chain == NULL) {
		tally_pg_tell(v, TALLY_MISSING, &subject,
		    "the chain is not there, and a head of its record %lld"
		    " was given",
		    seq);
	} else if (watch->is_seen && !watch->is_equal) {
		tally_pg_tell(v, TALLY_ROLLED_BACK, &subject,
		    "the head that was given for this record has another"
		    " hash");
	} else if (!watch->is_seen && watch->chain->seen.last_seq > 0 &&
	    subject.seq > watch->chain->seen.last_seq) {
		subject.seq = watch->chain->seen.last_seq + 1;
		tally_pg_tell_range(v, TALLY_TRUNCATED, &subject, seq + 1,
		    "the chain ends before this record, and a head of its"
		    " record %lld was given",
		    seq);
	}
}

void
tally_pg_outside_judge(struct tally_pg_verifier *v)
{
	for (size_t i = 0; i < v->outside->count; i++)
		judge(v, &v->outside->watches[i]);
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
