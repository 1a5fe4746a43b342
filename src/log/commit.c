/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit inside one handle.
 *
 *   append:  prepare -> join the open group -> [lead it] -> wait -> receipt
 *
 * The first call of a group is its leader.  While it waits for the order lock
 * the group stays open and other threads join; with the lock in hand it
 * closes the group, seals all its calls into one batch, writes it, lets the
 * lock go, and waits for a sync on behalf of all.  Followers sleep on the
 * group's own word.  Calls that ask for a sync and those that do not are
 * never in one group: a buffered call waits for nobody's sync.
 */
#include <string.h>

#include "log/commit.h"
#include "log/fail.h"
#include "log/find.h"
#include "log/grow.h"
#include "log/housekeeping.h"
#include "log/key.h"
#include "log/order.h"
#include "log/own.h"
#include "log/wait.h"

#define GROUP_RECORDS_MAX 8192
#define GROUP_BYTES_MAX ((size_t)16 << 20)
#define TRIES 8

struct tally_group {
	struct tally_call *first, *last;
	size_t records, bytes, chains, names, ids;
	uint32_t calls;
	unsigned users; /* calls that still look at it; queue mutex */
	bool buffered;
	_Atomic uint32_t settled; /* every call has its result */
	struct tally_group *next;
};

/* ---- groups ----------------------------------------------------------- */

void
tally_groups_free(struct tally_log *log)
{
	struct tally_group *group;

	while ((group = log->free_groups) != NULL) {
		log->free_groups = group->next;
		tally_sys_free(group);
	}
}

static struct tally_group *
group_new(struct tally_log *log)
{
	struct tally_group *group = log->free_groups;

	if (group != NULL) {
		log->free_groups = group->next;
		memset(group, 0, sizeof(*group));
		return group;
	}
	return tally_sys_alloc(sizeof(*group));
}

static bool
group_has_room(const struct tally_group *group, const struct tally_call *call)
{
	return group->records + call->count <= GROUP_RECORDS_MAX &&
	    group->bytes + call->bytes <= GROUP_BYTES_MAX;
}

/* Puts the call into a group; *out_leads if it must lead it. */
static struct tally_group *
group_join(struct tally_log *log, struct tally_call *call, bool *out_leads)
{
	struct tally_group **open = &log->open_group[call->buffered];
	struct tally_group *group;

	pthread_mutex_lock(&log->queue);
	group = *open;
	*out_leads = group == NULL || !group_has_room(group, call);
	if (*out_leads) {
		group = group_new(log);
		if (group == NULL) {
			pthread_mutex_unlock(&log->queue);
			return NULL;
		}
		group->buffered = call->buffered;
		*open = group;
	}
	if (group->last != NULL)
		group->last->next = call;
	else
		group->first = call;
	group->last = call;
	group->records += call->count;
	group->bytes += call->bytes;
	group->chains += call->chains;
	group->names += call->names;
	group->ids += call->ids;
	group->calls++;
	group->users++;
	pthread_mutex_unlock(&log->queue);
	return group;
}

/* From here on nobody joins. */
static void
group_shut(struct tally_log *log, struct tally_group *group)
{
	pthread_mutex_lock(&log->queue);
	if (log->open_group[group->buffered] == group)
		log->open_group[group->buffered] = NULL;
	pthread_mutex_unlock(&log->queue);
}

static void
group_leave(struct tally_log *log, struct tally_group *group)
{
	pthread_mutex_lock(&log->queue);
	if (--group->users == 0) {
		group->next = log->free_groups;
		log->free_groups = group;
	}
	pthread_mutex_unlock(&log->queue);
}

static void
group_settle(struct tally_group *group)
{
	atomic_store(&group->settled, 1);
	if (group->calls > 1)
		tally_sys_wake(&group->settled, INT32_MAX, false);
}

/* ---- sealing a group, under the order lock ---------------------------- */

static void
call_fail(struct tally_call *call, int result, const struct tally_error *error)
{
	call->result = result;
	call->error = *error;
}

static void
group_fail(struct tally_group *group, int result,
    const struct tally_error *error)
{
	for (struct tally_call *c = group->first; c != NULL; c = c->next) {
		if (c->result == 0)
			call_fail(c, result, error);
	}
}

static int
group_resolve(struct tally_log *log, struct tally_group *group,
    struct tally_error *error)
{
	const struct tally_sip_key *seed = &log->state->shared->seed;

	for (struct tally_call *c = group->first; c != NULL; c = c->next) {
		for (size_t i = 0; i < c->count; i++) {
			struct tally_item *item = &c->items[i];

			item->chain_key = tally_key_chain(seed, item->chain,
			    item->chain_len);
			item->id_key = item->id_len == 0
			    ? 0
			    : tally_key_id(seed, item->chain_key, item->id,
				  item->id_len);
			if (tally_item_resolve(log->state, item) == NULL)
				return tally_fail(error, TALLY_E_BUG,
				    "no room in the shared state");
		}
	}
	return TALLY_OK;
}

