/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R5, R6: the state is lost or poisoned.
 *
 *     resume an interrupted rewrite
 *     heads from the index, if it has them; else from the first record
 *     read lines up to the watermark: all must hold, or the log is damaged
 *     read lines above it: adopt until the first that does not hold
 *     if there is anything above it: keep it aside, cut, write what was
 *         adopted through a new descriptor, and a record of what was torn
 *     sync, raise the watermark, install the state
 *
 * Every step may be the last; the next recovery begins anew and finds the same
 * lines.
 */
#include <errno.h>
#include <string.h>

#include "log/fail.h"
#include "log/grow.h"
#include "log/heads.h"
#include "log/locks.h"
#include "log/mark.h"
#include "log/recover.h"
#include "log/rewrite.h"
#include "log/scan.h"
#include "log/seal.h"

struct recovery {
	struct tally_scan scan;
	struct tally_segments segments;
	struct tally_mark mark;
	struct tally_place floor; /* below it nothing may be torn */
	uint64_t end;             /* bytes of the last segment */
};

/* What is damaged below the watermark is not ours to mend. */
static int
damaged(const struct recovery *recovery, struct tally_error *error)
{
	struct tally_place at = tally_state_tail(recovery->scan.state);
	char name[TALLY_SEGMENT_NAME_SIZE];

	tally_segment_name(at.segment, name);
	return tally_fail(error, TALLY_E_DAMAGED,
	    "\"log/%s\" is damaged at byte %llu, record %llu, which was"
	    " durable; nothing is appended to such a log, \"tally verify\""
	    " says more",
	    name, (unsigned long long)at.offset, (unsigned long long)at.size);
}

/* Everything that is in the last segment, or was durable, is known. */
static int
find_floor(struct tally_log *log, struct recovery *recovery,
    struct tally_error *error)
{
	uint64_t last;
	int result;

	result = tally_segments_list(log->log_dir, &recovery->segments, error);
	if (result == 0)
		result = tally_mark_read(recovery->scan.hasher, log->log_dir,
		    &recovery->mark, error);
	if (result != 0)
		return result;
	if (recovery->segments.count == 0)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "\"%s/log\" holds no segment", log->path);
	last = recovery->segments.first[recovery->segments.count - 1];
	recovery->floor.size = last;
	recovery->floor.segment = last;
	recovery->floor.offset = 0;
	/* A roll syncs the old segment, so the start of the last is a floor. */
	if (recovery->mark.turn != 0 && recovery->mark.place.size > last)
		recovery->floor = recovery->mark.place;
	return TALLY_OK;
}

/* An empty state, or the heads that the index has. */
static int
first_state(struct tally_log *log, struct recovery *recovery, int run_dir,
    struct tally_error *error)
{
	struct tally_place start = { 0 };
	struct tally_last none = { 0 };
	struct tally_heads_file heads;
	struct tally_state_room room = { 0 };
	int found, result;

	found = tally_heads_read(log, &recovery->floor, &heads, error);
	if (found < 0) {
		tally_heads_wipe(&heads);
		return found;
	}
	if (found == 0) {
		room.chains = heads.chains + 1;
		room.arena_bytes = heads.names + TALLY_CHAIN_TEXT_MAX;
	}
	result = tally_state_create(run_dir, &log->owner, &room,
	    &recovery->scan.state, error);
	if (result == 0 && found == 0)
		tally_heads_fill(&heads, recovery->scan.state);
	else if (result == 0)
		tally_state_publish(recovery->scan.state, &start, &none);
	if (result == 0) {
		recovery->scan.state->shared->recent_from[0] = recovery->floor
								   .size;
		recovery->scan.state->shared->recent_from[1] = recovery->floor
								   .size;
		recovery->scan.state->shared->recent_oldest = recovery->floor
								  .size;
		recovery->scan.ids_from = recovery->floor.size;
	}
	tally_heads_wipe(&heads);
	return result;
}

