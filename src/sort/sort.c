/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An external merge sort.
 *
 * Items lie one behind the other in one piece of memory; when that is full
 * they are written out in order, as a run.  At the end the runs are merged
 * through a heap, each with its share of the memory to read through.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/fail.h"
#include "log/sys.h"
#include "sort/sort.h"

/* What stands before an item, in memory and in the file. */
struct head {
	struct tally_sort_key key;
	uint64_t len;
};

/* A run of the file, read in pieces. */
struct run {
	uint64_t at; /* of what was not read yet */
	uint64_t end;
	char *room;
	size_t begin; /* in room: what was read and not given */
	size_t filled;
};

struct tally_sort {
	pthread_mutex_t lock;
	size_t memory;
	char *items;
	size_t used;
	size_t *order; /* offsets of the items, in their order once sorted */
	size_t count;
	size_t capacity;
	size_t next;
	int file; /* -1: none was needed */
	uint64_t size;
	struct run *runs;
	size_t nruns;
	size_t *heap; /* numbers of runs, the least first */
	size_t nheap;
	size_t room_size;
	bool is_taken; /* the first of the heap was given */
};

#define ALIGN(n) (((n) + 7) / 8 * 8)

/* qsort has no argument for it, and one sorter is sorted under its lock. */
static int
compare_keys(const struct tally_sort_key *x, const struct tally_sort_key *y)
{
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	if (x->b != y->b)
		return x->b < y->b ? -1 : 1;
	return x->c < y->c ? -1 : x->c > y->c;
}

int
tally_sort_new(struct tally_sort **out, size_t memory,
    struct tally_error *error)
{
	struct tally_sort *sort = tally_sys_alloc(sizeof(*sort));

	if (sort == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	sort->file = -1;
	sort->memory = memory < (1 << 20) ? 1 << 20 : memory;
	/* Pages that are not touched cost nothing. */
	sort->items = tally_sys_realloc(NULL, sort->memory);
	if (sort->items == NULL) {
		tally_sys_free(sort);
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	}
	(void)pthread_mutex_init(&sort->lock, NULL);
	*out = sort;
	return 0;
}

void
tally_sort_free(struct tally_sort *sort)
{
	if (sort == NULL)
		return;
	if (sort->file >= 0)
		tally_sys_close(sort->file);
	for (size_t i = 0; i < sort->nruns; i++)
		tally_sys_free(sort->runs[i].room);
	tally_sys_free(sort->runs);
	tally_sys_free(sort->heap);
	tally_sys_free(sort->order);
	tally_sys_free(sort->items);
	(void)pthread_mutex_destroy(&sort->lock);
	tally_sys_free(sort);
}

/* ---- in memory -------------------------------------------------------- */

static bool
is_before(const struct tally_sort *sort, size_t x, size_t y)
{
	return compare_keys((const void *)(sort->items + x),
		   (const void *)(sort->items + y)) < 0;
}

/*
 * A merge sort of the offsets, bottom up: the items are where they are, and
 * equal ones keep their order.
 */
static int
sort_items(struct tally_sort *sort)
{
	size_t n = sort->count;
	size_t *from = sort->order;
	size_t *room = tally_sys_realloc(NULL, (n + 1) * sizeof(*room));
	size_t *to = room;

	if (room == NULL)
		return TALLY_E_MEMORY;
	for (size_t width = 1; width < n; width *= 2) {
		for (size_t low = 0; low < n; low += 2 * width) {
			size_t mid = low + width < n ? low + width : n;
			size_t high = mid + width < n ? mid + width : n;
			size_t i = low, j = mid, k = low;

			while (i < mid || j < high) {
				if (j >= high ||
				    (i < mid &&
					!is_before(sort, from[j], from[i])))
					to[k++] = from[i++];
				else
					to[k++] = from[j++];
			}
		}
		size_t *swap = from;
		from = to;
		to = swap;
	}
	if (from != sort->order)
		memcpy(sort->order, from, n * sizeof(*from));
	tally_sys_free(room);
	return 0;
}

/* ---- the file --------------------------------------------------------- */

int
tally_sort_fail(int os_result, struct tally_error *error)
{
	int code = os_result == -ENOSPC ? TALLY_E_FULL : TALLY_E_IO;
	int result = tally_fail(error, code,
	    "cannot use a temporary file: %s; TMPDIR says where",
	    strerror(-os_result));

	if (error != NULL)
		error->os_errno = -os_result;
	return result;
}

static int
open_file(struct tally_sort *sort, struct tally_error *error)
{
	sort->file = tally_sys_temporary();
	return sort->file < 0 ? tally_sort_fail(sort->file, error) : 0;
}

static int
write_all(struct tally_sort *sort, const char *bytes, size_t len,
    struct tally_error *error)
{
	int result = tally_sys_write(sort->file, bytes, len, sort->size, NULL);

