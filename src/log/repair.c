/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R3: a writer died between its write and its publication, and the shared
 * state is valid.  The page cache is sound, so nothing is rewritten: lines
 * behind the tail that are whole and linked are adopted, for a caller may try
 * again and must meet its id; the rest is set aside.
 */
#include <errno.h>
#include <string.h>

#include "log/fail.h"
#include "log/grow.h"
#include "log/recover.h"
#include "log/scan.h"
#include "log/seal.h"

/* A roll that died after its rename: the new segment is there. */
static int
repair_roll(struct tally_scan *scan, struct tally_error *error)
{
	struct tally_log *log = scan->log;
	struct tally_place tail = tally_state_tail(scan->state);
	char name[TALLY_SEGMENT_NAME_SIZE];
	struct tally_sys_stat st;
	int result;

	if (tail.segment == tail.size)
		return TALLY_OK;
	tally_segment_name(tail.size, name);
	result = tally_sys_stat_at(log->log_dir, name, &st);
	if (result == -ENOENT)
		return TALLY_OK;
	if (result == 0)
		result = tally_sys_sync_all(log->log_dir);
	if (result != 0)
		return tally_fail_os(error, result, "cannot read \"log/%s\"",
		    name);
	result = tally_view_open_segment(log, tail.size, error);
	if (result != 0)
		return result;
	tally_scan_enter(scan, tail.size, &st);
	return tally_scan_lines(scan, log->segment->fd, st.size, error);
}

/*
 * The record of what was torn is written over the torn bytes, and the file cut
 * behind it: at every instant there is either a rest to set aside or a record
 * that says so.
 */
static int
repair_cut(struct tally_scan *scan, uint64_t end, struct tally_error *error)
{
	struct tally_log *log = scan->log;
	struct tally_place tail = tally_state_tail(scan->state);
	char event[TALLY_TORN_EVENT_MAX];
	int result;

	if (end <= tail.offset)
		return TALLY_OK;
	result = tally_scan_set_aside(scan, log->segment->fd, end,
	    tally_state_durable(scan->state).size, event, error);
	if (result == 0)
		result = tally_seal_own(log, event, strlen(event), error);
	if (result != 0)
		return result;
	tail = tally_state_tail(log->state);
	if (tail.offset < end) {
		result = tally_sys_truncate(log->segment->fd, tail.offset);
		if (result != 0)
			return tally_fail_os(error, result,
			    "cannot cut what was torn off the log");
	}
	return TALLY_OK;
}

int
tally_repair(struct tally_log *log, struct tally_error *error)
{
	struct tally_scan scan = {
		.log = log,
		.state = log->state,
		.hasher = &log->batch->hasher,
		.live = true,
		.run_dir = log->run_dir,
		.ids_from = 0,
	};
	const struct tally_state_room more = { 1, 16, 0 };
	struct tally_sys_stat st;
	int result;

	atomic_store(&log->state->shared->dirty, 1);
	tally_state_sweep(log->state);
	result = tally_sys_stat(log->segment->fd, &st);
	if (result != 0)
		return tally_fail_os(error, result, "cannot read a segment");
	result = tally_scan_lines(&scan, log->segment->fd, st.size, error);
	if (result == 0)
		result = repair_roll(&scan, error);
	if (result == 0 || result == TALLY_END) {
		result = tally_order_make_room(log, &more, error);
		scan.state = log->state;
		if (result == 0 && tally_sys_stat(log->segment->fd, &st) != 0)
			result = tally_fail(error, TALLY_E_IO,
			    "cannot read a segment");
		if (result == 0)
			result = repair_cut(&scan, st.size, error);
	}
	if (result == 0)
		atomic_store(&log->state->shared->dirty, 0);
	return result;
}
