/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit across threads and processes.
 *
 * A sync has a number, its epoch.  The leader draws it first and reads the
 * tail second; an appender publishes its tail first and reads the epoch
 * second.  So a record that saw epoch e lies in the file before sync e reads
 * the tail, and sleeps on bell e % 64.  The leader wakes bell e, all of whom
 * are done, and one of bell e + 1, who will lead.
 *
 * Bells only save time: a sleeper looks again by itself after WAIT_US, so a
 * leader that dies wakes nobody and hurts nobody.
 */
#include "log/wait.h"
#include "core/record.h"
#include "log/fail.h"
#include "log/locks.h"
#include "log/order.h"
#include "log/sync.h"

#define WAIT_US 20000
#define GATHER_US_MIN 20 /* below it a pause costs more than it brings */
#define GATHER_US_MAX 2000
#define GATHER_REST 31 /* syncs without waiting, after one in vain */

/* So many calls wait for this epoch's sync; its leader may wait for them. */
static void
count_in(struct tally_shared *shared, uint32_t epoch, uint32_t calls)
{
	uint32_t count = atomic_fetch_add(
			     &shared->calls[epoch % TALLY_STATE_BELLS], calls) +
	    calls;
	uint32_t wanted = atomic_load(&shared->wanted);

	if (wanted != 0 && count >= wanted) {
		atomic_store(&shared->wanted, 0);
		tally_sys_wake(&shared->wanted, 1, true);
	}
}

void
tally_target_set(struct tally_log *log, uint32_t calls,
    struct tally_target *out)
{
	const struct tally_last *last = tally_state_last(log->state);

	out->end = tally_state_tail(log->state);
	out->line_offset = last->offset;
	out->hash = last->hash;
	/* After the tail was published: see above. */
	out->epoch = atomic_load(&log->state->shared->epoch);
	out->state = tally_state_ref(log->state);
	out->calls = calls;
	count_in(log->state->shared, out->epoch, calls);
}

void
tally_target_drop(struct tally_target *target)
{
	tally_state_unref(target->state);
	target->state = NULL;
}

static void
ring(struct tally_state *state, uint32_t epoch, int count)
{
	_Atomic uint32_t *bell = &state->shared
				      ->bell[epoch % TALLY_STATE_BELLS];

	atomic_fetch_add(bell, 1);
	if (atomic_load(&state->shared->sleepers) != 0)
		tally_sys_wake(bell, count, true);
}

/* Those who follow the log look again. */
static void
tell_followers(struct tally_state *state)
{
	atomic_fetch_add(&state->shared->growth, 1);
	if (atomic_load(&state->shared->followers) != 0)
		tally_sys_wake(&state->shared->growth, INT32_MAX, true);
}

/*
 * Company for the next sync.  Writers that were just released come back at
 * once if they are busy; a sync that starts before they are back covers only
 * those who were late for the last one, and the two halves alternate for ever.
 * So a leader waits until nearly as many wait as did when the last sync ended,
 * at most half a sync long.  Where they do not come it rests for a while.
 */
static void
gather(struct tally_shared *shared)
{
	_Atomic uint32_t *calls =
	    &shared->calls[atomic_load(&shared->epoch) % TALLY_STATE_BELLS];
	uint32_t crowd = atomic_load(&shared->crowd);
	uint32_t wanted = crowd - crowd / 16;
	uint64_t limit_us = atomic_load(&shared->sync_us) / 2;

	if (atomic_load(calls) >= wanted || limit_us < GATHER_US_MIN)
		return;
	if (atomic_load(&shared->rest) != 0) {
		atomic_fetch_sub(&shared->rest, 1);
		return;
	}
	if (limit_us > GATHER_US_MAX)
		limit_us = GATHER_US_MAX;
	atomic_store(&shared->wanted, wanted);
	if (atomic_load(calls) < wanted)
		tally_sys_wait(&shared->wanted, wanted, (int64_t)limit_us,
		    true);
	atomic_store(&shared->wanted, 0);
	if (atomic_load(calls) < wanted - wanted / 4)
		atomic_store(&shared->rest, GATHER_REST);
}

/* Draws the number of the next sync; a new bell begins to collect calls. */
static uint32_t
draw_epoch(struct tally_shared *shared)
{
	uint32_t next = atomic_load(&shared->epoch) + 1;

	atomic_store(&shared->calls[next % TALLY_STATE_BELLS], 0);
	return atomic_fetch_add(&shared->epoch, 1);
}

/* The segment that the tail is in, opened if it is not the one we have. */
static int
segment_for(struct tally_log *log, const struct tally_place *place,
    struct tally_open_segment **out, struct tally_error *error)
{
	int result;

	*out = tally_view_segment(log);
	if (*out != NULL && (*out)->first == place->segment)
		return TALLY_OK;
	tally_open_segment_unref(*out);
	result = tally_view_open_segment(log, place->segment, error);
	if (result == 0)
		*out = tally_view_segment(log);
	return result;
}

/* Sync lock held: one sync for everybody; the lock is gone afterwards. */
static int
lead(struct tally_log *log, struct tally_state *state,
    struct tally_error *error)
{
	struct tally_shared *shared = state->shared;
	struct tally_open_segment *segment;
	struct tally_place tail;
	uint32_t epoch;
	int result;

