/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing the tree over the heads up to the log, and sealing its root. */
#include <string.h>

#include "core/heads.h"
#include "core/record.h"
#include "log/fail.h"
#include "log/grow.h"
#include "log/handle.h"
#include "log/headtree.h"
#include "log/key.h"
#include "log/order.h"
#include "log/seal.h"
#include "log/wait.h"

#define HEADS_LEN (sizeof(TALLY_HEADS_CHAIN) - 1)

/* So many changed heads are hashed under the order lock, and no more; unless
 * the log grows faster than this many rounds can follow. */
#define LAST_MAX 256
#define ROUNDS_MAX 4

/* A head that is not in the tree yet. */
struct changed {
	uint64_t position, seq;
	struct tally_hash hash;
	const char *name; /* in the state's arena */
	uint32_t name_len;
};

struct changes {
	struct changed *item;
	struct tally_headtree_leaf *leaf; /* as many; what item becomes */
	size_t len, capacity;
	struct tally_state *state; /* whose arena the names are in */
	uint64_t chains, size;
	bool again; /* a heads record behind another */
};

/* ---- what changed ----------------------------------------------------- */

static struct tally_chain *
heads_slot(const struct tally_log *log)
{
	return tally_state_chain(log->state,
	    tally_key_chain(&log->state->shared->seed, TALLY_HEADS_CHAIN,
		HEADS_LEN),
	    TALLY_HEADS_CHAIN, HEADS_LEN);
}

static int
changes_reserve(struct changes *changes, uint64_t chains,
    struct tally_error *error)
{
	void *items, *leaves;

	if (chains <= changes->capacity)
		return TALLY_OK;
	items = tally_sys_realloc(changes->item,
	    (size_t)chains * sizeof(*changes->item));
	if (items == NULL)
		return tally_fail_memory(error);
	changes->item = items;
	leaves = tally_sys_realloc(changes->leaf,
	    (size_t)chains * sizeof(*changes->leaf));
	if (leaves == NULL)
		return tally_fail_memory(error);
	changes->leaf = leaves;
	changes->capacity = (size_t)chains;
	return TALLY_OK;
}

static void
changes_wipe(struct changes *changes)
{
	tally_state_unref(changes->state);
	tally_sys_free(changes->item);
	tally_sys_free(changes->leaf);
}

/* Order lock held: every head that the tree does not have. */
static int
collect(struct tally_log *log, const struct tally_headtree *tree,
    struct changes *changes, struct tally_error *error)
{
	struct tally_state *state = log->state;
	uint64_t chains = tally_state_last(state)->chains;
	const struct tally_chain *heads = heads_slot(log);
	uint64_t position = 0;
	int result = changes_reserve(changes, chains, error);

	if (result != 0)
		return result;
	changes->len = 0;
	for (uint64_t i = 0; i < chains; i++) {
		const struct tally_chain
		    *chain = &state->chains[state->order[i]];
		const struct tally_chain_head *head;
		struct changed *c;

		if (chain == heads)
			continue;
		head = tally_state_head(state, chain);
		if (head == NULL)
			return tally_fail(error, TALLY_E_BUG,
			    "the shared state has a chain without a head");
		position++;
		if (head->index < tree->size)
			continue;
		c = &changes->item[changes->len++];
		c->position = position - 1;
		c->seq = head->seq;
		c->hash = head->hash;
		c->name = state->arena + chain->name_at;
		c->name_len = chain->name_len;
	}
	changes->chains = position;
	changes->size = tally_state_tail(state).size;
	tally_state_unref(changes->state);
	changes->state = tally_state_ref(state);
	return TALLY_OK;
}

/* Hashes the changes and puts them in.  As tally_headtree_put. */
static int
apply(struct tally_headtree *tree, struct tally_hasher *hasher,
    struct changes *changes, struct tally_error *error)
{
	char text[TALLY_HEAD_LEAF_MAX];
	int result;

	for (size_t i = 0; i < changes->len; i++) {
		const struct changed *c = &changes->item[i];
		size_t len = tally_head_leaf_format(c->name, c->name_len,
		    &c->hash, c->seq, text);

		changes->leaf[i].position = c->position;
		changes->leaf[i].hash = tally_hash_leaf(hasher, text, len);
	}
	result = tally_headtree_put(tree, hasher, changes->leaf, changes->len,
	    changes->chains, error);
	if (result == 0)
		tree->size = changes->size;
	return result;
}

