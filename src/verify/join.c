/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joining a clean chunk: its chains to the heads of theirs, its subtrees to
 * the log's.  First everything is looked at, then everything is changed, so
 * that a chunk that does not fit leaves no trace.
 */
#include "verify/ids.h"
#include "verify/judge.h"

/* Does the outside root lie inside the chunk? */
static bool
has_root_inside(const struct tally_judge *judge,
    const struct tally_chunk *chunk)
{
	const struct tally_verify_options *options = judge->options;

	return options->has_root && options->root_size > judge->size &&
	    options->root_size < judge->size + chunk->records;
}

static bool
local_fits(struct tally_judge *judge, struct tally_local *local)
{
	const struct tally_chain *c;

	local->number = tally_chains_find(&judge->chains, local->name,
	    local->name_len, local->key);
	if (local->number == TALLY_CHAIN_NONE)
		return local->first_seq == 1 &&
		    tally_hash_is_zero(&local->first_prev);
	c = &judge->chains.items[local->number];
	return c->barrier > local->last_seq && local->first_seq == c->seq + 1 &&
	    tally_hash_equal(&local->first_prev, &c->hash);
}

static int
add_chain(struct tally_judge *judge, struct tally_local *local)
{
	return local->number != TALLY_CHAIN_NONE
	    ? 0
	    : tally_chains_add(&judge->chains, local->name, local->name_len,
		  local->key, &local->number);
}

static void
join_local(struct tally_judge *judge, const struct tally_chunk *chunk,
    struct tally_local *local)
{
	struct tally_chain *c = &judge->chains.items[local->number];

	if (c->seq == 0)
		c->first_index = chunk->first_index + local->first;
	c->seq = local->last_seq;
	c->hash = *local->last_hash;
	c->where.index = chunk->first_index + local->last;
	c->where.extent = chunk->extent;
	c->where.offset = chunk->begin + local->offset;
}

static void
join_tree(struct tally_judge *judge, const struct tally_chunk *chunk)
{
	struct tally_hasher *hasher = &judge->scanner->hasher;
	unsigned i;

	for (i = 0; i < chunk->parts_len; i++)
		tally_frontier_append_subtree(hasher, &judge->frontier,
		    chunk->parts[i].height, &chunk->parts[i].root);
	judge->size += chunk->records;
	judge->records += chunk->judged;
	if (judge->options->has_root &&
	    judge->size == judge->options->root_size) {
		judge->root = tally_frontier_root(hasher, &judge->frontier);
		judge->root_seen = true;
	}
	tally_served_pass(judge);
}

int
tally_judge_join(struct tally_judge *judge, const struct tally_chunk *chunk,
    bool *out_joined)
{
	uint32_t i;
	int r = 0;

	*out_joined = false;
	if (has_root_inside(judge, chunk) ||
	    tally_served_is_inside(judge, chunk))
		return 0;
	for (i = 0; i < chunk->locals_len; i++) {
		if (!local_fits(judge, &chunk->locals[i]))
			return 0;
	}
	*out_joined = true;
	for (i = 0; r == 0 && i < chunk->locals_len; i++)
		r = add_chain(judge, &chunk->locals[i]);
	if (r == 0)
		r = tally_sealed_join(judge, chunk);
	for (i = 0; r == 0 && i < chunk->locals_len; i++)
		join_local(judge, chunk, &chunk->locals[i]);
	for (i = 0; r == 0 && i < chunk->marks_len; i++)
		r = tally_ids_add(judge->ids, chunk->marks[i].key,
		    chunk->marks[i].at, judge->error);
	if (r == 0)
		join_tree(judge, chunk);
	return r;
}
