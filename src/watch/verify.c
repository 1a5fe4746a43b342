/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cycle verifies (doc/design/watch.md, D4 and D5).
 *
 * The last segment, and what comes behind it, is read by every cycle, from what
 * the last whole verification knew.  What stands before it is never to change:
 * when the file system says that it was touched, everything is read at once.
 * By and by everything is read anyway, in slices.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tally/proof.h>

#include "watch/cycle.h"

#define DETAIL_MAX 640

static int
take_progress(void *arg, const struct tally_progress *progress)
{
	struct cycle *cycle = arg;

	watch_target_alive(cycle->target);
	if (cycle->slice_end_us != 0 && progress->bytes_total > 0)
		cycle->target->whole_part = (double)progress->bytes /
		    (double)progress->bytes_total;
	return watch_stopping() ||
	    (cycle->slice_end_us != 0 && !cycle->read_all_now &&
		watch_now_us() >= cycle->slice_end_us);
}

/* ---- what was seen ---------------------------------------------------- */

/* Is what was seen still there, by the index? */
static void
check_seen(struct cycle *cycle)
{
	struct watch_target *target = cycle->target;
	struct tally_error error = { 0 };
	struct tally_hash root;
	uint64_t size;
	int result;

	if (target->seen_size == 0)
		return;
	result = tally_log_root(target->log, target->seen_size, &size, &root,
	    &error);
	if (result == TALLY_END)
		watch_cycle_broken(cycle, tally_finding_name(TALLY_TRUNCATED),
		    "the log is shorter than what was verified before");
	else if (result != 0)
		watch_cycle_fail_log(cycle, "cannot verify what is new", result,
		    &error);
	else if (memcmp(&root, &target->seen_root, sizeof(root)) != 0)
		watch_cycle_broken(cycle, tally_finding_name(TALLY_ROLLED_BACK),
		    "the log has other records than were verified before");
}

/* Were segments that are full touched since the last cycle? */
static void
check_segments(struct cycle *cycle)
{
	struct watch_target *target = cycle->target;
	struct watch_segments before;
	struct tally_error error = { 0 };
	int failed = watch_segments_look(target->dir, 0, &cycle->segments);

	if (failed == 0 && target->old_count > 0)
		failed = watch_segments_look(target->dir, target->old_count,
		    &before);
	if (failed != 0) {
		(void)snprintf(error.message, sizeof(error.message), "%s",
		    strerror(failed));
		watch_cycle_fail(cycle, "cannot look at the segments",
		    TALLY_E_IO, &error);
		return;
	}
	cycle->is_judged = true;
	if (target->old_count > 0 &&
	    (before.print_count != target->old_count ||
		memcmp(&before.print, &target->old_print,
		    sizeof(before.print)) != 0)) {
		cycle->read_all_now = true;
		cycle->is_judged = false;
	}
}

/* ---- an index that does not say what the log has ----------------------- */

/* Names the first record from there that is not the one that was indexed,
 * published, and compared with the sinks. */
static bool
name_difference(struct cycle *cycle, uint64_t from)
{
	const struct tally_range range = { .from_index = from };
	struct tally_log *log = cycle->target->log;
	struct tally_cursor *cursor;
	struct tally_record record;
	struct tally_hash leaf;
	char chain[TALLY_CHAIN_MAX + 1];
	bool is_found = false;

	if (tally_cursor_open(log, &range, &cursor, NULL) != 0)
		return false;
	while (!is_found && !watch_stopping() &&
	    tally_cursor_next(cursor, &record, NULL) == 0 &&
	    tally_log_leaf(log, record.index, &leaf, NULL) == 0) {
		struct tally_finding finding = { .kind = TALLY_ROLLED_BACK,
			.chain = chain,
			.seq = record.seq,
			.seq_end = record.seq + 1,
			.index = record.index,
			.detail = "it is another record than the one that was"
				  " indexed and published" };

		watch_target_alive(cycle->target);
		is_found = memcmp(&leaf, &record.hash, sizeof(leaf)) != 0;
		(void)snprintf(chain, sizeof(chain), "%.*s",
		    (int)record.chain_len, record.chain);
		if (is_found)
			watch_cycle_finding(cycle, &finding);
	}
	tally_cursor_close(cursor);
	return is_found;
}

/* The segments were read up to there: does the index say the same? */
static void
check_index(struct cycle *cycle, const struct tally_verdict *verdict)
{
	struct watch_target *target = cycle->target;
	struct tally_error error = { 0 };
	struct tally_hash root;
	uint64_t size;
	int result = tally_log_root(target->log, verdict->size, &size, &root,
	    &error);

	if (result != 0) {
		watch_cycle_fail_log(cycle, "cannot verify what is new", result,
		    &error);
	} else if (memcmp(&root, &verdict->root, sizeof(root)) == 0) {
		if (verdict->verdict == TALLY_INTACT) {
			target->seen_size = size;
			target->seen_root = root;
		}
	} else if (!name_difference(cycle, cycle->segments.last_index) &&
	    verdict->verdict == TALLY_INTACT && !name_difference(cycle, 0)) {
		watch_cycle_broken(cycle, tally_finding_name(TALLY_ROLLED_BACK),
		    "the records are not those that were indexed and"
		    " published");
	}
}

