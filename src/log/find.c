/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an id may be, at any moment:
 *
 *     [0, covered)                runs of the index
 *     [recent_oldest, tail)       recent ids in the shared state
 *     this batch                  its own table (commit.c)
 *
 * The runs are asked before the lock is taken, for records do not change; the
 * rest under it.  Between the two the recent ids may have turned; then
 * recent_oldest has passed what the runs were asked for, and they are asked
 * again.
 */
#include <errno.h>
#include <string.h>

#include "log/fail.h"
#include "log/find.h"
#include "log/key.h"
#include "log/order.h"
#include "log/wait.h"

#define TRIES 8

/* ---- through the index ------------------------------------------------ */

struct wanted {
	struct tally_log *log;
	struct tally_hasher *hasher;
	const char *chain, *id;
	size_t chain_len, id_len;
	uint64_t seq;
	struct tally_found *out;
	struct tally_error *error;
};

/*
 * A key that leads to no record.  If the array of records tells the same place
 * the line there is damaged, and may well be the one that is wanted: that must
 * not look as if there were none.  If not, the index is wrong.
 */
static int
judge_miss(const struct wanted *wanted, const struct tally_keyed *key)
{
	struct tally_hash hash;
	uint64_t offset;
	int result;

	result = tally_index_record(&wanted->log->index, key->index, &offset,
	    &hash, wanted->error);
	if (result != 0)
		return result;
	if (offset != key->offset)
		return tally_fail(wanted->error, TALLY_E_IO,
		    "the index is damaged; remove the directory \"index\", it"
		    " comes back");
	return tally_fail(wanted->error, TALLY_E_DAMAGED,
	    "record %llu is damaged, \"tally verify\" says more",
	    (unsigned long long)key->index);
}

/* Is the record at the key the one that is wanted? */
static int
try_key(void *arg, const struct tally_keyed *key)
{
	struct wanted *wanted = arg;
	struct tally_log *log = wanted->log;
	struct tally_place at = { .size = key->index, .offset = key->offset };
	const struct tally_header *header = &wanted->out->line.header;
	int result;

	result = tally_index_segment(&log->index, key->index, &at.segment);
	if (result == 0)
		result = tally_found_read(log, wanted->hasher, &at, wanted->out,
		    wanted->error);
	if (result == TALLY_END)
		return judge_miss(wanted, key);
	if (result != 0)
		return result;
	if (header->chain_len != wanted->chain_len ||
	    memcmp(header->chain, wanted->chain, wanted->chain_len) != 0)
		return TALLY_END;
	if (wanted->id != NULL)
		return header->id_len == wanted->id_len &&
			memcmp(header->id, wanted->id, wanted->id_len) == 0
		    ? TALLY_OK
		    : TALLY_END;
	return header->seq == wanted->seq ? TALLY_OK : TALLY_END;
}

int
tally_find_index(struct tally_log *log, struct tally_hasher *hasher,
    uint64_t index, struct tally_found *out, struct tally_error *error)
{
	struct tally_place at = { .size = index };
	struct tally_hash hash;
	int result;

	if (index >= log->index.covered.size)
		return TALLY_END;
	result = tally_index_record(&log->index, index, &at.offset, &hash,
	    error);
	if (result == 0)
		result = tally_index_segment(&log->index, index, &at.segment);
	if (result == 0)
		result = tally_found_read(log, hasher, &at, out, error);
	if (result == 0 && !tally_hash_equal(&out->line.hash, &hash))
		result = TALLY_END;
	return result;
}

/* The key of what is wanted, in its chain. */
static uint64_t
key_of(const struct wanted *wanted)
{
	const struct tally_sip_key *seed = &wanted->log->index.seed;
	uint64_t chain = tally_key_chain(seed, wanted->chain,
	    wanted->chain_len);

	return wanted->id != NULL
	    ? tally_key_id(seed, chain, wanted->id, wanted->id_len)
	    : tally_key_seq(seed, chain, wanted->seq);
}

static int
find(struct wanted *wanted)
{
	return tally_runs_find(&wanted->log->index.runs, key_of(wanted),
	    try_key, wanted, wanted->error);
}

int
tally_find_seq(struct tally_log *log, struct tally_hasher *hasher,
    const char *chain, size_t chain_len, uint64_t seq, struct tally_found *out,
    struct tally_error *error)
{
	struct wanted wanted = { log, hasher, chain, NULL, chain_len, 0, seq,
		out, error };

	return find(&wanted);
}

int
tally_find_id(struct tally_log *log, struct tally_hasher *hasher,
    const char *chain, size_t chain_len, const char *id, size_t id_len,
    struct tally_found *out, struct tally_error *error)
{
	struct wanted wanted = { log, hasher, chain, id, chain_len, id_len, 0,
		out, error };

	return find(&wanted);
}

/* ---- before and in an append ------------------------------------------ */

/*
 * What a record with the item's id means for it: 0 the same event, and the
 * receipt is filled; TALLY_PARTIAL another one.
 */
static int
compare(struct tally_item *item, const struct tally_found *found)
{
	const struct tally_line *line = &found->line;

	if (line->body != TALLY_BODY_EVENT ||
	    line->event_len != item->event_len ||
	    memcmp(line->event, item->event, item->event_len) != 0)
		return TALLY_PARTIAL;
	item->receipt.index = found->index;
	item->receipt.seq = line->header.seq;
	item->receipt.hash = line->hash;
	item->receipt.time_us = line->header.time_us;
	return TALLY_OK;
}

/* Between index_begin and _end: asks the runs for the ids of items. */
static int
ask_runs(struct tally_log *log, struct tally_hasher *hasher,
    struct tally_item *items, size_t count, struct tally_error *error)
{
	struct tally_found found = { 0 };
	int result = TALLY_OK;

