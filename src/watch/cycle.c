/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cycle of one log: publish, send, verify the new part, compare with the
 * sinks, and a slice of a whole verification if one is due.  Each step is
 * tried, whatever became of the one before; what is wrong becomes an alert.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tally/proof.h>

#include "watch/cycle.h"

#define DETAIL_MAX 640

/* ---- alerts ----------------------------------------------------------- */

static void
trouble(struct cycle *cycle, const char *kind, const char *sink,
    const char *evidence)
{
	const struct watch_break what = { .target = cycle->target->name,
		.kind = kind,
		.sink = sink,
		.evidence = evidence };

	watch_alerts_raise(cycle->target->alerts, &what);
}

void
watch_cycle_fail(struct cycle *cycle, const char *doing, int result,
    const struct tally_error *error)
{
	char text[DETAIL_MAX];

	(void)snprintf(text, sizeof(text), "%s: %s", doing,
	    error->message[0] != '\0' ? error->message
				      : tally_strerror(result));
	cycle->target->failures++;
	cycle->is_partial = true;
	trouble(cycle, WATCH_FAILED, NULL, text);
}

/* The same of the log itself. */
static void
fail(struct cycle *cycle, const char *doing, int result,
    const struct tally_error *error)
{
	watch_cycle_fail(cycle, doing, result, error);
	/* The next cycle begins with handles that are new. */
	if (result == TALLY_E_SWAPPED || result == TALLY_E_POISONED ||
	    result == TALLY_E_IO)
		watch_target_disconnect(cycle->target);
}

static void
broken(struct cycle *cycle, const char *kind, const char *evidence)
{
	const struct watch_break what = { .target = cycle->target->name,
		.kind = kind,
		.is_break = true,
		.evidence = evidence };

	cycle->is_broken = true;
	watch_alerts_raise(cycle->target->alerts, &what);
}

/* Of a verification, or of a comparison with a sink. */
void
watch_cycle_finding(void *arg, const struct tally_finding *finding)
{
	struct cycle *cycle = arg;
	char evidence[DETAIL_MAX];
	const struct watch_break what = { .target = cycle->target->name,
		.kind = tally_finding_name(finding->kind),
		.is_break = true,
		.chain = finding->chain,
		.seq = finding->seq,
		.sink = cycle->sink,
		.evidence = evidence };

	if (!tally_finding_is_break(finding->kind))
		return;
	if (finding->source != NULL && finding->key != NULL)
		(void)snprintf(evidence, sizeof(evidence),
		    "%s (table \"%s\", key %s)", finding->detail,
		    finding->source, finding->key);
	else if (finding->file != NULL)
		(void)snprintf(evidence, sizeof(evidence),
		    "%s (\"%s\", offset %llu)", finding->detail, finding->file,
		    (unsigned long long)finding->offset);
	else
		(void)snprintf(evidence, sizeof(evidence), "%s",
		    finding->detail);
	cycle->is_broken = true;
	watch_alerts_raise(cycle->target->alerts, &what);
}

/* ---- publishing ------------------------------------------------------- */

static void
deliver(struct cycle *cycle)
{
	struct watch_target *target = cycle->target;
	size_t count = tally_outside_count(target->outside);

	for (size_t i = 0; i < count && !*cycle->stop; i++) {
		struct tally_sink_status status;
		struct tally_error error = { 0 };
		int result = tally_outside_deliver(target->outside, i, false,
		    &error);

		tally_outside_status(target->outside, i, &status);
		if (result == TALLY_E_DAMAGED)
			broken(cycle, tally_finding_name(TALLY_ROLLED_BACK),
			    error.message);
		if (status.failures > 0 &&
		    watch_now_us() - status.failing_since_us >=
			cycle->times->grace_us)
			trouble(cycle, WATCH_SINK_FAILS, status.name,
			    status.message);
		else if (status.full)
			trouble(cycle, WATCH_SINK_FAILS, status.name,
			    "its queue is full");
	}
}

