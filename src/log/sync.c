/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R5, as a story.  Leader A dies inside fdatasync; the kernel reported an
 * error to A, or it did not, and nobody will ever know: a second fdatasync by
 * B may report success for pages that were dropped.  So A says sync_began
 * before and sync_ended after, both under the lock that the kernel releases
 * at A's death; B, with the lock in hand, sees them differ and does not sync
 * but poisons the log, and recovery rewrites what is above the watermark.
 */
#include "log/sync.h"
#include "log/fail.h"
#include "log/locks.h"
#include "log/mark.h"
#include "log/recover.h"

#define MARK_EVERY_US 1000000

/* R5: for every process, and for those that start after a reboot. */
static void
poison(struct tally_log *log, struct tally_state *state)
{
	int fd;

	atomic_store(&state->shared->poisoned, TALLY_SYNC_FAILED);
	fd = tally_sys_open(log->log_dir, TALLY_POISON_NAME,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE);
	if (fd >= 0)
		(void)tally_sys_sync_all(fd);
	tally_sys_close(fd);
	(void)tally_sys_sync_all(log->log_dir);
}

static int
write_mark(struct tally_log *log, struct tally_state *state,
    const struct tally_place *place, struct tally_error *error)
{
	struct tally_mark mark;
	int result;

	/* Another process may have written it last. */
	result = tally_mark_read(&log->sync_hasher, log->log_dir, &mark, error);
	if (result == 0 && place->size <= mark.place.size)
		return TALLY_OK;
	if (result == 0)
		result = tally_mark_write(&log->sync_hasher, log->log_dir,
		    place, &mark, error);
	if (result == 0)
		atomic_store(&state->shared->mark_us, tally_sys_monotonic_us());
	return result;
}

int
tally_sync_now(struct tally_log *log, struct tally_state *state,
    struct tally_open_segment *segment, const struct tally_place *place,
    bool with_mark, struct tally_error *error)
{
	struct tally_shared *shared = state->shared;
	int64_t began = tally_sys_monotonic_us();
	int result;

	if (atomic_load(&shared->sync_began) !=
		atomic_load(&shared->sync_ended) &&
	    !atomic_load(&shared->poisoned))
		atomic_store(&shared->poisoned, TALLY_LEADER_DIED);
	if (atomic_load(&shared->poisoned))
		return tally_fail(error, TALLY_E_POISONED,
		    "a sync did not come to its end; the log recovers with the"
		    " next append");
	atomic_fetch_add(&shared->sync_began, 1);
	result = tally_sys_sync(segment->fd);
	if (result != 0) {
		poison(log, state);
		tally_fail_os(error, result,
		    "cannot sync the log; whether the"
		    " last records are durable is not known, the log recovers"
		    " with the next append");
		if (error != NULL)
			error->code = TALLY_E_POISONED;
		return TALLY_E_POISONED;
	}
	tally_published_set(&shared->durable, place);
	atomic_store(&shared->sync_ended, atomic_load(&shared->sync_began));
	atomic_fetch_add(&shared->syncs, 1);
	atomic_store(&shared->sync_us,
	    (uint64_t)(tally_sys_monotonic_us() - began));
	if (with_mark)
		return write_mark(log, state, place, error);
	/* Here it is only late, not needed: the next sync tries again. */
	if (tally_sys_monotonic_us() - atomic_load(&shared->mark_us) >
	    MARK_EVERY_US)
		(void)write_mark(log, state, place, NULL);
	return TALLY_OK;
}

int
tally_sync_mark(struct tally_log *log, struct tally_error *error)
{
	struct tally_state *state = tally_view_state(log);
	struct tally_place durable;
	int result;

	if (state == NULL)
		return TALLY_OK;
	result = tally_sync_lock(log, error);
	if (result == 0) {
		durable = tally_state_durable(state);
		/* A state that was removed may tell of another end. */
		if (tally_state_is_current(state, log->dir) &&
		    !atomic_load(&state->shared->poisoned))
			result = write_mark(log, state, &durable, error);
		tally_sync_unlock(log);
	}
	tally_state_unref(state);
	return result;
}
