/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log that is elsewhere: only its sinks are here.  Heads must keep coming,
 * and agree with each other.
 *
 * A dispatch has no time that somebody else vouches for: that heads come is
 * when this host sees a larger size.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/target.h"

#define DETAIL_MAX 640

struct examining {
	struct watch_target *target;
	const char *sink;
	bool is_broken;
	bool is_partial; /* a sink could not be read, or lacks something */
};

static void
take_finding(void *arg, const struct tally_finding *finding)
{
	struct examining *e = arg;
	const struct watch_break what = {
		.kind = tally_finding_name(finding->kind),
		.is_break = true,
		.chain = finding->chain,
		.seq = finding->seq,
		.sink = e->sink,
		.evidence = finding->detail
	};

	e->is_broken = true;
	watch_report_break(e->target->report, &what);
}

static void
raise_trouble(struct examining *e, const char *kind, const char *evidence)
{
	const struct watch_break what = {
		.kind = kind, .sink = e->sink, .evidence = evidence
	};

	watch_report_break(e->target->report, &what);
}

static void
examine(struct examining *e, size_t i, uint64_t *newest)
{
	struct watch_target *target = e->target;
	struct tally_sink_status status;
	struct tally_sink_report report;
	struct tally_error error = { 0 };
	char text[DETAIL_MAX];
	int result;

	tally_outside_status(target->outside, i, &status);
	e->sink = status.name;
	target->reading_us = watch_monotonic_us();
	result = tally_outside_examine(target->outside, i, take_finding, e,
	    &report, &error);
	if (result != 0) {
		e->is_partial = true;
		(void)snprintf(text, sizeof(text), "cannot read it: %s",
		    result == TALLY_END ? "it has nothing to read from"
					: error.message);
		raise_trouble(e, WATCH_SINK_FAILS, text);
		return;
	}
	if (report.forged > 0)
		raise_trouble(e, WATCH_SINK_FORGED,
		    "it holds lines whose signature does not hold");
	if (report.newest_size < target->compared[i]) {
		e->is_partial = true;
		raise_trouble(e, WATCH_SINK_LOST,
		    "it lacks heads that were seen here");
	} else
		target->compared[i] = report.newest_size;
	if (report.newest_size > *newest)
		*newest = report.newest_size;
}

void
watch_outside_cycle(struct watch_target *target)
{
	const struct watch_times *times = target->times;
	struct examining e = { .target = target };
	int64_t begin_us = watch_now_us();
	uint64_t newest = 0;
	size_t count = tally_outside_count(target->outside);
	char text[DETAIL_MAX], time[TALLY_TIME_TEXT_SIZE];

	for (size_t i = 0; i < count && !watch_stopping(); i++)
		examine(&e, i, &newest);
	e.sink = NULL;
	if (watch_stopping())
		return;
	if (newest > target->seen_size || target->published_us == 0 ||
	    target->published_us > begin_us) {
		target->seen_size = newest;
		target->published_us = begin_us;
	}
	target->size = target->published_size = newest;
	if (begin_us - target->published_us >= times->silence_us) {
		tally_time_format(target->published_us, time);
		(void)snprintf(text, sizeof(text),
		    "no new head since %s, size %llu", time,
		    (unsigned long long)target->seen_size);
		raise_trouble(&e, WATCH_SILENT, text);
	}
	if (!e.is_broken && !e.is_partial && newest > 0)
		target->whole_us = begin_us;
	target->cycles++;
	target->cycle_us = watch_now_us();
	watch_report_settled(target->report, begin_us,
	    !e.is_broken && !e.is_partial);
	watch_target_report(target);
	watch_target_save(target);
}