/*
 * Collects under the lock, and hashes without it once what was collected is
 * durable.  *out_few: what is left to do is little.
 */
static int
round_without_lock(struct tally_log *log, struct tally_headtree *tree,
    struct tally_hasher *hasher, struct changes *changes, bool *out_few,
    struct tally_error *error)
{
	struct tally_target target = { 0 };
	int result = tally_order_begin(log, error);

	if (result != 0)
		return result;
	/* A log that became shorter is another one than the tree knows. */
	if (tally_state_tail(log->state).size < tree->size)
		result = tally_fail(error, TALLY_E_BUSY,
		    "the log was recovered meanwhile; try again");
	if (result == 0)
		result = collect(log, tree, changes, error);
	if (result == 0)
		tally_target_set(log, 1, &target);
	tally_order_end(log);
	if (result == 0)
		result = tally_sync_wait(log, &target, error);
	if (result == 0)
		result = apply(tree, hasher, changes, error);
	*out_few = changes->len <= LAST_MAX;
	return result;
}

/* ---- the record ------------------------------------------------------- */

/* Room for one record of the chain, in the state and in the segment. */
static int
make_room(struct tally_log *log, size_t bytes, struct tally_error *error)
{
	const struct tally_state_room more = { 1, HEADS_LEN, 0 };
	int result;

	do {
		result = tally_order_make_room(log, &more, error);
		if (result == 0)
			result = tally_order_roll(log, bytes, error);
	} while (result == TALLY_PARTIAL);
	return result;
}

/* Order lock held, tree up to date: one record more. */
static int
write_record(struct tally_log *log, struct tally_headtree *tree,
    struct tally_hasher *hasher, struct tally_error *error)
{
	struct tally_tree_source source = tally_headtree_source(tree);
	struct tally_heads_event heads = { .chains = tree->chains,
		.size = tree->size };
	struct tally_item item = { .chain = TALLY_HEADS_CHAIN,
		.chain_len = HEADS_LEN };
	char event[TALLY_HEADS_EVENT_MAX];
	int result = tally_tree_root(hasher, &source, tree->chains,
	    &heads.root);

	if (result != 0 || tally_hasher_failed(hasher))
		return tally_fail(error, TALLY_E_BUG,
		    "the tree over the heads cannot be read");
	item.event = event;
	item.event_len = tally_heads_event_format(&heads, event);
	item.digest = tally_hash_commitment(hasher, NULL, event,
	    item.event_len);
	item.chain_key = tally_key_chain(&log->state->shared->seed, item.chain,
	    item.chain_len);
	if (tally_item_resolve(log->state, &item) == NULL)
		return tally_fail(error, TALLY_E_BUG,
		    "no room in the shared state");
	tally_batch_begin(log);
	result = tally_batch_reserve(log->batch, 1, tally_item_bytes(&item),
	    error);
	if (result == 0)
		result = tally_batch_add(log, &item, error);
	if (result == 0)
		result = tally_batch_write(log, error);
	return result;
}

/* Order lock held. */
static int
seal_locked(struct tally_log *log, struct tally_headtree *tree,
    struct tally_hasher *hasher, struct changes *changes, bool *out_sealed,
    struct tally_error *error)
{
	const struct tally_chain *heads = heads_slot(log);
	const struct tally_chain_head *last = heads == NULL
	    ? NULL
	    : tally_state_head(log->state, heads);
	int result;

	*out_sealed = false;
	if (last != NULL && !changes->again &&
	    last->index + 1 == tally_state_tail(log->state).size) {
		result = collect(log, tree, changes, error);
		return result == 0 ? apply(tree, hasher, changes, error)
				   : result;
	}
	result = make_room(log, 1024 + TALLY_HEADER_MAX, error);
	if (result == 0 && tally_state_tail(log->state).size < tree->size)
		result = tally_fail(error, TALLY_E_BUSY,
		    "the log was recovered meanwhile; try again");
	if (result == 0)
		result = collect(log, tree, changes, error);
	if (result == 0)
		result = apply(tree, hasher, changes, error);
	if (result == 0)
		result = write_record(log, tree, hasher, error);
	if (result == 0)
		tree->sealed = tree->size;
	*out_sealed = result == 0;
	return result;
}

/*
 * The heads record that is the last already: who can write to the log can put
 * one there, and what is signed says that it is right.
 */
