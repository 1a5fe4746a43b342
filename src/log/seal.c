/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/record.h"
#include "log/fail.h"
#include "log/key.h"
#include "log/order.h"
#include "log/seal.h"

#define OWN_CHAIN "tally:log"

int
tally_batch_new(struct tally_batch **out, struct tally_error *error)
{
	struct tally_batch *batch = tally_sys_alloc(sizeof(*batch));
	int result;

	if (batch == NULL)
		return tally_fail_memory(error);
	result = tally_hasher_open(&batch->hasher);
	if (result != 0) {
		tally_sys_free(batch);
		return tally_fail_memory(error);
	}
	*out = batch;
	return TALLY_OK;
}

void
tally_batch_free(struct tally_batch *batch)
{
	if (batch == NULL)
		return;
	tally_hasher_close(&batch->hasher);
	tally_sys_free(batch->lines);
	tally_sys_free(batch->touched);
	tally_sys_free(batch->recent);
	tally_sys_free(batch);
}

void
tally_batch_begin(struct tally_log *log)
{
	struct tally_batch *batch = log->batch;

	memset(batch->bucket, 0, sizeof(batch->bucket));
	memset(batch->ids, 0, sizeof(batch->ids));
	batch->len = 0;
	batch->touched_len = 0;
	batch->recent_len = 0;
	batch->place = tally_state_tail(log->state);
	batch->last = *tally_state_last(log->state);
}

/* An array that holds at least need elements. */
static int
array_reserve(void **array, size_t *capacity, size_t need, size_t size,
    struct tally_error *error)
{
	size_t wanted = *capacity == 0 ? 64 : *capacity;
	void *more;

	if (need <= *capacity)
		return TALLY_OK;
	while (wanted < need)
		wanted *= 2;
	more = tally_sys_realloc(*array, wanted * size);
	if (more == NULL)
		return tally_fail_memory(error);
	*array = more;
	*capacity = wanted;
	return TALLY_OK;
}

int
tally_batch_reserve(struct tally_batch *batch, size_t records, size_t bytes,
    struct tally_error *error)
{
	void *touched = batch->touched, *recent = batch->recent;
	void *lines = batch->lines;
	int result;

	result = array_reserve(&touched, &batch->touched_capacity,
	    batch->touched_len + records, sizeof(*batch->touched), error);
	batch->touched = touched;
	if (result == 0)
		result = array_reserve(&recent, &batch->recent_capacity,
		    batch->recent_len + records, sizeof(*batch->recent), error);
	batch->recent = recent;
	if (result == 0)
		result = array_reserve(&lines, &batch->capacity,
		    batch->len + bytes, 1, error);
	batch->lines = lines;
	return result;
}

size_t
tally_item_bytes(const struct tally_item *item)
{
	return TALLY_HEADER_MAX + TALLY_LINE_EXTRA + item->event_len +
	    item->source_len;
}

struct tally_chain *
tally_item_resolve(struct tally_state *state, struct tally_item *item)
{
	item->slot = tally_state_chain_add(state, item->chain_key, item->chain,
	    item->chain_len);
	return item->slot;
}

/* The batch's entry for a chain, made from its published head if new. */
static struct tally_touched *
touch(struct tally_log *log, struct tally_chain *slot)
{
	struct tally_batch *batch = log->batch;
	uint32_t *bucket = &batch->bucket[slot->key % TALLY_BATCH_BUCKETS];
	const struct tally_chain_head *head;
	struct tally_touched *touched;

	for (uint32_t at = *bucket; at != 0; at = touched->next) {
		touched = &batch->touched[at - 1];
		if (touched->slot == slot)
			return touched;
	}
	touched = &batch->touched[batch->touched_len++];
	memset(touched, 0, sizeof(*touched));
	touched->slot = slot;
	head = tally_state_head(log->state, slot);
	if (head != NULL)
		touched->head = *head;
	touched->next = *bucket;
	*bucket = (uint32_t)batch->touched_len;
	return touched;
}

/* Clamped to the years that a header can hold. */
static int64_t
seal_time(void)
{
	int64_t now = tally_sys_time_us();

	if (now < 0)
		return 0;
	return now > INT64_C(253402300799999999) ? INT64_C(253402300799999999)
						 : now;
}

static void
remember(struct tally_batch *batch, struct tally_item *item)
{
	struct tally_recent *recent = &batch->recent[batch->recent_len++];

	recent->key = item->id_key;
	recent->index = batch->place.size;
	recent->segment = batch->place.segment;
	recent->offset = batch->place.offset;
}

int
tally_batch_follows(struct tally_log *log, const struct tally_item *item,
    const void *follower, struct tally_error *error)
{
	struct tally_touched *chain = touch(log, item->slot);

	if (chain->follower != follower) {
		chain->follower = follower;
		chain->ahead_seq = chain->head.seq;
		chain->ahead_hash = chain->head.hash;
	}
	if (item->carried_seq != chain->ahead_seq + 1)
		return tally_fail(error, TALLY_E_CONFLICT,
		    "record %llu of chain \"%.*s\" does not follow: the log"
		    " ends at record %llu",
		    (unsigned long long)item->carried_seq, (int)item->chain_len,
		    item->chain, (unsigned long long)chain->ahead_seq);
	if (item->is_moved &&
	    !tally_hash_equal(&item->prev, &chain->ahead_hash))
		return tally_fail(error, TALLY_E_CONFLICT,
		    "record %llu of chain \"%.*s\" does not link to the record"
		    " that the log has before it",
		    (unsigned long long)item->carried_seq, (int)item->chain_len,
		    item->chain);
	chain->ahead_seq++;
	chain->ahead_hash = item->hash;
	return TALLY_OK;
}

