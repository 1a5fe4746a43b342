/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "log/heads.h"
#include "log/housekeeping.h"
#include "log/order.h"
#include "log/sync.h"
#include "log/wait.h"

/* The heads of all chains, if that is due: a failure only costs time later. */
static void
save_heads(struct tally_log *log)
{
	struct tally_workspace *space;
	struct tally_target target = { 0 };
	char *bytes = NULL;
	struct tally_hash sum;
	size_t len = 0;
	int result;

	if (tally_order_begin(log, NULL) != 0)
		return;
	if (tally_heads_is_due(log->state)) {
		bytes = tally_heads_encode(log->state, &len);
		log->state->shared->heads_saved = tally_state_tail(log->state)
						      .size;
		tally_target_set(log, 1, &target);
	}
	tally_order_end(log);
	if (bytes == NULL) {
		tally_target_drop(&target);
		return;
	}
	result = tally_workspace_take(log, &space, NULL);
	if (result == 0) {
		sum = tally_hash_bytes(&space->hasher, bytes, len - 32);
		memcpy(bytes + len - 32, sum.b, 32);
		tally_workspace_give(log, space);
	}
	/* Never ahead of what is durable, nor of what the watermark says. */
	if (result == 0)
		result = tally_sync_wait(log, &target, NULL);
	else
		tally_target_drop(&target);
	if (result == 0)
		result = tally_sync_mark(log, NULL);
	if (result == 0)
		(void)!tally_heads_write(log, bytes, len);
	tally_sys_free(bytes);
}

struct tally_housekeeping
tally_housekeeping_due(const struct tally_state *state)
{
	uint64_t size = tally_state_tail(state).size;

	return (struct tally_housekeeping){
		.heads = tally_heads_is_due(state),
		.index = size - atomic_load(&state->shared->indexed_size) >=
		    TALLY_INDEX_STEP,
	};
}

void
tally_housekeeping_do(struct tally_log *log,
    const struct tally_housekeeping *due, bool buffered)
{
	struct tally_state *state;
	struct tally_place durable = { 0 };

	if (due->index) {
		if (buffered && tally_log_sync(log, NULL) != 0)
			return;
		state = tally_view_state(log);
		if (state != NULL)
			durable = tally_state_durable(state);
		tally_state_unref(state);
		(void)!tally_index_catch_up(log, &durable, false, NULL);
	}
	if (due->heads)
		save_heads(log);
}