/* An item of the batch, before this one, with the same chain and id. */
static struct tally_item *
batch_id(struct tally_batch *batch, const struct tally_item *item)
{
	struct tally_item *at = batch->ids[item->id_key % TALLY_BATCH_BUCKETS];

	for (; at != NULL; at = at->next_id) {
		if (at->id_key == item->id_key && at->slot == item->slot &&
		    at->id_len == item->id_len &&
		    memcmp(at->id, item->id, item->id_len) == 0)
			return at;
	}
	return NULL;
}

static int
conflict(const struct tally_item *item, struct tally_error *error)
{
	return tally_fail(error, TALLY_E_CONFLICT,
	    "the id \"%.*s\" is taken by another event in chain \"%.*s\"",
	    (int)item->id_len, item->id, (int)item->chain_len, item->chain);
}

/*
 * Is the id there already, in this batch or in the log?  Then the item only
 * repeats it; or it is a conflict.
 */
static int
item_match(struct tally_log *log, struct tally_item *item,
    struct tally_error *error)
{
	struct tally_item *same = batch_id(log->batch, item);
	int result;

	if (same != NULL) {
		if (same->event_len != item->event_len ||
		    memcmp(same->event, item->event, item->event_len) != 0)
			return conflict(item, error);
		item->repeats = same;
		return TALLY_OK;
	}
	result = tally_find_repeat(log, item, error);
	if (result == TALLY_PARTIAL)
		return conflict(item, error);
	if (result == TALLY_OK) {
		item->repeats = item;
		return TALLY_OK;
	}
	return result == TALLY_END ? TALLY_OK : result;
}

static void
batch_ids_add(struct tally_batch *batch, struct tally_item *item)
{
	struct tally_item *
	    *bucket = &batch->ids[item->id_key % TALLY_BATCH_BUCKETS];

	item->next_id = *bucket;
	*bucket = item;
}

/* Takes the call's ids [0, count) out again, last in first out. */
static void
batch_ids_drop(struct tally_batch *batch, struct tally_call *call, size_t count)
{
	for (size_t i = count; i-- > 0;) {
		struct tally_item *item = &call->items[i];

		if (item->id_len != 0 && item->repeats == NULL)
			batch->ids[item->id_key % TALLY_BATCH_BUCKETS] =
			    item->next_id;
	}
}

/* All ids of a call, before anything of it is sealed: all or nothing. */
static int
call_match(struct tally_log *log, struct tally_call *call,
    struct tally_error *error)
{
	if (call->ids == 0)
		return TALLY_OK;
	for (size_t i = 0; i < call->count; i++) {
		struct tally_item *item = &call->items[i];
		int result;

		if (item->id_len == 0)
			continue;
		result = item_match(log, item, error);
		if (result != 0) {
			error->item = i;
			batch_ids_drop(log->batch, call, i);
			return result;
		}
		if (item->repeats == NULL)
			batch_ids_add(log->batch, item);
	}
	return TALLY_OK;
}

/* A carried call: is each record the next one?  All or nothing. */
static int
call_follow(struct tally_log *log, struct tally_call *call,
    struct tally_error *error)
{
	for (size_t i = 0; i < call->count; i++) {
		int result = tally_batch_follows(log, &call->items[i], call,
		    error);

		if (result != 0) {
			error->item = i;
			return result;
		}
	}
	return TALLY_OK;
}

static int
call_seal(struct tally_log *log, struct tally_call *call,
    struct tally_error *error)
{
	int result = call->carried ? call_follow(log, call, error)
				   : call_match(log, call, error);

	for (size_t i = 0; i < call->count && result == 0; i++) {
		struct tally_item *item = &call->items[i];

		if (item->repeats == NULL)
			result = tally_batch_add(log, item, error);
		else if (item->repeats != item)
			item->receipt = item->repeats->receipt;
		item->receipt.repeated = item->repeats != NULL;
	}
	return result;
}

/* Room for the whole group, in the state, in memory, in the segment. */
static int
group_reserve(struct tally_log *log, struct tally_group *group,
    struct tally_error *error)
{
	const struct tally_state_room more = { group->chains, group->names,
		group->ids };
	int result;

	do {
		result = tally_order_make_room(log, &more, error);
		if (result == 0)
			result = tally_order_roll(log, group->bytes, error);
	} while (result == TALLY_PARTIAL);
	if (result == 0) {
		tally_batch_begin(log);
		result = tally_batch_reserve(log->batch, group->records,
		    group->bytes, error);
	}
	if (result == 0)
		result = group_resolve(log, group, error);
	return result;
}

/* Order lock held: every call of the group gets its result. */
static void
group_seal(struct tally_log *log, struct tally_group *group)
{
	struct tally_error error = { 0 };
	int result = group_reserve(log, group, &error);

	for (struct tally_call *c = group->first; c != NULL && result == 0;
	     c = c->next) {
		struct tally_error own = { 0 };
		int sealed = call_seal(log, c, &own);

		if (sealed != 0)
			call_fail(c, sealed, &own);
	}
	if (result == 0)
		result = tally_batch_write(log, &error);
	if (result != 0)
		group_fail(group, result, &error);
}