static void
publish(struct cycle *cycle)
{
	struct watch_target *target = cycle->target;
	struct tally_published_checkpoint out;
	struct tally_error error = { 0 };
	char text[DETAIL_MAX];
	int result = tally_publisher_publish(target->publisher, &out, &error);

	if (result != 0) {
		fail(cycle, "cannot publish", result, &error);
		return;
	}
	target->size = out.size;
	(void)snprintf(text, sizeof(text),
	    "the log has %llu records, and %llu went out; nothing is signed",
	    (unsigned long long)out.size, (unsigned long long)out.last_size);
	if (out.verdict == TALLY_PUBLISH_TRUNCATED)
		broken(cycle, tally_finding_name(TALLY_TRUNCATED), text);
	else if (out.verdict == TALLY_PUBLISH_ROLLED_BACK)
		broken(cycle, tally_finding_name(TALLY_ROLLED_BACK), text);
	else {
		target->published_size = out.size;
		target->published_root = out.root;
		target->published_us = watch_now_us();
		if (target->outside != NULL && out.note != NULL)
			result = tally_outside_offer(target->outside, out.note,
			    out.note_len, &error);
		if (result != 0)
			fail(cycle, "cannot offer to the sinks", result,
			    &error);
	}
	free(out.note);
}

/* ---- the new part ----------------------------------------------------- */

/* Is what was seen still there? */
static int
check_seen(struct cycle *cycle, struct tally_error *error)
{
	struct watch_target *target = cycle->target;
	struct tally_hash root;
	uint64_t size;
	int result;

	if (target->seen_size == 0)
		return TALLY_OK;
	result = tally_log_root(target->log, target->seen_size, &size, &root,
	    error);
	if (result == TALLY_END)
		broken(cycle, tally_finding_name(TALLY_TRUNCATED),
		    "the log is shorter than what was verified before");
	else if (result == 0 &&
	    memcmp(&root, &target->seen_root, sizeof(root)) != 0)
		broken(cycle, tally_finding_name(TALLY_ROLLED_BACK),
		    "the log has other records than were verified before");
	return result == TALLY_END ? TALLY_OK : result;
}

/* Each new record is read and hashed; links are judged by the whole one. */
static int
read_new(struct cycle *cycle, uint64_t *out_size, struct tally_error *error)
{
	struct watch_target *target = cycle->target;
	const struct tally_range range = { .from_index = target->seen_size };
	struct tally_cursor *cursor;
	struct tally_record record;
	uint64_t size = target->seen_size;
	int result = tally_cursor_open(target->log, &range, &cursor, error);

	if (result != 0)
		return result;
	while (!*cycle->stop &&
	    (result = tally_cursor_next(cursor, &record, error)) == 0)
		size = record.index + 1;
	tally_cursor_close(cursor);
	if (result == TALLY_E_DAMAGED) {
		broken(cycle, tally_finding_name(TALLY_DAMAGED),
		    error->message);
		return TALLY_OK;
	}
	*out_size = size;
	return result == TALLY_END ? TALLY_OK : result;
}

static void
verify_new(struct cycle *cycle)
{
	struct watch_target *target = cycle->target;
	struct tally_error error = { 0 };
	struct tally_hash root;
	uint64_t size = 0;
	bool was_broken = cycle->is_broken;
	int result;

	cycle->is_broken = false;
	result = check_seen(cycle, &error);
	if (result == 0 && !cycle->is_broken)
		result = read_new(cycle, &size, &error);
	if (result == 0 && !cycle->is_broken && size > target->seen_size) {
		result = tally_log_root(target->log, size, &size, &root,
		    &error);
		if (result == 0) {
			target->seen_size = size;
			target->seen_root = root;
		}
	}
	if (result != 0)
		fail(cycle, "cannot verify what is new", result, &error);
	cycle->is_broken |= was_broken;
}

/* ---- sinks ------------------------------------------------------------ */

static void
compare_sink(struct cycle *cycle, size_t i, bool all)
{
	struct watch_target *target = cycle->target;
	struct tally_sink_report report;
	struct tally_sink_status status;
	struct tally_error error = { 0 };
	uint64_t since = all ? 0 : target->compared[i];
	char text[DETAIL_MAX];
	int result;

	tally_outside_status(target->outside, i, &status);
	if (!status.readable || status.sent_size == 0)
		return;
	cycle->sink = status.name;
	result = tally_outside_compare(target->outside, i, since,
	    watch_cycle_finding, cycle, &report, &error);
	cycle->sink = NULL;
	if (result != 0) {
		(void)snprintf(text, sizeof(text), "cannot read it back: %s",
		    error.message);
		trouble(cycle, WATCH_SINK_FAILS, status.name, text);
		cycle->is_partial = true;
		return;
	}
	if (report.lost) {
		trouble(cycle, WATCH_SINK_LOST, status.name,
		    "it lacks what it was given");
		cycle->is_partial = true;
	}
	if (report.forged > 0)
		trouble(cycle, WATCH_SINK_FORGED, status.name,
		    "it holds lines whose signature does not hold");
	if (report.findings == 0 && report.newest_size > target->compared[i])
		target->compared[i] = report.newest_size;
}

