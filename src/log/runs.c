/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/fail.h"
#include "log/runfile.h"
#include "log/runs.h"
#include "log/sys.h"

#define PAGES_AT_ONCE 8 /* of a bucket; few have more than two */
#define LEVEL_FIRST 32768
#define FAN 4
/* Nothing larger is merged: one merge must not keep an appender for long. */
#define MERGE_MAX ((uint64_t)6 << 20)

/* ---- opening ---------------------------------------------------------- */

struct listing {
	int index_dir;
	const struct tally_sip_key *secret;
	struct tally_runs *all;
};

static int
runs_push(struct tally_runs *runs, const struct tally_run *run)
{
	if (runs->count == runs->capacity) {
		size_t capacity = runs->capacity == 0 ? 16 : 2 * runs->capacity;
		void *more = tally_sys_realloc(runs->run,
		    capacity * sizeof(*runs->run));

		if (more == NULL)
			return -ENOMEM;
		runs->run = more;
		runs->capacity = capacity;
	}
	runs->run[runs->count++] = *run;
	return 0;
}

static int
list_run(void *arg, const char *name)
{
	struct listing *listing = arg;
	struct tally_run run;
	int result;

	if (tally_runfile_open(listing->index_dir, name, listing->secret,
		&run) != 0)
		return 0;
	result = runs_push(listing->all, &run);
	if (result != 0)
		tally_paged_close(&run.file);
	return result;
}

/* The longest run that begins at from and does not go beyond to. */
static struct tally_run *
longest_at(struct tally_runs *all, uint64_t from, uint64_t to)
{
	struct tally_run *found = NULL;

	for (size_t i = 0; i < all->count; i++) {
		struct tally_run *run = &all->run[i];

		if (run->file.fd >= 0 && run->from == from && run->to <= to &&
		    (found == NULL || run->to > found->to))
			found = run;
	}
	return found;
}

int
tally_runs_open(int index_dir, const struct tally_sip_key *secret,
    uint64_t covered, struct tally_runs *out, struct tally_error *error)
{
	struct tally_runs all = { 0 };
	struct listing listing = { index_dir, secret, &all };
	uint64_t at = 0;
	int result;

	memset(out, 0, sizeof(*out));
	result = tally_sys_list(index_dir, list_run, &listing);
	while (result == 0 && at < covered) {
		struct tally_run *run = longest_at(&all, at, covered);

		if (run == NULL)
			break;
		result = runs_push(out, run);
		if (result == 0) {
			at = run->to;
			run->file.fd = -1;
		}
	}
	tally_runs_close(&all);
	if (result == -ENOMEM)
		return tally_fail_memory(error);
	if (result != 0)
		return tally_fail_os(error, result, "cannot list \"index\"");
	return at == covered ? TALLY_OK : TALLY_END;
}

void
tally_runs_close(struct tally_runs *runs)
{
	for (size_t i = 0; i < runs->count; i++)
		tally_paged_close(&runs->run[i].file);
	tally_sys_free(runs->run);
	memset(runs, 0, sizeof(*runs));
}

/* ---- adding and merging ----------------------------------------------- */

