/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "log/fail.h"
#include "log/locks.h"
#include "log/order.h"
#include "log/recover.h"
#include "log/sync.h"

#define ROLL_NEW "roll.new"
#define TRIES 16

/* R2: log/ is still the directory that we have open and locked. */
static int
check_directory(struct tally_log *log, struct tally_error *error)
{
	struct tally_sys_stat st;
	int result = tally_sys_stat_at(log->dir, TALLY_LOG_NAME, &st);

	if (result == 0 && st.device == log->owner.log_device &&
	    st.inode == log->owner.log_inode)
		return TALLY_OK;
	if (result != 0 && result != -ENOENT)
		return tally_fail_os(error, result, "cannot read \"%s/log\"",
		    log->path);
	return tally_fail(error, TALLY_E_SWAPPED,
	    "\"%s/log\" was moved or replaced; close the log and open it"
	    " again",
	    log->path);
}

void
tally_order_distrust(struct tally_log *log)
{
	(void)tally_sys_unlink(log->dir, TALLY_INDEX_NAME "/heads");
	(void)tally_sys_unlink(log->dir, TALLY_RUN_NAME "/" TALLY_STATE_NAME);
}

/* run/ may have been removed, so it is opened anew. */
static int
open_run(struct tally_log *log, struct tally_error *error)
{
	int fd = tally_sys_open_dir(log->dir, TALLY_RUN_NAME);

	for (int i = 0; i < TRIES && fd == -ENOENT; i++) {
		fd = tally_sys_mkdir(log->dir, TALLY_RUN_NAME);
		if (fd == 0 || fd == -EEXIST)
			fd = tally_sys_open_dir(log->dir, TALLY_RUN_NAME);
	}
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot open \"%s/run\"",
		    log->path);
	tally_sys_close(log->run_dir);
	log->run_dir = fd;
	return TALLY_OK;
}

/* R2: does the last record of the state stand where it says? */
static int
check_last(struct tally_log *log, const struct tally_state *state,
    struct tally_error *error)
{
	struct tally_place tail = tally_state_tail(state);
	const struct tally_last *last = tally_state_last(state);
	struct tally_line line;
	char *text;
	size_t len;
	int fd, result;

	if (tail.size == 0 || last->segment != tail.segment)
		return TALLY_OK;
	/* Shorter than it says is not for us to judge: check_segment does. */
	if (last->offset >= tail.offset ||
	    tail.offset - last->offset > TALLY_LINE_MAX(TALLY_EVENT_MAX))
		return TALLY_END;
	fd = tally_segment_open(log->log_dir, tail.segment, false, error);
	if (fd < 0)
		return fd;
	len = (size_t)(tail.offset - last->offset);
	text = tally_sys_alloc(len);
	if (text == NULL) {
		tally_sys_close(fd);
		return tally_fail_memory(error);
	}
	result = tally_segment_read(fd, text, len, last->offset, error);
	if (result == 0 &&
	    (tally_line_decode(text, len, &line) != 0 ||
		!tally_hash_equal(&line.hash, &last->hash)))
		result = TALLY_END;
	tally_sys_free(text);
	tally_sys_close(fd);
	return result == TALLY_E_DAMAGED || result == TALLY_E_SWAPPED ? TALLY_OK
								      : result;
}

/* Only a roll that died leaves a segment behind the tail's, and dirty set. */
int
tally_order_check_age(struct tally_log *log, const struct tally_state *state,
    struct tally_error *error)
{
	struct tally_place tail = tally_state_tail(state);
	struct tally_segments segments;
	uint64_t last = 0;
	int result;

	result = tally_segments_list(log->log_dir, &segments, error);
	if (result == 0 && segments.count > 0)
		last = segments.first[segments.count - 1];
	tally_segments_wipe(&segments);
	if (result == 0 && last > tail.segment &&
	    (last != tail.size || !atomic_load(&state->shared->dirty)))
		result = TALLY_END;
	return result;
}

/* Maps the state that is there, or recovers one. */
static int
attach(struct tally_log *log, struct tally_error *error)
{
	struct tally_state *state;
	int result;

	result = open_run(log, error);
	if (result != 0)
		return result;
	result = tally_state_attach(log->run_dir, &log->owner, true, &state,
	    error);
	if (result == 0) {
		result = check_last(log, state, error);
		if (result == 0)
			result = tally_order_check_age(log, state, error);
		if (result == 0) {
			tally_view_set_state(log, state);
			/* R5: after a recovery, a new descriptor. */
			tally_view_drop_segment(log);
			return TALLY_OK;
		}
		tally_state_unref(state);
	}
	return result == TALLY_END ? tally_recover(log, error) : result;
}

