/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of records.
 *
 * Open runs stand in a table of fixed size, found by what they wait for:
 * chain and next seq.  A bucket that is full gives up its oldest run to an
 * external sort.  So memory is constant, whatever the order of the records:
 * the worst that disorder can do is to make every record a run of its own.
 */
#include "postgres.h"

#include "verify_chains.h"
#include "verify_runs.h"
#include "verify_sort.h"

#include "core/hash.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#define WAYS 4
#define BUCKET_BITS 12
#define BUCKETS (1 << BUCKET_BITS)

struct run
{
	int64		chain_id;		/* 0: none */
	int64		first;
	int64		next;
	uint64		age;
	struct tally_hash prev;		/* of its first record */
	struct tally_hash hash;		/* of its last record */
};

struct tally_runs
{
	struct run	open[BUCKETS][WAYS];
	uint64		clock;
	struct tally_sorter *closed;
};

enum
{
	RUN_CHAIN,
	RUN_FIRST,
	RUN_NEXT,
	RUN_PREV,
	RUN_HASH,
	RUN_COLUMNS,
};

struct tally_runs *
tally_runs_new(void)
{
	static const Oid types[RUN_COLUMNS] = {
		INT8OID, INT8OID, INT8OID, BYTEAOID, BYTEAOID,
	};
	struct tally_runs *runs = palloc0(sizeof(*runs));

	runs->closed = tally_sorter_new(RUN_COLUMNS, types, 2, 4);
	return runs;
}

static struct run *
bucket_of(struct tally_runs *runs, int64 chain_id, int64 next)
{
	uint64		mixed = ((uint64) chain_id << 32 ^ (uint64) chain_id ^
						 (uint64) next) * UINT64CONST(0x9e3779b97f4a7c15);

	return runs->open[mixed >> (64 - BUCKET_BITS)];
}

static void
close_run(struct tally_runs *runs, struct run *run)
{
	bool		nulls[RUN_COLUMNS] = {false};
	Datum		values[RUN_COLUMNS];
	struct tally_short_bytes prev;
	struct tally_short_bytes hash;

	values[RUN_CHAIN] = Int64GetDatum(run->chain_id);
	values[RUN_FIRST] = Int64GetDatum(run->first);
	values[RUN_NEXT] = Int64GetDatum(run->next);
	values[RUN_PREV] = tally_sorter_bytes(&prev, run->prev.b,
										  TALLY_HASH_SIZE);
	values[RUN_HASH] = tally_sorter_bytes(&hash, run->hash.b,
										  TALLY_HASH_SIZE);
	tally_sorter_put(runs->closed, values, nulls);
	run->chain_id = 0;
}

/* A free place in the bucket. */
static struct run *
make_room(struct tally_runs *runs, struct run *bucket)
{
	struct run *oldest = bucket;
	int			i;

	for (i = 0; i < WAYS; i++)
	{
		if (bucket[i].chain_id == 0)
			return &bucket[i];
		if (bucket[i].age < oldest->age)
			oldest = &bucket[i];
	}
	close_run(runs, oldest);
	return oldest;
}

static struct run *
find_run(struct tally_runs *runs, int64 chain_id, int64 next,
		 const struct tally_hash *prev)
{
	struct run *bucket = bucket_of(runs, chain_id, next);
	int			i;

	for (i = 0; i < WAYS; i++)
	{
		if (bucket[i].chain_id == chain_id && bucket[i].next == next &&
			memcmp(bucket[i].hash.b, prev->b, TALLY_HASH_SIZE) == 0)
			return &bucket[i];
	}
	return NULL;
}

void
tally_runs_add(struct tally_runs *runs, int64 chain_id, int64 seq,
			   const struct tally_hash *prev, const struct tally_hash *hash)
{
	struct run *found = find_run(runs, chain_id, seq, prev);
	struct run	run;

	if (found != NULL)
	{
		run = *found;
		found->chain_id = 0;
	}
	else
	{
		run.chain_id = chain_id;
		run.first = seq;
		run.prev = *prev;
	}
	run.next = seq + 1;
	run.hash = *hash;
	run.age = runs->clock++;
	*make_room(runs, bucket_of(runs, chain_id, run.next)) = run;
}

static void
close_all(struct tally_runs *runs)
{
	int			i;
	int			j;

	for (i = 0; i < BUCKETS; i++)
	{
		for (j = 0; j < WAYS; j++)
		{
			if (runs->open[i][j].chain_id != 0)
				close_run(runs, &runs->open[i][j]);
		}
	}
}

/* Puts the run behind what is there of the chain, or makes it suspect. */
static void
join_run(struct tally_chain *chain, const Datum *values, int64 begin)
{
	struct tally_hash prev = tally_sorter_hash(values[RUN_PREV]);
	int64		first = DatumGetInt64(values[RUN_FIRST]);

	if (chain->seen.last_seq == 0)
	{
		/* In the middle of a chain its predecessor is not known. */
		if (first != begin || (begin == 1 && !tally_hash_is_zero(&prev)))
			chain->suspect = true;
	}
	else if (first != chain->seen.last_seq + 1 ||
			 !tally_hash_equal(&prev, &chain->seen.last_hash))
		chain->suspect = true;
	chain->seen.last_seq = DatumGetInt64(values[RUN_NEXT]) - 1;
	chain->seen.last_hash = tally_sorter_hash(values[RUN_HASH]);
}

void
tally_runs_join(struct tally_verifier *v, struct tally_runs *runs, int64 begin)
{
	Datum	   *values;
	bool	   *nulls;

	close_all(runs);
	tally_sorter_sort(runs->closed);
	while (tally_sorter_next(runs->closed, &values, &nulls))
	{
		CHECK_FOR_INTERRUPTS();
		join_run(tally_chains_get(v, DatumGetInt64(values[RUN_CHAIN])),
				 values, begin);
	}
	tally_sorter_free(runs->closed);
	pfree(runs);
}