/* One segment, up to end; *out_torn if something in it was not adopted. */
static int
read_segment(struct tally_log *log, struct recovery *recovery, uint64_t first,
    bool is_last, bool *out_torn, struct tally_error *error)
{
	struct tally_sys_stat st;
	int fd, result;

	fd = tally_segment_open(log->log_dir, first, false, error);
	if (fd < 0)
		return fd;
	result = tally_sys_stat(fd, &st);
	if (result != 0) {
		tally_sys_close(fd);
		return tally_fail_os(error, result, "cannot read a segment");
	}
	if (is_last)
		recovery->end = st.size;
	result = tally_scan_lines(&recovery->scan, fd, st.size, error);
	tally_sys_close(fd);
	*out_torn = result == TALLY_END;
	return result == TALLY_END ? TALLY_OK : result;
}

/* All segments from where the heads end; what is torn must lie above the
 * floor. */
static int
read_segments(struct tally_log *log, struct recovery *recovery,
    struct tally_error *error)
{
	const struct tally_segments *segments = &recovery->segments;
	const struct tally_place *floor = &recovery->floor;
	const struct tally_sys_stat none = { 0 };
	struct tally_place tail = tally_state_tail(recovery->scan.state);
	bool torn = false;

	for (size_t i = 0; i < segments->count && !torn; i++) {
		uint64_t first = segments->first[i];
		int result;

		if (first < tail.segment)
			continue;
		if (first > tail.segment) {
			if (first != tail.size)
				return damaged(recovery, error);
			/* Which file that is, settle says. */
			tally_scan_enter(&recovery->scan, first, &none);
		}
		result = read_segment(log, recovery, first,
		    i + 1 == segments->count, &torn, error);
		if (result != 0)
			return result;
		tail = tally_state_tail(recovery->scan.state);
	}
	if (tail.size < floor->size || tail.segment != floor->segment ||
	    tail.offset < floor->offset)
		return damaged(recovery, error);
	return TALLY_OK;
}

/* The adopted lines through a new descriptor, and what was torn. */
static int
rewrite(struct tally_log *log, struct recovery *recovery,
    struct tally_error *error)
{
	struct tally_place tail = tally_state_tail(recovery->scan.state);
	struct tally_rewrite what = {
		.segment = tail.segment,
		.offset = recovery->floor.offset,
		.len = recovery->end - recovery->floor.offset,
	};
	char event[TALLY_TORN_EVENT_MAX];
	bool torn = recovery->end > tail.offset;
	int fd = log->segment->fd;
	int result = TALLY_OK;

	if (what.len == 0)
		return TALLY_OK;
	if (torn)
		result = tally_scan_set_aside(&recovery->scan, fd,
		    recovery->end, recovery->floor.size, event, error);
	if (result == 0)
		result = tally_rewrite_keep(log, fd, &what, error);
	if (result == 0)
		result = tally_view_open_segment(log, tail.segment, error);
	if (result == 0)
		result = tally_rewrite_put(log, log->segment->fd, &what,
		    tail.offset - what.offset, error);
	if (result == 0 && torn)
		result = tally_seal_own(log, event, strlen(event), error);
	if (result != 0)
		return result;
	result = tally_sys_sync_all(log->segment->fd);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot sync a segment in its recovery");
	return tally_rewrite_drop(log, error);
}

/* What is in the files is durable: so is the tail. */
static int
settle(struct tally_log *log, struct recovery *recovery,
    struct tally_error *error)
{
	struct tally_state *state = log->state;
	struct tally_place tail = tally_state_tail(state);
	struct tally_last last = *tally_state_last(state);
	int result;

	last.segment_device = log->segment->device;
	last.segment_inode = log->segment->inode;
	tally_state_publish(state, &tail, &last);
	tally_published_set(&state->shared->durable, &tail);
	result = tally_mark_write(&log->sync_hasher, log->log_dir, &tail,
	    &recovery->mark, error);
	if (result != 0)
		return result;
	state->shared->mark_us = tally_sys_monotonic_us();
	result = tally_sys_unlink(log->log_dir, TALLY_POISON_NAME);
	if (result == 0)
		result = tally_sys_sync_all(log->log_dir);
	if (result != 0 && result != -ENOENT)
		return tally_fail_os(error, result, "cannot remove \"log/%s\"",
		    TALLY_POISON_NAME);
	return tally_state_install(log->run_dir, state, error);
}