static int
compare_keys(const void *a, const void *b)
{
	const struct tally_keyed *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

#define RADIX_BITS 11
#define RADIX ((size_t)1 << RADIX_BITS)
#define RADIX_WORTH 1024

/* One pass of a radix sort, by RADIX_BITS bits of the key from shift on. */
static void
radix_pass(const struct tally_keyed *from, struct tally_keyed *to, size_t count,
    unsigned shift)
{
	size_t begin[RADIX] = { 0 };
	size_t sum = 0;

	for (size_t i = 0; i < count; i++)
		begin[from[i].key >> shift & (RADIX - 1)]++;
	for (size_t i = 0; i < RADIX; i++) {
		size_t here = begin[i];

		begin[i] = sum;
		sum += here;
	}
	for (size_t i = 0; i < count; i++)
		to[begin[from[i].key >> shift & (RADIX - 1)]++] = from[i];
}

/* Sorts what is almost in order; false if it is not. */
static bool
insertion_sort(struct tally_keyed *keys, size_t count)
{
	size_t moves = 0;

	for (size_t i = 1; i < count; i++) {
		struct tally_keyed key = keys[i];
		size_t at = i;

		for (; at > 0 && compare_keys(&keys[at - 1], &key) > 0; at--)
			keys[at] = keys[at - 1];
		keys[at] = key;
		moves += i - at;
		if (moves > RADIX_WORTH + 8 * count)
			return false;
	}
	return true;
}

/*
 * Keys are as good as random, so their top 22 bits leave next to nothing to
 * do: two passes, and an insertion sort.  Ids that were chosen to collide get
 * the general sort.
 */
static int
sort_keys(struct tally_keyed *keys, size_t count, struct tally_error *error)
{
	struct tally_keyed *spare;

	if (count >= RADIX_WORTH) {
		spare = tally_sys_alloc(count * sizeof(*spare));
		if (spare == NULL)
			return tally_fail_memory(error);
		radix_pass(keys, spare, count, 64 - 2 * RADIX_BITS);
		radix_pass(spare, keys, count, 64 - RADIX_BITS);
		tally_sys_free(spare);
	}
	if (!insertion_sort(keys, count))
		qsort(keys, count, sizeof(*keys), compare_keys);
	return TALLY_OK;
}

int
tally_runs_add(int index_dir, const struct tally_sip_key *secret,
    struct tally_runs *runs, uint64_t to, struct tally_keyed *keys,
    size_t count, struct tally_error *error)
{
	struct tally_runfile_writer writer;
	struct tally_run run = {
		.from = runs->count == 0 ? 0 : runs->run[runs->count - 1].to,
		.to = to,
		.count = count,
	};
	int result;

	result = sort_keys(keys, count, error);
	if (result != 0)
		return result;
	result = tally_runfile_create(&writer, index_dir, secret, &run, error);
	for (size_t i = 0; i < count && result == 0; i++)
		result = tally_runfile_put(&writer, &keys[i], error);
	result = tally_runfile_finish(&writer, result, false, &run, error);
	if (result == 0 && runs_push(runs, &run) != 0) {
		tally_paged_close(&run.file);
		result = tally_fail_memory(error);
	}
	return result;
}

static unsigned
level_of(const struct tally_run *run)
{
	unsigned level = 0;

	for (uint64_t size = run->to - run->from; size >= FAN * LEVEL_FIRST;
	     size /= FAN)
		level++;
	return level;
}

/* Do the last four share a level, and is their union not too large? */
static bool
wants_merge(const struct tally_runs *runs)
{
	const struct tally_run *last;
	uint64_t count = 0;

	if (runs->count < FAN)
		return false;
	last = &runs->run[runs->count - FAN];
	for (int i = 0; i < FAN; i++) {
		count += last[i].count;
		if (level_of(&last[i]) > level_of(&last[FAN - 1]))
			return false;
	}
	return count <= MERGE_MAX;
}

/* The smallest of the readers' next keys, or NULL at their end. */
static struct tally_runfile_reader *
smallest(struct tally_runfile_reader reader[FAN])
{
	struct tally_runfile_reader *found = NULL;

	for (int i = 0; i < FAN; i++) {
		if (reader[i].left > 0 &&
		    (found == NULL ||
			compare_keys(&reader[i].next, &found->next) < 0))
			found = &reader[i];
	}
	return found;
}

static int
merge_four(struct tally_run *run, struct tally_runfile_writer *writer,
    struct tally_error *error)
{
	struct tally_runfile_reader reader[FAN];
	struct tally_runfile_reader *least;
	int result = TALLY_OK;

	memset(reader, 0, sizeof(reader));
	for (int i = 0; i < FAN && result == 0; i++)
		result = tally_runfile_reader_open(&reader[i], &run[i], error);
	while (result == 0 && (least = smallest(reader)) != NULL) {
		result = tally_runfile_put(writer, &least->next, error);
		if (result == 0)
			result = tally_runfile_reader_step(least, error);
	}
	for (int i = 0; i < FAN; i++)
		tally_runfile_reader_close(&reader[i]);
	return result;
}

int
tally_runs_merge(int index_dir, const struct tally_sip_key *secret,
    struct tally_runs *runs, bool *out_merged, struct tally_error *error)
{
	*out_merged = false;
	while (wants_merge(runs)) {
		struct tally_run *last = &runs->run[runs->count - FAN];
		struct tally_runfile_writer writer;
		struct tally_run run = {
			.from = last[0].from,
			.to = last[FAN - 1].to,
		};
		int result;

		for (int i = 0; i < FAN; i++)
			run.count += last[i].count;
		result = tally_runfile_create(&writer, index_dir, secret, &run,
		    error);
		if (result == 0)
			result = merge_four(last, &writer, error);
		result = tally_runfile_finish(&writer, result, true, &run,
		    error);
		if (result != 0)
			return result;
		for (int i = 0; i < FAN; i++)
			tally_paged_close(&last[i].file);
		runs->count -= FAN - 1;
		last[0] = run;
		*out_merged = true;
	}
	return TALLY_OK;
}

struct pruning {
	int index_dir;
	const struct tally_runs *runs;
};

static int
prune_one(void *arg, const char *name)
{
	const struct pruning *pruning = arg;
	char own[TALLY_RUNFILE_NAME_SIZE];

	if (strncmp(name, TALLY_RUNFILE_PREFIX, strlen(TALLY_RUNFILE_PREFIX)) !=
	    0)
		return 0;
	for (size_t i = 0; i < pruning->runs->count; i++) {
		tally_runfile_name(pruning->runs->run[i].from,
		    pruning->runs->run[i].to, own);
		if (strcmp(own, name) == 0)
			return 0;
	}
	(void)tally_sys_unlink(pruning->index_dir, name);
	return 0;
}

void
tally_runs_prune(int index_dir, const struct tally_runs *runs)
{
	struct pruning pruning = { index_dir, runs };

	(void)tally_sys_list(index_dir, prune_one, &pruning);
}

int
tally_runs_sync(const struct tally_runs *runs, uint64_t from,
    struct tally_error *error)
{
	for (size_t i = 0; i < runs->count; i++) {
		int result = runs->run[i].to <= from
		    ? 0
		    : tally_sys_sync_all(runs->run[i].file.fd);

		if (result != 0)
			return tally_fail_os(error, result,
			    "cannot sync the index");
	}
	return TALLY_OK;
}

/* ---- finding ---------------------------------------------------------- */

/* Calls fn for those of the run's entries [begin, end) that have the key. */
static int
scan_bucket(const struct tally_run *run, uint64_t key, uint64_t begin,
    uint64_t end, tally_key_fn *fn, void *arg, struct tally_error *error)
{
	char pages[PAGES_AT_ONCE * TALLY_RUNFILE_PAGE];

	while (begin < end) {
		size_t nth = (size_t)(begin % TALLY_RUNFILE_FIT);
		size_t last = PAGES_AT_ONCE * TALLY_RUNFILE_FIT;
		int result;

		if (end - begin < last - nth)
			last = nth + (size_t)(end - begin);
		result = tally_runfile_read(run, begin, pages,
		    (last + TALLY_RUNFILE_FIT - 1) / TALLY_RUNFILE_FIT, error);
		if (result != 0)
			return result;
		begin += last - nth;
		for (; nth < last; nth++) {
			struct tally_keyed found = tally_runfile_entry(pages,
			    nth);

			if (found.key != key)
				continue;
			result = fn(arg, &found);
			if (result != TALLY_END)
				return result;
		}
	}
	return TALLY_END;
}

static int
run_find(const struct tally_run *run, uint64_t key, tally_key_fn *fn, void *arg,
    struct tally_error *error)
{
	uint64_t begin = 0, end = 0;
	bool may = false;
	int result;

	result = tally_runfile_may_have(run, key, &may, error);
	if (result != 0 || !may)
		return result != 0 ? result : TALLY_END;
	result = tally_runfile_bucket(run, key, &begin, &end, error);
	if (result != 0)
		return result;
	return scan_bucket(run, key, begin, end, fn, arg, error);
}

int
tally_runs_find(const struct tally_runs *runs, uint64_t key, tally_key_fn *fn,
    void *arg, struct tally_error *error)
{
	for (size_t i = runs->count; i-- > 0;) {
		int result = run_find(&runs->run[i], key, fn, arg, error);

		if (result != TALLY_END)
			return result;
	}
	return TALLY_END;
}
