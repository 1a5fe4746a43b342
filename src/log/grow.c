/* SPDX-License-Identifier: Apache-2.0 */
/* A state that has become too small is replaced by a larger one. */
#include "log/grow.h"
#include "log/locks.h"

static bool
has_room(const struct tally_state *state, const struct tally_state_room *more)
{
	const struct tally_shared *shared = state->shared;

	return shared->chains_used + more->chains <= shared->chain_slots / 2 &&
	    shared->arena_used + more->arena_bytes <= shared->arena_bytes &&
	    shared->recent_used[shared->recent_active] + more->recent <=
	    shared->recent_slots / 2;
}

static void
copy_chains(const struct tally_state *from, struct tally_state *to)
{
	uint64_t size = tally_state_tail(from).size;

	for (uint64_t i = 0; i < from->shared->chain_slots; i++) {
		const struct tally_chain *chain = &from->chains[i];
		struct tally_chain *copy;

		if (chain->key == 0)
			continue;
		copy = tally_state_chain_add(to, chain->key,
		    from->arena + chain->name_at, chain->name_len);
		for (int h = 0; h < 2; h++) {
			if (chain->head[h].index < size)
				copy->head[h] = chain->head[h];
		}
		if (chain->ordinal != UINT32_MAX)
			tally_state_chain_order(to, copy, chain->ordinal);
	}
}

/* Everything of from into the larger, empty state to. */
static void
copy(const struct tally_state *from, struct tally_state *to)
{
	struct tally_shared *new = to->shared;
	const struct tally_shared *old = from->shared;
	struct tally_place tail = tally_state_tail(from);
	struct tally_place durable = tally_state_durable(from);

	new->seed = old->seed;
	tally_published_set(&new->durable, &durable);
	copy_chains(from, to);
	new->recent_active = old->recent_active;
	for (uint32_t t = 0; t < 2; t++) {
		new->recent_from[t] = old->recent_from[t];
		for (uint64_t i = 0; i < old->recent_slots; i++) {
			if (from->recent[t][i].key != 0)
				tally_state_recent_put(to, t,
				    &from->recent[t][i]);
		}
	}
	new->heads_saved = old->heads_saved;
	new->poisoned = old->poisoned;
	new->sync_began = old->sync_began;
	new->sync_ended = old->sync_ended;
	new->syncs = old->syncs;
	new->sync_us = old->sync_us;
	new->mark_us = old->mark_us;
	new->recent_oldest = old->recent_oldest;
	new->indexed_size = old->indexed_size;
	new->epoch = old->epoch;
	tally_state_publish(to, &tail, tally_state_last(from));
}

int
tally_state_grow(int run_dir, const struct tally_state_owner *owner,
    const struct tally_state_room *more, struct tally_state **state,
    struct tally_state **out_old, struct tally_error *error)
{
	const struct tally_shared *shared = (*state)->shared;
	struct tally_state_room room = {
		.chains = shared->chain_slots / 2,
		.arena_bytes = shared->arena_bytes,
		.recent = shared->recent_slots / 2,
	};
	uint64_t recent = shared->recent_used[0] > shared->recent_used[1]
	    ? shared->recent_used[0]
	    : shared->recent_used[1];
	struct tally_state *larger;
	int result;

	*out_old = NULL;
	if (has_room(*state, more))
		return TALLY_OK;
	if (shared->chains_used + more->chains > room.chains)
		room.chains = 2 * (shared->chains_used + more->chains);
	if (shared->arena_used + more->arena_bytes > room.arena_bytes)
		room.arena_bytes = 2 * (shared->arena_used + more->arena_bytes);
	if (recent + more->recent > room.recent)
		room.recent = 2 * (recent + more->recent);
	result = tally_state_create(run_dir, owner, &room, &larger, error);
	if (result != 0)
		return result;
	copy(*state, larger);
	*out_old = *state;
	*state = larger;
	return TALLY_PARTIAL;
}

int
tally_order_make_room(struct tally_log *log,
    const struct tally_state_room *more, struct tally_error *error)
{
	struct tally_state *state = log->state, *old;
	int result;

	if (has_room(state, more))
		return TALLY_OK;
	if (more->recent > 0 && tally_state_recent_turn(state) &&
	    has_room(state, more))
		return TALLY_OK;
	result = tally_sync_lock(log, error);
	if (result != 0)
		return result;
	result = tally_state_grow(log->run_dir, &log->owner, more, &state, &old,
	    error);
	if (result == TALLY_PARTIAL) {
		result = tally_state_install(log->run_dir, state, error);
		if (result == 0) {
			tally_state_supersede(old);
			tally_view_set_state(log, state);
		} else {
			tally_state_unref(state);
		}
	}
	tally_sync_unlock(log);
	return result;
}
