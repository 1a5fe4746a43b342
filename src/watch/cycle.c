/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cycle of one log: publish, verify what is new, a slice of a whole
 * verification if one is due, and the sinks.  Each step is tried, whatever
 * became of the one before; what is wrong becomes an alert.
 */
#include <stdio.h>
#include <stdlib.h>

#include "watch/cycle.h"

#define DETAIL_MAX 640

/* ---- publishing ------------------------------------------------------- */

/* So that a log to which nothing is appended can be told, from outside, from
 * one that nobody publishes any more. */
static bool
is_beat_due(const struct watch_target *target)
{
	int64_t now_us = watch_now_us(), beat_us = target->times->beat_us;
	int64_t since_us = now_us - target->grown_us;
	int64_t tried_us = now_us - target->beaten_us;

	/* What could not be registered stays in the log, and each cycle
	 * publishes it: another beat would be a record more, for nothing. */
	return beat_us > 0 && target->grown_us != 0 &&
	    (since_us < 0 || since_us >= beat_us) &&
	    (tried_us < 0 || tried_us >= beat_us);
}

static void
publish(struct cycle *cycle)
{
	struct watch_target *target = cycle->target;
	struct tally_published_checkpoint out;
	struct tally_error error = { 0 };
	char text[DETAIL_MAX];
	bool beats = is_beat_due(target);
	int result;

	if (beats)
		target->beaten_us = watch_now_us();
	tally_publisher_beat(target->publisher, beats);
	result = tally_publisher_publish(target->publisher, &out, &error);
	if (result != 0) {
		watch_cycle_fail_log(cycle, "cannot publish", result, &error);
		return;
	}
	target->size = out.size;
	(void)snprintf(text, sizeof(text),
	    "the log has %llu records, and %llu went out; nothing is signed",
	    (unsigned long long)out.size, (unsigned long long)out.last_size);
	if (out.verdict == TALLY_PUBLISH_TRUNCATED)
		watch_cycle_broken(cycle, tally_finding_name(TALLY_TRUNCATED),
		    text);
	else if (out.verdict == TALLY_PUBLISH_ROLLED_BACK)
		watch_cycle_broken(cycle, tally_finding_name(TALLY_ROLLED_BACK),
		    text);
	else {
		target->published_size = out.size;
		target->published_root = out.root;
		target->published_us = watch_now_us();
		if (out.size != target->grown_size || target->grown_us == 0)
			target->grown_us = target->published_us;
		target->grown_size = out.size;
		if (target->outside != NULL && out.note != NULL)
			result = tally_outside_offer(target->outside, out.note,
			    out.note_len, &error);
		if (result != 0)
			watch_cycle_fail_log(cycle, "cannot offer to the sinks",
			    result, &error);
	}
	free(out.note);
}

/* ---- all of it -------------------------------------------------------- */

/* What a step that failed closed is no reason to skip the others. */
static void
reconnect(struct watch_target *target)
{
	struct tally_error error = { 0 };

	if (target->log == NULL)
		(void)!watch_target_connect(target, &error);
}

static void
settle(struct cycle *cycle)
{
	struct watch_target *target = cycle->target;

	/* What was touched and could not be read is read by the next one. */
	if (cycle->is_judged) {
		target->old_count = cycle->segments.print_count;
		target->old_print = cycle->segments.print;
	}
	target->cycles++;
	target->cycle_us = watch_now_us();
	watch_report_settled(target->report, cycle->begin_us,
	    cycle->whole_done && !cycle->is_broken && !cycle->is_partial);
	watch_target_report(target);
	watch_target_save(target);
}

void
watch_target_cycle(struct watch_target *target)
{
	struct cycle cycle = { .target = target, .begin_us = watch_now_us() };
	struct tally_error error = { 0 };
	int result = watch_target_connect(target, &error);

	if (result != 0)
		watch_cycle_fail(&cycle, "cannot open the log", result, &error);
	if (target->log != NULL && target->conninfo != NULL)
		watch_database_carry(&cycle);
	watch_target_alive(target);
	if (target->publisher != NULL && !watch_stopping())
		publish(&cycle);
	watch_target_alive(target);
	reconnect(target);
	watch_verify_new(&cycle);
	if (!watch_stopping())
		watch_verify_whole(&cycle);
	reconnect(target);
	if (target->outside != NULL && !watch_stopping())
		watch_sinks_serve(&cycle);
	if (!watch_stopping())
		settle(&cycle);
}