/* ---- the new part ----------------------------------------------------- */

void
watch_verify_new(struct cycle *cycle)
{
	struct watch_target *target = cycle->target;
	const struct tally_verify_options how = { .jobs = 1,
		.vkeys = target->vkeys,
		.vkeys_len = target->vkeys_len,
		.resume = target->base_path,
		.keep = target->base_path,
		.finding = watch_cycle_finding,
		.progress = take_progress,
		.arg = cycle };
	struct tally_verdict verdict;
	struct tally_error error = { 0 };
	int result;

	if (target->log != NULL)
		check_seen(cycle);
	check_segments(cycle);
	/* Until the whole was verified once, there is nothing to go on from;
	 * what is one segment is read as a whole. */
	if (access(target->base_path, F_OK) != 0 && cycle->segments.count > 1)
		return;
	result = tally_verify(target->dir, &how, &verdict, &error);
	/* What was known was of a log that was longer, or of other keys. */
	if (result == TALLY_E_FORMAT && unlink(target->base_path) == 0)
		cycle->read_all_now = true;
	else if (result < 0)
		watch_cycle_fail(cycle, "cannot verify what is new", result,
		    &error);
	else if (result == 0 && verdict.verdict == TALLY_UNVERIFIABLE)
		watch_cycle_trouble(cycle, WATCH_FAILED, NULL,
		    "what is new could not be judged; see tally verify");
	else if (result == 0 && target->log != NULL)
		check_index(cycle, &verdict);
}

/* ---- the whole -------------------------------------------------------- */

/* What went out is what the log must have; not by its index, which whoever
 * writes to the log can leave as it was. */
static void
begin_whole(struct watch_target *target)
{
	target->whole_size = target->published_size;
	target->whole_root = target->published_root;
	/* A slice may be the last thing that it does: the next one has to know
	 * what it was held against. */
	watch_target_save(target);
}

static int
verify_slice(struct cycle *cycle, struct tally_verdict *verdict,
    struct tally_error *error)
{
	const struct watch_target *target = cycle->target;
	const struct tally_verify_options how = { .jobs = 1,
		.has_root = target->whole_size > 0,
		.root_size = target->whole_size,
		.root = target->whole_root,
		.vkeys = target->vkeys,
		.vkeys_len = target->vkeys_len,
		.resume = target->resume_path,
		.keep = target->kept_path,
		.finding = watch_cycle_finding,
		.progress = take_progress,
		.arg = cycle };

	return tally_verify(target->dir, &how, verdict, error);
}

static bool
is_due(const struct cycle *cycle)
{
	const struct watch_target *target = cycle->target;
	int64_t age = cycle->begin_us - target->whole_us;

	return target->whole_due || cycle->read_all_now ||
	    target->whole_us == 0 || age < 0 || age >= target->times->whole_us;
}

/* All of it was read. */
static void
judge_whole(struct cycle *cycle, const struct tally_verdict *verdict)
{
	struct watch_target *target = cycle->target;

	target->whole_due = false;
	target->whole_part = 1;
	cycle->is_judged = cycle->segments.count > 0;
	if (verdict->verdict == TALLY_UNVERIFIABLE) {
		watch_cycle_trouble(cycle, WATCH_FAILED, NULL,
		    "the log could not be judged as a whole; see tally"
		    " verify");
		return;
	}
	/* Without it, the next one that is good leaves it. */
	if (verdict->verdict == TALLY_INTACT)
		(void)rename(target->kept_path, target->base_path);
	if (verdict->by_kind[TALLY_ROLLED_BACK] > 0 && target->log != NULL)
		(void)name_difference(cycle, 0);
	if (verdict->verdict == TALLY_INTACT &&
	    (target->conninfo == NULL || watch_database_verify(cycle))) {
		target->whole_us = watch_now_us();
		cycle->whole_done = true;
	}
}

/* A slice; what was reached stands in the file, for the next one. */
void
watch_verify_whole(struct cycle *cycle)
{
	struct watch_target *target = cycle->target;
	struct tally_verdict verdict;
	struct tally_error error = { 0 };
	int result;

	if (!is_due(cycle))
		return;
	/* What was reached may be what was touched. */
	if (cycle->read_all_now)
		(void)unlink(target->resume_path);
	if (access(target->resume_path, F_OK) != 0)
		begin_whole(target);
	target->whole_due = true;
	cycle->slice_end_us = watch_now_us() + target->times->slice_us;
	result = verify_slice(cycle, &verdict, &error);
	/* What was reached was of a log that was longer, or of other keys. */
	if (result == TALLY_E_FORMAT && unlink(target->resume_path) == 0) {
		begin_whole(target);
		result = verify_slice(cycle, &verdict, &error);
	}
	cycle->slice_end_us = 0;
	if (result == TALLY_PARTIAL)
		return;
	if (result == 0) {
		judge_whole(cycle, &verdict);
		return;
	}
	target->whole_due = false;
	watch_cycle_fail(cycle, "cannot verify", result, &error);
}