	for (size_t i = 0; i < count && result >= 0; i++) {
		struct tally_item *item = &items[i];

		if (item->id_len == 0)
			continue;
		result = tally_find_id(log, hasher, item->chain,
		    item->chain_len, item->id, item->id_len, &found, error);
		if (result == 0)
			item->in_runs = compare(item, &found) == 0
			    ? TALLY_IN_RUNS_SAME
			    : TALLY_IN_RUNS_OTHER;
		item->asked_to = log->index.covered.size;
	}
	tally_found_wipe(&found);
	return result < 0 ? result : TALLY_OK;
}

/* R8: ids below this must be in the index before one is judged. */
static uint64_t
ids_needed(struct tally_log *log, struct tally_place *out_durable)
{
	struct tally_state *state = tally_view_state(log);
	uint64_t needed = UINT64_MAX;

	if (state != NULL && !atomic_load(&state->shared->superseded)) {
		needed = atomic_load(&state->shared->recent_oldest);
		*out_durable = tally_state_durable(state);
	}
	tally_state_unref(state);
	return needed;
}

/* Covers what is needed, syncing first if that is not durable. */
static int
cover(struct tally_log *log, uint64_t needed, const struct tally_place *durable,
    struct tally_error *error)
{
	struct tally_place upto = *durable;
	int result;

	if (needed == UINT64_MAX || durable->size < needed) {
		result = tally_log_sync(log, error);
		if (result != 0)
			return result;
		(void)ids_needed(log, &upto);
	}
	return tally_index_catch_up(log, &upto, true, error);
}

/*
 * One try: TALLY_END if the index does not reach far enough, or proved wrong
 * and was dropped.
 */
static int
try_runs(struct tally_log *log, uint64_t needed, struct tally_call *call,
    struct tally_error *error)
{
	struct tally_workspace *space;
	int result;

	result = tally_index_begin(log, error);
	if (result != 0)
		return result;
	if (needed > log->index.covered.size) {
		tally_index_end(log);
		return TALLY_END;
	}
	result = tally_workspace_take(log, &space, error);
	if (result == 0) {
		result = ask_runs(log, &space->hasher, call->items, call->count,
		    error);
		tally_workspace_give(log, space);
	}
	tally_index_end(log);
	if (result == TALLY_E_IO) {
		tally_index_discard(log);
		result = TALLY_END;
	}
	return result;
}

int
tally_find_prepare(struct tally_log *log, struct tally_call *call,
    struct tally_error *error)
{
	struct tally_place durable = { 0 };

	for (int i = 0; i < TRIES; i++) {
		uint64_t needed = ids_needed(log, &durable);
		int result = try_runs(log, needed, call, error);

		if (result == TALLY_END)
			result = cover(log, needed, &durable, error);
		else if (result != TALLY_E_DAMAGED)
			return result;
		/* It may have met a recovery, which has the order lock. */
		if (result == TALLY_E_DAMAGED && i + 1 < TRIES) {
			result = tally_order_begin(log, error);
			if (result == 0)
				tally_order_end(log);
		}
		/* It may be removed under our hands: the next try makes it
		 * anew. */
		if (result < 0 && (result != TALLY_E_IO || i + 1 == TRIES))
			return result;
	}
	return tally_fail(error, TALLY_E_BUSY,
	    "the index of \"%s\" cannot be brought up to date; is something"
	    " removing it again and again?",
	    log->path);
}

/* Order lock held: the recent ids turned since the runs were asked. */
static int
ask_again(struct tally_log *log, struct tally_item *item,
    struct tally_error *error)
{
	int result = tally_index_begin(log, error);

	if (result != 0)
		return result;
	if (log->index.covered.size <
	    atomic_load(&log->state->shared->recent_oldest))
		result = tally_fail(error, TALLY_E_BUSY,
		    "the index was removed while an id was looked up; try"
		    " again");
	else
		result = ask_runs(log, &log->batch->hasher, item, 1, error);
	tally_index_end(log);
	/* It cannot be built anew here; the call begins once more. */
	if (result == TALLY_E_IO) {
		tally_index_discard(log);
		result = tally_fail(error, TALLY_E_BUSY,
		    "the index did not hold and was dropped; try again");
	}
	return result;
}

int
tally_find_repeat(struct tally_log *log, struct tally_item *item,
    struct tally_error *error)
{
	const struct tally_recent *recent;
	struct tally_found found = { 0 };
	uint64_t cursor = 0;
	int result = TALLY_OK;

	if (item->in_runs == TALLY_NOT_IN_RUNS &&
	    item->asked_to < atomic_load(&log->state->shared->recent_oldest))
		result = ask_again(log, item, error);
	if (result != 0)
		return result;
	if (item->in_runs != TALLY_NOT_IN_RUNS)
		return item->in_runs == TALLY_IN_RUNS_SAME ? TALLY_OK
							   : TALLY_PARTIAL;
	result = TALLY_END;
	while (result == TALLY_END &&
	    (recent = tally_state_recent(log->state, item->id_key, &cursor)) !=
		NULL) {
		struct tally_place at = { recent->index, recent->segment,
			recent->offset };

		result = tally_found_read(log, &log->batch->hasher, &at, &found,
		    error);
		if (result == 0 &&
		    found.line.header.chain_len == item->chain_len &&
		    memcmp(found.line.header.chain, item->chain,
			item->chain_len) == 0 &&
		    found.line.header.id_len == item->id_len &&
		    memcmp(found.line.header.id, item->id, item->id_len) == 0)
			result = compare(item, &found);
		else if (result == 0)
			result = TALLY_END;
	}
	tally_found_wipe(&found);
	return result;
}
