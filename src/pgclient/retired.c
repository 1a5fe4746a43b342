/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partitions that were retired, and tables that were rewritten.
 */
#include <stdlib.h>
#include <string.h>

#include "pgclient/epoch.h"
#include "pgclient/retired.h"

/* ---- retired ------------------------------------------------------------ */

static int
add_range(void *arg, const char *chain, int64_t first, int64_t last)
{
	struct tally_pg_verifier *v = arg;
	const struct tally_pg_chain *found = tally_pg_chains_find(v, chain,
	    strlen(chain));
	struct tally_pg_retired *grown;
	size_t capacity;

	if (found == NULL)
		return 0;
	if (v->nretired == v->retired_capacity) {
		capacity = v->retired_capacity == 0 ? 64
						    : 2 * v->retired_capacity;
		grown = realloc(v->retired, capacity * sizeof(*grown));
		if (grown == NULL)
			return TALLY_E_MEMORY;
		v->retired = grown;
		v->retired_capacity = capacity;
	}
	v->retired[v->nretired].chain = found->seen.id;
	v->retired[v->nretired].first = first;
	v->retired[v->nretired++].last = last;
	return 0;
}

static int
compare(const void *a, const void *b)
{
	const struct tally_pg_retired *x = a;
	const struct tally_pg_retired *y = b;

	if (x->chain != y->chain)
		return x->chain < y->chain ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

void
tally_pg_retired_sort(struct tally_pg_verifier *v)
{
	size_t n = 0;

	if (v->nretired == 0)
		return;
	qsort(v->retired, v->nretired, sizeof(*v->retired), compare);
	/* A partition may be retired twice; then none reaches into the next. */
	for (size_t i = 1; i < v->nretired; i++) {
		struct tally_pg_retired *before = &v->retired[n];
		const struct tally_pg_retired *this = &v->retired[i];

		if (this->chain != before->chain || this->first > before->last)
			v->retired[++n] = *this;
		else if (this->last > before->last)
			before->last = this->last;
	}
	v->nretired = n + 1;
}

bool
tally_pg_retired_has(const struct tally_pg_verifier *v, int64_t chain,
    int64_t seq)
{
	size_t begin = 0;

	if (v->nretired == 0)
		return false;
	for (size_t end = v->nretired; end - begin > 1;) {
		size_t middle = begin + (end - begin) / 2;
		const struct tally_pg_retired *at = &v->retired[middle];

		if (at->chain < chain ||
		    (at->chain == chain && at->first <= seq))
			begin = middle;
		else
			end = middle;
	}
	return v->retired[begin].chain == chain &&
	    v->retired[begin].first <= seq && seq <= v->retired[begin].last;
}

void
tally_pg_retired_close(struct tally_pg_verifier *v)
{
	free(v->retired);
	v->retired = NULL;
}

/* ---- rewritten ---------------------------------------------------------- */

static struct tally_pg_rewritten *
find(const struct tally_pg_verifier *v, uint32_t relation)
{
	struct tally_pg_rewritten *found = v->rewritten;

	while (found != NULL && found->relation != relation)
		found = found->next;
	return found;
}

enum tally_pg_age
tally_pg_rewritten_age(const struct tally_pg_verifier *v, uint32_t relation,
    uint32_t xmin, const struct tally_pg_use *use, enum tally_pg_age age)
{
	const struct tally_pg_rewritten *found = find(v, relation);

	/* One of another place was sealed before the attach of here. */
	if (age == TALLY_PG_AGE_SEALED && found != NULL &&
	    found->xmin == xmin && found->seq > use->attach_seq &&
	    tally_pg_age_is_here(v, use->epoch))
		return TALLY_PG_AGE_REWRITTEN;
	return age;
}

/* Of a table the last one counts. */
static int
add_rewriting(struct tally_pg_verifier *v, int64_t seq,
    const struct tally_pg_rewrite *rewrite)
{
	struct tally_pg_rewritten *found = find(v, rewrite->relation);

	if (found == NULL) {
		found = tally_pg_arena_get(&v->arena, sizeof(*found));
		if (found == NULL)
			return TALLY_E_MEMORY;
		found->next = v->rewritten;
		v->rewritten = found;
	}
	found->relation = rewrite->relation;
	found->xmin = (uint32_t)rewrite->xid;
	found->rows = rewrite->rows;
	found->seq = seq;
	found->label = rewrite->label;
	found->table = rewrite->table;
	return 0;
}

bool
tally_pg_rewritten_take(struct tally_pg_verifier *v, uint32_t relation)
{
	struct tally_pg_rewritten *found = find(v, relation);

	if (found == NULL || found->rows == 0)
		return true;
	found->found++;
	return false;
}

void
tally_pg_rewritten_tell(struct tally_pg_verifier *v)
{
	for (const struct tally_pg_rewritten *this = v->rewritten; this != NULL;
	     this = this->next) {
		struct tally_pg_subject subject = {
			.chain = TALLY_PG_LOG_CHAIN,
			.seq = this->seq,
			.source = this->label,
		};

		if (this->found > this->rows)
			tally_pg_tell(v, TALLY_UNSEALED, &subject,
			    "no record seals %lld rows of table \"%s\","
			    " of which %lld at most needed none when it was"
			    " rewritten",
			    (long long)this->found, this->table,
			    (long long)this->rows);
		else if (this->found > 0)
			tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
			    "no record seals %lld rows of table \"%s\","
			    " which may have needed none when it was"
			    " rewritten",
			    (long long)this->found, this->table);
	}
}

/* ---- both --------------------------------------------------------------- */

int
tally_pg_retired_replay(struct tally_pg_verifier *v, int64_t seq,
    const char *event, size_t len)
{
	struct tally_pg_rewrite rewrite;

	if (tally_pg_rewrite_parse(&v->arena, event, len, &rewrite))
		return add_rewriting(v, seq, &rewrite);
	return tally_pg_retire_parse(&v->arena, event, len, add_range, v);
}