	gather(shared);
	epoch = draw_epoch(shared);
	tail = tally_state_tail(state);
	result = segment_for(log, &tail, &segment, error);
	if (result == 0) {
		result = tally_sync_now(log, state, segment, &tail, false,
		    error);
		tally_open_segment_unref(segment);
	}
	atomic_store(&shared->crowd,
	    atomic_load(&shared->calls[epoch % TALLY_STATE_BELLS]) +
		atomic_load(&shared->calls[(epoch + 1) % TALLY_STATE_BELLS]));
	tally_sync_unlock(log);
	ring(state, epoch, INT32_MAX);
	ring(state, epoch + 1, result == 0 ? 1 : INT32_MAX);
	tell_followers(state);
	return result;
}

/* Is the target's record still in the file, after a recovery? */
static int
still_there(struct tally_log *log, const struct tally_target *target,
    struct tally_error *error)
{
	size_t len = (size_t)(target->end.offset - target->line_offset);
	char *text = tally_sys_alloc(len);
	struct tally_line line;
	int fd, result;

	if (text == NULL)
		return tally_fail_memory(error);
	fd = tally_segment_open(log->log_dir, target->end.segment, false,
	    error);
	result = fd < 0
	    ? fd
	    : tally_segment_read(fd, text, len, target->line_offset, error);
	if (result == 0 &&
	    (tally_line_decode(text, len, &line) != 0 ||
		!tally_hash_equal(&line.hash, &target->hash)))
		result = TALLY_E_DAMAGED;
	if (result == TALLY_E_DAMAGED)
		result = tally_fail(error, TALLY_E_POISONED,
		    "the log was recovered in the meantime, and this append is"
		    " not part of it");
	if (fd >= 0)
		tally_sys_close(fd);
	tally_sys_free(text);
	return result;
}

/* The state is another one, or unsound: take the order lock, which mends it,
 * and see whether we are still part of the log. */
static int
look_again(struct tally_log *log, const struct tally_target *target,
    struct tally_state **state, struct tally_error *error)
{
	int result = tally_order_begin(log, error);

	if (result != 0)
		return result;
	tally_state_unref(*state);
	*state = tally_view_state(log);
	tally_order_end(log);
	return still_there(log, target, error);
}

/* With the sync lock in hand: are we covered already, or do we lead? */
static int
take_turn(struct tally_log *log, const struct tally_target *target,
    struct tally_state **state, struct tally_error *error)
{
	struct tally_shared *shared = (*state)->shared;
	bool stale = false;
	int result;

	/*
	 * Not on a state that was replaced: a failure would poison that one
	 * only.  While we have the lock it cannot be.
	 */
	if (tally_state_durable(*state).size >= target->end.size ||
	    atomic_load(&shared->poisoned) ||
	    (stale = !tally_state_is_current(*state, log->dir))) {
		tally_sync_unlock(log);
		/* We may have been woken to lead; pass it on. */
		ring(*state, atomic_load(&shared->epoch), 1);
		/* Perhaps nobody else is there to replace what was removed. */
		return stale ? look_again(log, target, state, error) : TALLY_OK;
	}
	result = lead(log, *state, error);
	if (result == TALLY_E_POISONED &&
	    atomic_load(&shared->poisoned) == TALLY_LEADER_DIED)
		return TALLY_OK;
	return result;
}

/* One step towards the target: look, lead, or sleep. */
static int
wait_step(struct tally_log *log, const struct tally_target *target,
    struct tally_state **state, struct tally_error *error)
{
	struct tally_shared *shared = (*state)->shared;
	_Atomic uint32_t *bell = &shared
				      ->bell[target->epoch % TALLY_STATE_BELLS];
	uint32_t heard = atomic_load(bell);

	if (tally_state_durable(*state).size >= target->end.size)
		return TALLY_OK;
	if (atomic_load(&shared->superseded) ||
	    atomic_load(&shared->poisoned) == TALLY_LEADER_DIED)
		return look_again(log, target, state, error);
	if (atomic_load(&shared->poisoned))
		return tally_fail(error, TALLY_E_POISONED,
		    "a sync of the log failed; whether this append is durable"
		    " is not known, the log recovers with the next one");
	if (tally_sync_trylock(log))
		return take_turn(log, target, state, error);
	atomic_fetch_add(&shared->sleepers, 1);
	tally_sys_wait(bell, heard, WAIT_US, true);
	atomic_fetch_sub(&shared->sleepers, 1);
	if (atomic_load(bell) == heard &&
	    !tally_state_is_current(*state, log->dir))
		return look_again(log, target, state, error);
	return TALLY_OK;
}

int
tally_sync_wait(struct tally_log *log, struct tally_target *target,
    struct tally_error *error)
{
	int result = TALLY_OK;

	while (result == 0 &&
	    tally_state_durable(target->state).size < target->end.size)
		result = wait_step(log, target, &target->state, error);
	tally_target_drop(target);
	return result;
}

int
tally_log_sync(struct tally_log *log, struct tally_error *error)
{
	struct tally_target target = { 0 };
	int result;

	if (log->read_only)
		return TALLY_OK;
	result = tally_order_begin(log, error);
	if (result != 0)
		return result;
	tally_target_set(log, 1, &target);
	/* Before the sync: what comes later may come after it. */
	atomic_store(&log->has_buffered, false);
	tally_order_end(log);
	result = tally_sync_wait(log, &target, error);
	if (result != 0)
		atomic_store(&log->has_buffered, true);
	return result;
}