int
tally_batch_add(struct tally_log *log, struct tally_item *item,
    struct tally_error *error)
{
	struct tally_batch *batch = log->batch;
	struct tally_touched *chain = touch(log, item->slot);
	char *line = batch->lines + batch->len;
	struct tally_header header = {
		.chain = item->chain,
		.chain_len = item->chain_len,
		.id = item->id,
		.id_len = item->id_len,
		.digest = item->digest,
		.prev = chain->head.hash,
		.seq = chain->head.seq + 1,
		.time_us = item->is_moved ? item->time_us : seal_time(),
	};
	char text[TALLY_HEADER_MAX];
	size_t text_len, line_len;
	struct tally_hash hash;

	if (header.seq > TALLY_SEQ_MAX)
		return tally_fail(error, TALLY_E_LIMIT,
		    "the chain is full: it has 2^53 - 1 records");
	text_len = tally_header_encode(&header, text);
	hash = tally_hash_leaf(&batch->hasher, text, text_len);
	if (item->source != NULL)
		line_len = tally_line_encode_elsewhere(text, text_len, &hash,
		    item->source, item->source_len, line);
	else
		line_len = tally_line_encode(text, text_len, &hash,
		    item->salted ? item->salt : NULL, item->event,
		    item->event_len, line);
	if (item->id_len != 0)
		remember(batch, item);
	chain->head.index = batch->place.size;
	chain->head.seq = header.seq;
	chain->head.time_us = header.time_us;
	chain->head.hash = hash;
	batch->last.segment = batch->place.segment;
	batch->last.offset = batch->place.offset;
	batch->last.hash = hash;
	batch->last.time_us = header.time_us;
	item->receipt.index = batch->place.size;
	item->receipt.seq = header.seq;
	item->receipt.hash = hash;
	item->receipt.time_us = header.time_us;
	item->receipt.repeated = false;
	batch->len += line_len;
	batch->place.offset += line_len;
	batch->place.size++;
	return TALLY_OK;
}

/* The lines are in the file: heads, ids, and the new tail (R3). */
static void
batch_publish(struct tally_log *log)
{
	struct tally_batch *batch = log->batch;

	for (size_t i = 0; i < batch->touched_len; i++) {
		struct tally_touched *touched = &batch->touched[i];

		tally_state_head_set(log->state, touched->slot, &touched->head);
		if (touched->slot->ordinal == UINT32_MAX)
			tally_state_chain_order(log->state, touched->slot,
			    batch->last.chains++);
	}
	for (size_t i = 0; i < batch->recent_len; i++)
		tally_state_recent_add(log->state, &batch->recent[i]);
	tally_state_publish(log->state, &batch->place, &batch->last);
}

/* A write that failed, under the same lock: does the file end as before? */
static bool
batch_undo(struct tally_log *log, uint64_t end)
{
	struct tally_sys_stat st;

	return tally_sys_truncate(log->segment->fd, end) == 0 ||
	    (tally_sys_stat(log->segment->fd, &st) == 0 && st.size == end);
}

int
tally_batch_write(struct tally_log *log, struct tally_error *error)
{
	struct tally_batch *batch = log->batch;
	struct tally_place tail = tally_state_tail(log->state);
	struct tally_shared *shared = log->state->shared;
	int result;

	if (batch->len == 0)
		return TALLY_OK;
	if (tally_hasher_failed(&batch->hasher))
		return tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	atomic_store(&shared->dirty, 1);
	result = tally_sys_write(log->segment->fd, batch->lines, batch->len,
	    tail.offset, NULL);
	if (result == 0) {
		batch_publish(log);
		atomic_store(&shared->dirty, 0);
		return TALLY_OK;
	}
	result = tally_fail_os(error, result, "cannot append to the log");
	if (batch_undo(log, tail.offset)) {
		atomic_store(&shared->dirty, 0);
		return result;
	}
	/* Dirty stays, and whole lines will be adopted: nobody knows which. */
	if (error != NULL)
		error->code = TALLY_E_POISONED;
	return TALLY_E_POISONED;
}

int
tally_seal_own(struct tally_log *log, const char *event, size_t event_len,
    struct tally_error *error)
{
	struct tally_item item = {
		.chain = OWN_CHAIN,
		.chain_len = strlen(OWN_CHAIN),
		.event = event,
		.event_len = event_len,
	};
	int result;

	item.digest = tally_hash_commitment(&log->batch->hasher, NULL, event,
	    event_len);
	item.chain_key = tally_key_chain(&log->state->shared->seed, item.chain,
	    item.chain_len);
	if (tally_item_resolve(log->state, &item) == NULL)
		return tally_fail(error, TALLY_E_BUG, "no room for \"%s\"",
		    OWN_CHAIN);
	tally_batch_begin(log);
	result = tally_batch_reserve(log->batch, 1, tally_item_bytes(&item),
	    error);
	if (result == 0)
		result = tally_batch_add(log, &item, error);
	if (result == 0)
		result = tally_batch_write(log, error);
	return result;
}
