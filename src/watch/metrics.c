/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics in Prometheus' text format (version 0.0.4). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/watch.h"

/* A gauge of each target. */
struct gauge {
	const char *name, *help;
	double (*value)(const struct watch_target *target);
};

static double
seconds(int64_t us)
{
	return (double)us / 1e6;
}

static double
size_of(const struct watch_target *target)
{
	return (double)target->size;
}

static double
published_size(const struct watch_target *target)
{
	return (double)target->published_size;
}

static double
published_time(const struct watch_target *target)
{
	return seconds(target->published_us);
}

static double
verified_size(const struct watch_target *target)
{
	return (double)target->seen_size;
}

static double
whole_time(const struct watch_target *target)
{
	return seconds(target->whole_us);
}

static double
cycle_time(const struct watch_target *target)
{
	return seconds(target->cycle_us);
}

static double
breaks(const struct watch_target *target)
{
	return watch_alerts_count(target->alerts, target->name, true);
}

static double
troubles(const struct watch_target *target)
{
	return watch_alerts_count(target->alerts, target->name, false);
}

static const struct gauge gauges[] = {
	{ "tally_log_size", "Records of the log.", size_of },
	{ "tally_published_size", "Records under the last checkpoint.",
	    published_size },
	{ "tally_published_timestamp_seconds",
	    "When a checkpoint was last signed or found to stand.",
	    published_time },
	{ "tally_verified_size", "Records verified up to.", verified_size },
	{ "tally_verified_whole_timestamp_seconds",
	    "When the whole log was last verified and intact; 0: never.",
	    whole_time },
	{ "tally_cycle_timestamp_seconds", "When a cycle was last finished.",
	    cycle_time },
	{ "tally_breaks", "Open breaks of the log.", breaks },
	{ "tally_troubles", "Open alerts that are no breaks.", troubles },
};

static void
put_states(FILE *out, struct watch_target *targets, size_t count)
{
	static const char *const states[] = { "intact", "broken",
		"never-verified" };

	fputs("# HELP tally_state Which of the three states the log is in.\n"
	      "# TYPE tally_state gauge\n",
	    out);
	for (size_t i = 0; i < count; i++) {
		for (size_t s = 0; s < 3; s++)
			fprintf(out,
			    "tally_state{target=\"%s\",state=\"%s\"} %d\n",
			    targets[i].name, states[s],
			    strcmp(watch_target_state(&targets[i]),
				states[s]) == 0);
	}
}

static void
put_sink(FILE *out, const char *name, const char *help,
    struct watch_target *targets, size_t count,
    double (*value)(const struct tally_sink_status *status))
{
	fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
	for (size_t i = 0; i < count; i++) {
		size_t sinks = targets[i].outside == NULL
		    ? 0
		    : tally_outside_count(targets[i].outside);

		for (size_t s = 0; s < sinks; s++) {
			struct tally_sink_status status;

			tally_outside_status(targets[i].outside, s, &status);
			fprintf(out, "%s{target=\"%s\",sink=\"%s\"} %.17g\n",
			    name, targets[i].name, status.name, value(&status));
		}
	}
}

static double
sink_lag(const struct tally_sink_status *status)
{
	return status->offered_size < status->sent_size
	    ? 0
	    : (double)(status->offered_size - status->sent_size);
}

static double
sink_queued(const struct tally_sink_status *status)
{
	return (double)status->queued;
}

static double
sink_failing(const struct tally_sink_status *status)
{
	return seconds(status->failing_since_us);
}

static double
sink_full(const struct tally_sink_status *status)
{
	return status->full;
}

char *
watch_metrics(struct watch_target *targets, size_t count)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	put_states(out, targets, count);
	for (size_t g = 0; g < sizeof(gauges) / sizeof(gauges[0]); g++) {
		fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", gauges[g].name,
		    gauges[g].help, gauges[g].name);
		for (size_t i = 0; i < count; i++)
			fprintf(out, "%s{target=\"%s\"} %.17g\n",
			    gauges[g].name, targets[i].name,
			    gauges[g].value(&targets[i]));
	}
	put_sink(out, "tally_sink_lag_records",
	    "Records under the last checkpoint that the sink has not got.",
	    targets, count, sink_lag);
	put_sink(out, "tally_sink_queued_lines", "Lines in the sink's queue.",
	    targets, count, sink_queued);
	put_sink(out, "tally_sink_failing_since_timestamp_seconds",
	    "Since when the sink fails; 0: it does not.", targets, count,
	    sink_failing);
	put_sink(out, "tally_sink_queue_full", "The queue takes no more.",
	    targets, count, sink_full);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
