/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "log/fail.h"
#include "log/order.h"
#include "log/reader.h"
#include "log/recover.h"
#include "log/wait.h"

/* ---- read-only handles ------------------------------------------------ */

static bool
is_current(struct tally_log *log)
{
	struct tally_sys_stat st;

	return log->state != NULL && log->state->inode != 0 &&
	    !atomic_load(&log->state->shared->superseded) &&
	    tally_sys_stat_at(log->dir, TALLY_RUN_NAME "/" TALLY_STATE_NAME,
		&st) == 0 &&
	    st.inode == log->state->inode && st.device == log->state->device;
}

/* A live state, if there is one that needs no repair. */
static int
attach_live(struct tally_log *log, struct tally_error *error)
{
	struct tally_state *state = NULL;
	int run, result;

	if (is_current(log))
		return atomic_load(&log->state->shared->dirty) ? TALLY_END
							       : TALLY_OK;
	run = tally_sys_open_dir(log->dir, TALLY_RUN_NAME);
	if (run < 0)
		return TALLY_END;
	result = tally_state_attach(run, &log->owner, false, &state, error);
	tally_sys_close(run);
	if (result == TALLY_E_ACCESS)
		return TALLY_END;
	if (result != 0)
		return result;
	result = atomic_load(&state->shared->dirty)
	    ? TALLY_END
	    : tally_order_check_age(log, state, error);
	if (result != 0) {
		tally_state_unref(state);
		return result;
	}
	tally_view_set_state(log, state);
	return TALLY_OK;
}

/* Does the private state still reach to the end of the log? */
static bool
is_private_fresh(struct tally_log *log)
{
	char name[TALLY_SEGMENT_NAME_SIZE];
	struct tally_place tail;
	struct tally_sys_stat st;

	if (log->state == NULL || log->state->inode != 0)
		return false;
	tail = tally_state_tail(log->state);
	tally_segment_name(tail.size, name);
	if (tail.size != tail.segment &&
	    tally_sys_stat_at(log->log_dir, name, &st) == 0)
		return false;
	tally_segment_name(tail.segment, name);
	return tally_sys_stat_at(log->log_dir, name, &st) == 0 &&
	    st.size == log->private_bytes;
}

/* On a descriptor of our own; what was written before is durable then. */
static int
sync_segment(struct tally_log *log, uint64_t first, struct tally_error *error)
{
	int fd = tally_segment_open(log->log_dir, first, false, error);
	int result;

	if (fd < 0)
		return fd;
	result = tally_sys_sync(fd);
	tally_sys_close(fd);
	/* A read-only file system has nothing to sync. */
	if (result != 0 && result != -EROFS && result != -EINVAL)
		return tally_fail_os(error, result, "cannot sync the log");
	return TALLY_OK;
}

static int
attach_private(struct tally_log *log, struct tally_error *error)
{
	struct tally_state *state = NULL;
	struct tally_place tail;
	int result;

	if (is_private_fresh(log))
		return TALLY_OK;
	result = tally_recover_view(log, &state, error);
	if (result != 0)
		return result;
	tail = tally_state_tail(state);
	result = tally_segment_bytes(log->log_dir, tail.segment,
	    &log->private_bytes, error);
	if (result == 0)
		result = sync_segment(log, tail.segment, error);
	if (result != 0) {
		tally_state_unref(state);
		return result;
	}
	tally_view_set_state(log, state);
	return TALLY_OK;
}

static int
read_only_lock(struct tally_log *log, struct tally_error *error)
{
	int result;

	if (atomic_load(&log->forked))
		return tally_fail(error, TALLY_E_FORKED,
		    "this handle was opened before a fork; open the log anew"
		    " in the child");
	pthread_mutex_lock(&log->order);
	do
		result = tally_sys_lock(log->log_dir, true);
	while (result == -EINTR);
	if (result != 0) {
		pthread_mutex_unlock(&log->order);
		return tally_fail_os(error, result, "cannot lock the log");
	}
	return TALLY_OK;
}

static int
read_only_begin(struct tally_log *log, struct tally_error *error)
{
	int result = read_only_lock(log, error);

	if (result != 0)
		return result;
	result = attach_live(log, error);
	if (result == TALLY_END)
		result = attach_private(log, error);
	if (result != 0)
		tally_order_end(log);
	return result;
}

/* Nobody writes now, so the file must end where the state says. */
static bool
is_end_right(struct tally_log *log)
{
	struct tally_place tail = tally_state_tail(log->state);
	const struct tally_last *last = tally_state_last(log->state);
	char name[TALLY_SEGMENT_NAME_SIZE];
	struct tally_sys_stat st;

	tally_segment_name(tail.segment, name);
	return tally_sys_stat_at(log->log_dir, name, &st) == 0 &&
	    st.size == tail.offset && st.inode == last->segment_inode &&
	    st.device == last->segment_device;
}

int
tally_reader_live(struct tally_log *log, bool *out_live,
    struct tally_place *out_horizon, struct tally_error *error)
{
	int result = read_only_lock(log, error);

	if (result != 0)
		return result;
	result = attach_live(log, error);
	if (result == 0 && !is_end_right(log))
		result = TALLY_END;
	*out_live = result == 0;
	if (result == 0 && !atomic_load(&log->state->shared->poisoned))
		return tally_reader_settle(log, out_horizon, error);
	if (result == 0)
		*out_horizon = tally_state_durable(log->state);
	tally_order_end(log);
	return result == TALLY_END ? TALLY_OK : result;
}

/* ---- all handles ------------------------------------------------------ */

int
tally_reader_begin(struct tally_log *log, struct tally_error *error)
{
	return log->read_only ? read_only_begin(log, error)
			      : tally_order_begin(log, error);
}

void
tally_reader_end(struct tally_log *log)
{
	tally_order_end(log);
}

static int
settle_read_only(struct tally_log *log, struct tally_place *out_horizon,
    struct tally_error *error)
{
	struct tally_place tail = tally_state_tail(log->state);
	struct tally_place durable = tally_state_durable(log->state);
	bool poisoned = atomic_load(&log->state->shared->poisoned) != 0;

	tally_order_end(log);
	*out_horizon = tail;
	if (durable.size >= tail.size)
		return TALLY_OK;
	if (poisoned)
		return tally_fail(error, TALLY_E_POISONED,
		    "a sync of the log failed; what of its end is durable is"
		    " known after the next append recovered it");
	return sync_segment(log, tail.segment, error);
}

int
tally_reader_settle(struct tally_log *log, struct tally_place *out_horizon,
    struct tally_error *error)
{
	struct tally_target target = { 0 };

	if (log->read_only)
		return settle_read_only(log, out_horizon, error);
	tally_target_set(log, 1, &target);
	*out_horizon = target.end;
	tally_order_end(log);
	return tally_sync_wait(log, &target, error);
}

int
tally_reader_horizon(struct tally_log *log, struct tally_place *out,
    struct tally_error *error)
{
	int result = tally_reader_begin(log, error);

	return result != 0 ? result : tally_reader_settle(log, out, error);
}