static int
check_last(struct tally_log *log, struct tally_headtree *tree, uint64_t size,
    struct tally_hasher *hasher, struct tally_error *error)
{
	tree->size = size - 1;
	if (!tally_headtree_is_sealed(log, tree, hasher)) {
		(void)tally_fail(error, TALLY_E_DAMAGED,
		    "the last record, of \"" TALLY_HEADS_CHAIN "\", is not"
		    " what the heads of the log make; nothing is signed");
		return TALLY_END;
	}
	tree->sealed = tree->size;
	return TALLY_OK;
}

/* TALLY_END as tally_headtree_put. */
static int
seal(struct tally_log *log, struct tally_headtree *tree,
    struct tally_hasher *hasher, struct changes *changes, uint64_t *out_size,
    bool *out_sealed, struct tally_error *error)
{
	struct tally_target target = { 0 };
	bool few = false;
	int result = TALLY_OK;

	for (int i = 0; i < ROUNDS_MAX && !few && result == 0; i++)
		result = round_without_lock(log, tree, hasher, changes, &few,
		    error);
	if (result == 0)
		result = tally_order_begin(log, error);
	if (result != 0)
		return result;
	result = seal_locked(log, tree, hasher, changes, out_sealed, error);
	if (result == 0) {
		*out_size = tally_state_tail(log->state).size;
		tally_target_set(log, 1, &target);
	}
	tally_order_end(log);
	if (result == 0)
		result = tally_sync_wait(log, &target, error);
	if (result == 0 && !*out_sealed)
		result = check_last(log, tree, *out_size, hasher, error);
	return result;
}

/* ---- where it begins -------------------------------------------------- */

/*
 * The tree under the checkpoint that went out, from the heads of now.  A state
 * that gives another root was forged, or went bad: it is dropped, and comes
 * back from the records.
 */
static int
make_old(struct tally_log *log, struct tally_headtree *tree, uint64_t went_out,
    struct tally_hasher *hasher, struct tally_error *error)
{
	int result;

	for (int i = 0; i < 2; i++) {
		result = tally_headtree_at(log, went_out - 1, hasher, tree,
		    NULL, error);
		if (result == 0 && tally_headtree_is_sealed(log, tree, hasher))
			return TALLY_OK;
		tally_headtree_wipe(tree);
		if (result != 0 && result != TALLY_E_DAMAGED)
			return result;
		tally_order_distrust(log);
	}
	return tally_fail(error, TALLY_E_DAMAGED,
	    "the heads of the log as of record %llu are not those of the heads"
	    " record there, which went out; nothing is signed",
	    (unsigned long long)went_out - 1);
}

/* The tree as it went out: kept, from its file, or made anew; and its mark. */
static int
begin(struct tally_log *log, struct tally_headtree *tree, uint64_t went_out,
    struct tally_hasher *hasher, bool from_file, struct tally_error *error)
{
	int result = TALLY_OK;

	if (tree->size + 1 != went_out)
		tally_headtree_wipe(tree);
	if (tree->size == 0 && went_out > 0 && from_file)
		tally_headtree_load(log, tree, went_out, hasher);
	if (tree->size == 0 && went_out > 0)
		result = make_old(log, tree, went_out, hasher, error);
	tally_headtree_mark(tree);
	return result;
}

int
tally_headtree_seal(struct tally_log *log, struct tally_headtree *tree,
    uint64_t went_out, bool again, uint64_t *out_size, bool *out_sealed,
    struct tally_error *error)
{
	struct changes changes = { .again = again };
	struct tally_workspace *space;
	int result;

	result = tally_workspace_take(log, &space, error);
	if (result != 0)
		return result;
	result = begin(log, tree, went_out, &space->hasher, true, error);
	if (result == 0)
		result = seal(log, tree, &space->hasher, &changes, out_size,
		    out_sealed, error);
	if (result == TALLY_END) {
		/* What was loaded does not hold: all of it anew. */
		tally_headtree_wipe(tree);
		result = begin(log, tree, went_out, &space->hasher, false,
		    error);
		if (result == 0)
			result = seal(log, tree, &space->hasher, &changes,
			    out_size, out_sealed, error);
		result = result == TALLY_END ? TALLY_E_DAMAGED : result;
	}
	/* What it holds may not have become durable. */
	if (result != 0)
		tally_headtree_wipe(tree);
	tally_workspace_give(log, space);
	changes_wipe(&changes);
	return result;
}
