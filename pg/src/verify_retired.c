/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retired partitions.
 */
#include "postgres.h"

#include "verify_chains.h"
#include "verify_match.h"
#include "verify_retired.h"

#include "utils/memutils.h"

/* Records of a chain whose rows may be gone. */
struct retired
{
	int64		chain_id;
	int64		first;
	int64		last;
};

struct tally_retired
{
	int64		count;
	int64		capacity;
	bool		is_sorted;
	struct retired *all;
};

/* ---- verifying ----------------------------------------------------- */

static void
add(struct tally_verifier *v, int64 chain_id,
	const struct tally_retired_range *range)
{
	struct tally_retired *retired = v->retired;

	if (retired->count == retired->capacity)
	{
		retired->capacity *= 2;
		retired->all = repalloc_huge(retired->all, retired->capacity *
									 sizeof(*retired->all));
	}
	retired->all[retired->count].chain_id = chain_id;
	retired->all[retired->count].first = range->first;
	retired->all[retired->count++].last = range->last;
	retired->is_sorted = false;
}

bool
tally_retired_replay(struct tally_verifier *v, const struct tally_entry *entry)
{
	struct tally_retirement *retirement = tally_retirement_parse(entry->event);
	const struct tally_chain *chain;
	int			i;

	if (retirement == NULL)
		return false;
	if (v->retired == NULL)
	{
		v->retired = palloc0(sizeof(*v->retired));
		v->retired->capacity = 64;
		v->retired->all = palloc(64 * sizeof(*v->retired->all));
	}
	for (i = 0; i < retirement->nranges; i++)
	{
		chain = tally_chains_find(v, retirement->ranges[i].chain);
		if (chain != NULL)
			add(v, chain->seen.id, &retirement->ranges[i]);
	}
	return true;
}

static int
compare_retired(const void *a, const void *b)
{
	const struct retired *x = a;
	const struct retired *y = b;

	if (x->chain_id != y->chain_id)
		return x->chain_id < y->chain_id ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* Sorted, and none reaches into the next: a partition may be retired twice. */
static void
sort(struct tally_retired *retired)
{
	int64		n = 0;
	int64		i;

	qsort(retired->all, retired->count, sizeof(*retired->all),
		  compare_retired);
	for (i = 1; i < retired->count; i++)
	{
		struct retired *before = &retired->all[n];
		const struct retired *this = &retired->all[i];

		if (this->chain_id == before->chain_id && this->first <= before->last)
			before->last = Max(before->last, this->last);
		else
			retired->all[++n] = *this;
	}
	retired->count = n + 1;
	retired->is_sorted = true;
}

bool
tally_retired_has(struct tally_verifier *v, const struct tally_chain *chain,
				  int64 seq)
{
	struct tally_retired *retired = v->retired;
	int64		begin = 0;
	int64		end;

	if (retired == NULL || retired->count == 0)
		return false;
	if (!retired->is_sorted)
		sort(retired);
	/* The last one that does not begin behind it. */
	for (end = retired->count; end - begin > 1;)
	{
		int64		middle = begin + (end - begin) / 2;
		const struct retired *at = &retired->all[middle];

		if (at->chain_id < chain->seen.id ||
			(at->chain_id == chain->seen.id && at->first <= seq))
			begin = middle;
		else
			end = middle;
	}
	return retired->all[begin].chain_id == chain->seen.id &&
		retired->all[begin].first <= seq && seq <= retired->all[begin].last;
}

/* ---- retiring ------------------------------------------------------ */

/* A record that a row of this relation proves. */
struct tally_retiring_record
{
	Oid			relation;
	const char *chain;
	int64		seq;
};

void
tally_retiring_begin(struct tally_retiring *retiring)
{
	retiring->rows = palloc0(list_length(retiring->members) * sizeof(int64));
	retiring->capacity = 1024;
	retiring->records = palloc(retiring->capacity *
							   sizeof(*retiring->records));
}

void
tally_retiring_take_row(struct tally_verifier *v, Oid relation)
{
	struct tally_retiring *retiring = v->retiring;
	ListCell   *cell;

	if (retiring == NULL)
		return;
	foreach(cell, retiring->members)
	{
		if (lfirst_oid(cell) == relation)
			retiring->rows[foreach_current_index(cell)]++;
	}
}

void
tally_retiring_take_record(struct tally_verifier *v,
						   const struct tally_match_record *record,
						   Oid relation)
{
	struct tally_retiring *retiring = v->retiring;
	struct tally_retiring_record *added;

	if (retiring == NULL || record->chain->seen.name == NULL ||
		!list_member_oid(retiring->members, relation))
		return;
	if (retiring->nrecords == retiring->capacity)
	{
		retiring->capacity *= 2;
		retiring->records = repalloc_huge(retiring->records,
										  retiring->capacity *
										  sizeof(*added));
	}
	added = &retiring->records[retiring->nrecords++];
	added->relation = relation;
	added->chain = record->chain->seen.name;
	added->seq = record->seq;
}

static int
compare_records(const void *a, const void *b)
{
	const struct tally_retiring_record *x = a;
	const struct tally_retiring_record *y = b;
	int			order = strcmp(x->chain, y->chain);

	if (order != 0)
		return order;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static struct tally_retired_range *
add_range(struct tally_retired_range *ranges, int64 count, int64 *capacity,
		  const struct tally_retiring_record *record)
{
	if (count == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the partition has too many rows to be retired at once")));
	if (count == *capacity)
	{
		*capacity = Max(2 * *capacity, 64);
		ranges = ranges == NULL ? palloc(*capacity * sizeof(*ranges)) :
			repalloc_huge(ranges, *capacity * sizeof(*ranges));
	}
	ranges[count].chain = unconstify(char *, record->chain);
	ranges[count].first = ranges[count].last = record->seq;
	return ranges;
}

int
tally_retiring_ranges(struct tally_retiring *retiring, Oid member,
					  struct tally_retired_range **out)
{
	struct tally_retired_range *ranges = NULL;
	int64		capacity = 0;
	int64		n = 0;
	int64		i;

	qsort(retiring->records, retiring->nrecords, sizeof(*retiring->records),
		  compare_records);
	for (i = 0; i < retiring->nrecords; i++)
	{
		const struct tally_retiring_record *record = &retiring->records[i];

		if (record->relation != member)
			continue;
		if (n > 0 && strcmp(ranges[n - 1].chain, record->chain) == 0 &&
			record->seq <= ranges[n - 1].last + 1)
			ranges[n - 1].last = record->seq;
		else
			ranges = add_range(ranges, n++, &capacity, record);
	}
	*out = ranges;
	return n;
}
