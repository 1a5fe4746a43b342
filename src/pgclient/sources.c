/* SPDX-License-Identifier: Apache-2.0 */
/* What the records say of the epochs that they were sealed in. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/retired.h"
#include "pgclient/sources.h"
#include "pgclient/wanted.h"

/* Epochs that records name; of more only the number of records is kept. */
#define EPOCHS_MAX 4096
#define SLOTS (2 * EPOCHS_MAX)

/* What one worker saw of one epoch. */
struct count {
	int64_t id; /* 0: none */
	uint64_t total;
	struct tally_sum sum;
};

struct tally_pg_tally {
	struct count slots[SLOTS];
	unsigned used;
	uint64_t others;
};

int
tally_pg_sources_open(struct tally_pg_verifier *v, struct tally_error *error)
{
	v->sources = calloc(1, sizeof(*v->sources));
	if (v->sources == NULL)
		return tally_pg_no_memory(error);
	v->sources->tallies = calloc(v->pool.count,
	    sizeof(*v->sources->tallies));
	return v->sources->tallies == NULL ? tally_pg_no_memory(error) : 0;
}

void
tally_pg_sources_close(struct tally_pg_verifier *v)
{
	tally_pg_retired_close(v);
	if (v->sources == NULL)
		return;
	for (struct tally_pg_source *s = v->sources->all; s; s = s->next) {
		tally_pg_wanted_free(s->wanted);
		free(s->roots);
	}
	free(v->sources->tallies);
	free(v->sources->uses);
	free(v->sources->forms);
	free(v->sources);
	v->sources = NULL;
}

/* ---- while records pass ----------------------------------------------- */

uint64_t
tally_pg_sources_hash(struct tally_pg_verifier *v, int64_t chain_id,
    const struct tally_hash *digest, const char *key, size_t key_len)
{
	char bytes[sizeof(chain_id) + TALLY_HASH_SIZE + TALLY_PG_KEY_MAX];

	if (key_len > TALLY_PG_KEY_MAX)
		key_len = TALLY_PG_KEY_MAX;
	memcpy(bytes, &chain_id, sizeof(chain_id));
	memcpy(bytes + sizeof(chain_id), digest->b, TALLY_HASH_SIZE);
	if (key_len > 0)
		memcpy(bytes + sizeof(chain_id) + TALLY_HASH_SIZE, key,
		    key_len);
	return tally_sip(&v->seed, bytes,
	    sizeof(chain_id) + TALLY_HASH_SIZE + key_len);
}

static struct count *
find_count(struct tally_pg_tally *tally, int64_t id)
{
	size_t at = (size_t)((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> 40);

	for (at %= SLOTS; tally->slots[at].id != 0; at = (at + 1) % SLOTS)
		if (tally->slots[at].id == id)
			return &tally->slots[at];
	if (tally->used == EPOCHS_MAX)
		return NULL;
	tally->used++;
	tally->slots[at].id = id;
	return &tally->slots[at];
}

void
tally_pg_sources_take(struct tally_pg_verifier *v, unsigned worker,
    const struct tally_pg_record *record)
{
	struct tally_pg_tally *tally = &v->sources->tallies[worker];
	struct count *count;

	if (record->epoch == 0)
		return;
	count = find_count(tally, record->epoch);
	if (count == NULL) {
		tally->others++;
		return;
	}
	count->total++;
	/* Where sums are compared no record has a salt: one spoils the sum. */
	tally_sum_add(&count->sum,
	    tally_pg_sources_hash(v,
		record->salt == NULL ? record->chain_id : -record->chain_id,
		&record->parts.digest, record->key, record->key_len));
}

/* ---- uses ------------------------------------------------------------- */

static size_t
use_place(const struct tally_pg_sources *sources, int64_t id)
{
	size_t low = 0;
	size_t high = sources->nuses;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (sources->uses[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct tally_pg_use *
tally_pg_sources_find(struct tally_pg_verifier *v, int64_t epoch)
{
	struct tally_pg_sources *sources = v->sources;
	size_t at = use_place(sources, epoch);

	return at < sources->nuses && sources->uses[at]->id == epoch
	    ? sources->uses[at]
	    : NULL;
}

struct tally_pg_use *
tally_pg_sources_get(struct tally_pg_verifier *v, int64_t id)
{
	struct tally_pg_sources *sources = v->sources;
	size_t at = use_place(sources, id);
	struct tally_pg_use **uses;

	if (at < sources->nuses && sources->uses[at]->id == id)
		return sources->uses[at];
	uses = realloc(sources->uses, (sources->nuses + 1) * sizeof(*uses));
	if (uses == NULL)
		return NULL;
	sources->uses = uses;
	memmove(uses + at + 1, uses + at,
	    (sources->nuses - at) * sizeof(*uses));
	uses[at] = tally_pg_arena_get(&v->arena, sizeof(**uses));
	if (uses[at] == NULL) {
		memmove(uses + at, uses + at + 1,
		    (sources->nuses - at) * sizeof(*uses));
		return NULL;
	}
	uses[at]->id = id;
	sources->nuses++;
	return uses[at];
}

int
tally_pg_sources_join(struct tally_pg_verifier *v)
{
	struct tally_pg_use *use;

	for (unsigned w = 0; w < v->pool.count; w++) {
		struct tally_pg_tally *tally = &v->sources->tallies[w];

		v->sources->other_records += tally->others;
		for (size_t i = 0; i < SLOTS; i++) {
			const struct count *count = &tally->slots[i];

			if (count->id == 0)
				continue;
			use = tally_pg_sources_get(v, count->id);
			if (use == NULL)
				return TALLY_E_MEMORY;
			use->total += count->total;
			use->records += count->total;
			tally_sum_join(&use->sum, &count->sum);
		}
	}
	return 0;
}

/* ---- epochs that nobody sealed ---------------------------------------- */

bool
tally_pg_sources_has_unknown(struct tally_pg_verifier *v)
{
	for (size_t i = 0; i < v->sources->nuses; i++)
		if (v->sources->uses[i]->epoch == NULL &&
		    v->sources->uses[i]->tracked == NULL &&
		    v->sources->uses[i]->records > 0)
			return true;
	return v->sources->other_records > 0;
}

void
tally_pg_sources_tell_unknown(struct tally_pg_verifier *v)
{
	struct tally_pg_subject nothing = { 0 };

	for (size_t i = 0; i < v->sources->nuses; i++) {
		const struct tally_pg_use *use = v->sources->uses[i];

		if (use->epoch == NULL && use->tracked == NULL &&
		    use->records > 0)
			tally_pg_tell(v, TALLY_NOT_JUDGED, &nothing,
			    "%" PRIu64 " records of rows name event %" PRId64
			    " as their table's attach event, which tally:log"
			    " does not seal",
			    use->records, use->id);
	}
	if (v->sources->other_records > 0)
		tally_pg_tell(v, TALLY_NOT_JUDGED, &nothing,
		    "%" PRIu64 " records of rows name attach events beyond"
		    " the %d that are looked at",
		    v->sources->other_records, EPOCHS_MAX);
}
