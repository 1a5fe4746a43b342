/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs are gone through from the last one to the first: whatever grew from a
 * run begins behind it, so it is summed up already.  Along a run its branches
 * are met from its end to its beginning; what lies behind a branch, of the
 * run and of the branches that were met, is what the run itself grew into.
 */
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "foreign/forks.h"
#include "log/sys.h"

struct branch {
	struct tally_branch is;
	int64_t first_us, last_us;
};

/* A run that comes from somewhere; sorted, the last parent first. */
struct met {
	uint64_t parent; /* index; of starts, the chain */
	uint32_t run;
};

struct finder {
	const struct tally_graph *graph;
	struct tally_sort *sort;
	struct tally_error *error;
	struct tally_growth *grown; /* of each run, as a whole */
	uint32_t *child;            /* of each run, the first in its list */
	uint32_t *sibling;          /* of each run, the next in that list */
	struct met *met;            /* the branches of one run */
	size_t met_len, met_capacity;
	struct branch *branches; /* of one fork */
	size_t branches_capacity;
};

static int
fail_memory(struct finder *f)
{
	return tally_fail(f->error, TALLY_E_MEMORY, "out of memory");
}

static void
grow(struct tally_growth *to, const struct tally_growth *more)
{
	to->count += more->count;
	to->holds &= more->holds;
	if (more->count > 0 && more->last_index >= to->last_index) {
		to->last_index = more->last_index;
		to->last_seq = more->last_seq;
		to->last_us = more->last_us;
	}
}

/* ---- one fork --------------------------------------------------------- */

static void
take_branch(struct branch *branch, uint64_t index, uint64_t seq,
    int64_t first_us, const struct tally_growth *growth)
{
	branch->is.index = index;
	branch->is.seq = seq;
	branch->is.records = growth->count;
	branch->is.last_index = growth->last_index;
	branch->is.last_seq = growth->last_seq;
	branch->is.holds = growth->holds;
	branch->first_us = first_us;
	branch->last_us = growth->last_us;
}

static int
by_seq(const void *a, const void *b)
{
	const struct branch *x = a, *y = b;

	return x->is.seq < y->is.seq ? -1 : x->is.seq > y->is.seq;
}

/* When did it become one line again: the others have ended, all have begun,
 * and one went on? */
static void
judge_healing(struct tally_forked *forked, const struct branch *branches,
    size_t count)
{
	const struct branch *second = &branches[1], *longest = &branches[0];
	uint64_t seq = 0;
	int64_t us = TALLY_NO_TIME;
	size_t i;

	for (i = 1; i < count; i++) {
		if (branches[i].is.last_seq > longest->is.last_seq)
			longest = &branches[i];
	}
	for (i = 0; i < count; i++) {
		if (branches[i].is.seq > seq) {
			seq = branches[i].is.seq;
			us = branches[i].first_us;
		}
		if (&branches[i] != longest && branches[i].is.last_seq > seq) {
			seq = branches[i].is.last_seq;
			us = branches[i].last_us;
		}
	}
	forked->fork.healed = longest->is.last_seq > seq;
	forked->fork.records = seq - second->is.seq + 1;
	if (us != TALLY_NO_TIME && second->first_us != TALLY_NO_TIME) {
		forked->fork.has_seconds = true;
		forked->fork.seconds = (double)(us - second->first_us) / 1e6;
	}
}

/* The branches are there, in any order; the parent is set. */
static int
put_fork(struct finder *f, struct tally_forked *forked, size_t count)
{
	struct tally_fork *fork = &forked->fork;
	struct tally_sort_key key = { fork->has_parent, fork->parent_index,
		forked->chain };
	size_t i;

	qsort(f->branches, count, sizeof(*f->branches), by_seq);
	fork->width = count;
	fork->benign = !fork->has_parent || fork->parent_holds;
	for (i = 0; i < count; i++) {
		fork->benign &= f->branches[i].is.holds;
		if (i < TALLY_FORK_BRANCHES)
			fork->branch[fork->described++] = f->branches[i].is;
	}
	forked->second_index = f->branches[1].is.index;
	judge_healing(forked, f->branches, count);
	return tally_sort_put(f->sort, &key, forked, sizeof(*forked), f->error);
}

static int
reserve_branches(struct finder *f, size_t count)
{
	void *grown;

	if (count <= f->branches_capacity)
		return 0;
	grown = tally_sys_realloc(f->branches,
	    2 * count * sizeof(*f->branches));
	if (grown == NULL)
		return fail_memory(f);
	f->branches = grown;
	f->branches_capacity = 2 * count;
	return 0;
}

/* Branches met [first, end), which have one parent or, without one, one
 * chain; and rest, what the parent's own run goes on with. */
static int
judge_branches(struct finder *f, size_t first, size_t end, bool has_parent,
    const struct tally_growth *rest)
{
	const struct tally_run *runs = f->graph->runs;
	const struct tally_run *branch = &runs[f->met[first].run], *run;
	struct tally_forked forked = { .chain = branch->chain };
	uint64_t index = UINT64_MAX;
	size_t count = 0, i;
	int r = reserve_branches(f, end - first + 1);

	if (r != 0 || end - first + (rest->count > 0) < 2)
		return r;
	if (has_parent) {
		forked.fork.has_parent = true;
		forked.fork.parent_index = branch->parent_index;
		forked.fork.parent_seq = branch->parent_seq;
		forked.fork.parent_holds = branch->parent_holds;
	}
	if (rest->count > 0) {
		/* With chains mixed it is not known where it stands. */
		run = &runs[branch->parent_run];
		if (run->last_index - run->first_index + 1 == run->count)
			index = branch->parent_index + 1;
		take_branch(&f->branches[count++], index,
		    branch->parent_seq + 1, TALLY_NO_TIME, rest);
	}
	for (i = first; i < end; i++) {
		branch = &runs[f->met[i].run];
		take_branch(&f->branches[count++], branch->first_index,
		    branch->first_seq, branch->first_us,
		    &f->grown[f->met[i].run]);
	}
	return put_fork(f, &forked, count);
}