/* ---- the call --------------------------------------------------------- */

/* R4: a repeated id's receipt was given once; it must be durable, also where
 * the call itself is buffered. */
static bool
repeats_undurable(const struct tally_log *log, const struct tally_call *call)
{
	uint64_t durable = tally_state_durable(log->state).size;

	for (size_t i = 0; i < call->count && call->ids != 0; i++) {
		if (call->items[i].repeats == &call->items[i] &&
		    call->items[i].receipt.index >= durable)
			return true;
	}
	return false;
}

static bool
group_needs_sync(const struct tally_log *log, const struct tally_group *group)
{
	for (struct tally_call *c = group->first; c != NULL; c = c->next) {
		if (c->result == 0 &&
		    (!group->buffered || repeats_undurable(log, c)))
			return true;
	}
	return false;
}

/*
 * The records are in the log: whatever keeps us from learning whether they
 * are durable, a table of files that is full for one, must not be told as an
 * error that has left nothing appended.
 */
static int
group_sync(struct tally_log *log, struct tally_target *target,
    struct tally_error *error)
{
	int result = tally_sync_wait(log, target, error);

	if (result != 0) {
		error->code = TALLY_E_POISONED;
		result = TALLY_E_POISONED;
	}
	return result;
}

static void
group_lead(struct tally_log *log, struct tally_group *group)
{
	struct tally_target target = { 0 };
	struct tally_error error = { 0 };
	struct tally_housekeeping due = { 0 };
	bool needs_sync = false;
	int result;

	result = tally_order_begin(log, &error);
	group_shut(log, group);
	if (result == 0) {
		group_seal(log, group);
		/* A roll whose recovery failed leaves us without one. */
		if (log->state != NULL)
			due = tally_housekeeping_due(log->state);
		needs_sync = group_needs_sync(log, group);
		if (needs_sync)
			tally_target_set(log, group->calls, &target);
		if (group->buffered)
			atomic_store(&log->has_buffered, true);
		tally_order_end(log);
	}
	if (needs_sync)
		result = group_sync(log, &target, &error);
	if (result != 0)
		group_fail(group, result, &error);
	group_settle(group);
	if (result == 0)
		tally_housekeeping_do(log, &due, group->buffered);
}

static void
group_await(struct tally_group *group)
{
	while (atomic_load(&group->settled) == 0)
		tally_sys_wait(&group->settled, 0, -1, false);
}

/* Once through a group, as its leader or not. */
int
tally_call_run(struct tally_log *log, struct tally_call *call,
    struct tally_error *error)
{
	struct tally_group *group;
	bool leads = false;

	group = group_join(log, call, &leads);
	if (group == NULL)
		return tally_fail_memory(error);
	if (leads)
		group_lead(log, group);
	else
		group_await(group);
	group_leave(log, group);
	if (call->result != 0 && error != NULL)
		*error = call->error;
	return call->result;
}

/* As it was before it went through a group. */
static void
call_reset(struct tally_call *call)
{
	call->result = TALLY_OK;
	call->next = NULL;
	for (size_t i = 0; i < call->count; i++) {
		call->items[i].repeats = NULL;
		call->items[i].next_id = NULL;
		call->items[i].in_runs = TALLY_NOT_IN_RUNS;
		call->items[i].asked_to = 0;
	}
}

static int
append(struct tally_log *log, const struct tally_append *requests, size_t count,
    bool own, enum tally_durability durability, struct tally_receipt *receipts,
    struct tally_error *error)
{
	struct tally_call call;
	int result;

	/* Before any mutex, which a thread of the parent may have held. */
	if (atomic_load(&log->forked))
		return tally_handle_refuse_forked(error);
	if (log->read_only)
		return tally_fail(error, TALLY_E_USAGE,
		    "the log was opened read-only");
	result = tally_call_prepare(log, requests, count, own, &call, error);
	call.buffered = durability == TALLY_BUFFERED;
	for (int i = 0; result == 0 && count != 0; i++) {
		if (call.ids != 0)
			result = tally_find_prepare(log, &call, error);
		if (result != 0)
			break;
		/* A recovery in between may ask more of the index than was
		 * looked up: then all of it once more. */
		result = tally_call_run(log, &call, error);
		if (result != TALLY_E_BUSY || i == TRIES)
			break;
		call_reset(&call);
		result = TALLY_OK;
	}
	for (size_t i = 0; i < count && result == 0 && receipts != NULL; i++)
		receipts[i] = call.items[i].receipt;
	tally_call_wipe(&call);
	return result;
}

int
tally_log_append(struct tally_log *log, const struct tally_append *requests,
    size_t count, enum tally_durability durability,
    struct tally_receipt *receipts, struct tally_error *error)
{
	return append(log, requests, count, false, durability, receipts, error);
}

int
tally_log_append_own(struct tally_log *log, const struct tally_append *requests,
    size_t count, enum tally_durability durability,
    struct tally_receipt *receipts, struct tally_error *error)
{
	return append(log, requests, count, true, durability, receipts, error);
}