	if (result != 0)
		return tally_sort_fail(result, error);
	sort->size += len;
	return 0;
}

static int
add_run(struct tally_sort *sort, uint64_t begin, struct tally_error *error)
{
	struct run *runs = tally_sys_realloc(sort->runs,
	    (sort->nruns + 1) * sizeof(*runs));

	if (runs == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	sort->runs = runs;
	memset(&runs[sort->nruns], 0, sizeof(*runs));
	runs[sort->nruns].at = begin;
	runs[sort->nruns++].end = sort->size;
	return 0;
}

#define WRITE_SIZE ((size_t)256 << 10)

/* Writes what is in memory, in order, and forgets it there. */
static int
spill(struct tally_sort *sort, struct tally_error *error)
{
	char *room = tally_sys_realloc(NULL, WRITE_SIZE);
	uint64_t begin = sort->size;
	size_t filled = 0;
	int result = room == NULL ? TALLY_E_MEMORY : sort_items(sort);

	if (result != 0)
		tally_fail(error, result, "out of memory");
	if (result == 0 && sort->file < 0) {
		result = open_file(sort, error);
		begin = 0;
	}
	for (size_t i = 0; result == 0 && i < sort->count; i++) {
		const char *item = sort->items + sort->order[i];
		size_t len = sizeof(struct head) +
		    ALIGN(((const struct head *)(const void *)item)->len);

		if (filled + len > WRITE_SIZE) {
			result = write_all(sort, room, filled, error);
			filled = 0;
		}
		if (result == 0 && len > WRITE_SIZE) {
			result = write_all(sort, item, len, error);
		} else if (result == 0) {
			memcpy(room + filled, item, len);
			filled += len;
		}
	}
	if (result == 0)
		result = write_all(sort, room, filled, error);
	tally_sys_free(room);
	if (result == 0)
		result = add_run(sort, begin, error);
	sort->count = 0;
	sort->used = 0;
	return result;
}

/* ---- putting ---------------------------------------------------------- */

static int
make_room(struct tally_sort *sort, size_t len, struct tally_error *error)
{
	size_t *order;

	/* The orders count as memory, too. */
	if (sort->used + len + 2 * (sort->count + 1) * sizeof(*order) >
		sort->memory &&
	    sort->count > 0) {
		int result = spill(sort, error);

		if (result != 0)
			return result;
	}
	if (sort->count < sort->capacity)
		return 0;
	order = tally_sys_realloc(sort->order,
	    (sort->capacity * 2 + 1024) * sizeof(*order));
	if (order == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	sort->order = order;
	sort->capacity = sort->capacity * 2 + 1024;
	return 0;
}

int
tally_sort_put(struct tally_sort *sort, const struct tally_sort_key *key,
    const void *item, size_t len, struct tally_error *error)
{
	struct head head = { *key, len };
	size_t whole = sizeof(head) + ALIGN(len);
	int result;

	if (whole > sort->memory)
		return tally_fail(error, TALLY_E_LIMIT,
		    "an item is too large to be sorted");
	(void)pthread_mutex_lock(&sort->lock);
	result = make_room(sort, whole, error);
	if (result == 0) {
		char *to = sort->items + sort->used;

		memcpy(to, &head, sizeof(head));
		memcpy(to + sizeof(head), item, len);
		/* Padding reaches the file, so it is not left to chance. */
		memset(to + sizeof(head) + len, 0, ALIGN(len) - len);
		sort->order[sort->count++] = sort->used;
		sort->used += whole;
	}
	(void)pthread_mutex_unlock(&sort->lock);
	return result;
}

/* ---- merging ---------------------------------------------------------- */

/* Has the run, in its room, len bytes to give?  Reads on if not. */
static int
fill(struct tally_sort *sort, struct run *run, size_t len,
    struct tally_error *error)
{
	size_t left = run->filled - run->begin;
	size_t size = sort->room_size;
	char *room;

	if (left >= len)
		return 0;
	if (left > 0)
		memmove(run->room, run->room + run->begin, left);
	run->begin = 0;
	run->filled = left;
	if (size < len) {
		size = len;
		room = tally_sys_realloc(run->room, size);
		if (room == NULL)
			return tally_fail(error, TALLY_E_MEMORY,
			    "out of memory");
		run->room = room;
	}
	while (run->filled < size && run->at < run->end) {
		size_t wanted = size - run->filled;
		int64_t n;

		if (wanted > run->end - run->at)
			wanted = (size_t)(run->end - run->at);
		n = tally_sys_read(sort->file, run->room + run->filled, wanted,
		    run->at);
		if (n <= 0)
			return tally_sort_fail(n < 0 ? (int)n : -EIO, error);
		run->filled += (size_t)n;
		run->at += (uint64_t)n;
	}
	return 0;
}

static const struct head *
head_of(const struct run *run)
{
	return (const void *)(run->room + run->begin);
}

/* The whole next item is in the room; TALLY_END: there is none. */
static int
load(struct tally_sort *sort, struct run *run, struct tally_error *error)
{
	int result;

	if (run->at == run->end && run->begin == run->filled)
		return TALLY_END;
	result = fill(sort, run, sizeof(struct head), error);
	if (result != 0)
		return result;
	return fill(sort, run, sizeof(struct head) + ALIGN(head_of(run)->len),
	    error);
}

/* Of equal items the earlier run's is first. */
static bool
comes_before(const struct tally_sort *sort, size_t x, size_t y)
{
	int order = compare_keys(&head_of(&sort->runs[x])->key,
	    &head_of(&sort->runs[y])->key);

	return order < 0 || (order == 0 && x < y);
}

static void
sink(struct tally_sort *sort, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;
		size_t run = sort->heap[at];

		if (child >= sort->nheap)
			return;
		if (child + 1 < sort->nheap &&
		    comes_before(sort, sort->heap[child + 1],
			sort->heap[child]))
			child++;
		if (!comes_before(sort, sort->heap[child], run))
			return;
		sort->heap[at] = sort->heap[child];
		sort->heap[child] = run;
		at = child;
	}
}

static int
begin_merge(struct tally_sort *sort, struct tally_error *error)
{
	/* What they are read through is what they were sorted in. */
	tally_sys_free(sort->items);
	sort->items = NULL;
	sort->room_size = sort->memory / sort->nruns;
	if (sort->room_size < 4096)
		sort->room_size = 4096;
	sort->heap = tally_sys_alloc(sort->nruns * sizeof(*sort->heap));
	if (sort->heap == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	for (size_t i = 0; i < sort->nruns; i++) {
		int result;

		sort->runs[i].room = tally_sys_realloc(NULL, sort->room_size);
		if (sort->runs[i].room == NULL)
			return tally_fail(error, TALLY_E_MEMORY,
			    "out of memory");
		result = load(sort, &sort->runs[i], error);
		if (result < 0)
			return result;
		if (result == 0)
			sort->heap[sort->nheap++] = i;
	}
	for (size_t i = sort->nheap; i-- > 0;)
		sink(sort, i);
	return 0;
}

int
tally_sort_end(struct tally_sort *sort, struct tally_error *error)
{
	int result;

	if (sort->nruns == 0) {
		result = sort_items(sort);
		return result == 0 ? 0
				   : tally_fail(error, result, "out of memory");
	}
	result = sort->count > 0 ? spill(sort, error) : 0;
	return result != 0 ? result : begin_merge(sort, error);
}

static void
give(const char *at, struct tally_sort_key *key, const void **out_item,
    size_t *out_len)
{
	const struct head *head = (const void *)at;

	*key = head->key;
	*out_item = at + sizeof(*head);
	*out_len = head->len;
}

int
tally_sort_next(struct tally_sort *sort, struct tally_sort_key *key,
    const void **out_item, size_t *out_len, struct tally_error *error)
{
	struct run *run;
	int result;

	if (sort->nruns == 0) {
		if (sort->next == sort->count)
			return TALLY_END;
		give(sort->items + sort->order[sort->next++], key, out_item,
		    out_len);
		return 0;
	}
	if (sort->is_taken) {
		run = &sort->runs[sort->heap[0]];
		run->begin += sizeof(struct head) + ALIGN(head_of(run)->len);
		result = load(sort, run, error);
		if (result < 0)
			return result;
		if (result == TALLY_END)
			sort->heap[0] = sort->heap[--sort->nheap];
		sink(sort, 0);
	}
	sort->is_taken = sort->nheap > 0;
	if (!sort->is_taken)
		return TALLY_END;
	run = &sort->runs[sort->heap[0]];
	give(run->room + run->begin, key, out_item, out_len);
	return 0;
}