/* Reads the log into a new state, and leaves it in the scan. */
static int
read_log(struct tally_log *log, struct recovery *recovery, int run_dir,
    struct tally_error *error)
{
	int result;

	recovery->scan.log = log;
	recovery->scan.hasher = &log->batch->hasher;
	recovery->scan.run_dir = run_dir;
	result = find_floor(log, recovery, error);
	if (result == 0)
		result = first_state(log, recovery, run_dir, error);
	if (result == 0)
		result = read_segments(log, recovery, error);
	return result;
}

/* Room for the record of what was torn; nobody else sees the state yet. */
static int
room_for_own(struct tally_log *log, struct recovery *recovery,
    struct tally_error *error)
{
	struct tally_state_room more = { 1, TALLY_CHAIN_TEXT_MAX, 0 };
	struct tally_state *old;
	int result;

	result = tally_state_grow(log->run_dir, &log->owner, &more,
	    &recovery->scan.state, &old, error);
	if (result != TALLY_PARTIAL)
		return result;
	tally_state_unref(old);
	return TALLY_OK;
}

/*
 * Names that we go by.  Whoever made them may have died before its sync of the
 * directory, an init at its last step for one; what is acknowledged from here
 * on must not vanish with them.
 */
static int
sync_names(struct tally_log *log, struct tally_error *error)
{
	int result = tally_sys_sync_all(log->dir);

	if (result == 0)
		result = tally_sys_sync_all(log->log_dir);
	if (result != 0)
		return tally_fail_os(error, result, "cannot sync \"%s\"",
		    log->path);
	return TALLY_OK;
}

static void
recovery_wipe(struct recovery *recovery)
{
	tally_state_unref(recovery->scan.state);
	tally_segments_wipe(&recovery->segments);
}

/* Order and sync locks held.  From the middle on the handle's state and
 * segment are the new ones; the caller drops them if we fail. */
static int
recover_locked(struct tally_log *log, struct recovery *recovery,
    struct tally_error *error)
{
	int result;

	result = sync_names(log, error);
	if (result == 0)
		result = tally_rewrite_resume(log, error);
	if (result == 0)
		result = read_log(log, recovery, log->run_dir, error);
	if (result == 0)
		result = room_for_own(log, recovery, error);
	if (result == 0)
		result = tally_view_open_segment(log,
		    tally_state_tail(recovery->scan.state).segment, error);
	if (result != 0)
		return result;
	tally_view_set_state(log, tally_state_ref(recovery->scan.state));
	result = rewrite(log, recovery, error);
	if (result == 0)
		result = settle(log, recovery, error);
	return result;
}

int
tally_recover(struct tally_log *log, struct tally_error *error)
{
	struct tally_state *old = tally_view_state(log);
	struct recovery recovery = { 0 };
	int result;

	result = tally_sync_lock(log, error);
	if (result == 0) {
		result = recover_locked(log, &recovery, error);
		tally_sync_unlock(log);
	}
	if (result != 0) {
		tally_view_set_state(log, NULL);
		tally_view_drop_segment(log);
	} else if (old != NULL) {
		tally_state_supersede(old);
	}
	tally_state_unref(old);
	recovery_wipe(&recovery);
	return result;
}

int
tally_recover_view(struct tally_log *log, struct tally_state **out,
    struct tally_error *error)
{
	struct recovery recovery = { 0 };
	struct tally_place tail;
	struct tally_sys_stat st;
	int result;

	/* Records that were acknowledged may be in there, and not yet back in
	 * their segment: fewer must not be shown than there are. */
	if (tally_sys_stat_at(log->log_dir, TALLY_REWRITE_NAME, &st) == 0)
		return tally_fail(error, TALLY_E_POISONED,
		    "a recovery of the log was interrupted; the next append"
		    " brings it to its end");
	result = read_log(log, &recovery, -1, error);
	if (result == 0) {
		tail = tally_state_tail(recovery.scan.state);
		tally_published_set(&recovery.scan.state->shared->durable,
		    &tail);
		*out = tally_state_ref(recovery.scan.state);
	}
	recovery_wipe(&recovery);
	return result;
}