/* R2, R3: the current segment is ours, and ends where the tail does. */
static int
check_segment(struct tally_log *log, struct tally_error *error)
{
	struct tally_shared *shared = log->state->shared;
	struct tally_place tail = tally_state_tail(log->state);
	const struct tally_last *last = tally_state_last(log->state);
	char name[TALLY_SEGMENT_NAME_SIZE];
	struct tally_sys_stat st;
	int result;

	if (log->segment == NULL || log->segment->first != tail.segment ||
	    log->segment->inode != last->segment_inode ||
	    log->segment->device != last->segment_device) {
		result = tally_view_open_segment(log, tail.segment, error);
		if (result != 0)
			return result;
	}
	tally_segment_name(tail.segment, name);
	result = tally_sys_stat_at(log->log_dir, name, &st);
	if (result != 0 && result != -ENOENT)
		return tally_fail_os(error, result, "cannot read \"log/%s\"",
		    name);
	if (result != 0 || st.inode != last->segment_inode ||
	    st.device != last->segment_device)
		return tally_fail(error, TALLY_E_SWAPPED,
		    "segment \"log/%s\" was replaced underneath; segments must"
		    " not be rotated or edited, put the original back",
		    name);
	if (st.size < tail.offset)
		return tally_fail(error, TALLY_E_SWAPPED,
		    "segment \"log/%s\" was cut underneath from %llu to %llu"
		    " bytes; segments must not be rotated or truncated",
		    name, (unsigned long long)tail.offset,
		    (unsigned long long)st.size);
	if (st.size > tail.offset || atomic_load(&shared->dirty))
		return tally_repair(log, error);
	return TALLY_OK;
}

static int
check(struct tally_log *log, struct tally_error *error)
{
	int result;

	result = check_directory(log, error);
	if (result == 0 && !tally_state_is_current(log->state, log->dir))
		result = attach(log, error);
	if (result == 0 && atomic_load(&log->state->shared->poisoned))
		result = tally_recover(log, error);
	if (result == 0)
		result = check_segment(log, error);
	return result;
}

int
tally_order_begin(struct tally_log *log, struct tally_error *error)
{
	int result;

	if (atomic_load(&log->forked))
		return tally_handle_refuse_forked(error);
	result = tally_order_lock(log, error);
	if (result != 0)
		return result;
	result = check(log, error);
	if (result != 0)
		tally_order_end(log);
	return result;
}

void
tally_order_end(struct tally_log *log)
{
	tally_order_unlock(log);
}

/* The new segment under its name, durable; nobody uses it yet. */
static int
make_segment(struct tally_log *log, uint64_t first, struct tally_error *error)
{
	char name[TALLY_SEGMENT_NAME_SIZE];
	int fd, result;

	tally_segment_name(first, name);
	fd = tally_sys_open(log->log_dir, ROLL_NEW,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EMPTY);
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot make \"log/%s\"", name);
	result = tally_sys_sync_all(fd);
	tally_sys_close(fd);
	if (result == 0)
		result = tally_sys_rename(log->log_dir, ROLL_NEW, name);
	if (result == 0)
		result = tally_sys_sync_all(log->log_dir);
	if (result != 0)
		return tally_fail_os(error, result, "cannot make \"log/%s\"",
		    name);
	return TALLY_OK;
}

int
tally_order_roll(struct tally_log *log, uint64_t bytes,
    struct tally_error *error)
{
	struct tally_shared *shared = log->state->shared;
	struct tally_place tail = tally_state_tail(log->state);
	struct tally_last last = *tally_state_last(log->state);
	int result;

	if (tail.offset == 0 ||
	    tail.offset + bytes <= log->identity.segment_bytes)
		return TALLY_OK;
	result = tally_sync_lock(log, error);
	if (result != 0)
		return result;
	result = tally_sync_now(log, log->state, log->segment, &tail, true,
	    error);
	tally_sync_unlock(log);
	if (result == TALLY_E_POISONED &&
	    atomic_load(&shared->poisoned) == TALLY_LEADER_DIED) {
		/* Not our sync.  Recovery may move the tail, so begin anew. */
		result = tally_recover(log, error);
		return result == 0 ? TALLY_PARTIAL : result;
	}
	if (result != 0)
		return result;
	/* From here on a death leaves a segment that repair publishes. */
	atomic_store(&shared->dirty, 1);
	result = make_segment(log, tail.size, error);
	if (result == 0)
		result = tally_view_open_segment(log, tail.size, error);
	if (result != 0)
		return result;
	tail.segment = tail.size;
	tail.offset = 0;
	last.segment_device = log->segment->device;
	last.segment_inode = log->segment->inode;
	tally_state_publish(log->state, &tail, &last);
	atomic_store(&shared->dirty, 0);
	return TALLY_OK;
}
