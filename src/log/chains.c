/* SPDX-License-Identifier: Apache-2.0 */
/* The tables inside the shared state: chains and recent ids. */
#include <string.h>

#include "log/state.h"

/* The chain's slot, or the empty one where it would be. */
static struct tally_chain *
chain_slot(const struct tally_state *state, uint64_t key, const char *name,
    size_t name_len)
{
	uint64_t mask = state->shared->chain_slots - 1;

	for (uint64_t at = key & mask;; at = (at + 1) & mask) {
		struct tally_chain *chain = &state->chains[at];

		if (chain->key == 0)
			return chain;
		if (chain->key == key && chain->name_len == name_len &&
		    memcmp(state->arena + chain->name_at, name, name_len) == 0)
			return chain;
	}
}

struct tally_chain *
tally_state_chain(const struct tally_state *state, uint64_t key,
    const char *name, size_t name_len)
{
	struct tally_chain *chain = chain_slot(state, key, name, name_len);

	return chain->key != 0 ? chain : NULL;
}

struct tally_chain *
tally_state_chain_add(struct tally_state *state, uint64_t key, const char *name,
    size_t name_len)
{
	struct tally_chain *chain = chain_slot(state, key, name, name_len);
	struct tally_shared *shared = state->shared;

	if (chain->key != 0)
		return chain;
	if (shared->chains_used >= shared->chain_slots / 2 ||
	    shared->arena_bytes - shared->arena_used < name_len)
		return NULL;
	chain->name_at = shared->arena_used;
	chain->name_len = (uint32_t)name_len;
	chain->ordinal = UINT32_MAX;
	chain->head[0].index = TALLY_NO_INDEX;
	chain->head[1].index = TALLY_NO_INDEX;
	memcpy(state->arena + chain->name_at, name, name_len);
	shared->arena_used += name_len;
	shared->chains_used++;
	/* Last: a writer that dies before this has added nothing. */
	atomic_signal_fence(memory_order_seq_cst);
	chain->key = key;
	return chain;
}

const struct tally_chain_head *
tally_state_head(const struct tally_state *state,
    const struct tally_chain *chain)
{
	uint64_t size = tally_state_tail(state).size;
	const struct tally_chain_head *found = NULL;

	for (int i = 0; i < 2; i++) {
		const struct tally_chain_head *head = &chain->head[i];

		if (head->index < size &&
		    (found == NULL || head->index > found->index))
			found = head;
	}
	return found;
}

void
tally_state_head_set(struct tally_state *state, struct tally_chain *chain,
    const struct tally_chain_head *head)
{
	bool first = tally_state_head(state, chain) == &chain->head[0];
	struct tally_chain_head *to = &chain->head[first ? 1 : 0];

	/*
	 * The index first: should we die half way, it is not below the
	 * published size, so nobody takes the rest for valid.
	 */
	to->index = head->index;
	atomic_signal_fence(memory_order_seq_cst);
	to->seq = head->seq;
	to->time_us = head->time_us;
	to->hash = head->hash;
}

void
tally_state_chain_order(struct tally_state *state, struct tally_chain *chain,
    uint64_t ordinal)
{
	chain->ordinal = (uint32_t)ordinal;
	state->order[ordinal] = (uint32_t)(chain - state->chains);
}

void
tally_state_sweep(struct tally_state *state)
{
	uint64_t size = tally_state_tail(state).size;
	uint64_t chains = tally_state_last(state)->chains;

	for (uint64_t i = 0; i < state->shared->chain_slots; i++) {
		struct tally_chain *chain = &state->chains[i];

		if (chain->key == 0)
			continue;
		if (chain->ordinal >= chains)
			chain->ordinal = UINT32_MAX;
		for (int h = 0; h < 2; h++) {
			if (chain->head[h].index >= size)
				chain->head[h].index = TALLY_NO_INDEX;
		}
	}
}

const struct tally_recent *
tally_state_recent(const struct tally_state *state, uint64_t key,
    uint64_t *cursor)
{
	uint64_t slots = state->shared->recent_slots;

	/* cursor counts probes: first of the one table, then of the other */
	while (*cursor < 2 * slots) {
		uint64_t step = *cursor % slots;
		const struct tally_recent
		    *table = state->recent[*cursor / slots];
		const struct tally_recent
		    *at = &table[(key + step) & (slots - 1)];

		if (at->key == 0) {
			*cursor = (*cursor / slots + 1) * slots;
			continue;
		}
		++*cursor;
		if (at->key == key)
			return at;
	}
	return NULL;
}

void
tally_state_recent_put(struct tally_state *state, uint32_t table,
    const struct tally_recent *recent)
{
	uint64_t mask = state->shared->recent_slots - 1;
	uint64_t at = recent->key & mask;

	while (state->recent[table][at].key != 0)
		at = (at + 1) & mask;
	state->recent[table][at] = *recent;
	state->shared->recent_used[table]++;
}

void
tally_state_recent_add(struct tally_state *state,
    const struct tally_recent *recent)
{
	tally_state_recent_put(state, state->shared->recent_active, recent);
}

bool
tally_state_recent_turn(struct tally_state *state)
{
	struct tally_shared *shared = state->shared;
	uint32_t active = shared->recent_active;
	uint32_t other = 1 - active;

	if (shared->recent_used[other] > 0 &&
	    atomic_load(&shared->indexed_size) < shared->recent_from[active])
		return false;
	/*
	 * What is left, the older table first: said before the other one is
	 * cleared, for should we die in between, its ids must be looked for in
	 * the runs by everybody.
	 */
	atomic_store(&shared->recent_oldest, shared->recent_from[active]);
	memset(state->recent[other], 0,
	    shared->recent_slots * sizeof(struct tally_recent));
	shared->recent_used[other] = 0;
	shared->recent_from[other] = tally_state_tail(state).size;
	shared->recent_active = other;
	return true;
}
