/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/record.h"
#include "log/fail.h"
#include "log/leaves.h"
#include "log/reader.h"

/* Leaves that are read rather than indexed first. */
#define REST_MAX 256

/* The stored hashes of the lines behind the index. */
static int
read_rest(struct tally_leaves *leaves, struct tally_error *error)
{
	struct tally_range range = {
		.from_index = leaves->covered,
		.to_index = leaves->size,
	};
	struct tally_cursor *cursor = NULL;
	struct tally_record record;
	int result;

	leaves->rest = tally_sys_alloc(
	    (size_t)(leaves->size - leaves->covered) * sizeof(*leaves->rest));
	if (leaves->rest == NULL)
		return tally_fail_memory(error);
	tally_index_end(leaves->log);
	leaves->locked = false;
	result = tally_cursor_open(leaves->log, &range, &cursor, error);
	for (uint64_t i = leaves->covered; i < leaves->size && result == 0;
	     i++) {
		result = tally_cursor_next(cursor, &record, error);
		if (result == 0)
			leaves->rest[i - leaves->covered] = record.hash;
	}
	tally_cursor_close(cursor);
	if (result == TALLY_END)
		return tally_fail(error, TALLY_E_BUG, "the log became shorter");
	if (result == 0)
		result = tally_index_begin(leaves->log, error);
	leaves->locked = result == 0;
	/* It may have been dropped meanwhile. */
	if (result == 0 && leaves->log->index.covered.size < leaves->covered)
		result = tally_fail(error, TALLY_E_BUSY,
		    "the index was removed while it was read; try again");
	return result;
}

/* The index as it is, after an update if it lags and we may. */
static int
fresh_index(struct tally_log *log, const struct tally_place *horizon,
    struct tally_error *error)
{
	int result = tally_index_begin(log, error);

	if (result != 0 || log->read_only ||
	    log->index.covered.size + REST_MAX >= horizon->size)
		return result;
	tally_index_end(log);
	(void)!tally_index_catch_up(log, horizon, true, NULL);
	return tally_index_begin(log, error);
}

int
tally_leaves_open(struct tally_log *log, uint64_t size,
    struct tally_hasher *hasher, struct tally_leaves *out,
    struct tally_error *error)
{
	struct tally_place horizon;
	int result;

	memset(out, 0, sizeof(*out));
	result = tally_reader_horizon(log, &horizon, error);
	if (result != 0)
		return result;
	if (size > horizon.size)
		return TALLY_END;
	out->hasher = hasher;
	out->size = size == 0 ? horizon.size : size;
	out->log = log;
	result = fresh_index(log, &horizon, error);
	if (result != 0)
		return result;
	out->locked = true;
	out->covered = log->index.covered.size;
	if (out->covered < out->size)
		result = read_rest(out, error);
	return result;
}

void
tally_leaves_close(struct tally_leaves *leaves)
{
	if (leaves->locked)
		tally_index_end(leaves->log);
	tally_sys_free(leaves->rest);
	memset(leaves, 0, sizeof(*leaves));
}

/* The largest subtree at leaf `at`, not above height, that the index has. */
static bool
indexed_height(const struct tally_leaves *leaves, uint64_t at, uint64_t begin,
    unsigned height, unsigned *out)
{
	unsigned best = 0;

	if (at >= leaves->covered)
		return false;
	while (best < height &&
	    ((at - begin) & (((uint64_t)2 << best) - 1)) == 0 &&
	    leaves->covered - at >= (uint64_t)2 << best)
		best++;
	*out = best;
	return true;
}

static int
leaves_node(void *arg, unsigned height, uint64_t position,
    struct tally_hash *out)
{
	struct tally_leaves *leaves = arg;
	uint64_t begin = position << height;
	uint64_t end = begin + ((uint64_t)1 << height);
	struct tally_frontier frontier;

	if (end <= leaves->covered)
		return tally_index_node(&leaves->log->index, leaves->hasher,
		    height, position, out);
	if (end > leaves->size)
		return TALLY_E_BUG;
	tally_frontier_init(&frontier);
	for (uint64_t at = begin; at < end;) {
		struct tally_hash node;
		unsigned step = 0;
		int result;

		if (!indexed_height(leaves, at, begin, height, &step)) {
			tally_frontier_append(leaves->hasher, &frontier,
			    &leaves->rest[at - leaves->covered]);
			at++;
			continue;
		}
		result = tally_index_node(&leaves->log->index, leaves->hasher,
		    step, at >> step, &node);
		if (result != 0)
			return result;
		tally_frontier_append_subtree(leaves->hasher, &frontier, step,
		    &node);
		at += (uint64_t)1 << step;
	}
	*out = tally_frontier_root(leaves->hasher, &frontier);
	return TALLY_OK;
}

struct tally_tree_source
tally_leaves_source(struct tally_leaves *leaves)
{
	return (struct tally_tree_source){ leaves_node, leaves };
}

/* *out_wrong: the index did not hold. */
static int
ask_once(struct tally_log *log, uint64_t size, tally_leaves_fn *fn, void *arg,
    bool *out_wrong, struct tally_error *error)
{
	struct tally_workspace *space;
	struct tally_leaves leaves;
	int result;

	*out_wrong = false;
	result = tally_workspace_take(log, &space, error);
	if (result != 0)
		return result;
	result = tally_leaves_open(log, size, &space->hasher, &leaves, error);
	if (result == 0) {
		struct tally_tree_source source = tally_leaves_source(&leaves);

		result = fn(arg, &space->hasher, &source, leaves.size);
		*out_wrong = result == TALLY_E_IO;
		if (result != 0)
			result = tally_fail(error, result,
			    "cannot read the tree from the index");
	}
	tally_leaves_close(&leaves);
	tally_workspace_give(log, space);
	return result;
}

int
tally_leaves_ask(struct tally_log *log, uint64_t size, tally_leaves_fn *fn,
    void *arg, struct tally_error *error)
{
	bool is_wrong;
	int result = ask_once(log, size, fn, arg, &is_wrong, error);

	if (!is_wrong)
		return result;
	tally_index_discard(log);
	return ask_once(log, size, fn, arg, &is_wrong, error);
}