/* ---- all of it -------------------------------------------------------- */

static int
take_progress(void *arg, const struct tally_progress *progress)
{
	const struct cycle *cycle = arg;

	(void)progress;
	return *cycle->stop || watch_now_us() >= cycle->slice_end_us;
}

/* What went out is what the log must have; not by its index, which whoever
 * writes to the log can leave as it was. */
static void
begin_whole(struct watch_target *target)
{
	target->whole_size = target->published_size;
	target->whole_root = target->published_root;
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
		.finding = watch_cycle_finding,
		.progress = take_progress,
		.arg = cycle };

	return tally_verify(target->dir, &how, verdict, error);
}

/* A slice; what was reached stands in the file, for the next one. */
static void
verify_whole(struct cycle *cycle)
{
	struct watch_target *target = cycle->target;
	struct tally_verdict verdict;
	struct tally_error error = { 0 };
	int64_t now = watch_now_us();
	int result;

	if (!target->whole_due && target->whole_us != 0 &&
	    target->whole_us <= now &&
	    now - target->whole_us < cycle->times->whole_us)
		return;
	if (!target->whole_due) {
		target->whole_begun_us = now;
		if (access(target->resume_path, F_OK) != 0)
			begin_whole(target);
	}
	target->whole_due = true;
	cycle->slice_end_us = now + cycle->times->slice_us;
	result = verify_slice(cycle, &verdict, &error);
	/* What was reached was of a log that was longer, or of other keys. */
	if (result == TALLY_E_FORMAT && unlink(target->resume_path) == 0) {
		begin_whole(target);
		result = verify_slice(cycle, &verdict, &error);
	}
	if (result == TALLY_PARTIAL)
		return;
	target->whole_due = false;
	if (result != 0) {
		watch_cycle_fail(cycle, "cannot verify", result, &error);
	} else if (verdict.verdict == TALLY_INTACT &&
	    (target->conninfo == NULL || watch_database_verify(cycle))) {
		target->whole_us = watch_now_us();
		cycle->whole_done = true;
	} else if (verdict.verdict == TALLY_UNVERIFIABLE) {
		trouble(cycle, WATCH_FAILED, NULL,
		    "the log could not be judged as a whole; see tally"
		    " verify");
	}
}

/* What a step that failed closed is no reason to skip the others. */
static void
reconnect(struct watch_target *target)
{
	struct tally_error error = { 0 };

	if (target->log == NULL)
		(void)!watch_target_connect(target, &error);
}

void
watch_target_cycle(struct watch_target *target, const struct watch_times *times,
    const atomic_bool *stop)
{
	struct cycle cycle = { .target = target,
		.times = times,
		.stop = stop,
		.begin_us = watch_now_us() };
	struct tally_error error = { 0 };
	int result = watch_target_connect(target, &error);

	if (result != 0)
		watch_cycle_fail(&cycle, "cannot open the log", result, &error);
	if (target->log != NULL && target->conninfo != NULL)
		watch_database_carry(&cycle);
	if (target->publisher != NULL)
		publish(&cycle);
	reconnect(target);
	if (target->outside != NULL)
		deliver(&cycle);
	if (target->log != NULL)
		verify_new(&cycle);
	if (!*stop)
		verify_whole(&cycle);
	reconnect(target);
	for (size_t i = 0; target->outside != NULL && !*stop &&
	     i < tally_outside_count(target->outside);
	     i++)
		compare_sink(&cycle, i, cycle.is_broken || cycle.whole_done);
	if (*stop)
		return;
	watch_alerts_settle(target->alerts, target->name, cycle.begin_us,
	    cycle.whole_done && !cycle.is_broken && !cycle.is_partial);
	watch_target_save(target);
	target->cycles++;
	target->cycle_us = watch_now_us();
}