/* ---- along a run ------------------------------------------------------ */

static int
by_parent(const void *a, const void *b)
{
	const struct met *x = a, *y = b;

	if (x->parent != y->parent)
		return x->parent > y->parent ? -1 : 1;
	return x->run < y->run ? -1 : x->run > y->run;
}

static int
meet(struct finder *f, uint64_t parent, uint32_t run)
{
	size_t wanted = 2 * f->met_capacity + 64;
	void *grown;

	if (f->met_len == f->met_capacity) {
		grown = tally_sys_realloc(f->met, wanted * sizeof(*f->met));
		if (grown == NULL)
			return fail_memory(f);
		f->met = grown;
		f->met_capacity = wanted;
	}
	f->met[f->met_len].parent = parent;
	f->met[f->met_len++].run = run;
	return 0;
}

/* The end of those that have met[first]'s parent. */
static size_t
end_of_group(const struct finder *f, size_t first)
{
	size_t end = first + 1;

	while (end < f->met_len && f->met[end].parent == f->met[first].parent)
		end++;
	return end;
}

/* What of a run lies behind this seq. */
static struct tally_growth
behind(const struct tally_run *run, uint64_t seq)
{
	struct tally_growth growth = { 0, 0, 0, TALLY_NO_TIME, true };

	if (seq < run->last_seq) {
		growth.count = run->last_seq - seq;
		growth.last_index = run->last_index;
		growth.last_seq = run->last_seq;
		growth.last_us = run->last_us;
		growth.holds = run->last_bad <= seq;
	}
	return growth;
}

static int
judge_run(struct finder *f, uint32_t number)
{
	const struct tally_run *run = &f->graph->runs[number];
	struct tally_growth acquired = { 0, 0, 0, TALLY_NO_TIME, true }, rest;
	uint32_t at;
	size_t i, k, end;
	int r = 0;

	f->met_len = 0;
	for (at = f->child[number]; at != TALLY_NO_RUN && r == 0;
	     at = f->sibling[at])
		r = meet(f, f->graph->runs[at].parent_index, at);
	if (f->met_len > 1)
		qsort(f->met, f->met_len, sizeof(*f->met), by_parent);
	for (i = 0; i < f->met_len && r == 0; i = end) {
		end = end_of_group(f, i);
		rest = behind(run, f->graph->runs[f->met[i].run].parent_seq);
		grow(&rest, &acquired);
		r = judge_branches(f, i, end, true, &rest);
		for (k = i; k < end; k++)
			grow(&acquired, &f->grown[f->met[k].run]);
	}
	f->grown[number] = behind(run, 0);
	f->grown[number].count = run->count;
	grow(&f->grown[number], &acquired);
	return r;
}

/* Those that begin a chain that others began, too. */
static int
judge_starts(struct finder *f)
{
	static const struct tally_growth nothing = { 0, 0, 0, TALLY_NO_TIME,
		true };
	size_t i, end;
	int r = 0;

	f->met_len = 0;
	for (i = 0; i < f->graph->len && r == 0; i++) {
		if (f->graph->runs[i].edge == TALLY_EDGE_START)
			r = meet(f, f->graph->runs[i].chain, (uint32_t)i);
	}
	if (f->met_len > 1)
		qsort(f->met, f->met_len, sizeof(*f->met), by_parent);
	for (i = 0; i < f->met_len && r == 0; i = end) {
		end = end_of_group(f, i);
		r = judge_branches(f, i, end, false, &nothing);
	}
	return r;
}

static int
find_all(struct finder *f)
{
	const struct tally_graph *graph = f->graph;
	uint32_t parent;
	size_t i;
	int r = 0;

	for (i = 0; i < graph->len; i++)
		f->child[i] = TALLY_NO_RUN;
	for (i = 0; i < graph->len; i++) {
		parent = graph->runs[i].parent_run;
		f->sibling[i] = TALLY_NO_RUN;
		if (parent == TALLY_NO_RUN)
			continue;
		f->sibling[i] = f->child[parent];
		f->child[parent] = (uint32_t)i;
	}
	for (i = graph->len; i > 0 && r == 0; i--)
		r = judge_run(f, (uint32_t)(i - 1));
	return r == 0 ? judge_starts(f) : r;
}

int
tally_forks_find(const struct tally_graph *graph, struct tally_sort *sort,
    struct tally_error *error)
{
	struct finder f = { .graph = graph, .sort = sort, .error = error };
	size_t len = graph->len + 1;
	int r;

	f.grown = tally_sys_alloc(len * sizeof(*f.grown));
	f.child = tally_sys_alloc(len * sizeof(*f.child));
	f.sibling = tally_sys_alloc(len * sizeof(*f.sibling));
	r = f.grown == NULL || f.child == NULL || f.sibling == NULL
	    ? fail_memory(&f)
	    : find_all(&f);
	tally_sys_free(f.grown);
	tally_sys_free(f.child);
	tally_sys_free(f.sibling);
	tally_sys_free(f.met);
	tally_sys_free(f.branches);
	return r;
}
