/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of chains. */
#include <string.h>

#include "core/text.h"
#include "log/fail.h"
#include "log/key.h"
#include "log/reader.h"

/* The head of a chain as the caller wants it. */
static int
head_fill(const struct tally_state *state, const struct tally_chain *chain,
    struct tally_head *out, struct tally_error *error)
{
	const struct tally_chain_head *head = tally_state_head(state, chain);

	if (head == NULL)
		return TALLY_END;
	if (tally_name_unescape(state->arena + chain->name_at, chain->name_len,
		TALLY_CHAIN_MAX, out->chain, &out->chain_len) != 0)
		return tally_fail(error, TALLY_E_BUG,
		    "the shared state holds a name that is none");
	out->seq = head->seq;
	out->index = head->index;
	out->time_us = head->time_us;
	out->hash = head->hash;
	return TALLY_OK;
}

int
tally_log_head(struct tally_log *log, const char *chain, size_t chain_len,
    struct tally_head *out_head, struct tally_error *error)
{
	char name[TALLY_CHAIN_TEXT_MAX];
	const struct tally_chain *slot;
	struct tally_place horizon;
	struct tally_head head;
	const char *what;
	size_t name_len;
	int result;

	result = tally_name_escape(chain, chain_len, TALLY_CHAIN_MAX, name,
	    &name_len, &what);
	if (result != 0)
		return tally_fail(error, result, "the chain's name %s", what);
	result = tally_reader_begin(log, error);
	if (result != 0)
		return result;
	slot = tally_state_chain(log->state,
	    tally_key_chain(&log->state->shared->seed, name, name_len), name,
	    name_len);
	result = slot == NULL ? TALLY_END
			      : head_fill(log->state, slot, &head, error);
	if (result != 0 || head.index < tally_state_durable(log->state).size)
		tally_reader_end(log);
	else
		result = tally_reader_settle(log, &horizon, error);
	if (result == 0)
		*out_head = head;
	return result;
}

/* Copies all heads; order lock held. */
static int
heads_copy(const struct tally_state *state, struct tally_head **out,
    uint64_t *out_count, struct tally_error *error)
{
	uint64_t count = tally_state_last(state)->chains;
	struct tally_head *heads = tally_sys_alloc(count * sizeof(*heads));
	int result = TALLY_OK;

	if (heads == NULL)
		return tally_fail_memory(error);
	for (uint64_t i = 0; i < count && result == 0; i++) {
		result = head_fill(state, &state->chains[state->order[i]],
		    &heads[i], error);
		if (result == TALLY_END)
			result = tally_fail(error, TALLY_E_BUG,
			    "the shared state has a chain without a head");
	}
	if (result != 0) {
		tally_sys_free(heads);
		return result;
	}
	*out = heads;
	*out_count = count;
	return TALLY_OK;
}

int
tally_log_heads(struct tally_log *log, tally_head_fn *fn, void *arg,
    struct tally_error *error)
{
	struct tally_head *heads = NULL;
	struct tally_place horizon;
	uint64_t count = 0;
	int result;

	result = tally_reader_begin(log, error);
	if (result != 0)
		return result;
	result = heads_copy(log->state, &heads, &count, error);
	if (result != 0)
		tally_reader_end(log);
	else
		result = tally_reader_settle(log, &horizon, error);
	for (uint64_t i = 0; i < count && result == 0; i++)
		result = fn(arg, &heads[i]);
	tally_sys_free(heads);
	return result;
}
