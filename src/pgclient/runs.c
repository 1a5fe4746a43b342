/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "pgclient/runs.h"

#define WAYS 4
#define BUCKET_BITS 11
#define BUCKETS (1 << BUCKET_BITS)

/* Of more than these nothing is remembered; some 100 bytes each. */
#define CLOSED_MAX ((size_t)1 << 19)

struct run {
	struct tally_pg_chain *chain; /* NULL: none */
	int64_t first;
	int64_t next;
	uint64_t age;
	struct tally_hash prev; /* of its first record */
	struct tally_hash hash; /* of its last record */
};

/* Of one worker. */
struct table {
	struct run open[BUCKETS][WAYS];
	uint64_t clock;
};

struct tally_pg_runs {
	pthread_mutex_t lock;
	struct run *closed;
	size_t count;
	size_t capacity;
	bool is_full;
	unsigned ntables;
	struct table *tables;
};

struct tally_pg_runs *
tally_pg_runs_new(unsigned workers)
{
	struct tally_pg_runs *runs = calloc(1, sizeof(*runs));

	if (runs == NULL)
		return NULL;
	runs->tables = calloc(workers, sizeof(*runs->tables));
	if (runs->tables == NULL) {
		free(runs);
		return NULL;
	}
	runs->ntables = workers;
	(void)pthread_mutex_init(&runs->lock, NULL);
	return runs;
}

void
tally_pg_runs_free(struct tally_pg_runs *runs)
{
	if (runs == NULL)
		return;
	(void)pthread_mutex_destroy(&runs->lock);
	free(runs->closed);
	free(runs->tables);
	free(runs);
}

static struct run *
bucket_of(struct table *table, const struct tally_pg_chain *chain, int64_t next)
{
	uint64_t id = (uint64_t)chain->seen.id;
	uint64_t mixed = (id << 32 ^ id ^ (uint64_t)next) *
	    UINT64_C(0x9e3779b97f4a7c15);

	return table->open[mixed >> (64 - BUCKET_BITS)];
}

static void
close_run(struct tally_pg_runs *runs, struct run *run)
{
	(void)pthread_mutex_lock(&runs->lock);
	if (!runs->is_full && runs->count == runs->capacity) {
		size_t capacity = runs->capacity > 0 ? runs->capacity * 2
						     : 1024;
		struct run *closed = capacity > CLOSED_MAX
		    ? NULL
		    : realloc(runs->closed, capacity * sizeof(*closed));

		runs->is_full = closed == NULL;
		if (closed != NULL) {
			runs->closed = closed;
			runs->capacity = capacity;
		}
	}
	if (!runs->is_full)
		runs->closed[runs->count++] = *run;
	(void)pthread_mutex_unlock(&runs->lock);
	run->chain = NULL;
}

/* A free place in the bucket. */
static struct run *
make_room(struct tally_pg_runs *runs, struct run *bucket)
{
	struct run *oldest = bucket;

	for (int i = 0; i < WAYS; i++) {
		if (bucket[i].chain == NULL)
			return &bucket[i];
		if (bucket[i].age < oldest->age)
			oldest = &bucket[i];
	}
	close_run(runs, oldest);
	return oldest;
}

void
tally_pg_runs_add(struct tally_pg_runs *runs, unsigned worker,
    struct tally_pg_chain *chain, int64_t seq, const struct tally_hash *prev,
    const struct tally_hash *hash)
{
	struct table *table = &runs->tables[worker];
	struct run *bucket = bucket_of(table, chain, seq);
	struct run run = { .chain = chain, .first = seq, .prev = *prev };

	for (int i = 0; i < WAYS; i++) {
		if (bucket[i].chain == chain && bucket[i].next == seq &&
		    tally_hash_equal(&bucket[i].hash, prev)) {
			run = bucket[i];
			bucket[i].chain = NULL;
			break;
		}
	}
	run.next = seq + 1;
	run.hash = *hash;
	run.age = table->clock++;
	*make_room(runs, bucket_of(table, chain, run.next)) = run;
}

static int
compare(const void *a, const void *b)
{
	const struct run *x = a;
	const struct run *y = b;

	if (x->chain->seen.id != y->chain->seen.id)
		return x->chain->seen.id < y->chain->seen.id ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->next < y->next ? -1 : x->next > y->next;
}

/* Puts the run behind what is there of the chain, or makes it suspect. */
static void
join_run(const struct run *run)
{
	struct tally_pg_chain *chain = run->chain;

	if (run->first != chain->seen.last_seq + 1 ||
	    (chain->seen.last_seq == 0
		    ? !tally_hash_is_zero(&run->prev)
		    : !tally_hash_equal(&run->prev, &chain->seen.last_hash)))
		atomic_store(&chain->suspect, true);
	chain->seen.last_seq = run->next - 1;
	chain->seen.last_hash = run->hash;
}

void
tally_pg_runs_join(struct tally_pg_runs *runs, struct tally_pg_chains *chains)
{
	for (unsigned t = 0; t < runs->ntables; t++) {
		struct run *open = runs->tables[t].open[0];

		for (size_t i = 0; i < (size_t)BUCKETS * WAYS; i++) {
			if (open[i].chain != NULL)
				close_run(runs, &open[i]);
		}
	}
	if (runs->is_full) {
		for (size_t i = 0; i < chains->count; i++)
			atomic_store(&chains->all[i]->suspect, true);
		return;
	}
	if (runs->count > 0)
		qsort(runs->closed, runs->count, sizeof(*runs->closed),
		    compare);
	for (size_t i = 0; i < runs->count; i++)
		join_run(&runs->closed[i]);
}
